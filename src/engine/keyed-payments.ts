/**
 * Payments that a caller has named: a payment is made once, however often it is asked for, also
 * after a crash. Each part has an id that follows from the name, and a record that is committed in
 * one batch with the update that carries the part: neither exists without the other.
 */
import type { Payment } from '../../protocols/paychan/1.0/index.js'
import type { PaymentLogEntry } from '../channel/effects.js'
import { isGivenUp } from '../channel/outside-funding.js'
import { ownBalance, refusalOf } from '../channel/paying.js'
import { mayPay } from '../channel/schedule.js'
import type { Channel } from '../channel/state.js'
import { hasLostLedger, isListFalse, mayLackPayments } from '../channel/stopping.js'
import { toHex, type ChannelId } from '../types/bytes.js'
import { adviceOf } from '../types/error-advice.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { addSat, formatAmount, satoshi, subSat, ZERO_SAT, type Satoshi } from '../types/units.js'
import type { ChannelActor } from './channel-actor.js'
import {
  contradiction,
  findPart,
  isRequestName,
  listedChange,
  type PaidRecord,
  partId,
  payeeOf,
  type PaymentInfo,
  signedChanges,
  statusOfUpdate
} from './payments.js'
import type { Change } from './ports.js'
import { admitCaller, paymentOf } from './waiters.js'
import type { EngineContext } from './context.js'

/** The part of a payment that one channel carries. */
export interface Part {
  readonly channel: ChannelId
  readonly amount: Satoshi
}

export interface KeyedRequest {
  /** The caller's name of the payment: 1 to 128 characters. */
  readonly id: string
  /** The PeerId of the payee. */
  readonly peer: string
  readonly amount: Satoshi
  readonly memo: string
  /**
   * Set when the name was drawn for this call: nothing can have been paid under it, not even by
   * payments that this node has forgotten.
   */
  readonly isDrawn?: true
  /** Chooses the channels that carry the unpaid rest; throws when they cannot. */
  readonly plan: (rest: Satoshi) => readonly Part[]
  /** Called when all of the payment was made before: nothing is paid now. */
  readonly onMadeBefore?: () => void
}

/** The parts of the engine that the payments need. */
interface KeyedHost {
  /** @throws PaychanError `ERR_NO_CHANNEL` */
  actor: (id: ChannelId) => ChannelActor
  /**
   * RESTORE-8: true when the peer has said since the start which channels it has. Never rejects.
   */
  hasAnswered: (peer: string) => Promise<boolean>
  /** Brings the peer back if it can be done within seconds; never rejects. */
  reconnect: (actor: ChannelActor) => Promise<void>
}

/** A part that has been signed, in this life or in an earlier one. */
interface MadePart {
  readonly id: string
  readonly record: PaidRecord
  readonly actor: ChannelActor
}

/** A part that is to be signed; `signedAt`: the time of signing in milliseconds, once signed. */
interface WantedPart {
  /** No update of another channel is this part, whatever id it carries. */
  readonly channel: ChannelId
  readonly name: string
  readonly peer: string
  readonly asked: Satoshi
  signedAt: number | undefined
}

/** A part before it is signed. */
interface PlannedPart {
  readonly actor: ChannelActor
  readonly payment: Payment & { readonly amount: Satoshi }
}

/** Errors of a channel whose room other callers have used up. */
const USED_UP = new Set(['ERR_INSUFFICIENT_BALANCE', 'ERR_STAKE_TOO_HIGH'])

/** Number of plans before a caller gives up: others may use up the room first, but not for ever. */
const MOST_PLANS = 4

const MAX_ID_CHARACTERS = 128
const NO_CHANGES: readonly Change[] = []

/**
 * Refuses a text that cannot name a payment.
 *
 * @throws PaychanError `ERR_INVALID_PAYMENT_ID`
 */
