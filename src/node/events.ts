/**
 * The events of a node: for readers that come back, each with its number, and for the logger and the
 * metrics of its host; and its alarms, each told once a cause.
 */
import {
  type ComponentLogger,
  type CounterGroup,
  type EventHandler,
  type Logger,
  type Metrics,
  TypedEventEmitter
} from '@libp2p/interface'
import { FORGOTTEN_UNFUNDED } from '../channel/linking.js'
import type { EventLog, KeptEvent } from '../engine/event-log.js'
import { paymentsAt, sentUpTo } from '../engine/payments.js'
import type { Clock, Unsubscribe } from '../engine/ports.js'
import type { ChannelId } from '../types/bytes.js'
import { alarm, codeOf, PaychanError } from '../types/errors.js'
import type { NodeEvent, NumberedNodeEvent } from './answers.js'
import { requestInfo } from './requests.js'
import type { Running } from './running.js'

/**
 * All events after a number, then each as it comes; without a number, those from now on. An event
 * that stands for several payments comes in parts, which have one number; the last part is marked.
 *
 * @throws PaychanError `ERR_EVENTS_NOT_KEPT`
 */
export async function* keptEvents(
  parts: Running,
  after: number | undefined,
  signal?: AbortSignal
): AsyncGenerator<NumberedNodeEvent> {
  const log = eventLogOf(parts)
  yield* numberedEvents(log, async (event) => await toldNow(parts, event), after, signal)
}

/** The same, of any log. */
export async function* numberedEvents(
  log: EventLog,
  told: (event: KeptEvent) => Promise<NodeEvent[]>,
  after: number | undefined,
  signal?: AbortSignal
): AsyncGenerator<NumberedNodeEvent> {
  let from = after ?? log.newest
  if (from < log.dropped || from > log.newest) {
    const first = from > log.newest ? log.newest : log.dropped
    yield {
      number: first,
      isLast: true,
      event: { ...alarm(lost(from, first)), channel: undefined }
    }
    from = first
  }
  for await (const { number, event } of log.follow(from, signal)) {
    // What an event refers to may be damaged: the reader goes on behind it.
    const events = await told(event).catch((error: unknown) => {
      if (codeOf(error) !== 'ERR_STORE_CORRUPT') throw error
      return []
    })
    for (const [index, each] of events.entries()) {
      yield { number, isLast: index === events.length - 1, event: each }
    }
  }
}

/** The number of the newest event. @throws PaychanError `ERR_EVENTS_NOT_KEPT` */
export function newestEvent(parts: Running): number {
  return eventLogOf(parts).newest
}

function eventLogOf({ engine: { eventLog } }: Running): EventLog {
  if (eventLog !== undefined) return eventLog
  throw new PaychanError(
    'ERR_EVENTS_NOT_KEPT',
    'This node keeps no events: start it with `keepsEvents: true`.'
  )
}

function lost(after: number, first: number): PaychanError {
  return new PaychanError(
    'ERR_EVENTS_LOST',
    `The events after number ${after} are not all kept any more: they go on after ${first}. Look at the payments and channels in between.`,
    { after, first }
  )
}

/** Parts kept by reference are as they are now: a channel that was opened then may be closed. */
async function toldNow({ engine, store }: Running, event: KeptEvent): Promise<NodeEvent[]> {
  switch (event.type) {
    case 'told':
      return [event.event as NodeEvent]
    case 'request': {
      const record = await engine.requests.find(event.id)
      return record === undefined ? [] : [{ type: 'request', request: requestInfo(record) }]
    }
    case 'channel': {
      if (engine.stateOf(event.channel) === undefined) return []
      return [{ ...event, channel: engine.describe(event.channel) }]
    }
    case 'received':
    case 'sent': {
      const channel = engine.stateOf(event.channel)
      if (channel === undefined) return []
      const payments =
        event.type === 'received'
          ? await paymentsAt(store, channel, event.sequence)
          : await sentUpTo(store, channel, event.upTo, event.count)
      return payments.map((payment) => ({ type: 'payment', payment }))
    }
  }
}

/*
 * What a node tells: to listeners of every event, and to those of one kind, as libp2p's own
 * services tell it. Both hear from the same source, in the same order.
 */

/** The events of the service by their kind; `detail` is the event as `events.on` has it. */
export type PaychanEvents = {
  [Type in NodeEvent['type']]: CustomEvent<Extract<NodeEvent, { readonly type: Type }>>
}

