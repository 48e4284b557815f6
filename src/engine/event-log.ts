/**
 * Events with a number that only grows, for readers that come back: what a channel, a payment, a
 * request or an alarm had to tell. An event of a channel is written in the commit of the step that
 * it tells of, so it is on the disk exactly when that is; and it is told after that, in the order
 * of the numbers.
 *
 * - `event/<number>`: what happened, by reference where another record has it
 * - `event-dropped`: the highest number that is no longer kept
 */
import { z } from 'zod'
import { NEWS, type News, type NewsKind, type Step, type Transition } from '../channel/effects.js'
import type { Channel } from '../channel/state.js'
import { Allowance } from '../types/allowance.js'
import type { ChannelId, Txid } from '../types/bytes.js'
import { parseRecord, readRecord, recordChange, unlessDamaged } from '../types/records.js'
import type { Change, Clock, Store } from './ports.js'
import type { Requests } from './requests.js'

export const EVENT_PREFIX = 'event/'
export const DROPPED_KEY = 'event-dropped'

/** Events are kept for so long, and so many of them. */
const KEPT_MS = 30 * 86_400_000
const MOST_KEPT = 100_000

/**
 * ERR-7: news that may cost a peer nothing. Each of the two kinds takes a quarter of what is kept in
 * 30 days: 3,000 at once, and one in two minutes are 24,600.
 */
const FREE = { burst: 3_000, perSecond: 1 / 120 }

/**
 * What is told in any case, of a channel that is no stranger's: this node did it itself, a block
 * proves it, or it comes once for each channel. All other news may be a peer's or a server's word, as
 * often as these like.
 */
const PROVED_NEWS: ReadonlySet<NewsKind> = new Set([
  'offer-sent',
  'terms-taken',
  'funding-built',
  'refund-asked-for',
  'refund-secured',
  'funding-mined',
  'ready',
  'open',
  'abandoned',
  'given-up',
  'close-asked-for',
  'close-signed',
  'published',
  'spend-mined',
  'renewed-as',
  'handed-back'
])

/** Number of events between two looks at what is too old. */
const LOOK_EVERY = 1_000

const DIGITS = 15

/** An event as it is on the disk. */
export type KeptEvent =
  | {
      readonly type: 'channel'
      readonly channel: ChannelId
      readonly news: News
      readonly step: Step | undefined
      readonly txid: Txid | undefined
    }
  /** The payments of one entry of the payment log. */
  | { readonly type: 'received'; readonly channel: ChannelId; readonly sequence: number }
  /** The newest `count` sent payments up to an entry of the payment log: all are acknowledged. */
  | {
      readonly type: 'sent'
      readonly channel: ChannelId
      readonly upTo: number
      readonly count: number
    }
  | { readonly type: 'request'; readonly id: string }
  /** An event of the node that no channel tells, as it is. */
  | { readonly type: 'told'; readonly event: unknown }

export interface NumberedEvent {
  readonly number: number
  readonly event: KeptEvent
}

export class EventLog {
  #next = 1
  /** The highest number that is on the disk, and with it all below: commits keep their order. */
  #committed = 0
  #dropped = 0
  #sinceLook = 0
  /** Those that wait for the next event. */
  #waiting: Array<() => void> = []
  #ended = false
  /** For news of channels of others without a T1 in a block, and for what the rest does not prove. */
  readonly #allowed: { readonly strangers: Allowance; readonly others: Allowance }
  readonly #store: Store
  readonly #clock: Pick<Clock, 'now'>
  readonly #requests: Pick<Requests, 'openFor'>

  constructor(store: Store, clock: Pick<Clock, 'now'>, requests: Pick<Requests, 'openFor'>) {
    this.#store = store
    this.#clock = clock
    this.#requests = requests
    const now = clock.now()
    this.#allowed = { strangers: new Allowance(FREE, now), others: new Allowance(FREE, now) }
  }

  async load(): Promise<void> {
    const dropped = await this.#store.get(DROPPED_KEY)
    this.#dropped = dropped === undefined ? 0 : readDropped(DROPPED_KEY, dropped)
    this.#next = this.#dropped + 1
    for await (const [key] of this.#store.entries(EVENT_PREFIX)) {
      this.#next = Math.max(this.#next, numberOf(key) + 1)
    }
    this.#committed = this.newest
    await this.#drop()
  }

  /** The number of the newest event; 0 before the first. */
  get newest(): number {
    return this.#next - 1
  }

  /** The highest number that is no longer kept. */
  get dropped(): number {
    return this.#dropped
  }