export function checkPaymentId(id: string): void {
  const length = [...id].length
  // Half of a surrogate pair has no UTF-8: two such ids would be hashed to the same payment.
  if (length >= 1 && length <= MAX_ID_CHARACTERS && !/\p{Cs}/u.test(id)) return
  throw new PaychanError(
    'ERR_INVALID_PAYMENT_ID',
    `The id of a payment is a text of 1 to ${MAX_ID_CHARACTERS} characters; this one has ${length}.`,
    { length }
  )
}

export class KeyedPayments {
  /**
   * Parts that are to be signed, by the hex of their id. Empty unless somebody pays with an id
   * right now.
   */
  readonly #wanted = new Map<string, WantedPart>()
  /** Number of callers that wait for an answer. */
  #callers = 0
  readonly #underWay = new Map<
    string,
    { readonly peer: string; readonly amount: Satoshi; readonly outcome: Promise<PaymentInfo[]> }
  >()
  readonly #context: Pick<EngineContext, 'store' | 'actors' | 'env'>
  readonly #host: KeyedHost

  constructor(context: Pick<EngineContext, 'store' | 'actors' | 'env'>, host: KeyedHost) {
    this.#context = context
    this.#host = host
  }

  /** The changes to commit beside a log entry. */
  changes(state: Channel, entry: PaymentLogEntry): readonly Change[] {
    // UPD-21: a peer chooses the ids of what it pays, also those of parts that it is just paid by.
    if (entry.direction !== 'sent') return NO_CHANGES
    const { id: channel, peer } = state
    if (entry.forgottenAfter !== undefined) {
      // A list that is false says nothing about names.
      if (isListFalse(state)) return NO_CHANGES
      // Which of them had a name is forgotten as well; whoever asks for one again must find it.
      return entry.payments.map((payment) =>
        listedChange(payment, peer, {
          channel,
          sequence: entry.sequence,
          amount: satoshi(payment.amount),
          time: entry.time
        })
      )
    }
    if (this.#wanted.size === 0) return NO_CHANGES
    return entry.payments.flatMap((payment): Change[] => {
      const id = toHex(payment.id)
      const part = this.#wanted.get(id)
      if (part?.channel !== channel) return []
      part.signedAt = entry.time
      return [
        ...signedChanges(payment, part.name, part, {
          channel,
          sequence: entry.sequence,
          amount: satoshi(payment.amount),
          time: entry.time
        })
      ]
    })
  }

  /** The id of a payment that contradicts the peer's list of payments (REEST-8). */
  contradiction(channel: Channel, listed: PaymentLogEntry): Promise<string | undefined> {
    return contradiction(this.#context.store, channel, listed)
  }

  /**
   * Pays the unpaid rest of a payment; resolves with its parts once all are acknowledged. Callers
   * at the same time share one payment.
   *
   * @throws PaychanError `ERR_INVALID_PAYMENT_ID`, `ERR_TOO_MANY_WAITING`, `ERR_PAYMENT_CONFLICT`
   * (the id belongs to another payment), `ERR_LIST_FALSE` (the payee has listed falsely the
   * payments that this node had lost), `ERR_PAYMENTS_FORGOTTEN` (a lost payment may have been this
   * one), `ERR_PAYMENT_UNKNOWN` and `ERR_PAYMENT_PARTIAL` (facts: id, asked, paid, unknown), and
   * the errors of any refusal while no part was signed
   */
  async pay(request: KeyedRequest): Promise<PaymentInfo[]> {
    checkPaymentId(request.id)
    admitCaller(this.#callers)
    this.#callers += 1
    try {
      return await this.#join(request)
    } finally {
      this.#callers -= 1
    }
  }

  /** The sum of the parts of a payment that are acknowledged. */
  async paidUnder(peer: string, name: string): Promise<Satoshi> {
    let sum = ZERO_SAT
    for await (const part of this.#parts(peer, name)) {
      if (statusOf(part) === 'acknowledged') sum = addSat(sum, part.record.amount)
    }
    return sum
  }

  /**
   * The parts of a payment that have been signed. They are signed one after another, so there is no
   * gap in their numbers.
   */
  async *#parts(peer: string, name: string): AsyncGenerator<MadePart> {
    for (let index = 0; ; index++) {
      const found = await findPart(this.#context.store, peer, name, index)
      if (found === undefined) return
      yield { ...found, actor: this.#host.actor(found.record.channel) }
    }
  }

  async #join(request: KeyedRequest): Promise<PaymentInfo[]> {
    const { id, peer, amount } = request
    const other = this.#underWay.get(id)
    if (other !== undefined) {
      if (other.peer !== peer || other.amount !== amount) throw conflict(request, other)
      return await other.outcome
    }
    const outcome = this.#payOnce(request).finally(() => {
      this.#underWay.delete(id)
    })
    this.#underWay.set(id, { peer, amount, outcome })
    return await outcome
  }

  async #payOnce(request: KeyedRequest): Promise<PaymentInfo[]> {
    const { amount } = request
    const before = await this.#made(request)
    for (const part of before) await this.#outcome(request, part, before)
    const done = before.filter((part) => statusOf(part) === 'acknowledged')
    const parts = done.map((part) => infoOf(request, part))
    const paid = done.reduce((sum, { record }) => addSat(sum, record.amount), ZERO_SAT)
    if (paid === amount) {
      request.onMadeBefore?.()
      return parts
    }
    if (request.isDrawn !== true) await this.#checkMemory(request)
    return [...parts, ...(await this.#payRest(request, subSat(amount, paid), before.length))]
  }

  /**
   * Refuses a payment that this node may have made and forgotten. The node may run on an old copy
   * of its data without knowing it, until the payee has said on each channel where it stands, and
   * which other channels it has.
   */
  async #checkMemory(request: KeyedRequest): Promise<void> {
    const { peer } = request
    const distrusted = this.#context.actors.channelsOf(peer).find(isListFalse)
    if (distrusted !== undefined) throw uncertain(request, distrusted.id)
    for (const channel of this.#context.actors.channelsOf(peer).filter(isUnheard)) {
      const actor = this.#host.actor(channel.id)
      await this.#host.reconnect(actor)
      if (isUnheard(actor.state)) throw notHeard(request, channel.id)
    }
    if (!(await this.#host.hasAnswered(peer))) throw notHeard(request, undefined)
    const lacking = this.#context.actors.channelsOf(peer).find(mayLackPayments)
    if (lacking !== undefined) throw forgotten(request, lacking.id)
  }

  /**
   * The parts of a payment that have been signed before. @throws PaychanError
   * `ERR_PAYMENT_CONFLICT`
   */
  async #made(request: KeyedRequest): Promise<MadePart[]> {
    const payee = await payeeOf(this.#context.store, request.id)
    if (payee !== undefined && payee.peer !== request.peer) {
      throw conflict(request, { amount: payee.asked, peer: payee.peer })
    }
    const made: MadePart[] = []
    for await (const part of this.#parts(request.peer, request.id)) {
      const { record, actor } = part
      if (
        (record.asked ?? request.amount) !== request.amount ||
        record.amount > request.amount ||
        actor.state.peer !== request.peer
      ) {
        throw conflict(request, { amount: record.asked ?? record.amount, peer: actor.state.peer })
      }
      made.push(part)
    }
    return made
  }

  /**
   * Waits until a part is settled one way or the other. The peer is asked (`Reestablish`); an ack
   * has its own timeout.
   */
  async #outcome(request: KeyedRequest, part: MadePart, all: readonly MadePart[]): Promise<void> {
    const { actor } = part
    if (statusOf(part) !== 'unknown') return
    await this.#host.reconnect(actor)
    const unknown = (): PaychanError =>
      actor.state.stage === 'established' && hasLostLedger(actor.state)
        ? forgotten(request, actor.id)
        : unsettled(request, all)
    const isSettled = (): boolean => {
      if (statusOf(part) !== 'unknown') return true
      if (actor.state.stage !== 'established' || actor.state.link === 'down') throw unknown()
      return false
    }
    if (!isSettled()) await actor.waiters.arrival(isSettled)
  }

  /** Pays the rest. Plans again when another caller has meanwhile used the room of a channel. */
  async #payRest(request: KeyedRequest, rest: Satoshi, firstIndex: number): Promise<PaymentInfo[]> {
    const parts: PaymentInfo[] = []
    let left = rest
    for (let plans = 1; ; plans++) {
      try {
        for (const { actor, payment } of await this.#plan(
          request,
          left,
          firstIndex + parts.length
        )) {
          parts.push(await this.#payPart(request, actor, payment))
          left = subSat(left, payment.amount)
        }
        return parts
      } catch (error) {
        const unknown = error instanceof Interrupted ? error.unknown : ZERO_SAT
        if (unknown === 0n && plans < MOST_PLANS && USED_UP.has(codeOf(reasonOf(error)))) continue
        throw interrupted(request, subSat(request.amount, left), unknown, reasonOf(error))
      }
    }
  }

  /**
   * Plans the parts, and checks all before the first is signed.
   *
   * @throws PaychanError why it cannot be paid
   */
  async #plan(request: KeyedRequest, rest: Satoshi, firstIndex: number): Promise<PlannedPart[]> {
    const { id, peer, memo, plan } = request
    const planned = plan(rest).map((part, n) => ({
      actor: this.#host.actor(part.channel),
      payment: { id: partId(peer, id, firstIndex + n), amount: part.amount, memo }
    }))
    for (const actor of new Set(planned.map(({ actor }) => actor))) {
      await this.#host.reconnect(actor)
    }
    // Behind a part whose record is lost there may be others, which are never written over.
    for (const [n, { actor }] of planned.entries()) {
      const made = await findPart(this.#context.store, request.peer, request.id, firstIndex + n)
      if (made !== undefined) throw forgotten(request, actor.id)
    }
    this.#check(planned)
    return planned
  }

  /** @throws Interrupted */
  async #payPart(
    { id: name, peer, amount: asked, memo }: KeyedRequest,
    actor: ChannelActor,
    payment: PlannedPart['payment']
  ): Promise<PaymentInfo> {
    const id = toHex(payment.id)
    const wanted: WantedPart = { channel: actor.id, name, peer, asked, signedAt: undefined }
    this.#wanted.set(id, wanted)
    try {
      await paymentOf((payer) => {
        actor.pay(payment, payer)
      })
    } catch (error) {
      throw new Interrupted(wanted.signedAt === undefined ? ZERO_SAT : payment.amount, error)
    } finally {
      this.#wanted.delete(id)
    }
    return {
      id,
      channel: actor.id,
      peerId: actor.state.peer,
      direction: 'sent',
      amount: payment.amount,
      memo,
      status: 'acknowledged',
      time: wanted.signedAt ?? 0
    }
  }

