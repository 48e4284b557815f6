/** Which stream belongs to which channel. A channel has one at a time; the newest wins. */
import type { Message } from '../../protocols/paychan/1.0/index.js'
import type { ChannelEvent } from '../channel/events.js'
import { messageOf } from '../types/errors.js'
import type { ChannelActor } from './channel-actor.js'
import type { Link, LinkListener } from './ports.js'

export class Links {
  readonly #links = new Map<ChannelActor, Link>()

  of (actor: ChannelActor): Link | undefined {
    return this.#links.get(actor)
  }

  /** Gives the channel a new stream; an older one ends. Returns who listens to it from now on. */
  attach (actor: ChannelActor, link: Link): LinkListener {
    const old = this.#links.get(actor)
    this.#links.set(actor, link)
    if (old !== undefined) {
      old.close()
      actor.post({ type: 'disconnected', reason: 'replaced by a newer stream' })
    }
    const current = (): boolean => this.#links.get(actor) === link
    return {
      onMessage: (message) => { if (current()) actor.post(eventOf(message)) },
      onClosed: (error) => {
        if (!current()) return
        this.#links.delete(actor)
        actor.post({ type: 'disconnected', reason: error === undefined ? '' : messageOf(error) })
      }
    }
  }

  send (actor: ChannelActor, message: Message): void {
    this.#links.get(actor)?.send(message)
  }

  /** Ends the stream after what was sent; the channel hears of it at once. */
  hangUp (actor: ChannelActor, reason: string): void {
    const link = this.#links.get(actor)
    if (link === undefined) return
    this.#links.delete(actor)
    link.close()
    actor.post({ type: 'disconnected', reason })
  }
}

function eventOf (message: Message): ChannelEvent {
  return message.type === 'Update' ? { type: 'updates', updates: [message] } : { type: 'message', message }
}
