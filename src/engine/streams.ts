/**
 * The streams of a node: which peers are let in, the channel of each stream, the rate at which a
 * peer is read, and the time that it may be silent.
 */
import {
  MAX_ERROR_TEXT_BYTES,
  type Message,
  type OpenChannel,
  plainText,
  type Reestablish,
  type RestoreRequest
} from '../../protocols/paychan/1.0/index.js'
import type { ChannelEvent } from '../channel/events.js'
import { isOverAt } from '../channel/onchain.js'
import { isUnsigned } from '../channel/outside-funding.js'
import { type Channel, isFrozen } from '../channel/state.js'
import { codeOf, messageOf } from '../types/errors.js'
import type { BlockHeight } from '../types/units.js'
import type { ChannelActor } from './channel-actor.js'
import type { Clock, Link, LinkListener, Unsubscribe } from './ports.js'

/*
 * Streams that peers open: the first message tells a new channel from a known one (WIRE-8).
 */

/**
 * A peer that opens a stream and says nothing is cut off; after its first message it may be silent
 * for ever (WIRE-10).
 */
const FIRST_MESSAGE_TIMEOUT_MS = 30_000

interface IncomingHandler {
  /** Returns the new listener of the link; throws a refusal, which the peer is told. */
  onOpen: (link: Link, message: OpenChannel) => LinkListener
  onReestablish: (link: Link, message: Reestablish) => LinkListener
  onRestore: (link: Link, message: RestoreRequest) => LinkListener
}

/**
 * Listens until the first message, then hands the stream over to the channel that it belongs to.
 */
export function acceptLink(
  link: Link,
  handler: IncomingHandler,
  clock: Clock,
  streams: StreamThrottle
): LinkListener {
  let listener: LinkListener | undefined
  let closed = false
  const cancel = clock.after(FIRST_MESSAGE_TIMEOUT_MS, () => {
    refuse(link, 'ERR_TIMEOUT', '', 'No message came.', false)
  })
  const begin = (message: Message): void => {
    if (closed) return
    try {
      listener = route(link, message, handler)
    } catch (error) {
      const rule =
        error instanceof Error && 'rule' in error && typeof error.rule === 'string'
          ? error.rule
          : ''
      refuse(
        link,
        codeOf(error),
        rule,
        codeOf(error) === 'ERR_INTERNAL' ? 'This node could not do that.' : messageOf(error),
        message.type === 'OpenChannel'
      )
    }
  }
  return {
    onMessage: (message) => {
      if (listener !== undefined) return listener.onMessage(message)
      cancel()
      const wait = streams.before(link.peer)
      if (wait !== undefined) {
        return wait.then(() => {
          begin(message)
        })
      }
      begin(message)
    },
    onClosed: (error) => {
      closed = true
      cancel()
      listener?.onClosed(error)
    }
  }
}

function route(link: Link, message: Message, handler: IncomingHandler): LinkListener | undefined {
  if (message.type === 'OpenChannel') return handler.onOpen(link, message)
  if (message.type === 'Reestablish') return handler.onReestablish(link, message)
  if (message.type === 'RestoreRequest') return handler.onRestore(link, message)
  refuse(
    link,
    'ERR_UNEXPECTED_MESSAGE',
    'ERR-2',
    `A stream begins with OpenChannel, Reestablish or RestoreRequest, not with ${message.type}.`,
    false
  )
  return undefined
}

/**
 * Tells a peer why its stream ends, and ends it. Fatal only for an offer: a known channel must not
 * end for good because this node was started, for once, on another data directory (ERR-3).
 */
export function refuse(link: Link, code: string, rule: string, text: string, fatal: boolean): void {
  link.send({ type: 'Error', code, rule, text: plainText(text, MAX_ERROR_TEXT_BYTES), fatal })
  link.close()
}

/**
 * A listener for a stream whose channel is not there yet: keeps the messages, in order, until it
 * is.
 */