  /** @throws PaychanError why one of the parts cannot be paid; nothing is signed then */
  #check(planned: readonly PlannedPart[]): void {
    const balances = new Map<ChannelActor, Satoshi>()
    for (const { actor, payment } of planned) {
      const { state } = actor
      const balance =
        balances.get(actor) ?? (state.stage === 'established' ? ownBalance(state) : ZERO_SAT)
      const refusal = refusalOf(state, payment, balance, this.#context.env(state))
      if (refusal !== undefined) throw refusal
      balances.set(actor, satoshi(balance - payment.amount))
    }
  }
}

/** A part that failed, and how much of it was signed. */
class Interrupted extends Error {
  constructor(
    readonly unknown: Satoshi,
    override readonly cause: unknown
  ) {
    super(messageOf(cause))
  }
}

function reasonOf(error: unknown): unknown {
  return error instanceof Interrupted ? error.cause : error
}

function statusOf({ actor, record }: MadePart): PaymentInfo['status'] {
  return statusOfUpdate(actor.state, record.sequence)
}

function infoOf(request: KeyedRequest, part: MadePart): PaymentInfo {
  const { channel, amount, time } = part.record
  return {
    id: part.id,
    channel,
    peerId: request.peer,
    direction: 'sent',
    amount,
    memo: request.memo,
    status: statusOf(part),
    time
  }
}