  /** The events of a channel's steps, in their order, to be committed with the last of them. */
  changes(channel: Channel, steps: readonly ToldStep[]): Change[] {
    const { id } = channel
    return steps
      .flatMap((step) => [
        ...this.#received(id, step),
        ...newsOf(id, step).filter((event) => this.#mayTell(channel, event))
      ])
      .map((event) => this.#change(event))
  }

  /** ERR-7: false for news of which peers have made too many to keep them all. */
  #mayTell(channel: Channel, event: KeptEvent): boolean {
    if (event.type !== 'channel') return true
    const { strangers, others } = this.#allowed
    if (isOfStranger(channel)) return strangers.take(this.#clock.now()) === 0
    return PROVED_NEWS.has(event.news.kind) || others.take(this.#clock.now()) === 0
  }

  #received(channel: ChannelId, { log }: ToldStep): KeptEvent[] {
    const events: KeptEvent[] = []
    for (const { direction, sequence, payments, forgottenAfter } of log) {
      if (direction !== 'received' || forgottenAfter !== undefined) continue
      events.push({ type: 'received', channel, sequence })
      for (const id of new Set(
        payments.flatMap((payment) => this.#requests.openFor(payment)?.record.id ?? [])
      )) {
        events.push({ type: 'request', id })
      }
    }
    return events
  }

  /** Writes an event that no channel tells; resolves once it is on the disk. */
  async tell(event: unknown): Promise<void> {
    const changes = [this.#change({ type: 'told', event })]
    await this.#store.commit(changes)
    this.committed(changes)
  }

  /** Called after each commit with events in it. */
  committed(changes: readonly Change[]): void {
    for (const { key } of changes) this.#committed = Math.max(this.#committed, numberOf(key))
    this.#wake()
    this.#sinceLook++
    if (this.#sinceLook < LOOK_EVERY) return
    this.#sinceLook = 0
    // A disk that fails tells so by the next step of a channel.
    this.#drop().catch(() => {})
  }

  /** Ends all that follow. */
  stop(): void {
    this.#ended = true
    this.#wake()
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }

  /**
   * All events after a number, and then each as it comes. A reader takes them at its own pace: what
   * it has not read waits on the disk.
   */
  async *follow(after: number, signal?: AbortSignal): AsyncGenerator<NumberedEvent> {
    let last = after
    const onAbort = (): void => {
      this.#wake()
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      while (!this.#ended && signal?.aborted !== true) {
        // From before the look: what comes while it lasts is looked at again.
        const changed = new Promise<void>((resolve) => {
          this.#waiting.push(resolve)
        })
        for await (const each of this.#read(last)) {
          yield each
          last = each.number
        }
        await changed
      }
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  #change(event: KeptEvent): Change {
    const key = keyOf(this.#next++)
    return recordChange(key, { at: this.#clock.now(), event })
  }

  async *#read(after: number): AsyncGenerator<NumberedEvent> {
    for (let number = after + 1; number <= this.#committed; number++) {
      const key = keyOf(number)
      const value = await this.#store.get(key)
      // One that is gone was dropped meanwhile, or lost with a damaged part of the store.
      const event = value && unlessDamaged(() => readKeptEvent(key, value))
      if (event !== undefined) yield { number, event }
    }
  }

  async #drop(): Promise<void> {
    const [since, most] = [this.#clock.now() - KEPT_MS, this.newest - MOST_KEPT]
    const old: Change[] = []
    let dropped = this.#dropped
    for await (const [key, value] of this.#store.entries(EVENT_PREFIX)) {
      const number = numberOf(key)
      if (number > most && (timeOf(key, value) ?? 0) > since) break
      dropped = Math.max(dropped, number)
      old.push({ key, value: undefined })
    }
    if (old.length === 0) return
    await this.#store.commit([...old, recordChange(DROPPED_KEY, { number: dropped })])
    this.#dropped = dropped
  }
}

/** Above all numbers that a node gave out after a backup of it was made. */
const AFTER_BACKUP = 1_000_000_000

/**
 * The change for a store that is put back from a backup, whose events are left out: numbers are
 * given out once, so they go on far above, and a reader that comes back hears that it has missed
 * some.
 */
export function renumberedChange(highest: number): Change {
  return recordChange(DROPPED_KEY, { number: highest + AFTER_BACKUP })
}

/** The number that a record of the log has, or stands for; 0 for any other record. */
export function numberIn(key: string, value: Uint8Array): number {
  if (key.startsWith(EVENT_PREFIX)) return numberOf(key)
  return key === DROPPED_KEY ? readDropped(key, value) : 0
}

/**
 * The part of one transition that is told. Transitions may be written together, and what each tells
 * is its own: the state that is written is that of the last.
 */
export type ToldStep = Pick<Transition, 'log' | 'effects'>

/** True for a transition that becomes an event here. */
export function isTold({ log, effects }: ToldStep): boolean {
  return (
    log.length > 0 ||
    effects.some(({ type }) => type === 'notify' || type === 'payments-acknowledged')
  )
}

/** True for a channel that somebody else has opened, and that has had no T1 in a block. */
function isOfStranger(channel: Channel): boolean {
  if (channel.role !== 'server') return false
  if (channel.stage !== 'established') return true
  return channel.onChain.fundingHeight === undefined && channel.reorged !== true
}

function newsOf(channel: ChannelId, { effects }: ToldStep): KeptEvent[] {
  return effects.flatMap((effect): KeptEvent[] => {
    if (effect.type === 'notify') {
      const { news, step, txid } = effect
      return [{ type: 'channel', channel, news, step, txid }]
    }
    if (effect.type !== 'payments-acknowledged') return []
    return [{ type: 'sent', channel, upTo: effect.upTo, count: effect.payments.length }]
  })
}

/** @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION` */
export function readKeptEvent(key: string, value: Uint8Array): KeptEvent {
  return readRecord(key, value, ({ event }: { readonly event: KeptEvent }) => withCode(event))
}

/** The event with the fact `code`, which earlier versions did not keep of each kind that has it. */
function withCode(event: KeptEvent): KeptEvent {
  if (event.type !== 'channel' || !('code' in NEWS[event.news.kind])) return event
  return { ...event, news: { code: 'unknown', ...event.news } as News }
}

/** @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION` */
export function readDropped(key: string, value: Uint8Array): number {
  return parseRecord(key, value, z.object({ number: z.number() })).number
}

function timeOf(key: string, value: Uint8Array): number | undefined {
  try {
    return readRecord(key, value, ({ at }: { readonly at: number }) => at)
  } catch {
    return undefined
  }
}

function keyOf(number: number): string {
  return EVENT_PREFIX + number.toString().padStart(DIGITS, '0')
}

function numberOf(key: string): number {
  return Number(key.slice(EVENT_PREFIX.length))
}
