/**
 * The payer's side of steps 7 and 9: signature and increment. A signed payment is spent: it cannot
 * be taken back, so everything is checked before the signature, and an unacknowledged payment is
 * unknown, not failed.
 */
import {
  isLongerThan,
  isPlainText,
  MAX_MEMO_BYTES,
  MAX_PAYMENTS_PER_UPDATE,
  type Payment,
  type Update,
  type UpdateAck
} from '../../protocols/paychan/1.0/index.js'
import { toHex } from '../types/bytes.js'
import { formatAmount, satoshi, type Satoshi } from '../types/units.js'
import { PaychanError } from '../types/errors.js'
import { amountRefusal, quote, quoteInTurn, shareRefusal } from './quote.js'
import { channelRefusal } from './channel-refusal.js'
import { become, type Effect, type Transition } from './effects.js'
import type { Env } from './env.js'
import {
  allDifferent,
  balances,
  type InFlightUpdate,
  inFlightValue,
  initialBalance,
  type Ledger,
  nextSequence,
  paymentsOf,
  signedBalance
} from './ledger.js'
import { exposureOfPayee } from './risk.js'
import { payerOf } from './schedule.js'
import { stateDigest } from './signing.js'
import type { Channel, Established } from './state.js'
import { stop } from './stopping.js'
import { forgetRefusal, mustYield, turnNeed } from './turns.js'
import { Violation } from './violation.js'

/**
 * Explains why a payment cannot be signed now, of a share of which `balance` is left; undefined when
 * it can. Refusals of the channel as a whole come first, then those of the amount.
 */
export function refusalOf(
  channel: Channel,
  payment: Payment,
  balance: Satoshi,
  env: Env
): PaychanError | undefined {
  const quoted = quote(channel, env)
  if (quoted.refusal !== undefined || channel.stage !== 'established') return quoted.refusal
  return quoted.takesTurn
    ? // The turn is asked for when the payment waits, for all that wait together; a refusal of the
      // turn now holds then as well.
      (refusedTurn(channel) ??
        memoRefusal(payment.memo) ??
        shareRefusal({ left: balance }, payment.amount)?.error)
    : (paymentRefusal(channel, payment, balance) ?? riskRefusal(channel, payment, balance, env))
}

/** Our balance, without what is signed away. */
export function ownBalance(channel: Established): Satoshi {
  const { terms, ledger, role } = channel
  return payerOf(ledger.turn) === role
    ? signedBalance(ledger, terms)
    : balances(terms, ledger)[role]
}

/** Returns the channel when payments can be signed on it; else the reason why not. */
function openForPaying(channel: Channel, env: Env): Established | PaychanError {
  const open = channelRefusal(channel, env)
  if (open instanceof PaychanError || payerOf(open.ledger.turn) === open.role) return open
  return (
    refusedTurn(open) ??
    new PaychanError('ERR_NOT_THE_PAYER', 'It is the turn of the other side to pay; try again.', {
      turn: open.ledger.turn
    })
  )
}

/** The reason why the turn that payments need cannot be had. */
function refusedTurn({ wishes: { refused } }: Established): PaychanError | undefined {
  return refused === undefined
    ? undefined
    : PaychanError.of(refused.code, refused.message, refused.facts)
}

/** The reason why this payment cannot be signed on a channel that takes payments. */
function paymentRefusal(
  channel: Established,
  payment: Payment,
  balance: Satoshi
): PaychanError | undefined {
  return (
    memoRefusal(payment.memo) ?? amountRefusal(quoteInTurn(channel, balance), payment.amount)?.error
  )
}

/** UPD-19, where the server asks for it: the check takes 1 or 2 ms. */
function riskRefusal(
  channel: Established,
  payment: Payment,
  balance: Satoshi,
  env: Env
): PaychanError | undefined {
  const { maxRisk } = channel.terms.limits
  if (maxRisk >= 100) return undefined
  const { risk, stake } = exposureOfPayee(channel, satoshi(balance - payment.amount), env) ?? {
    risk: 0,
    stake: 0n
  }
  if (risk * 100 <= maxRisk) return undefined
  return new PaychanError(
    'ERR_STAKE_TOO_HIGH',
    `By the fees seen, ${formatAmount(satoshi(stake))} of the peer would be at stake with a risk of ${(risk * 100).toFixed(0)} % that its state is in no block in time; it takes ${maxRisk} % at most. Pay on another channel, or when fees are lower.`,
    { stake, risk, mostRisk: maxRisk / 100 }
  )
}