function conflict(
  request: KeyedRequest,
  other: { readonly peer: string; readonly amount: Satoshi }
): PaychanError {
  return new PaychanError(
    'ERR_PAYMENT_CONFLICT',
    `The id '${request.id}' belongs to another payment: ${formatAmount(other.amount)} to ${other.peer}. ${adviceOf('ERR_PAYMENT_CONFLICT')}`,
    { id: request.id, asked: request.amount, amount: other.amount, peer: other.peer }
  )
}

function uncertain({ id, peer, amount }: KeyedRequest, channel: ChannelId): PaychanError {
  return new PaychanError(
    'ERR_LIST_FALSE',
    `When this node had lost payments, ${peer} listed them falsely on channel ${channel}: whether '${id}' was paid before cannot be known. Compare \`paychan payments\` with what the payee has, and pay what is still owed without an id.`,
    { id, asked: amount, peer, channel }
  )
}

/**
 * A channel that payments may have gone through, on which the payee has not said where it stands.
 */
function isUnheard(channel: Channel): boolean {
  return (
    channel.stage === 'established' &&
    channel.onChain.spend === undefined &&
    channel.link !== 'live' &&
    mayPay(channel.terms, channel.role) &&
    channel.ledger.held !== undefined &&
    !isGivenUp(channel)
  )
}

