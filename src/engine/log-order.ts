/**
 * The order of the payment log over all channels: that in which entries were written. The clock on
 * the wall does not give it: it may be set back, and the newest payment would be taken for an old
 * one.
 */
import type { Channel } from '../channel/state.js'
import { nextSequence } from '../channel/ledger.js'
import { unlessCorrupt } from './loading.js'
import { orderOf, paymentKey, readEntry } from './payments.js'
import type { Clock, Store } from './ports.js'

/**
 * Numbers that only grow, over restarts too. They follow the clock as long as that does, since
 * entries of earlier releases have nothing but their time.
 */
export class LogOrder {
  #last = 0

  constructor(private readonly clock: Pick<Clock, 'now'>) {}

  /** Reads how far it had come: the newest entry of each channel. */
  async load(store: Store, channels: Iterable<Channel>): Promise<void> {
    for (const channel of channels) {
      if (channel.stage !== 'established') continue
      const key = paymentKey(channel.id, nextSequence(channel.ledger) - 1)
      const value = await store.get(key)
      const found =
        value === undefined ? undefined : await unlessCorrupt(async () => readEntry(key, value))
      if (found !== undefined && 'value' in found) {
        this.#last = Math.max(this.#last, orderOf(found.value))
      }
    }
  }

  next(): number {
    this.#last = Math.max(this.#last + 1, this.clock.now())
    return this.#last
  }
}
