/**
 * The payments that are possible on a channel, and why others are not: the one place that says so,
 * for the payer that signs, the payee that checks, the plan of a payment over several channels, the
 * short way of the engine to one channel, and people.
 */
import type { Role } from '../bitcoin/keys.js'
import { adviceOf } from '../types/error-advice.js'
import { PaychanError } from '../types/errors.js'
import { formatAmount, max, min, satoshi, type Satoshi, ZERO_SAT } from '../types/units.js'
import { type Env, notWatched } from './env.js'
import { isBuried } from './funding.js'
import { balances, signedBalance } from './ledger.js'
import { lastPaymentHeightOf, lastTurnAt, mayPay, payerOf } from './schedule.js'
import { stakeOfPayee } from './stakes.js'
import { type Channel, type Established, isFrozen, spendInSight } from './state.js'
import { belowMinTurn, noTurnLeft, refusalInForce } from './turns.js'

/* Tells whether a channel takes payments at all, in either side's turn. */

/**
 * Returns the channel when it takes payments at all, in either side's turn; else the reason why
 * not.
 *
 * @param payer - this side when left out
 */
export function channelRefusal(
  channel: Channel,
  env: Pick<Env, 'height' | 'isWatched'>,
  payer: Role = channel.role
): Established | PaychanError {
  if (
    channel.stage !== 'established' ||
    !channel.ready.ours ||
    !channel.ready.theirs ||
    channel.ledger.held === undefined
  ) {
    return new PaychanError(
      'ERR_CHANNEL_NOT_OPEN',
      channel.stage === 'abandoned'
        ? `The channel was abandoned: ${channel.reason}`
        : 'The channel is not open yet; wait until `paychan channels` shows it as open.',
      { stage: channel.stage }
    )
  }
  const { terms, ledger } = channel
  if (!mayPay(terms, payer)) {
    return new PaychanError(
      'ERR_NOT_THE_PAYER',
      'In this channel the other side pays; open a channel of your own to pay it.',
      { role: channel.role }
    )
  }
  if (
    spendInSight(channel) !== undefined ||
    channel.publication !== undefined ||
    isFrozen(channel)
  ) {
    return new PaychanError(
      'ERR_CHANNEL_CLOSED',
      'The channel is closing or closed; open a new one.'
    )
  }
  if (channel.stopped !== undefined) {
    return new PaychanError(
      'ERR_CHANNEL_STOPPED',
      `The channel takes no more payments: ${channel.stopped.reason}`,
      { code: channel.stopped.code }
    )
  }
  if (channel.link !== 'live') {
    return new PaychanError(
      'ERR_PEER_UNREACHABLE',
      'The peer is not connected; the payment was not sent.',
      { peer: channel.peer }
    )
  }
  const { height } = env
  if (height === undefined) {
    return new PaychanError(
      'ERR_CHAIN_UNAVAILABLE',
      'The chain has not been seen yet; the payment was not sent.'
    )
  }
  if (!env.isWatched) return notWatched() // UPD-20
  if (!isBuried(channel, env)) {
    // FUND-4
    return new PaychanError(
      'ERR_CHANNEL_NOT_OPEN',
      'A reorganisation of the chain took the funding transaction back; wait until it is confirmed again.'
    )
  }
  const lastPaymentHeight = lastPaymentHeightOf(terms, ledger.turn)
  if (height > lastPaymentHeight) {
    // UPD-12
    return new PaychanError(
      'ERR_CHANNEL_EXPIRED',
      `The last payment on this channel was at height ${lastPaymentHeight}, and the tip is at ${height}; close it and open a new one.`,
      { height, lastPaymentHeight }
    )
  }
  return channel
}

/** The payments that one side could make next. */
export interface Quote {
  /** True when paying takes the turn first. */
  readonly takesTurn: boolean
  /** What the payer has left; what is signed is gone, acknowledged or not (UPD-18). */
  readonly left: Satoshi
  /** The limit of all further payments together; 0 when there can be none. */
  readonly room: Satoshi
  /**
   * The least amount of the next payment: the first of a channel is worth settling (UPD-10), a turn
   * is worth its step (TURN-1).
   */
  readonly least: Satoshi
  /** The largest amount of one payment (UPD-6). */
  readonly most: Satoshi
  /** What the payee has at stake by now, and may have at most (UPD-11). */
  readonly stake: { readonly now: bigint; readonly most: Satoshi }
  /**
   * Why no payment can be made now, whatever its amount; what is said above then holds once that
   * has passed, as far as it passes.
   */
  readonly refusal: PaychanError | undefined
}

/** An amount that cannot be paid: the rule that it would break, and the error of whoever pays. */
export interface AmountRefusal {
  readonly rule: 'UPD-13' | 'UPD-3' | 'UPD-11' | 'UPD-10' | 'UPD-6' | 'TURN-1'
  readonly error: PaychanError
}

const ONE_SAT = satoshi(1n) // UPD-13

