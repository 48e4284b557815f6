/**
 * Two-way channels: the turn as a token. Only the payer of a turn signs; the payee asks for the
 * next turn, the payer grants it when nothing of its own is in flight, and what the new payer signs
 * matures `step` blocks before everything that was signed before (spec.md, "Turns").
 */
import type {
  Payment,
  Reestablish,
  TurnGrant,
  TurnRefuse,
  TurnRequest
} from '../../protocols/paychan/1.0/index.js'
import type { BlockHeight, Satoshi } from '../types/units.js'
import { formatAmount, satoshi, subSat } from '../types/units.js'
import { adviceOf } from '../types/error-advice.js'
import { PaychanError } from '../types/errors.js'
import { channelRefusal } from './channel-refusal.js'
import { become, type Effect, type Transition } from './effects.js'
import type { Env } from './env.js'
import { confirmations, isBuried } from './funding.js'
import { balances, nextSequence } from './ledger.js'
import { lastTurnAt, lockOf, payeeOf, payerOf } from './schedule.js'
import {
  isFrozen,
  NO_WISHES,
  spendInSight,
  type Channel,
  type Established,
  type TurnWishes
} from './state.js'
import { stop } from './stopping.js'
import { Violation } from './violation.js'

/**
 * Updates that a payer may still send once the peer has asked for the turn: so neither side starves
 * the other side.
 */
const MOST_AFTER_REQUEST = 64

/** TURN-7: blocks after which a turn that was granted and not used ends in a close. */
const UNUSED_TURN_BLOCKS = 12

/**
 * The need of payments that wait in front of a channel: `ask` for the turn, `wait` for the answer,
 * or `none` of these.
 */
export function turnNeed(channel: Channel): 'none' | 'ask' | 'wait' {
  if (
    channel.stage !== 'established' ||
    channel.terms.mode !== 'two-way' ||
    channel.link !== 'live'
  ) {
    return 'none'
  }
  if (
    payerOf(channel.ledger.turn) === channel.role ||
    channel.wishes.refused !== undefined ||
    hasEnded(channel)
  ) {
    return 'none'
  }
  if (!channel.ready.ours || !channel.ready.theirs || channel.ledger.held === undefined) {
    return 'none'
  }
  return channel.wishes.asked === undefined ? 'ask' : 'wait'
}

function hasEnded(channel: Established): boolean {
  return (
    isFrozen(channel) ||
    channel.stopped !== undefined ||
    channel.publication !== undefined ||
    spendInSight(channel) !== undefined
  )
}

/** TURN-1: payments wait, and it is not our turn. */
export function onAskTurn(channel: Channel, payments: readonly Payment[], env: Env): Transition {
  if (channel.stage !== 'established' || turnNeed(channel) !== 'ask') return become(channel)
  const refusal = refusalToAsk(channel, payments, env)
  if (refusal !== undefined) {
    const { code, message, facts } = refusal
    return become(withWishes(channel, { refused: { code, message, facts, notBefore: undefined } }))
  }
  const turn = channel.ledger.turn + 1
  return become(withWishes(channel, { asked: turn }), {
    type: 'send',
    message: { type: 'TurnRequest', turn, amount: payableOf(channel, payments) }
  })
}

/** The part of the payments that our balance covers, in their order. */
function payableOf(channel: Established, payments: readonly Payment[]): Satoshi {
  const balance = balances(channel.terms, channel.ledger)[channel.role]
  return satoshi(
    payments.reduce(
      (sum, { amount }) => (amount > 0n && sum + amount <= balance ? sum + amount : sum),
      0n
    )
  )
}

function refusalToAsk(
  channel: Established,
  payments: readonly Payment[],
  env: Env
): PaychanError | undefined {
  const closed = channelRefusal(channel, env)
  if (closed instanceof PaychanError) return closed
  const amount = payableOf(channel, payments)
  const left = balances(channel.terms, channel.ledger)[channel.role]
  if (amount === 0n) {
    return new PaychanError(
      'ERR_INSUFFICIENT_BALANCE',
      `Asked to pay ${formatAmount(payments[0]?.amount ?? 0n)}, but ${formatAmount(left)} are ours in this channel.`,
      { asked: payments[0]?.amount ?? 0n, left }
    )
  }
  const least = channel.terms.limits.minTurnAmount
  return amount < least ? belowMinTurn(amount, least) : noTurnLeft(channel, env)
}

