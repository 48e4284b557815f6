/**
 * Detects that one side was restored from an old copy of its data, or runs twice (REEST-7): each
 * side counts the `Reestablish`es that it sends, and tells the other the highest count it has seen
 * from it. This count on disk can only fall behind when the disk went back.
 */
import { max, min } from '../types/units.js'

/** Numbers of `Reestablish`es of one channel. */
export interface Epochs {
  /** The number of the last `Reestablish` that we sent; raised, on disk, before each. */
  readonly ours: number
  /** The highest number that we have seen from the peer. */
  readonly theirs: number
  /** The highest number of ours that the peer is known to have on its disk. */
  readonly seen: number
}

/** The epochs before the first `Reestablish`. */
export const NEW_EPOCHS: Epochs = { ours: 0, theirs: 0, seen: 0 }

/** The side that has gone back: the peer, this node, or one of the two, which then runs twice. */
export type Relapse = 'the peer' | 'this node' | 'a copy'

const HIGHEST = 0xffff_ffff

/** Raises the epochs for the next `Reestablish`. */
export function raised(epochs: Epochs): Epochs {
  return { ...epochs, ours: min(epochs.ours + 1, HIGHEST) }
}

/**
 * Takes in the epochs of a `Reestablish`. `isAnswer`: it answers one of ours on the same stream.
 *
 * An epoch lower than one seen before proves nothing when it opens a stream: on a slow network an
 * honest stream may arrive after its successor. It is answered, and its sender, if it still
 * listens, learns from `peer_epoch` that it is the copy.
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
