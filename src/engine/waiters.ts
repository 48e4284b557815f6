/** The callers of `open`, `pay` and `close` that wait for a channel. */
import type { Payment } from '../../protocols/paychan/1.0/index.js'
import { awaitsInputs, isUnsigned } from '../channel/outside-funding.js'
import { isNotCompleted } from '../channel/renewing.js'
import { type Channel, type Established, spendInSight } from '../channel/state.js'
import type { Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import type { Meter } from './ports.js'
import type { PaymentInfo } from './payments.js'

interface Waiter<T> {
  resolve: (value: T) => void
  reject: (error: Error) => void
}

/**
 * Who waits for a payment: one of the two is called, once. Not a promise, since thousands wait, and
 * each promise between the queue and the caller would cost as much as the payment.
 */
export interface Payer {
  paid: (payment: PaymentInfo) => void
  failed: (error: Error) => void
  /** When the payment was queued, by the clock of the meter; set by the queue, 0 without a meter. */
  since: number
}

/** A promise of the payment that `ask` asks for. */
export function paymentOf(ask: (payer: Payer) => void): Promise<PaymentInfo> {
  return new Promise((resolve, reject) => {
    ask({ paid: resolve, failed: reject, since: 0 })
  })
}

/** The error of who has waited for a close for so long; a settlement is forced. */
export function closeTimeout(isForced: boolean): PaychanError {
  return new PaychanError(
    'ERR_CLOSE_TIMEOUT',
    isForced
      ? 'No server of the chain has taken the settlement yet. It goes out again with every block, with a higher fee if need be.'
      : 'The peer has not answered the close. The channel takes no more payments; close it again, or wait: the newest state reaches the chain by itself in time.'
  )
}

export interface Closed {
  readonly kind: 'close' | 'settlement' | 'abandoned'
  readonly txid: Txid | undefined
}

/** The last answer of a chain server to T1 in this process; undefined before the first answer. */
type FundingAnswer = 'taken' | Error | undefined

/** Tells whether a channel has come where a caller wants it; throws when it never will. */
type Arrival = (channel: Channel, answer: FundingAnswer) => boolean

/**
 * Payments of one channel that callers may wait for at the same time: two windows of 16 updates
 * with 1,000 payments each (UPD-6, UPD-7), one on its way and one to follow it. That keeps a
 * channel busy, and takes some 16 MB; further callers are told to wait, since memory is finite.
 */
export const MOST_WAITING_PAYMENTS = 32_000

/** @throws PaychanError `ERR_TOO_MANY_WAITING` when so many callers wait already */
export function admitCaller(waiting: number): void {
  if (waiting < MOST_WAITING_PAYMENTS) return
  throw new PaychanError(
    'ERR_TOO_MANY_WAITING',
    `${waiting} payments wait for their acknowledgement already; nothing was paid. Wait for some of them, then pay again.`,
    { waiting, most: MOST_WAITING_PAYMENTS }
  )
}

/**
 * Promises by the event that settles them. Each is settled once, at the latest when a channel ends.
 */
export class Waiters {
  #reconnecting = 0
  /** By the payment object: the state keeps the object that was posted. */
  #payments: Map<Payment, Payer> | undefined
  #closes: Array<Waiter<Closed>> = []
  #arrivals: Array<Waiter<void> & { arrived: Arrival }> = []
  #answer: FundingAnswer
  /** The transaction that has ended the channel, as far as the closes know. */
  #spentBy: Txid | undefined
  readonly #meter: Pick<Meter, 'now' | 'acknowledged'> | undefined

  constructor(meter?: Pick<Meter, 'now' | 'acknowledged'>) {
    this.#meter = meter
  }

  /** Number of callers of `pay` that have not been answered. */
  get payers(): number {
    return (this.#payments?.size ?? 0) + this.#reconnecting
  }

  /** Counts a caller of `pay` while it waits for `work`, before its payment can be posted. */
  async counted(work: Promise<void>): Promise<void> {
    this.#reconnecting += 1
    try {
      await work
    } finally {
      this.#reconnecting -= 1
    }
  }

  /** Tells the payer once this payment is acknowledged, or is not made. */
  payment(payment: Payment, payer: Payer): void {
    // Most channels have nobody who waits, and an empty map takes 200 bytes.
    this.#payments ??= new Map<Payment, Payer>()
    if (this.#meter !== undefined) payer.since = this.#meter.now()
    this.#payments.set(payment, payer)
  }

  settlePayment(payment: Payment, outcome: PaymentInfo | Error): void {
    const payer = this.#payments?.get(payment)
    if (payer === undefined) return
    this.#payments?.delete(payment)
    if (outcome instanceof Error) {
      payer.failed(outcome)
      return
    }
    payer.paid(outcome)
    this.#meter?.acknowledged(this.#meter.now() - payer.since)
  }

  /** Resolves when the next close is done. */
  close(): Promise<Closed> {
    return new Promise((resolve, reject) => this.#closes.push({ resolve, reject }))
  }

  get closing(): boolean {
    return this.#closes.length > 0
  }

  settleCloses(outcome: Closed | Error): void {
    const waiting = this.#closes
    this.#closes = []
    for (const waiter of waiting) {
      if (outcome instanceof Error) waiter.reject(outcome)
      else waiter.resolve(outcome)
    }
  }

  /** Resolves when `arrived` says that the channel has arrived. */
  arrival(arrived: Arrival): Promise<void> {
    return new Promise((resolve, reject) => this.#arrivals.push({ arrived, resolve, reject }))
  }

  /**
   * Called when a chain server has answered to T1, before the resulting state is observed.
   */
  fundingAnswered(answer: 'taken' | Error): void {
    this.#answer = answer
  }

  /** Called with every new state. */
  observe(channel: Channel): void {
    if (this.#arrivals.length > 0) this.#arrived(channel)
    this.#observeSpend(channel)
  }

  #arrived(channel: Channel): void {
    this.#arrivals = this.#arrivals.filter((waiter) => {
      try {
        if (!waiter.arrived(channel, this.#answer)) return true
        waiter.resolve()
      } catch (error) {
        waiter.reject(error instanceof Error ? error : new Error(String(error)))
      }
      return false
    })
  }

  /**
   * The chain may show that a channel is closed although the peer never said so. A refund, or what
   * we do not know, ends it in a block only: until then it is the word of servers.
   */
  #observeSpend(channel: Channel): void {
    const seen = channel.stage === 'established' ? spendInSight(channel) : undefined
    const isEnd =
      seen?.kind === 'close' || seen?.kind === 'settlement' || seen?.height !== undefined
    const spend = isEnd ? seen : undefined
    if (spend?.txid === this.#spentBy) return
    this.#spentBy = spend?.txid
    if (spend === undefined) return
    const { kind, txid } = spend
    this.settleCloses(
      kind === 'close' || kind === 'settlement'
        ? { kind, txid }
        : new PaychanError(
            'ERR_CHANNEL_CLOSED',
            `The channel was ended by transaction ${txid} instead.`,
            { txid }
          )
    )
  }

  /** Rejects everybody: the node stops, or its disk failed. */
  rejectAll(error: Error): void {
    for (const payment of [...(this.#payments?.keys() ?? [])]) this.settlePayment(payment, error)
    this.settleCloses(error)
    for (const waiter of this.#arrivals) waiter.reject(error)
    this.#arrivals = []
  }
}

/** True when T1 has left; throws when the opening was given up. */
export function fundingSent(channel: Channel): boolean {
  if (channel.stage === 'abandoned') {
    throw PaychanError.of(channel.code, channel.reason, channel.facts)
  }
  return channel.stage === 'established' && !isUnsigned(channel)
}

/**
 * True when a chain server has T1. A refusal ends nothing: T1 goes out again with every block, but
 * the caller need not wait for that.
 */
export function fundingTaken(channel: Channel, answer: FundingAnswer): boolean {
  if (!fundingSent(channel) || channel.stage !== 'established') return false
  if (answer === 'taken' || channel.onChain.fundingSeen) return true
  if (answer === undefined) return false
  const {
    id,
    outPoint: { txid }
  } = channel
  throw new PaychanError(
    'ERR_FUNDING_NOT_TAKEN',
    `The funding transaction ${txid} is handed to the peer, but no server of ours has taken it yet (${answer.message}) It is sent again with every block; do not open the channel again. See it with \`paychan channels\`.`,
    { channel: id, txid },
    { cause: answer }
  )
}

/**
 * True when a chain server has T1 of a renewal, which only the peer can complete and send; throws
 * when the peer has not answered, though the renewal goes on with the next stream.
 */
export function renewalTaken(channel: Channel, answer: FundingAnswer): boolean {
  const isSent = fundingSent(channel)
  if (!isSent || channel.stage !== 'established') return false
  if (channel.onChain.fundingSeen || channel.link === 'live' || !isNotCompleted(channel)) {
    return fundingTaken(channel, answer)
  }
  const { id, outPoint, terms } = channel
  throw new PaychanError(
    'ERR_FUNDING_NOT_TAKEN',
    `This node has signed the funding transaction ${outPoint.txid}, and the peer has not sent it: no server has it yet. The old channel takes no more payments; the renewal goes on once the peer is back, so do not ask again. If the peer never sends it, the coins that it was to add may be sent to an address of this wallet (\`paychan coins\`, \`paychan send ADDRESS all --coin COIN\`) once it was hidden for 6 blocks.`,
    { channel: id, txid: outPoint.txid, ...(terms.renews && { old: terms.renews.channel }) }
  )
}

/** True when an outside wallet may pay for T1. */
export function readyForInputs(channel: Channel): boolean {
  return awaitsInputs(channel) || fundingSent(channel)
}

/** True when T2 is there, and an outside wallet may sign T1. */
export function readyForSignatures(channel: Channel): boolean {
  return isUnsigned(channel) || fundingSent(channel)
}

/** True when payments can be made; throws when the channel has ended before. */
export function openForPayments(channel: Channel): boolean {
  if (!fundingSent(channel) || channel.stage !== 'established') return false
  const { stopped } = channel
  if (stopped !== undefined) {
    throw isNotCompleted(channel)
      ? renewedNotSigned(channel, stopped.code, stopped.reason)
      : fundedNotOpen(channel, stopped.code, stopped.reason)
  }
  if (spendInSight(channel) !== undefined || channel.closes.length > 0) {
    throw fundedNotOpen(channel, 'ERR_CHANNEL_CLOSED', 'it was closed before it was open.')
  }
  return (
    channel.ready.ours &&
    channel.ready.theirs &&
    channel.ledger.held !== undefined &&
    channel.link === 'live'
  )
}

/** The peer may have chosen the code: by itself it does not say that T1 has left. */
function fundedNotOpen({ id, outPoint }: Established, code: string, why: string): PaychanError {
  return new PaychanError(
    'ERR_FUNDED_NOT_OPEN',
    `The channel is funded by transaction ${outPoint.txid}, and takes no payments: ${why} Its money comes back with the close: \`paychan close ${id.slice(0, 8)}\`. Open another one only if you want a second one.`,
    { channel: id, txid: outPoint.txid, code }
  )
}

/** RENEW-4: the server has refused T1 after the signature that has frozen the old channel. */
function renewedNotSigned({ id, terms }: Established, code: string, why: string): PaychanError {
  const old = terms.renews?.channel ?? id
  return new PaychanError(
    'ERR_RENEWAL_NOT_SIGNED',
    `The peer does not sign the transaction of the renewal: ${why} The old channel takes no more payments, since this node has signed; nothing is lost with it. Close it (\`paychan close ${old.slice(0, 8)}\`) and open another one. The next time name a feerate that the peer takes (--feerate), or top up from one coin or two (--coin): of three or more the fee estimates of both sides must not differ by twice.`,
    { channel: id, old, code }
  )
}
