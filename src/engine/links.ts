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
const FIRST_MESSAGES: ReadonlySet<Message['type']> = new Set(['OpenChannel', 'AcceptChannel', 'Reestablish'])

/** `begun`: its first message has been sent. */
interface Stream { readonly link: Link, begun: boolean }

export class Links {
  readonly #streams = new Map<ChannelActor, Stream>()

  constructor (private readonly clock: Clock) {}

  /** REEST-6: gives the channel a new stream; an older one ends. Returns who listens to it from now on. */
  attach (actor: ChannelActor, link: Link): LinkListener {
    const old = this.#streams.get(actor)
    this.#streams.set(actor, { link, begun: false })
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

  /** REEST-1: what was still to be said on an older stream is not said on a new one before its first message. */
  send (actor: ChannelActor, message: Message): void {
    const stream = this.#streams.get(actor)
    if (stream === undefined) return
    stream.begun ||= FIRST_MESSAGES.has(message.type)
    if (stream.begun) stream.link.send(message)
  }

  /** Ends the stream after what was sent; the channel hears of it at once. */
  hangUp (actor: ChannelActor, reason: string): void {
    const stream = this.#streams.get(actor)
    if (stream === undefined) return
    this.#streams.delete(actor)
    stream.link.close()
    actor.post({ type: 'disconnected', reason })
  }
}

function eventOf (message: Message): ChannelEvent {
  return message.type === 'Update' ? { type: 'updates', updates: [message] } : { type: 'message', message }
}