/** Checks a memo; undefined when a payment may have it. */
export function memoRefusal(memo: string): PaychanError | undefined {
  if (isLongerThan(memo, MAX_MEMO_BYTES)) {
    // UPD-8
    return new PaychanError(
      'ERR_MEMO_TOO_LONG',
      `A memo is at most ${MAX_MEMO_BYTES} bytes of UTF-8; shorten it.`
    )
  }
  if (!isPlainText(memo)) {
    // WIRE-7
    return new PaychanError(
      'ERR_INVALID_MEMO',
      'A memo is one line of text without control characters.'
    )
  }
  return undefined
}

/**
 * Number of payments from the head of a queue that can be handled now, by signing or by refusing
 * them; the rest wait for acknowledgements (UPD-6, UPD-7).
 */
export function payableNow(channel: Channel, queue: readonly Payment[]): number {
  const most = Math.min(queue.length, MAX_PAYMENTS_PER_UPDATE)
  if (channel.stage !== 'established' || channel.link !== 'live') return most
  const { limits } = channel.terms
  const need = turnNeed(channel)
  if (
    need !== 'none' ||
    mustYield(channel) ||
    channel.ledger.inFlight.length >= limits.maxInFlightUpdates
  ) {
    return 0
  }
  let value: bigint = inFlightValue(channel.ledger, channel.terms)
  let count = 0
  for (const payment of queue.slice(0, most)) {
    if (payment.amount > 0n) value += payment.amount
    if (value > limits.maxInFlightValue) break
    count += 1
  }
  // Alone in an empty window, a payment that is too large for it is refused instead of waiting.
  return channel.ledger.inFlight.length === 0 ? Math.min(Math.max(count, 1), most) : count
}

/** Step 9: signs once over all payments that can be made; refuses the others one by one. */
export function onPay(channel: Channel, payments: readonly Payment[], env: Env): Transition {
  const open = openForPaying(channel, env)
  if (open instanceof PaychanError) {
    return become(
      channel.stage === 'established' ? forgetRefusal(channel, env.height) : channel,
      ...payments.map((payment): Effect => ({ type: 'payment-refused', payment, error: open }))
    )
  }
  const refused: Effect[] = []
  const accepted: Payment[] = []
  // UPD-14; mostly no ids need to be compared one by one.
  const ids = allDifferent(payments) ? undefined : new Set<string>()
  let balance = signedBalance(open.ledger, open.terms)
  let value = inFlightValue(open.ledger, open.terms)
  for (const payment of payments) {
    // Once one may be signed, so may the next ones: with a larger share a payee can bid more.
    const error =
      paymentRefusal(open, payment, balance) ??
      windowRefusal(open, payment, accepted.length, value) ??
      duplicateRefusal(payment, ids) ??
      (accepted.length > 0 ? undefined : riskRefusal(open, payment, balance, env))
    if (error !== undefined) {
      refused.push({ type: 'payment-refused', payment, error })
      continue
    }
    balance = satoshi(balance - payment.amount)
    value = satoshi(value + payment.amount)
    accepted.push(payment)
    ids?.add(toHex(payment.id))
  }
  if (accepted.length === 0) return become(channel, ...refused)
  const update = signUpdate(open, accepted, balance, env)
  return {
    state: withInFlight(open, update),
    log: [{ sequence: update.sequence, direction: 'sent', time: env.now, payments: accepted }],
    effects: [{ type: 'send', message: updateMessage(open.ledger, update) }, ...refused]
  }
}

/** UPD-14. `ids`: the accepted ids, when it is known that some are the same. */
function duplicateRefusal(
  payment: Payment,
  ids: ReadonlySet<string> | undefined
): PaychanError | undefined {
  if (ids === undefined) return undefined
  const id = toHex(payment.id)
  return ids.has(id)
    ? new PaychanError('ERR_DUPLICATE_PAYMENT', `The payment ${id} was asked for twice.`, { id })
    : undefined
}