/** TURN-1. */
export function belowMinTurn(amount: bigint, least: Satoshi): PaychanError {
  return new PaychanError(
    'ERR_BELOW_MIN_TURN',
    `It is the other side's turn to pay, and a new turn is worth at least ${formatAmount(least)}; ${formatAmount(amount)} are to be paid. ${adviceOf('ERR_BELOW_MIN_TURN')}`,
    { asked: amount, least }
  )
}

/** TURN-3: the reason why the direction of a channel cannot change any more. */
export function noTurnLeft(
  { terms, ledger }: Established,
  { height }: Pick<Env, 'height'>
): PaychanError | undefined {
  if (height === undefined || ledger.turn + 1 <= lastTurnAt(terms, height)) return undefined
  const lock = lockOf(terms, ledger.turn)
  return new PaychanError(
    'ERR_NO_TURN_LEFT',
    `The direction of this channel cannot change any more: the states of another turn would mature at height ${lock - terms.step}, and the tip is at ${height}. ${adviceOf('ERR_NO_TURN_LEFT')}`,
    { height, lock: lock - terms.step, turn: ledger.turn }
  )
}

/**
 * A free turn, and the first half of all turns, go out at once; each further turn has to wait for
 * `step` blocks more since the funding (TURN-8).
 */
function pacedUntil({ terms, ledger, onChain }: Established): number {
  const { fundingHeight } = onChain
  if (fundingHeight === undefined) return 0
  const free = Math.max(1, Math.ceil(lastTurnAt(terms, fundingHeight) / 2))
  return fundingHeight + (ledger.turn + 1 - free) * terms.step
}

/**
 * Handles the payee's wish to pay. It is answered as soon as nothing of ours is in flight
 * (`onGrantTurn`), or refused now.
 */
export function onTurnRequest(channel: Established, request: TurnRequest, env: Env): Transition {
  const { ledger, role, wishes } = channel
  const fault =
    payerOf(ledger.turn) !== role
      ? `Turn ${request.turn} was asked for by the payer of turn ${ledger.turn}.`
      : request.turn !== ledger.turn + 1
        ? `Turn ${request.turn} was asked for in turn ${ledger.turn}.`
        : wishes.theirs === undefined
          ? undefined
          : `Turn ${request.turn} was asked for again before the first request was answered.`
  if (fault !== undefined) {
    return stop(
      channel,
      new Violation('TURN-1', 'ERR_UNEXPECTED_TURN', fault, {
        asked: request.turn,
        turn: ledger.turn
      })
    )
  }
  const refusal = refusalToGrant(channel, request.amount, env)
  if (refusal !== undefined) return become(channel, refusal)
  return become(withWishes(channel, { theirs: { sequence: nextSequence(ledger) - 1 } }))
}

/** TURN-5, `not_before`: the refusal is for good. */
const FOR_GOOD = 0

/**
 * TURN-5, `not_before`: every tip is at this height, so a side that has something to pay may ask
 * again at once.
 */
const AT_ONCE = 1

/**
 * A refusal as a message; undefined when the turn can be granted. When the cause may pass, the
 * refusal is for the moment only (TURN-9).
 */
function refusalToGrant(
  channel: Established,
  amount: bigint | undefined,
  env: Env
): Effect | undefined {
  const { terms, ledger, role } = channel
  const refuse = (code: string, notBefore: number, text: string): Effect => ({
    type: 'send',
    message: { type: 'TurnRefuse', turn: ledger.turn + 1, code, notBefore, text }
  })
  if (isFrozen(channel) || channel.stopped !== undefined || channel.publication !== undefined) {
    return refuse(
      'ERR_CHANNEL_CLOSED',
      FOR_GOOD,
      'The channel is closing; it takes no payments any more.'
    )
  }
  if (env.height === undefined) {
    return refuse('ERR_NOT_READY', AT_ONCE, "The payer's node does not see the chain just now.")
  }
  if (!env.isWatched) {
    return refuse(
      'ERR_NOT_READY',
      AT_ONCE,
      "No server tells the payer's node just now what happens to the channel on the chain."
    )
  } // UPD-20
  if (spendInSight(channel) !== undefined) {
    return refuse(
      'ERR_CHANNEL_CLOSED',
      env.height + 1,
      "The chain shows the payer's node a transaction that ends the channel."
    )
  }
  if (!isBuried(channel, env)) {
    return refuse(
      'ERR_CHANNEL_NOT_OPEN',
      env.height + 1,
      `By what the payer's node sees, the funding has ${confirmations(channel, env)} of ${terms.minDepth} confirmations: a reorganisation may have taken it back.`
    )
  }
  const theirs = balances(terms, ledger)[role === 'client' ? 'server' : 'client']
  if (
    amount !== undefined &&
    (amount < terms.limits.minTurnAmount || amount === 0n || amount > theirs)
  ) {
    return refuse(
      'ERR_BELOW_MIN_TURN',
      AT_ONCE,
      `A turn is worth ${formatAmount(terms.limits.minTurnAmount)} to ${formatAmount(theirs)}; ${formatAmount(amount)} were named.`
    )
  }
  const none = noTurnLeft(channel, env)
  if (none !== undefined) return refuse(none.code, FOR_GOOD, none.message)
  const notBefore = pacedUntil(channel)
  if (env.height >= notBefore) return undefined
  if (lastTurnAt(terms, notBefore) < ledger.turn + 1) {
    return refuse(
      'ERR_NO_TURN_LEFT',
      FOR_GOOD,
      'The turns of this channel have been used up faster than its blocks went by.'
    )
  }
  return refuse(
    'ERR_TURN_TOO_EARLY',
    notBefore,
    `Turns are granted in step with the blocks; the next one from height ${notBefore} on.`
  )
}

