/**
 * A record of a channel that this side knows, and may know from an old copy of its data
 * (RESTORE-4): the turns since the copy, and the channel of an opening that the copy has given up.
 */
import type { ChannelRecord, Network } from '../../protocols/paychan/1.0/index.js'
import { sameBytes } from '../types/bytes.js'
import { alarm, PaychanError } from '../types/errors.js'
import { become, type Effect, type Transition } from './effects.js'
import type { Env } from './env.js'
import { balances, initialBalance, type HeldState } from './ledger.js'
import { adoptRecord, provenStates } from './restoring.js'
import { lastTurnAt } from './schedule.js'
import {
  NO_WISHES,
  type Abandoned,
  type Channel,
  type EndedTurn,
  type Established
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