const NOTHING = {
  takesTurn: false,
  left: ZERO_SAT,
  room: ZERO_SAT,
  least: ZERO_SAT,
  most: ZERO_SAT,
  stake: { now: 0n, most: ZERO_SAT }
}

/**
 * The payments that a side could make on a channel, in its turn or in the next one, or why it can
 * make none. A refusal of the turn counts as long as it stands (TURN-5).
 *
 * @param payer - this side when left out
 */
export function quote(
  channel: Channel,
  env: Pick<Env, 'height' | 'isWatched'>,
  payer: Role = channel.role
): Quote {
  const open = channelRefusal(channel, env, payer)
  const refusal = open instanceof PaychanError ? open : undefined
  if (channel.stage !== 'established') return { ...NOTHING, refusal }
  const { terms, ledger } = channel
  if (payerOf(ledger.turn) === payer) {
    return { ...quoteInTurn(channel, signedBalance(ledger, terms)), refusal }
  }
  const { minTurnAmount, maxInFlightValue } = terms.limits
  const left = balances(terms, ledger)[payer]
  const refused = payer === channel.role ? refusalInForce(channel, env.height) : undefined
  const isLast = env.height === undefined || ledger.turn + 1 > lastTurnAt(terms, env.height)
  return {
    takesTurn: true,
    left,
    room: refused !== undefined || isLast || left < minTurnAmount ? ZERO_SAT : left,
    least: max(minTurnAmount, ONE_SAT),
    most: maxInFlightValue,
    stake: NOTHING.stake,
    refusal:
      refusal ??
      (refused && PaychanError.of(refused.code, refused.message, refused.facts)) ??
      noTurnLeft(channel, env)
  }
}

/** The payments that the payer of the turn could still make when it is left with `left`. */
export function quoteInTurn(channel: Established, left: bigint): Omit<Quote, 'refusal'> {
  const { capacity, limits } = channel.terms
  const stake = stakeOfPayee(channel, left)
  return {
    takesTurn: false,
    left: satoshi(left),
    room: satoshi(min(left, max(0n, limits.maxStake - stake))), // UPD-11
    least: left === capacity ? max(limits.minFirstPayment, ONE_SAT) : ONE_SAT,
    most: limits.maxInFlightValue,
    stake: { now: stake, most: limits.maxStake }
  }
}

/** True when a payment of `amount` is possible by what was quoted. */
export function fits(quote: Omit<Quote, 'refusal'>, amount: bigint): boolean {
  return amount >= quote.least && amount <= quote.room && amount <= quote.most
}

/** Why no payment of `amount` is possible by what was quoted; undefined when one is. */
export function amountRefusal(
  quote: Omit<Quote, 'refusal'>,
  amount: bigint
): AmountRefusal | undefined {
  if (fits(quote, amount)) return undefined
  const { takesTurn, room, least, most, stake } = quote
  const refusal = shareRefusal(quote, amount)
  if (refusal !== undefined) return refusal
  if (takesTurn && amount < least) return { rule: 'TURN-1', error: belowMinTurn(amount, least) }
  if (!takesTurn && amount > room) {
    const wouldBe = stake.now + amount
    const error = new PaychanError(
      'ERR_STAKE_TOO_HIGH',
      `At most ${formatAmount(stake.most)} may be at stake in this channel; it would be ${formatAmount(wouldBe)}. ${adviceOf('ERR_STAKE_TOO_HIGH')}`,
      { stake: wouldBe, most: stake.most }
    )
    return { rule: 'UPD-11', error }
  }
  if (amount < least) {
    const error = new PaychanError(
      'ERR_BELOW_MIN_FIRST_PAYMENT',
      `The first payment on this channel has to be at least ${formatAmount(least)}, so that it is worth settling; ${formatAmount(amount)} were asked for.`,
      { asked: amount, least }
    )
    return { rule: 'UPD-10', error }
  }
  if (amount <= most) return undefined
  const error = new PaychanError(
    'ERR_ABOVE_IN_FLIGHT_LIMIT',
    `The peer takes at most ${formatAmount(most)} in one payment; split it.`,
    { asked: amount, most }
  )
  return { rule: 'UPD-6', error }
}

/** Why the payer's share does not allow a payment of `amount`, whoever has the turn. */
export function shareRefusal(
  { left }: Pick<Quote, 'left'>,
  amount: bigint
): AmountRefusal | undefined {
  if (amount <= 0n) {
    const error = new PaychanError('ERR_INVALID_AMOUNT', 'A payment is at least 1 sat.', {
      asked: amount
    })
    return { rule: 'UPD-13', error }
  }
  if (amount <= left) return undefined
  const error = new PaychanError(
    'ERR_INSUFFICIENT_BALANCE',
    `Asked to pay ${formatAmount(amount)}, but ${formatAmount(left)} are left in this channel.`,
    { asked: amount, left }
  )
  return { rule: 'UPD-3', error }
}