/**
 * True when the turn that the peer wants can be handed over. `isWaiting`: payments of ours wait.
 */
export function grantDue(channel: Channel, isWaiting: boolean): boolean {
  if (
    channel.stage !== 'established' ||
    channel.wishes.theirs === undefined ||
    channel.ledger.inFlight.length > 0
  ) {
    return false
  }
  return !isWaiting || mustYield(channel)
}

/** True when a payer has to let the peer have its turn before it signs any more. */
export function mustYield({ ledger, wishes }: Established): boolean {
  return (
    wishes.theirs !== undefined &&
    nextSequence(ledger) - 1 - wishes.theirs.sequence >= MOST_AFTER_REQUEST
  )
}

/**
 * TURN-2: grants the turn: from here on we sign nothing in it. The commit before the effects makes
 * the grant durable before it leaves.
 */
export function onGrantTurn(channel: Channel, env: Env): Transition {
  if (channel.stage !== 'established' || !grantDue(channel, false) || channel.link !== 'live') {
    return become(channel)
  }
  const refusal = refusalToGrant(channel, undefined, env)
  if (refusal !== undefined) return become(withWishes(channel, { theirs: undefined }), refusal)
  const granted = nextTurn(channel, env.height)
  const { turn, held } = granted.ledger
  return become(
    granted,
    { type: 'send', message: { type: 'TurnGrant', turn, sequence: held?.sequence ?? 0 } },
    { type: 'notify', news: { kind: 'turn-granted', turn, matures: lockOf(granted.terms, turn) } }
  )
}

/**
 * TURN-4: the turn is ours, also where the grant crosses a close of ours: then nothing is signed in
 * the turn (CLOSE-6), but both know which turn it is.
 */
export function onTurnGrant(channel: Established, grant: TurnGrant): Transition {
  const { ledger, wishes } = channel
  if (
    wishes.asked !== grant.turn ||
    grant.turn !== ledger.turn + 1 ||
    grant.sequence !== ledger.held?.sequence
  ) {
    return stop(
      channel,
      new Violation(
        'TURN-4',
        'ERR_UNEXPECTED_TURN',
        `Turn ${grant.turn} was granted from update ${grant.sequence} on; asked for was ${wishes.asked ?? 'none'}, in turn ${ledger.turn}.`,
        { granted: grant.turn, turn: ledger.turn }
      )
    )
  }
  return taken(channel)
}

/** The turn was granted, and this side becomes its payer. */
export function taken(channel: Established): Transition<Established> {
  const state = nextTurn(channel, undefined)
  return become(state, {
    type: 'notify',
    news: {
      kind: 'turn-taken',
      turn: state.ledger.turn,
      matures: lockOf(state.terms, state.ledger.turn)
    }
  })
}

