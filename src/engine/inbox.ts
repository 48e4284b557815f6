/**
 * The queue in front of a channel. What waits together is handled together: payments share a
 * signature, updates share a verification, and all of it shares one write.
 */
import type { Payment } from '../../protocols/paychan/1.0/index.js'
import type { ChannelEvent } from '../channel/events.js'
import { payableNow } from '../channel/paying.js'
import type { Channel } from '../channel/state.js'

export class Inbox {
  #events: ChannelEvent[] = []
  readonly #payments: Payment[] = []
  #close = false

  post (event: ChannelEvent): void {
    if (event.type === 'pay') this.#payments.push(...event.payments)
    else if (event.type === 'close') this.#close = true
    else this.#push(event)
  }

  /** Updates that arrive in a row become one event. */
  #push (event: ChannelEvent): void {
    const last = this.#events.at(-1)
    if (event.type === 'updates' && last?.type === 'updates') this.#events[this.#events.length - 1] = { type: 'updates', updates: [...last.updates, ...event.updates] }
    else this.#events.push(event)
  }

  /**
   * What the channel can handle now: first what has happened, else as many payments as the window
   * takes, else a close, which waits until nothing is in flight any more.
   */
  take (channel: Channel): readonly ChannelEvent[] {
    if (this.#events.length > 0) {
      const events = this.#events
      this.#events = []
      return events
    }
    const count = payableNow(channel, this.#payments)
    if (count > 0) return [{ type: 'pay', payments: this.#payments.splice(0, count) }]
    const busy = this.#payments.length > 0 || (channel.stage === 'established' && channel.link === 'live' && channel.ledger.inFlight.length > 0)
    if (!this.#close || busy) return []
    this.#close = false
    return [{ type: 'close' }]
  }
}
