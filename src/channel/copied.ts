/**
 * A channel of data that was put back from a backup (RESTORE-10): the states in it may be old ones,
 * and the peer has not said yet where the channel stands. (Data that went back unseen is found out
 * when the two talk, REEST-4; this side knows it before.)
 */
import { PaychanError } from '../types/errors.js'
import { min, type BlockHeight } from '../types/units.js'
import { lockOf, publishHeightOf, stateBefore, type StateRef } from './schedule.js'
import type { Channel, Established } from './state.js'

/** Number of blocks that a state which is due waits for the peer: half an hour. */
const BLOCKS_FOR_PEER = 3

/** The channel as a backup has it. */
export function asCopied(channel: Channel): Channel {
  return channel.stage === 'established' ? { ...channel, copied: { dueSince: undefined } } : channel
}

/**
 * True while a due state is held back: the peer, who may hand over a newer one, has so many blocks
 * to come, but no more than half of those in which nothing else can be published. A spend that
 * servers show ends the wait, and so does what was signed or decided before the copy.
 */
export function isHeldForPeer(channel: Established, state: StateRef, height: number): boolean {
  const { copied, terms, onChain } = channel
  const older = stateBefore(state, 1)
  // T2 is the oldest state: at L nothing is left to be handed over.
  if (copied === undefined || older === undefined || onChain.shown.length > 0) return false
  const due = publishHeightOf(terms, state)
  const half = Math.floor((lockOf(terms, terms.mode === 'one-way' ? 'refund' : older) - due) / 2)
  const since = copied.dueSince ?? height
  return height < min(since + BLOCKS_FOR_PEER, due + half)
}

/** Notes the height at which this side first saw that a state is due. */
export function notedAsDue(
  channel: Established,
  state: StateRef,
  height: BlockHeight
): Established {
  return channel.copied === undefined ||
    channel.copied.dueSince !== undefined ||
    height < publishHeightOf(channel.terms, state)
    ? channel
    : { ...channel, copied: { dueSince: height } }
}

/** The channel once the peer has said where it stands; `theirTurn` is the peer's turn. */
export function heardFrom(channel: Established, theirTurn: number): Established {
  // Later turns come with the peer's record (RESTORE-4), which is asked for now.
  return channel.copied === undefined || theirTurn > channel.ledger.turn
    ? channel
    : { ...channel, copied: undefined }
}

/** RESTORE-10: the reason why a person cannot settle yet. */
export function settlesBlindly({ peer }: Established, from: BlockHeight): PaychanError {
  return new PaychanError(
    'ERR_BACKUP_MAY_BE_OLD',
    `This node was put back from a backup, and the peer ${peer} has not said since where the channel stands: to settle now could give away what was paid after the backup. Let the peer connect, or \`paychan connect\` to it; the state in the backup is published by itself from height ${from} on.`,
    { peer, from }
  )
}

/** The reason that `paychan channels` shows. */
export const AWAITS_PEER =
  'put back from a backup; nothing is paid or settled before the peer has said where the channel stands'
