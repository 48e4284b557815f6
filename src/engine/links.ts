/**
 * Which stream belongs to which channel. A channel has one at a time; the newest wins. A peer that
 * talks more than a channel can need is read more slowly: that is felt by nobody else.
 */
import type { Message } from '../../protocols/paychan/1.0/index.js'
import type { ChannelEvent } from '../channel/events.js'
import { messageOf } from '../types/errors.js'
import type { ChannelActor } from './channel-actor.js'
import type { Clock, Link, LinkListener } from './ports.js'
import { Throttle } from './throttle.js'

/** What a stream begins with. */
const FIRST_MESSAGES: ReadonlySet<Message['type']> = new Set([
  'OpenChannel',
  'AcceptChannel',
  'Reestablish'
])

/**
 * `number`: of the streams of this channel, from 0. `begun`: its first message has been sent.
 * `waiting`: what is to be sent after a message that is still being made.
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

  constructor(private readonly clock: Clock) {}

  /**
   * REEST-6: gives the channel a new stream; an older one ends. Returns who listens to it from now
   * on.
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
    const throttle = new Throttle(this.clock)
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

  /** The number of the stream that a channel has; its effects are only for that one. */
  numberOf(actor: ChannelActor): number | undefined {
    return this.#streams.get(actor)?.number
  }

  /** REEST-1, REEST-6: what was still to be said on an older stream is not said on a new one. */
  send(actor: ChannelActor, message: Message): void {
    const stream = this.#streams.get(actor)
    if (stream === undefined) return
    if (stream.waiting !== undefined) stream.waiting.push(message)
    else sendOn(stream, message)
  }

  /**
   * Sends a message once it is made; what is sent meanwhile on this stream follows it. Rejects when
   * it cannot be made.
   */
  async sendOnceMade(actor: ChannelActor, making: Promise<Message>): Promise<void> {
    const stream = this.#streams.get(actor)
    if (stream === undefined) return
    const waiting: Message[] = []
    stream.waiting = waiting
    const message = await making
    stream.waiting = undefined
    if (this.#streams.get(actor) !== stream) return
    for (const each of [message, ...waiting]) sendOn(stream, each)
  }

  /** Ends the stream after what was sent; the channel hears of it at once. */
  hangUp(actor: ChannelActor, reason: string): void {
    const stream = this.#streams.get(actor)
    if (stream === undefined) return
    this.#streams.delete(actor)
    stream.link.close()
    actor.post({ type: 'disconnected', reason })
  }
}

/** REEST-5: before its first message a side says nothing but why it does not go on. */
function sendOn(stream: Stream, message: Message): void {
  stream.begun ||= FIRST_MESSAGES.has(message.type)
  if (stream.begun || message.type === 'Error') stream.link.send(message)
}

function eventOf(message: Message): ChannelEvent {
  return message.type === 'Update'
    ? { type: 'updates', updates: [message] }
    : { type: 'message', message }
}
