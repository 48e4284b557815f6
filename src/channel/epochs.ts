/**
 * How two sides notice that one of them was restored from an old copy of its data, or runs twice
 * (REEST-7): each counts the `Reestablish`es that it sends, and tells the other how far it has
 * seen it count. What is on disk of this count can only fall behind when the disk went back.
 */
import { max, min } from '../types/units.js'

/** Numbers of `Reestablish`es of one channel. */
export interface Epochs {
  /** Of the last one that we have sent; raised, on disk, before each. */
  readonly ours: number
  /** The highest that we have seen of the peer. */
  readonly theirs: number
  /** The highest of ours that the peer is known to have on its disk. */
  readonly seen: number
}

/** Before the first `Reestablish`. */
export const NEW_EPOCHS: Epochs = { ours: 0, theirs: 0, seen: 0 }

/** Who has gone back: the peer, this node, or one of the two, which then runs twice. */
export type Relapse = 'the peer' | 'this node' | 'a copy'

const HIGHEST = 0xffff_ffff

/** The epochs to send the next `Reestablish` with. */
export function raised(epochs: Epochs): Epochs {
  return { ...epochs, ours: min(epochs.ours + 1, HIGHEST) }
}

/**
 * Takes in the epochs of a `Reestablish`. `isAnswer`: it answers one of ours on the same stream.
 *
 * A lower epoch than one that was seen before condemns nobody when it opens a stream: on a slow
 * network an honest stream may arrive after the one that took its place. It is answered, and
 * whoever opened it, if it still listens, learns from `peer_epoch` that it is the copy.
 */
export function compareEpochs(
  epochs: Epochs,
  epoch: number,
  peerEpoch: number,
  isAnswer: boolean
): { readonly epochs: Epochs; readonly relapse: Relapse | undefined } {
  const { ours, theirs, seen } = epochs
  return {
    epochs: {
      ours: max(ours, peerEpoch),
      theirs: max(theirs, epoch),
      seen: max(seen, min(peerEpoch, ours))
    },
    relapse:
      peerEpoch > ours
        ? 'this node'
        : epoch === theirs || (isAnswer && epoch < theirs)
          ? 'a copy'
          : epoch > theirs && peerEpoch < seen
            ? 'the peer'
            : undefined
  }
}