/**
 * UPD-6 and UPD-7, for a caller that did not ask `payableNow` first. `count`: payments that are
 * already under this signature.
 */
function windowRefusal(
  { ledger, terms }: Established,
  payment: Payment,
  count: number,
  value: Satoshi
): PaychanError | undefined {
  if (count >= MAX_PAYMENTS_PER_UPDATE) {
    return new PaychanError(
      'ERR_WINDOW_FULL',
      `At most ${MAX_PAYMENTS_PER_UPDATE} payments go under one signature; try again at once.`
    )
  }
  const { maxInFlightUpdates, maxInFlightValue } = terms.limits
  if (ledger.inFlight.length < maxInFlightUpdates && value + payment.amount <= maxInFlightValue) {
    return undefined
  }
  return new PaychanError(
    'ERR_WINDOW_FULL',
    'Too much is signed and not yet acknowledged; try again once it is.',
    { inFlight: value }
  )
}

/** Step 7: the first T3 gives everything to the client (UPD-9). */
export function sendInitialUpdate(channel: Established, env: Env): Transition<Established> {
  const update = signUpdate(channel, [], initialBalance(channel.terms), env)
  return become(
    withInFlight(channel, update),
    { type: 'send', message: updateMessage(channel.ledger, update) },
    {
      type: 'notify',
      step: 7,
      news: {
        kind: 'first-state-signed',
        client: initialBalance(channel.terms),
        server: channel.terms.serverBalance
      }
    }
  )
}

function signUpdate(
  channel: Established,
  payments: readonly Payment[],
  payerBalance: Satoshi,
  env: Env
): InFlightUpdate {
  const signature = env.sign(stateDigest(channel, payerBalance))
  return { sequence: nextSequence(channel.ledger), payerBalance, payments, signature }
}

function withInFlight(channel: Established, update: InFlightUpdate): Established {
  return {
    ...channel,
    ledger: { ...channel.ledger, inFlight: [...channel.ledger.inFlight, update] }
  }
}

/** An update as it goes over the wire. */
export function updateMessage(ledger: Ledger, update: InFlightUpdate): Update {
  const { sequence, payerBalance, payments, signature } = update
  return { type: 'Update', turn: ledger.turn, sequence, payerBalance, payments, signature }
}

/** Step 8, and after every payment: everything up to the sequence is on the payee's disk. */
export function onUpdateAck(channel: Established, ack: UpdateAck): Transition {
  const { ledger } = channel
  const newest = ledger.inFlight.at(-1)?.sequence ?? ledger.held?.sequence ?? -1
  if (payerOf(ledger.turn) !== channel.role || ack.turn !== ledger.turn || ack.sequence > newest) {
    return stop(
      channel,
      new Violation(
        'UPD-15',
        'ERR_BAD_ACK',
        `The peer acknowledged update ${ack.sequence} of turn ${ack.turn}; the newest is ${newest} of turn ${ledger.turn}.`,
        { acknowledged: ack.sequence, newest }
      )
    )
  }
  return acknowledge(channel, ack.sequence)
}

/** Moves what the payee holds from in flight to held. Idempotent: an older ack changes nothing. */
export function acknowledge(channel: Established, sequence: number): Transition<Established> {
  const { ledger } = channel
  const done = ledger.inFlight.filter((update) => update.sequence <= sequence)
  const last = done.at(-1)
  if (last === undefined) return become(channel)
  const payments = paymentsOf(done)
  const held = {
    sequence: last.sequence,
    payerBalance: last.payerBalance,
    paymentCount: (ledger.held?.paymentCount ?? 0) + payments.length,
    signature: undefined
  }
  const state: Established = {
    ...channel,
    ledger: { ...ledger, held, inFlight: ledger.inFlight.slice(done.length) }
  }
  const effects: Effect[] =
    payments.length > 0 ? [{ type: 'payments-acknowledged', payments, upTo: last.sequence }] : []
  if (ledger.held === undefined) {
    effects.push({ type: 'notify', step: 8, news: { kind: 'first-state-acknowledged' } })
  }
  return become(state, ...effects)
}