export class BufferingListener implements LinkListener {
  #listener: LinkListener | undefined
  readonly #waiting: Message[] = []
  #release: (handled: Promise<unknown>) => void = () => {}
  readonly #bound = new Promise<unknown>((resolve) => {
    this.#release = resolve
  })
  #closed: { readonly error: Error | undefined } | undefined

  readonly onMessage = (message: Message): void | Promise<void> => {
    if (this.#listener !== undefined) return this.#listener.onMessage(message)
    this.#waiting.push(message)
    return this.#bound.then(() => {}) // a peer cannot fill our memory meanwhile
  }

  readonly onClosed = (error: Error | undefined): void => {
    if (this.#listener === undefined) this.#closed = { error }
    else this.#listener.onClosed(error)
  }

  /**
   * Hands over the messages that have arrived, and from now on all later ones. What a listener
   * throws is told to whoever has brought the message, as it would have been without this one.
   */
  bind(listener: LinkListener): void {
    this.#listener = listener
    const waiting = this.#waiting.splice(0)
    this.#release(Promise.all(waiting.map(async (message) => await listener.onMessage(message))))
    if (this.#closed !== undefined) listener.onClosed(this.#closed.error)
  }
}

/*
 * The stream of each channel. A channel has one at a time; the newest wins. A peer that talks more
 * than a channel can need is read more slowly: nobody else notices.
 */

/** The messages that a stream may begin with. */
const FIRST_MESSAGES: ReadonlySet<Message['type']> = new Set([
  'OpenChannel',
  'AcceptChannel',
  'Reestablish'
])

/**
 * `number`: counts the streams of this channel, from 0. `begun`: its first message has been sent.
 * `waiting`: messages to send after one that is still being made.
 */
interface Stream {
  readonly link: Link
  readonly number: number
  begun: boolean
  waiting: Message[] | undefined
}

export class Links {
  readonly #streams = new Map<ChannelActor, Stream>()
  readonly #attached = new WeakMap<ChannelActor, number>()
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * REEST-6: gives the channel a new stream and ends an older one. Returns the listener of the new
   * stream.
   */
  attach(actor: ChannelActor, link: Link): LinkListener {
    const old = this.#streams.get(actor)
    const number = this.#attached.get(actor) ?? 0
    this.#attached.set(actor, number + 1)
    this.#streams.set(actor, { link, number, begun: false, waiting: undefined })
    if (old !== undefined) {
      old.link.close()
      actor.post({ type: 'disconnected', reason: 'replaced by a newer stream' })
    }
    const throttle = new Throttle(this.#clock)
    const current = (): boolean => this.#streams.get(actor)?.link === link
    return {
      onMessage: (message) => {
        if (!current()) return
        actor.post(eventOf(message))
        const wait = throttle.after(message)
        const { backPressure } = actor
        return wait === undefined ? backPressure : Promise.all([wait, backPressure]).then(() => {})
      },
      onClosed: (error) => {
        if (!current()) return
        this.#streams.delete(actor)
        actor.post({ type: 'disconnected', reason: error === undefined ? '' : messageOf(error) })
      }
    }
  }

  /** The number of a channel's stream; effects with this number are only for that stream. */
  numberOf(actor: ChannelActor): number | undefined {
    return this.#streams.get(actor)?.number
  }

  /** REEST-1, REEST-6: messages meant for an older stream are not sent on a new one. */
  send(actor: ChannelActor, message: Message): void {
    const stream = this.#streams.get(actor)
    if (stream === undefined) return
    if (stream.waiting !== undefined) stream.waiting.push(message)
    else if (mayGo(stream, message)) stream.link.send(message)
  }

  /**
   * Sends a message once it is made; later messages on this stream follow it. Rejects when it
   * cannot be made.
   */
  async sendOnceMade(actor: ChannelActor, making: Promise<Message>): Promise<void> {
    const stream = this.#streams.get(actor)
    if (stream === undefined) return
    const waiting: Message[] = []
    stream.waiting = waiting
    const message = await making
    stream.waiting = undefined
    if (this.#streams.get(actor) !== stream) return
    for (const each of [message, ...waiting]) if (mayGo(stream, each)) stream.link.send(each)
  }

  /** WIRE-14: ends the streams of channels that are over. */
  hangUpOver(height: BlockHeight | undefined): void {
    if (height === undefined) return
    for (const actor of [...this.#streams.keys()]) {
      if (isOverAt(actor.state, height)) this.hangUp(actor, 'the channel is over')
    }
  }

  /** Ends the stream after the messages already sent; the channel hears of it at once. */
  hangUp(actor: ChannelActor, reason: string): void {
    const stream = this.#streams.get(actor)
    if (stream === undefined) return
    this.#streams.delete(actor)
    stream.link.close()
    actor.post({ type: 'disconnected', reason })
  }
}

/** REEST-5: before its first message a side sends only the reason why it does not go on. */
function mayGo(stream: Stream, message: Message): boolean {
  stream.begun ||= FIRST_MESSAGES.has(message.type)
  return stream.begun || message.type === 'Error'
}

function eventOf(message: Message): ChannelEvent {
  return message.type === 'Update'
    ? { type: 'updates', updates: [message] }
    : { type: 'message', message }
}

/*
 * The rate at which a peer is read. A peer that says more than a channel can need is held back, not
 * refused: its messages wait on its own side (WIRE-11), and a handful a second cost us nothing.
 */

/**
 * Number of messages beside payments that a stream may bring at once: far more than any opening,
 * reconnect or close takes.
 */
export const BURST = 64

/** Milliseconds until another message is taken. */
export const INTERVAL_MS = 100

/**
 * Number of streams that a peer may begin at once: twice those that it may have (WIRE-9), for a
 * connection that breaks twice.
 */
export const STREAM_BURST = 128

/** Milliseconds until another stream is taken: each costs a write or two. */
export const STREAM_INTERVAL_MS = 250

/** Allows `burst` things at once, then one an interval. */
export class Bucket {
  #left: number
  #refilledAt: number
  readonly #clock: Clock
  readonly #burst: number
  readonly #intervalMs: number

  constructor(clock: Clock, burst: number, intervalMs: number) {
    this.#clock = clock
    this.#burst = burst
    this.#intervalMs = intervalMs
    this.#left = burst
    this.#refilledAt = clock.now()
  }

  /**
   * Takes one. Returns a promise that resolves when its turn is over, or undefined when it may go
   * now. Takers beyond the limit stand in a line.
   */
  take(): Promise<void> | undefined {
    this.#refill()
    this.#left -= 1
    if (this.#left > 0) return undefined
    return new Promise((resolve) => {
      this.#clock.after((1 - this.#left) * this.#intervalMs, resolve)
    })
  }

  /** Takes one if there is one now. */
  takeNow(): boolean {
    this.#refill()
    if (this.#left <= 0) return false
    this.#left -= 1
    return true
  }

  /** What was taken came to nothing. */
  giveBack(): void {
    this.#left = Math.min(this.#burst, this.#left + 1)
  }

  /** True when nothing is taken: the bucket is as good as new. */
  get isFull(): boolean {
    this.#refill()
    return this.#left === this.#burst
  }

  #refill(): void {
    const now = this.#clock.now()
    // A clock that was set back gives nothing, and takes nothing.
    const intervals = Math.floor((now - this.#refilledAt) / this.#intervalMs)
    if (intervals === 0) return
    this.#left = Math.min(this.#burst, this.#left + Math.max(0, intervals))
    this.#refilledAt = now
  }
}

/**
 * Limits the rate of one stream. Updates, and acknowledgements of something new, come as fast as
 * the channel takes them.
 */
export class Throttle {
  readonly #bucket: Bucket
  #newestUpdate = -1
  #newestAck = -1

  constructor(clock: Clock) {
    this.#bucket = new Bucket(clock, BURST, INTERVAL_MS)
  }

  /** Resolves when the message after this one may be read; undefined: now. */
  after(message: Message): Promise<void> | undefined {
    return this.#isProgress(message) ? undefined : this.#bucket.take()
  }

  /**
   * True for a payment, which costs the peer money, and for an acknowledgement, which answers what
   * we sent. A repeated sequence brings nothing.
   */
  #isProgress(message: Message): boolean {
    if (message.type === 'Update' && message.sequence > this.#newestUpdate) {
      this.#newestUpdate = message.sequence
      return true
    }
    if (message.type === 'UpdateAck' && message.sequence > this.#newestAck) {
      this.#newestAck = message.sequence
      return true
    }
    return false
  }
}

/**
 * COST-2: strangers' transactions that are sent at once, and milliseconds until another one is.
 * ElectrumX takes 100 for a refusal, forgives 1 a second, and hangs up at 10,000: so they come to
 * 400 and then to 250 of the 600 that it forgives in a block, which leaves the rest to our own.
 */
export const FAVOURS = 4
export const FAVOUR_INTERVAL_MS = 240_000

/**
 * COST-4: number of strangers' scripts that are watched at once, and milliseconds until another one
 * is. Each takes below 1, so 64 and then 60 in a block.
 */
export const STRANGE_WATCHES = 64
const STRANGE_WATCH_INTERVAL_MS = 10_000

/** The requests that all strangers together may cause at this node's Electrum servers. */
export class StrangersShare {
  readonly #favours: Bucket
  readonly #watches: Bucket

  constructor(clock: Clock) {
    this.#favours = new Bucket(clock, FAVOURS, FAVOUR_INTERVAL_MS)
    this.#watches = new Bucket(clock, STRANGE_WATCHES, STRANGE_WATCH_INTERVAL_MS)
  }

  /** Takes a favour: true when a transaction that is only a stranger's may be sent now. */
  takeFavour(): boolean {
    return this.#favours.takeNow()
  }

  /** True when a script that holds nothing of ours may be watched before the next block. */
  takeWatch(): boolean {
    return this.#watches.takeNow()
  }

  /** Waits in a line until such a script may be watched; undefined: now. */
  awaitWatch(): Promise<void> | undefined {
    return this.#watches.take()
  }
}

/** Limits how fast each peer may begin streams. Remembers only peers that have just begun some. */
export class StreamThrottle {
  readonly #peers = new Map<string, Bucket>()
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves when a stream that the peer has begun may be served; undefined: now. */
  before(peer: string): Promise<void> | undefined {
    for (const [name, bucket] of this.#peers) if (bucket.isFull) this.#peers.delete(name)
    const bucket =
      this.#peers.get(peer) ?? new Bucket(this.#clock, STREAM_BURST, STREAM_INTERVAL_MS)
    this.#peers.set(peer, bucket)
    return bucket.take()
  }
}

/*
 * Ends the stream of a peer that does not answer: the outcome of our messages is then unknown, and
 * comes up again on the next stream.
 */

/**
 * The unanswered message: our `Reestablish`, `Funding`, `TurnRequest`, or the oldest update by its
 * sequence.
 */
type Awaited = number | 'Reestablish' | 'Funding' | 'TurnGrant'

/** WIRE-12: hangs up when an answer is late. */
export class AckTimers {
  readonly #timers = new Map<
    ChannelActor,
    { readonly awaited: Awaited; readonly cancel: Unsubscribe }
  >()
  readonly #clock: Clock
  readonly #ms: number
  readonly #onLate: (actor: ChannelActor) => void

  constructor(clock: Clock, ms: number, onLate: (actor: ChannelActor) => void) {
    this.#clock = clock
    this.#ms = ms
    this.#onLate = onLate
  }

  /** Called after each step: keeps one timer for the awaited answer. */
  observe(actor: ChannelActor): void {
    const awaited = awaitedOf(actor.state)
    const timer = this.#timers.get(actor)
    if (timer?.awaited === awaited) return
    timer?.cancel()
    this.#timers.delete(actor)
    if (awaited === undefined) return
    this.#timers.set(actor, {
      awaited,
      cancel: this.#clock.after(this.#ms, () => {
        this.#onLate(actor)
      })
    })
  }

  stopAll(): void {
    for (const { cancel } of this.#timers.values()) cancel()
    this.#timers.clear()
  }
}

function awaitedOf(channel: Channel): Awaited | undefined {
  if (channel.stage !== 'established') return undefined
  if (channel.link === 'up') return 'Reestablish'
  if (channel.link !== 'live') return undefined
  // No update is acknowledged, and no turn granted, on a channel that only closes: its stream is
  // there for the close.
  if (channel.stopped !== undefined || isFrozen(channel)) return undefined
  if (channel.role === 'client' && !channel.fundingAcknowledged) {
    return isUnsigned(channel) ? undefined : 'Funding'
  }
  return (
    channel.ledger.inFlight[0]?.sequence ??
    (channel.wishes.asked === undefined ? undefined : 'TurnGrant')
  )
}
