/**
 * The payee's side of steps 8 and 9. Several updates that wait at once are checked together: the
 * newest signature covers the others, one write makes them durable, one ack confirms them (UPD-5).
 */
import type { Update } from '../../protocols/paychan/1.0/index.js'
import { formatAmount, satoshi } from '../types/units.js'
import { become, type Effect, type Transition } from './effects.js'
import type { Env } from './env.js'
import { isBuried } from './funding.js'
import {
  allDifferent,
  heldBalance,
  type HeldState,
  initialBalance,
  paymentsOf,
  totalOf
} from './ledger.js'
import { payerOf, publishHeightOf } from './schedule.js'
import { amountRefusal, quoteInTurn } from './quote.js'
import { stateDigester } from './signing.js'
import { isFrozen, spendInSight, type Established } from './state.js'
import { stop } from './stopping.js'
import { attempt, errorMessage, must, Violation } from './violation.js'

/** Handles updates from the payer, oldest first. */
export function onUpdates(channel: Established, updates: readonly Update[], env: Env): Transition {
  if (takesNoMore(channel, env)) {
    // CLOSE-6: the updates crossed our close, or came after we stopped. They stay unacknowledged.
    const refusal = errorMessage(
      {
        code: 'ERR_CHANNEL_CLOSED',
        rule: 'UPD-17',
        message: 'The channel takes no more updates; these were not stored.'
      },
      false
    )
    return become(channel, { type: 'send', message: refusal })
  }
  if (payerOf(channel.ledger.turn) === channel.role) {
    return stop(
      channel,
      new Violation(
        'UPD-1',
        'ERR_NOT_THE_PAYER',
        'An update came from the side that is not the payer of this turn.'
      )
    )
  }
  if (channel.ready.ours && (env.height === undefined || !env.isWatched)) {
    // Earlier knowledge of T1 may be out of date, and no server tells.
    const refusal = errorMessage(
      {
        code: 'ERR_NOT_READY',
        rule: 'UPD-20',
        message:
          'No server tells this side just now what happens to the channel on the chain; these updates were not stored, send them again later.'
      },
      false
    )
    return become(channel, { type: 'send', message: refusal }, { type: 'hang-up' })
  }
  if (channel.ready.ours && !isBuried(channel, env)) {
    // FUND-4 after a reorg: this is not a fault of the payer, which sends the updates again.
    const refusal = errorMessage(
      {
        code: 'ERR_CHANNEL_NOT_OPEN',
        rule: 'FUND-4',
        message:
          'The funding is not deep enough just now; these updates were not stored, send them again later.'
      },
      false
    )
    return become(channel, { type: 'send', message: refusal }, { type: 'hang-up' })
  }
  const chain = followOn(channel, updates)
  const good = newestSigned(channel, chain.links, env)
  const violation =
    good.length < chain.links.length
      ? new Violation('UPD-4', 'ERR_BAD_SIGNATURE', 'The signature of an update is wrong.', {
          sequence: chain.links[good.length]?.update.sequence
        })
      : chain.violation
  const accepted = accept(channel, updates, good, env)
  if (violation === undefined) return accepted
  const stopped = stop(accepted.state, violation) // UPD-16
  return {
    state: stopped.state,
    log: [...accepted.log, ...stopped.log],
    effects: [...accepted.effects, ...stopped.effects]
  }
}

/**
 * UPD-17: true when updates are refused for good. From the settlement height on a T3 would race the
 * refund (TIME-1), whatever height the payer claims: it stopped signing 12 blocks before (UPD-12).
 */
function takesNoMore(channel: Established, env: Env): boolean {
  const tooLate =
    env.height !== undefined && env.height >= publishHeightOf(channel.terms, channel.ledger.turn)
  return (
    tooLate ||
    isFrozen(channel) ||
    channel.stopped !== undefined ||
    channel.publication !== undefined ||
    // Both have signed what is shown, also what an old copy has forgotten: it may be mined instead.
    spendInSight(channel) !== undefined
  )
}

/** An update and the state that it leads to. */
interface Link {
  readonly update: Update
  readonly state: HeldState
}

/**
 * Derives the states that the updates lead to, as far as they follow the rules; signatures are
 * checked later.
 */
function followOn(
  channel: Established,
  updates: readonly Update[]
): { links: Link[]; violation: Violation | undefined } {
  const links: Link[] = []
  let previous = channel.ledger.held
  for (const update of updates) {
    const next = attempt('UPD-3', () => follow(channel, previous, update))
    if (next instanceof Violation) return { links, violation: next }
    if (next === undefined) continue
    links.push({ update, state: next })
    previous = next
  }
  return { links, violation: undefined }
}

/**
 * Checks one update against the state before it. Undefined: the first update again, after a
 * reconnect.
 */