/**
 * An EventTarget of the events of a node. An error in a listener becomes a warning of the process:
 * thrown out of an EventTarget it would end the process, and with it all payments.
 */
export class ToldEvents extends TypedEventEmitter<PaychanEvents> {
  readonly #listeners = new Set<(event: NodeEvent) => void>()
  readonly #guarded = new WeakMap<object, (event: Event) => void>()

  override addEventListener<Type extends keyof PaychanEvents>(
    type: Type,
    listener: EventHandler<PaychanEvents[Type]> | null,
    options?: Parameters<EventTarget['addEventListener']>[2]
  ): void {
    if (listener === null) return
    const guarded =
      this.#guarded.get(listener) ??
      ((event: Event): void => {
        warnOfErrors(() => {
          const told = event as PaychanEvents[Type]
          if (typeof listener === 'function') listener(told)
          else listener.handleEvent(told)
        })
      })
    this.#guarded.set(listener, guarded)
    super.addEventListener(type, guarded, options)
  }

  override removeEventListener<Type extends keyof PaychanEvents>(
    type: Type,
    listener?: EventHandler<PaychanEvents[Type]> | null,
    options?: Parameters<EventTarget['removeEventListener']>[2]
  ): void {
    const guarded = listener == null ? undefined : this.#guarded.get(listener)
    super.removeEventListener(type, guarded ?? listener, options)
  }

  /** Calls the listener with every event, until the function that it returns is called. */
  protected onEvery(listener: (event: NodeEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** True when somebody hears of events of this kind: otherwise they need not be described. */
  protected hasListeners(type: NodeEvent['type']): boolean {
    return this.#listeners.size > 0 || this.listenerCount(type) > 0
  }

  protected tellAll(event: NodeEvent): void {
    for (const listener of this.#listeners) {
      warnOfErrors(() => {
        listener(event)
      })
    }
    if (this.listenerCount(event.type) > 0) this.safeDispatchEvent(event.type, { detail: event })
  }
}

function warnOfErrors(call: () => void): void {
  try {
    call()
  } catch (error) {
    process.emitWarning(error instanceof Error ? error : String(error))
  }
}

/* Tells the logger and the metrics of the host what the service does. */

type Direction = 'sent' | 'received'

/** Follows the events of a node for the people who run its host (`DEBUG=paychan*`). */
export class Traces {
  readonly #log: Logger
  readonly #payments: CounterGroup<Direction> | undefined
  readonly #paid: CounterGroup<Direction> | undefined
  readonly #alarms: CounterGroup<string> | undefined

  constructor({
    logger,
    metrics
  }: {
    readonly logger: ComponentLogger
    readonly metrics?: Metrics
  }) {
    this.#log = logger.forComponent('paychan')
    this.#payments = metrics?.registerCounterGroup('paychan_payments_total', {
      label: 'direction',
      help: 'Payments that were acknowledged'
    })
    this.#paid = metrics?.registerCounterGroup('paychan_paid_satoshis_total', {
      label: 'direction',
      help: 'Their sum, in satoshis'
    })
    this.#alarms = metrics?.registerCounterGroup('paychan_alarms_total', {
      label: 'code',
      help: 'Alarms that were told, by their code'
    })
  }

  /** True when payments are counted. */
  get countsPayments(): boolean {
    return this.#payments !== undefined
  }

  /** True when the news of channels are logged. */
  get followsChannels(): boolean {
    return this.#log.enabled
  }

  event(event: NodeEvent): void {
    switch (event.type) {
      case 'payment': {
        const { id, channel, direction, amount } = event.payment
        this.#payments?.increment({ [direction]: true })
        this.#paid?.increment({ [direction]: Number(amount) })
        this.#log.trace('payment %s of %d sat %s on %s', id, amount, direction, channel)
        break
      }
      case 'alarm':
        this.#alarms?.increment({ [event.code]: true })
        this.#log.error('%s: %s', event.code, event.text)
        break
      case 'channel':
        this.#log('channel %s: %s', event.channel.id, event.news.kind)
        break
      case 'chain':
        this.#log('chain %s at height %d', event.status, event.height)
        break
      case 'server':
        this.#log('server %s: %s', event.server, event.text)
        break
      default:
        this.#log.trace('%s', event.type)
    }
  }
}

/*
 * One alarm per cause. One fault often shows in a hundred places, or again with each block: the
 * first alarm is told at once, and later ones of the same cause are counted and told after growing
 * pauses.
 */

