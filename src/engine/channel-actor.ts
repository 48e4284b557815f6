/**
 * One channel at work: the queue in front of it, its transitions, one batch on disk, and only then
 * the effects. A channel never races with itself: one step at a time.
 */
import {
  MAX_PAYMENTS_PER_UPDATE,
  type Payment,
  type Update
} from '../../protocols/paychan/1.0/index.js'
import { nextDue } from '../channel/due.js'
import type { Effect, PaymentLogEntry, Transition } from '../channel/effects.js'
import type { Env } from '../channel/env.js'
import type { ChannelEvent } from '../channel/events.js'
import { isUnsigned } from '../channel/outside-funding.js'
import { payableNow } from '../channel/paying.js'
import type { Channel } from '../channel/state.js'
import { transition } from '../channel/transition.js'
import { grantDue, turnNeed } from '../channel/turns.js'
import type { ChannelId } from '../types/bytes.js'
import { asError, PaychanError } from '../types/errors.js'
import { paymentChange } from './payments.js'
import { type EventLog, isTold, type ToldStep } from './event-log.js'
import type { Requests } from './requests.js'
import { type Change, type Clock, contained, type Store } from './ports.js'
import { channelChanges } from './stored-channel.js'
import { type Payer, Waiters } from './waiters.js'

/**
 * Time that an acknowledgement may wait for the next write, in milliseconds. The payee has the
 * update on disk; a node that dies before the write hears of it again with `Reestablish`.
 */
const WRITE_BEHIND_MS = 20

/** The parts of the engine that an actor needs. */
export interface ActorHost {
  readonly store: Store
  after: Clock['after']
  env: (channel: Channel) => Env
  /** The log for readers of events that come back; undefined where none are kept. */
  readonly events?: Pick<EventLog, 'changes' | 'committed'> | undefined
  /** The changes that payments make to the requests of this node. */
  readonly requests: Pick<Requests, 'changes'>
  /** Changes that callers with an id want on disk together with a payment. */
  readonly keyed: {
    changes: (channel: Channel, entry: PaymentLogEntry) => readonly Change[]
    /** The id of a payment that contradicts the peer's list of payments. */
    contradiction: (channel: Channel, listed: PaymentLogEntry) => Promise<string | undefined>
  }
  readonly meter?: ConstructorParameters<typeof Waiters>[0]
  /** The place in the payment log of the next entry. */
  readonly order: { next: (channel: ChannelId, time: number) => number }
  /** Called before the commit: from here on the node knows what two channels must not share. */
  learn: (channel: Channel) => void
  /** A channel is in another state. */
  changed: () => void
  /** `stream`: the newest stream that the channel knew of when it wanted the effect. */
  perform: (actor: ChannelActor, effect: Effect, stream: number) => void
  /** Called after the effects of a step. */
  settled: (actor: ChannelActor) => void
  /** Called after a bug in a transition, or a failure of the disk. */
  onFailure: (actor: ChannelActor, what: 'transition' | 'store', error: unknown) => void
}

/** An effect, and the number of the stream that it is meant for. */
interface MeantEffect {
  readonly effect: Effect
  readonly stream: number
}

export class ChannelActor {
  readonly waiters: Waiters
  readonly #inbox = new Inbox()
  #state: Channel
  /** The newest state that is known to be on disk. */
  #durable: Channel | undefined
  /** The number of the stream that the state refers to. */
  #stream = 0
  #running: Promise<void> | undefined
  #ended: Error | undefined
  #first: Transition | undefined
  /** True when a write of the unsaved state is planned. */
  #isWritePlanned = false
  #isWriteDue = false
  /** The events that are told and not on the disk yet, in its order. */
  #untold: ToldStep[] = []
  #holders: Set<ChannelId> | undefined
  /**
   * The last answer of `nextDue`. It holds for every height between `from` and `at` while the state
   * stays the same.
   */
  #due: { readonly state: Channel; readonly from: number; readonly at: number } | undefined
  readonly #host: ActorHost

