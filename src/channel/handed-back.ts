/**
 * A record of a channel that this side knows, and may know from an old copy of its data
 * (RESTORE-4): the turns since the copy, and the channel of an opening that the copy has given up;
 * and the wait of a side that knows that its data is a copy (RESTORE-10).
 */
import type { ChannelRecord, Network } from '../../protocols/paychan/1.0/index.js'
import { sameBytes } from '../types/bytes.js'
import { alarm, PaychanError } from '../types/errors.js'
import { type BlockHeight, min } from '../types/units.js'
import { become, type Effect, type Transition } from './effects.js'
import type { Env } from './env.js'
import { balances, type HeldState, initialBalance } from './ledger.js'
import { adoptRecord, provenStates } from './restoring.js'
import { lastTurnAt, lockOf, publishHeightOf, stateBefore, type StateRef } from './schedule.js'
import {
  type Abandoned,
  type Channel,
  type EndedTurn,
  type Established,
  NO_WISHES
} from './state.js'
import { attempt, must, Violation } from './violation.js'

/** Handles the peer's record of this channel. */
export function onHandedBack(
  channel: Channel,
  record: ChannelRecord,
  network: Network,
  env: Env
): Transition {
  switch (channel.stage) {
    case 'abandoned':
      return adoptRecord(record, { ...channel, network }, envOfGivenUp(channel, record, env))
    case 'established':
      return takeLaterTurns(channel, record, env)
    default:
      return become(channel)
  }
}

/**
 * The inputs for the checks of a record whose channel this side has given up: its own keys and its
 * own outpoint belong to no other channel.
 */
export function envOfGivenUp(
  { role, theirKey, outPoint }: Abandoned,
  { open, accept }: Pick<ChannelRecord, 'open' | 'accept'>,
  env: Env
): Env {
  // The side is proved to be ours by its keys.
  const ours = (role === 'client' ? open : accept).channelKey
  return {
    ...env,
    isKnownKey: (key) =>
      !sameBytes(key, ours) &&
      !(theirKey !== undefined && sameBytes(key, theirKey)) &&
      env.isKnownKey(key),
    isKnownOutPoint: (other) =>
      !(outPoint?.txid === other.txid && outPoint.vout === other.vout) && env.isKnownOutPoint(other)
  }
}

/**
 * RESTORE-4: a side that has found out that it may be on an old copy takes the turns that it has
 * forgotten. Nothing that the peer could gain by rests on its word: the states are checked against
 * our own terms, each is signed by its payer, they go on from our own, and what we hold of the turn
 * that is our newest never becomes less. The channel has stopped, and stays so.
 */
function takeLaterTurns(channel: Established, record: ChannelRecord, env: Env): Transition {
  const { ledger, stopped, mayHaveForgotten } = channel
  if (mayHaveForgotten !== true || record.states.length <= ledger.turn + 1) {
    return become(channel)
  }
  const later = attempt('RESTORE-5', () => laterTurns(channel, record, env))
  if (later instanceof Violation) {
    const text = `The peer names later turns of the channel, and cannot prove them (${later.rule}): ${later.message}`
    return become(channel, alarm(PaychanError.of(later.code, text, later.facts)))
  }
  const { inFlight } = ledger
  const payments = inFlight.flatMap((update) => update.payments)
  // REEST-8: other updates may have taken their numbers since the copy.
  const unknown: Effect[] =
    payments.length === 0
      ? []
      : [{ type: 'payments-unknown', payments, reason: stopped?.reason ?? '' }]
  return become(later, ...unknown, {
    type: 'notify',
    txid: later.outPoint.txid,
    news: {
      kind: 'handed-back',
      share: balances(later.terms, later.ledger)[later.role],
      capacity: later.terms.capacity,
      state: later.ledger.held?.sequence ?? 0
    }
  })
}

/** @throws Violation when the states are not proved, or do not go on from ours */
function laterTurns(channel: Established, record: ChannelRecord, env: Env): Established {
  const { ledger, ended, role, terms, onChain } = channel
  const newestTurn = record.states.length - 1
  // What has matured already is published at once: the peer would choose the hour, and the fee.
  must(
    onChain.fundingHeight === undefined || newestTurn <= lastTurnAt(terms, onChain.fundingHeight),
    'TURN-3',
    'ERR_WRONG_TURN',
    `Turn ${newestTurn} cannot have begun since the funding transaction was mined.`,
    { turn: newestTurn, fundingHeight: onChain.fundingHeight }
  )
  const proven = provenStates(record, channel, role, env)
  const newest = proven.ended[ledger.turn]
  must(
    ended.every((known, turn) => isSame(known, proven.ended[turn])) &&
      newest !== undefined &&
      newest.sequence >= (ledger.held?.sequence ?? 0) &&
      newest.payerBalance <= (ledger.held?.payerBalance ?? initialBalance(terms)),
    'RESTORE-4',
    'ERR_OUT_OF_ORDER',
    `The states do not go on from those that this node has of the turns up to ${ledger.turn}.`
  )
  // Nobody lists the payments since the copy.
  const paymentCount = ledger.held?.paymentCount ?? 0
  const held: HeldState | undefined = proven.ledger.held && { ...proven.ledger.held, paymentCount }
  const { inFlight } = ledger
  return {
    ...channel,
    ...(channel.copied === undefined ? {} : { copied: undefined }),
    ledger: { ...proven.ledger, held },
    ended: [
      ...ended,
      ...proven.ended.slice(ended.length).map((turn) => ({ ...turn, paymentCount }))
    ],
    wishes: NO_WISHES,
    knownTurn: channel.knownTurn ?? ledger.turn,
    ...(inFlight.length === 0
      ? {}
      : {
          doubted: {
            after: ledger.held?.sequence ?? 0,
            upTo: inFlight.reduce((last, { sequence }) => Math.max(last, sequence), 0)
          }
        })
  }
}

function isSame(known: EndedTurn, told: EndedTurn | undefined): boolean {
  return told?.sequence === known.sequence && told.payerBalance === known.payerBalance
}

/*
 * A channel of data that was put back from a backup (RESTORE-10): the states in it may be old ones,
 * and the peer has not said yet where the channel stands. (Data that went back unseen is found out
 * when the two talk, REEST-4; this side knows it before.)
 */

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