export type Alarm = Extract<NodeEvent, { type: 'alarm' }>

/**
 * Milliseconds between two alarms of one cause: at first, and at most. A cause that was quiet for
 * the longest pause is news again.
 */
const FIRST_WHILE_MS = 10_000
const LONGEST_WHILE_MS = 3_600_000

/**
 * Limits memory, since others influence the texts: beyond this number the oldest cause is
 * forgotten.
 */
const MOST_CAUSES = 1_000

/** Channels that one alarm names. */
const MOST_NAMED = 10

interface Cause {
  /** Number of alarms not told yet. */
  count: number
  channels: Set<ChannelId>
  last: Alarm
  while: number
  /** True when the next alarm is told at once. */
  isQuiet: boolean
  cancel: Unsubscribe
}

export class Alarms {
  readonly #causes = new Map<string, Cause>()
  readonly #clock: Pick<Clock, 'after'>
  readonly #emit: (alarm: Alarm) => void

  constructor(clock: Pick<Clock, 'after'>, emit: (alarm: Alarm) => void) {
    this.#clock = clock
    this.#emit = emit
  }

  raise(alarm: Alarm): void {
    const key = causeOf(alarm)
    const known = this.#causes.get(key)
    if (known !== undefined && !known.isQuiet) {
      known.count += 1
      known.last = alarm
      if (alarm.channel !== undefined) known.channels.add(alarm.channel)
      return
    }
    known?.cancel()
    const cause: Cause = {
      count: 0,
      channels: new Set(),
      last: alarm,
      while: known === undefined ? FIRST_WHILE_MS : longer(known.while),
      isQuiet: false,
      cancel: () => {}
    }
    this.#causes.set(key, cause)
    this.#wait(key, cause)
    this.#forgetOldest()
    this.#emit(alarm)
  }

  /** Drops what was counted; only new alarms are told. */
  stop(): void {
    for (const { cancel } of this.#causes.values()) cancel()
    this.#causes.clear()
  }

  #wait(key: string, cause: Cause): void {
    cause.cancel = this.#clock.after(cause.while, () => {
      if (cause.count > 0) this.#tellAgain(key, cause)
      else this.#rest(key, cause)
    })
  }

  #tellAgain(key: string, cause: Cause): void {
    const alarm = summaryOf(cause)
    cause.count = 0
    cause.channels = new Set()
    cause.while = longer(cause.while)
    this.#wait(key, cause)
    this.#emit(alarm)
  }

  #rest(key: string, cause: Cause): void {
    cause.isQuiet = true
    cause.cancel = this.#clock.after(LONGEST_WHILE_MS, () => {
      this.#causes.delete(key)
    })
  }

  #forgetOldest(): void {
    const [oldest] = this.#causes
    if (this.#causes.size <= MOST_CAUSES || oldest === undefined) return
    oldest[1].cancel()
    this.#causes.delete(oldest[0])
  }
}

function longer(ms: number): number {
  return Math.min(ms * 2, LONGEST_WHILE_MS)
}

/**
 * The channel, transaction or amount that an alarm is about makes no other cause of it. Nor does
 * what a peer says (ERR-6): whoever names another rule each time would have an alarm each time.
 * Each peer is a cause of its own, so that none hides another, but where a peer needs no coin.
 */
function causeOf({ code, facts: { rule, cause, peer, peerCode } }: Alarm): string {
  const what =
    peerCode === undefined
      ? `${code} ${String(rule)}`
      : cause === FORGOTTEN_UNFUNDED
        ? 'a peer says'
        : `the peer ${String(peer)} says`
  return `${what} ${String(cause)}`
}

function summaryOf({ last, count, channels, while: ms }: Cause): Alarm {
  const named = [...channels].slice(0, MOST_NAMED)
  const more = channels.size > named.length ? ', ...' : ''
  const about =
    named.length === 0
      ? ''
      : `, about ${channels.size === 1 ? 'channel' : `${channels.size} channels:`} ${named.map((id) => id.slice(0, 8)).join(', ')}${more}`
  const text = `${last.text} (${count === 1 ? 'Once' : `${count} times`} more in the last ${whileText(ms)}${about}.)`
  return {
    ...last,
    text,
    channel: channels.size === 1 ? named[0] : undefined,
    count,
    channels: [...channels]
  }
}

function whileText(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 120) return `${seconds} s`
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`
}