function notHeard(
  { id, peer, amount }: KeyedRequest,
  channel: ChannelId | undefined
): PaychanError {
  return new PaychanError(
    'ERR_PEER_UNREACHABLE',
    `${peer} has not said ${channel === undefined ? 'which channels it has' : `where channel ${channel} stands`}: if this node ran on an old copy of its data, '${id}' could be paid already. Pay again once the peer is there.`,
    { id, asked: amount, peer, ...(channel === undefined ? {} : { channel }) }
  )
}

function forgotten({ id, peer, amount }: KeyedRequest, channel: ChannelId): PaychanError {
  return new PaychanError(
    'ERR_PAYMENTS_FORGOTTEN',
    `This node has lost payments to ${peer} on channel ${channel}: whether '${id}' was paid before cannot be known. Compare \`paychan payments\` with what the payee has, and pay what is still owed without an id.`,
    { id, asked: amount, peer, channel }
  )
}

function unsettled(request: KeyedRequest, parts: readonly MadePart[]): PaychanError {
  const sum = (status: PaymentInfo['status']): Satoshi =>
    parts
      .filter((part) => statusOf(part) === status)
      .reduce((all, { record }) => addSat(all, record.amount), ZERO_SAT)
  return unfinished(request, sum('acknowledged'), sum('unknown'), 'the peer has not answered')
}

/** The error of the whole payment when a part has failed. */
function interrupted(
  request: KeyedRequest,
  paid: Satoshi,
  unknown: Satoshi,
  error: unknown
): unknown {
  if (paid === 0n && unknown === 0n) return error
  return unfinished(
    request,
    paid,
    unknown,
    codeOf(error) === 'ERR_PAYMENT_UNKNOWN'
      ? 'the connection broke'
      : messageOf(error).replace(/\.$/, '')
  )
}

function unfinished(
  request: KeyedRequest,
  paid: Satoshi,
  unknown: Satoshi,
  why: string
): PaychanError {
  const facts = { id: request.id, asked: request.amount, paid, unknown }
  const again = isRequestName(request.id)
    ? 'Pay the request again, for the same amount: only what is still missing is paid.'
    : `Pay again with the id '${request.id}': only what is still missing is paid.`
  if (paid === 0n) {
    return new PaychanError(
      'ERR_PAYMENT_UNKNOWN',
      `${formatAmount(unknown)} were signed, and are not acknowledged yet (${why}). ${again}`,
      facts
    )
  }
  const open =
    unknown === 0n ? '' : `, and ${formatAmount(unknown)} are signed but not acknowledged`
  return new PaychanError(
    'ERR_PAYMENT_PARTIAL',
    `${formatAmount(paid)} of ${formatAmount(request.amount)} are paid${open} (${why}). ${again}`,
    facts
  )
}