  /**
   * Starts from a stored state, or from the first transition of a new channel, which is still to be
   * committed.
   */
  constructor(
    host: ActorHost,
    from: { readonly stored: Channel } | { readonly first: Transition }
  ) {
    this.#host = host
    this.waiters = new Waiters(host.meter)
    this.#state = 'stored' in from ? from.stored : from.first.state
    this.#durable = 'stored' in from ? from.stored : undefined
    this.#first = 'first' in from ? from.first : undefined
    host.learn(this.#state)
    if (this.#first !== undefined) this.#wake()
  }

  get id(): ChannelId {
    return this.#state.id
  }

  /** The newest state; it is on disk, or about to be. */
  get state(): Channel {
    return this.#state
  }

  /** The first height, `from` or above, at which a tip matters to the channel (due.ts). */
  nextDue(from: number): number {
    if (this.#due?.state !== this.#state || from < this.#due.from || from > this.#due.at) {
      this.#due = { state: this.#state, from, at: this.#dueFrom(from) }
    }
    return this.#due.at
  }

  #dueFrom(from: number): number {
    try {
      return nextDue(this.#state, from)
    } catch {
      // A state that only a bug can have made: its transition says so.
      return from
    }
  }

  /** The newest state that is known to be on disk. */
  get durable(): Channel | undefined {
    return this.#durable
  }

  /** The state shown to people: they may sign T1 only once T2's signature is on disk (REF-7). */
  get shown(): Channel {
    return isUnsigned(this.#state) ? (this.#durable ?? this.#state) : this.#state
  }

  /**
   * Queues a payment. The payer hears once it is acknowledged, or why it is not made:
   * `ERR_CHANNEL_CLOSED`, why it was refused, `ERR_PAYMENT_UNKNOWN`.
   */
  pay(payment: Payment, payer: Payer): void {
    if (this.waiters.closing) {
      payer.failed(
        new PaychanError('ERR_CHANNEL_CLOSED', 'The channel is closing; open a new one.')
      )
      return
    }
    if (this.#ended !== undefined) {
      payer.failed(this.#ended)
      return
    }
    this.waiters.payment(payment, payer)
    this.#inbox.pay(payment)
    this.#wake()
  }

  /** Queues an event. Events that are posted in one turn of the event loop are handled together. */
  post(event: ChannelEvent): void {
    if (this.#ended !== undefined) {
      this.waiters.rejectAll(this.#ended)
      return
    }
    this.#inbox.post(event)
    this.#wake()
  }

  /**
   * Handles nothing from now on, and tells present and later callers why. A signed payment becomes
   * unknown, though: the peer may have it, or the disk, which sends it again (UPD-18).
   */
  end(why: Error): void {
    this.#ended ??= why
    const unknown = new PaychanError(
      'ERR_PAYMENT_UNKNOWN',
      `The payment was signed, and before its outcome was on disk this happened: ${why.message} It is settled when the node and the peer are back; look at \`paychan payments\` before you pay again.`,
      {},
      { cause: why }
    )
    for (const state of [this.#durable, this.#state]) {
      if (state?.stage !== 'established') continue
      for (const payment of state.ledger.inFlight.flatMap(({ payments }) => payments)) {
        this.waiters.settlePayment(payment, unknown)
      }
    }
    this.waiters.rejectAll(this.#ended)
  }

  /** A promise while so many events wait that the peer is to be held back. */
  get backPressure(): Promise<void> | undefined {
    return this.#inbox.isFull ? this.idle() : undefined
  }

  /** Holds payments and turns back while a channel that is to renew this one opens. */
  hold(by: ChannelId): void {
    this.#holders ??= new Set()
    this.#holders.add(by)
  }

  get #isHeld(): boolean {
    return (this.#holders?.size ?? 0) > 0
  }

  release(by: ChannelId): void {
    if (this.#holders?.delete(by) === true) this.#wake()
  }

  /** Resolves when nothing is left to do for now. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  #wake(): void {
    if (this.#running !== undefined) return
    this.#running = contained(
      () => Promise.resolve().then(() => this.#run()),
      (error) => {
        this.#host.onFailure(this, 'transition', error)
      }
    )
  }

  async #run(): Promise<void> {
    try {
      if (this.#first !== undefined) {
        const first = this.#first
        this.#first = undefined
        const effects = first.effects.map((effect) => ({ effect, stream: this.#stream }))
        await this.#apply(undefined, first.state, first.log, effects, [first])
      }
      for (
        let events = this.#take();
        events.length > 0 || this.#isWriteDue;
        events = this.#take()
      ) {
        this.#isWriteDue = false
        if (events.length > 0) await this.#step(events)
        else await this.#commit(this.#state, [])
      }
    } finally {
      // In the same turn as the last look at the inbox: what is posted from here on wakes us again.
      this.#running = undefined
    }
  }

  #take(): readonly ChannelEvent[] {
    while (this.#ended === undefined) {
      try {
        return this.#inbox.take(this.#state, this.#isHeld)
      } catch (error) {
        this.#inbox.dropWishes()
        this.waiters.rejectAll(asError(error))
        this.#host.onFailure(this, 'transition', error)
      }
    }
    return []
  }

  async #step(events: readonly ChannelEvent[]): Promise<void> {
    let state = this.#state
    const log: PaymentLogEntry[] = []
    const effects: MeantEffect[] = []
    const told: ToldStep[] = []
    const queue = [...events]
    for (let n = 0; n < queue.length; n++) {
      const event = queue[n]
      if (event === undefined) break
      try {
        const first = transition(state, event, this.#host.env(state))
        const listed = first.log.find(({ forgottenAfter }) => forgottenAfter !== undefined)
        const next = listed === undefined ? first : await this.#checked(first, listed)
        state = next.state
        log.push(...next.log)
        if ('stream' in event) this.#stream = event.stream
        const stream = this.#stream
        for (const effect of next.effects) effects.push({ effect, stream })
        told.push(next)
        // A turn that changes hands is given, or used, with the write that says so.
        if (n === events.length - 1 && this.#ended === undefined && !this.#isHeld) {
          queue.push(...this.#inbox.takeTurn(this.#state, state))
        }
      } catch (error) {
        this.#refuse(event, asError(error))
        this.#host.onFailure(this, 'transition', error)
      }
    }
    await this.#apply(this.#state, state, log, effects, told)
  }

  /**
   * Takes the peer's list of our payments together with what this node knows of them, or not at all
   * (REEST-8).
   */
  async #checked(next: Transition, listed: PaymentLogEntry): Promise<Transition> {
    const id = await this.#host.keyed.contradiction(next.state, listed)
    if (id === undefined) return next
    const { state, log, effects } = transition(
      next.state,
      { type: 'list-contradicted', id },
      this.#host.env(next.state)
    )
    return { state, log: [...next.log, ...log], effects: [...next.effects, ...effects] }
  }

  /** Commits, then performs effects; the other way round for what is true without our disk. */
  async #apply(
    before: Channel | undefined,
    state: Channel,
    log: readonly PaymentLogEntry[],
    effects: readonly MeantEffect[],
    steps: readonly ToldStep[]
  ): Promise<void> {
    this.#state = state
    if (state !== before) this.#host.changed()
    // Keys and outpoints come with a stage, and stay for all of it.
    if (state.stage !== before?.stage) this.#host.learn(state)
    const told = this.#host.events === undefined ? [] : steps.filter(isTold)
    this.#untold.push(...told)
    if (log.length === 0 && isPayeesWord(effects)) this.#planWrite()
    else if (
      (state !== before || log.length > 0 || told.length > 0) &&
      !(await this.#commit(state, log))
    ) {
      return
    }
    for (const { effect, stream } of effects) {
      try {
        this.#host.perform(this, effect, stream)
      } catch (error) {
        this.#host.onFailure(this, 'transition', error)
      }
    }
    this.waiters.observe(state)
    try {
      this.#host.settled(this)
    } catch (error) {
      this.#host.onFailure(this, 'transition', error)
    }
  }

  /** What is to be written of a state, and of the payments that led to it. */
  #changes(state: Channel, log: readonly PaymentLogEntry[]): readonly Change[] {
    const { order, keyed, requests } = this.#host
    const changes = channelChanges(this.#durable, state)
    for (const entry of log) {
      changes.push(
        paymentChange(state.id, { ...entry, order: order.next(state.id, entry.time) }),
        ...keyed.changes(state, entry),
        ...requests.changes(state, entry)
      )
    }
    return changes
  }

  /** Writes everything that the disk does not have; resolves with false when that failed. */
  async #commit(state: Channel, log: readonly PaymentLogEntry[]): Promise<boolean> {
    const changes = this.#changes(state, log)
    const told = this.#host.events?.changes(state, this.#untold) ?? []
    this.#untold = []
    if (changes.length + told.length === 0) return true
    try {
      await this.#host.store.commit(told.length === 0 ? changes : [...changes, ...told])
    } catch (error) {
      this.end(asError(error))
      this.#host.onFailure(this, 'store', error)
      return false
    }
    this.#durable = state
    if (told.length > 0) this.#host.events?.committed(told)
    return true
  }

  #planWrite(): void {
    if (this.#isWritePlanned) return
    this.#isWritePlanned = true
    this.#host.after(WRITE_BEHIND_MS, () => {
      this.#isWritePlanned = false
      if (this.#ended !== undefined) return
      if (this.#state === this.#durable && this.#untold.length === 0) return
      this.#isWriteDue = true
      this.#wake()
    })
  }

  /** Rejects the caller of an event that a bug has lost. */
  #refuse(event: ChannelEvent, error: Error): void {
    if (event.type === 'pay') {
      for (const payment of event.payments) this.waiters.settlePayment(payment, error)
    }
    if (event.type === 'close' || event.type === 'settle') this.waiters.settleCloses(error)
  }
}

/** True for an acknowledgement: the payee has the payments on its disk, and says so. */
function isPayeesWord(effects: readonly MeantEffect[]): boolean {
  return (
    effects.length > 0 && effects.every(({ effect }) => effect.type === 'payments-acknowledged')
  )
}

/*
 * The queue in front of a channel. Events that wait together are handled together: payments share a
 * signature, updates share a verification, and all share one write.
 */

/** Twice the window of updates that this node announces: a peer within it is never held back. */
const MOST_WAITING = 32

export class Inbox {
  #events: ChannelEvent[] = []
  /** The updates of the last event in the queue, while it can take more. */
  #updates: Update[] | undefined
  #waiting = 0
  #payments: Payment[] = []
  #close: ChannelEvent | undefined

  /** True when the peer has to be held back until its messages are handled. */
  get isFull(): boolean {
    return this.#waiting > MOST_WAITING
  }

  /** Queues a payment, without an event for each: those that are taken together are one. */
  pay(payment: Payment): void {
    this.#payments.push(payment)
  }

  post(event: ChannelEvent): void {
    if (event.type === 'pay') this.#payments.push(...event.payments)
    else if (event.type === 'close') this.#close = event
    else this.#push(event)
  }

  /** Updates that arrive in a row become one event. */
  #push(event: ChannelEvent): void {
    this.#waiting += 1
    if (event.type !== 'updates') {
      this.#updates = undefined
      this.#events.push(event)
    } else if (this.#updates !== undefined) {
      this.#updates.push(...event.updates)
    } else {
      this.#updates = [...event.updates]
      this.#events.push({ type: 'updates', updates: this.#updates })
    }
  }

  /** Forgets what the user wants of the channel; events that happened stay. */
  dropWishes(): void {
    this.#payments = []
    this.#close = undefined
  }

  /**
   * Takes the events that the channel can handle now: first what has happened, else as many
   * payments as the window takes, else the turn that payments need, else a close, which waits until
   * nothing is in flight any more. While the channel is held, nothing is signed or granted in it:
   * it is about to be renewed as it is.
   */
  take(channel: Channel, isHeld = false): readonly ChannelEvent[] {
    if (this.#events.length > 0) {
      const events = this.#events
      this.#events = []
      this.#updates = undefined
      this.#waiting = 0
      return events
    }
    if (isHeld) return this.#takeClose(channel)
    if (grantDue(channel, this.#payments.length > 0)) return [{ type: 'grant-turn' }]
    const payments = this.#takePayments(channel)
    if (payments.length > 0) return payments
    if (this.#payments.length > 0 && turnNeed(channel) === 'ask') {
      return [{ type: 'ask-turn', payments: this.#payments.slice(0, MAX_PAYMENTS_PER_UPDATE) }]
    }
    return this.#takeClose(channel)
  }

  /**
   * Takes what the end of a turn asks for, once all that has happened is handled: the grant that
   * the peer waits for, or the payments that have waited for a turn which has just begun.
   */
  takeTurn(before: Channel, now: Channel): readonly ChannelEvent[] {
    if (this.#events.length > 0) return []
    if (grantDue(now, this.#payments.length > 0)) return [{ type: 'grant-turn' }]
    return turnOf(before) === turnOf(now) ? [] : this.#takePayments(now)
  }

  #takePayments(channel: Channel): readonly ChannelEvent[] {
    const count = this.#payments.length === 0 ? 0 : payableNow(channel, this.#payments)
    return count === 0 ? [] : [{ type: 'pay', payments: this.#payments.splice(0, count) }]
  }

  #takeClose(channel: Channel): readonly ChannelEvent[] {
    const close = this.#close
    if (close === undefined) return []
    const busy =
      this.#payments.length > 0 ||
      (channel.stage === 'established' &&
        channel.link === 'live' &&
        channel.stopped === undefined &&
        channel.ledger.inFlight.length > 0)
    if (busy) return []
    this.#close = undefined
    return [close]
  }
}

function turnOf(channel: Channel): number | undefined {
  return channel.stage === 'established' ? channel.ledger.turn : undefined
}