function follow(
  channel: Established,
  previous: HeldState | undefined,
  update: Update
): HeldState | undefined {
  const { terms, ledger } = channel
  must(
    update.turn === ledger.turn,
    'UPD-1',
    'ERR_WRONG_TURN',
    () => `An update of turn ${update.turn} came in turn ${ledger.turn}.`
  )
  if (update.sequence === 0 && previous !== undefined && update.payments.length === 0) {
    return undefined
  } // REEST-3
  const expected = (previous?.sequence ?? -1) + 1
  must(
    update.sequence === expected,
    'UPD-2',
    'ERR_OUT_OF_ORDER',
    () => `Update ${update.sequence} came where ${expected} was due.`,
    { sequence: update.sequence, expected }
  )
  if (previous === undefined) {
    must(
      update.payerBalance === initialBalance(terms) && update.payments.length === 0,
      'UPD-9',
      'ERR_BAD_INITIAL_STATE',
      'The first T3 has to give the client all that the server has not brought along.'
    )
    return {
      sequence: 0,
      payerBalance: initialBalance(terms),
      paymentCount: 0,
      signature: update.signature
    }
  }
  must(
    channel.ready.ours,
    'FUND-4',
    'ERR_CHANNEL_NOT_OPEN',
    'A payment came before the funding was deep enough.'
  )
  const balance = checkPayments(update, previous)
  const paid = previous.payerBalance - balance
  const refusal = amountRefusal(quoteInTurn(channel, previous.payerBalance), paid)
  // UPD-6 is a matter of all updates in flight.
  if (refusal !== undefined && refusal.rule !== 'UPD-6') {
    throw Violation.by(refusal.rule, refusal.error)
  }
  checkWindow(channel, update)
  return {
    sequence: update.sequence,
    payerBalance: satoshi(balance),
    paymentCount: previous.paymentCount + update.payments.length,
    signature: update.signature
  }
}

/**
 * UPD-6, counted from the last acknowledged update to this one. A payer waits for acknowledgements,
 * so its own count is never less.
 */
function checkWindow({ terms, ledger }: Established, { sequence, payerBalance }: Update): void {
  const { maxInFlightUpdates, maxInFlightValue } = terms.limits
  const count = sequence - (ledger.held?.sequence ?? -1)
  must(
    count <= maxInFlightUpdates,
    'UPD-6',
    'ERR_ABOVE_IN_FLIGHT_LIMIT',
    () => `At most ${maxInFlightUpdates} updates may be in flight; wait for acknowledgements.`,
    { count, most: maxInFlightUpdates }
  )
  const value = heldBalance(ledger, terms) - payerBalance
  must(
    value <= maxInFlightValue,
    'UPD-6',
    'ERR_ABOVE_IN_FLIGHT_LIMIT',
    () => `At most ${formatAmount(maxInFlightValue)} may be in flight; wait for acknowledgements.`,
    { value, most: maxInFlightValue }
  )
}

/** Checks that the balance and the increments agree. Returns the payer's balance. */
function checkPayments(update: Update, previous: HeldState): bigint {
  const { payments } = update
  // The codec has already refused too many payments and too long memos (UPD-7, UPD-8).
  must(payments.length > 0, 'UPD-7', 'ERR_BAD_PAYMENT_COUNT', 'An update has at least one payment.')
  must(
    payments.every((payment) => payment.amount > 0n),
    'UPD-13',
    'ERR_INVALID_AMOUNT',
    'A payment is at least 1 sat.'
  )
  must(
    allDifferent(payments),
    'UPD-14',
    'ERR_DUPLICATE_PAYMENT',
    'Two payments of an update have the same id.'
  )
  const balance = previous.payerBalance - totalOf(payments)
  must(
    balance >= 0n && balance === update.payerBalance,
    'UPD-3',
    'ERR_BALANCE_MISMATCH',
    () =>
      `The payer's balance was ${formatAmount(previous.payerBalance)} and the payments are ${formatAmount(totalOf(payments))}, which does not leave ${formatAmount(update.payerBalance)}.`,
    { before: previous.payerBalance, after: update.payerBalance }
  )
  return balance
}

/**
 * UPD-4: the prefix that ends with the newest valid signature. One verification when all is well.
 */
function newestSigned(channel: Established, links: readonly Link[], env: Env): readonly Link[] {
  const digest = stateDigester(channel)
  const payerKey =
    payerOf(channel.ledger.turn) === 'client'
      ? channel.terms.client.channelKey
      : channel.terms.server.channelKey
  for (let length = links.length; length > 0; length--) {
    const newest = links[length - 1]
    if (
      newest !== undefined &&
      env.verify(payerKey, digest(newest.state.payerBalance), newest.update.signature)
    ) {
      return links.slice(0, length)
    }
  }
  return []
}

/** Holds the newest good state, logs what it paid, acknowledges. */
function accept(
  channel: Established,
  updates: readonly Update[],
  good: readonly Link[],
  env: Env
): Transition<Established> {
  const { turn, held } = channel.ledger
  const newest = good.at(-1)?.state
  if (newest === undefined) {
    const resent = held !== undefined && updates.some((update) => update.sequence === 0) // REEST-3
    return resent ? become(channel, ackOf(turn, held.sequence)) : become(channel)
  }
  // Only the updates that the states follow from: a second update under the same number paid
  // nothing.
  const paid = good.map(({ update }) => update).filter((update) => update.payments.length > 0)
  const payments = paymentsOf(paid)
  const effects: Effect[] = [ackOf(turn, newest.sequence)]
  if (payments.length > 0) effects.push({ type: 'payments-received', payments })
  if (held === undefined) {
    effects.push({ type: 'notify', step: 8, news: { kind: 'first-state-stored' } })
  }
  return {
    state: { ...channel, ledger: { ...channel.ledger, held: newest } },
    log: paid.map((update) => ({
      sequence: update.sequence,
      direction: 'received',
      time: env.now,
      payments: update.payments
    })),
    effects
  }
}

function ackOf(turn: number, sequence: number): Effect {
  return { type: 'send', message: { type: 'UpdateAck', turn, sequence } }
}