/** TURN-5. */
export function onTurnRefuse(
  channel: Established,
  { turn, code, notBefore, text }: TurnRefuse,
  env: Pick<Env, 'height'>
): Transition {
  if (channel.wishes.asked !== turn) {
    return stop(
      channel,
      new Violation(
        'TURN-5',
        'ERR_UNEXPECTED_TURN',
        `Turn ${turn} was refused, and not asked for.`,
        { refused: turn }
      )
    )
  }
  const next =
    notBefore === FOR_GOOD
      ? 'It never will on this channel: close it, or let the peer pay.'
      : (env.height ?? 0) >= notBefore
        ? 'Try again in a moment.'
        : `Try again from height ${notBefore} on.`
  const message = `It is the peer's turn to pay, and it does not hand over: ${text} ${next}`
  return become(
    withWishes(channel, {
      asked: undefined,
      refused: {
        code: code === 'ERR_NO_TURN_LEFT' ? code : 'ERR_TURN_REFUSED',
        message,
        facts: { peerCode: code, notBefore },
        notBefore
      }
    })
  )
}

/** TURN-6: the next turn begins with the last state of this one, its balances and its number. */
function nextTurn(channel: Established, grantedAt: BlockHeight | undefined): Established {
  const { ledger, terms } = channel
  const { turn, held } = ledger
  if (held === undefined) throw new Error('a turn ends before it has a state')
  const { sequence, payerBalance, paymentCount, signature } = held
  return {
    ...channel,
    ended: [...channel.ended, { turn, sequence, payerBalance, paymentCount, signature }],
    ledger: {
      ...ledger,
      turn: turn + 1,
      held: {
        sequence,
        payerBalance: subSat(terms.capacity, payerBalance),
        paymentCount,
        signature: undefined
      },
      inFlight: []
    },
    wishes: { ...NO_WISHES, grantedAt }
  }
}

/** TURN-7: true when we have granted the turn, and nothing was paid in it for long. */
export function isTurnUnused(channel: Established, { height }: Pick<Env, 'height'>): boolean {
  const from = unusedFrom(channel)
  return from !== undefined && height !== undefined && height >= from
}

/**
 * The height from which TURN-7 calls the turn unused; undefined when the turn has been used, or was
 * not granted by us.
 */
export function unusedFrom({ ledger, wishes, role }: Established): number | undefined {
  const isUsed = payeeOf(ledger.turn) !== role || ledger.held?.signature !== undefined
  return wishes.grantedAt === undefined || isUsed
    ? undefined
    : wishes.grantedAt + UNUSED_TURN_BLOCKS
}

/**
 * The reason why the peer may not be asked for the turn at this height (TURN-5); undefined when it
 * may.
 */
export function refusalInForce(
  { wishes: { refused } }: Established,
  height: number | undefined
): TurnWishes['refused'] {
  if (refused?.notBefore === undefined) return undefined
  return refused.notBefore !== FOR_GOOD && height !== undefined && height >= refused.notBefore
    ? undefined
    : refused
}

/**
 * Forgets a refusal that was for a time: the turn may be asked for again with a new tip, and once
 * the payments that waited have heard of it, so that each request is for another payment.
 */
export function forgetRefusal(channel: Established, height: number | undefined): Established {
  return channel.wishes.refused !== undefined && refusalInForce(channel, height) === undefined
    ? withWishes(channel, { refused: undefined })
    : channel
}

/**
 * The stream is gone: the peer asks again on the next one, if it still wants the turn. The turn
 * that we asked for may have been granted.
 */
export function forgetTheirWish(channel: Established): Established {
  return channel.wishes.theirs === undefined ? channel : withWishes(channel, { theirs: undefined })
}

/**
 * Both sides have said in which turn they are: an earlier request of ours is answered, or was lost.
 */
export function forgetOurWish(channel: Established): Established {
  return withWishes(channel, { asked: undefined })
}

/**
 * TURN-2: true when the grant was lost with its stream: the peer stands in the turn that we have
 * asked for, on the state that we hold.
 */
export function isLostGrant(
  { ledger, wishes, terms }: Established,
  { turn, sequence, payerBalance, signature }: Reestablish
): boolean {
  return (
    turn === wishes.asked &&
    turn === ledger.turn + 1 &&
    signature.length === 0 &&
    sequence === ledger.held?.sequence &&
    payerBalance === terms.capacity - ledger.held.payerBalance
  )
}

/**
 * TURN-2, from the granting side: true when we have granted the turn, and the peer does not know
 * yet.
 */
export function isGrantUnknown(
  { ledger, ended, role }: Established,
  { turn, sequence }: Reestablish
): boolean {
  return (
    turn === ledger.turn - 1 &&
    payeeOf(ledger.turn) === role &&
    ledger.held?.signature === undefined &&
    sequence === ended.at(-1)?.sequence
  )
}

function withWishes(channel: Established, changes: Partial<TurnWishes>): Established {
  return { ...channel, wishes: { ...channel.wishes, ...changes } }
}
