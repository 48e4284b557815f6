/**
 * The queue in front of a channel. What waits together is handled together: payments share a
 * signature, updates share a verification, and all of it shares one write.
 */
import {
  MAX_PAYMENTS_PER_UPDATE,
  type Payment,
  type Update
} from '../../protocols/paychan/1.0/index.js'
import type { ChannelEvent } from '../channel/events.js'
import { payableNow } from '../channel/paying.js'
import type { Channel } from '../channel/state.js'
import { grantDue, turnNeed } from '../channel/turns.js'

/** Twice the window of updates that this node announces: who keeps to it is never held back. */
const MOST_WAITING = 32

export class Inbox {
  #events: ChannelEvent[] = []
  /** The updates of the last of the events, while it can take more. */
  #updates: Update[] | undefined
  #waiting = 0
  #payments: Payment[] = []
  #close = false

  /** Whether the peer has to be held back until what it sent is handled. */
  get isFull(): boolean {
    return this.#waiting > MOST_WAITING
  }

  post(event: ChannelEvent): void {
    if (event.type === 'pay') this.#payments.push(...event.payments)
    else if (event.type === 'close') this.#close = true
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

  /** Forgets what the user wants of the channel; what happened to it stays. */
  dropWishes(): void {
    this.#payments = []
    this.#close = false
  }

  /**
   * What the channel can handle now: first what has happened, else as many payments as the window
   * takes, else the turn that payments need, else a close, which waits until nothing is in flight
   * any more. While the channel is held, nothing is signed or granted in it: it is about to be
   * renewed as it is.
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
    const count = this.#payments.length === 0 ? 0 : payableNow(channel, this.#payments)
    if (count > 0) return [{ type: 'pay', payments: this.#payments.splice(0, count) }]
    if (this.#payments.length > 0 && turnNeed(channel) === 'ask') {
      return [{ type: 'ask-turn', payments: this.#payments.slice(0, MAX_PAYMENTS_PER_UPDATE) }]
    }
    return this.#takeClose(channel)
  }

  #takeClose(channel: Channel): readonly ChannelEvent[] {
    if (!this.#close) return []
    const busy =
      this.#payments.length > 0 ||
      (channel.stage === 'established' &&
        channel.link === 'live' &&
        channel.stopped === undefined &&
        channel.ledger.inFlight.length > 0)
    if (busy) return []
    this.#close = false
    return [{ type: 'close' }]
  }
}
