/**
 * The order of the payment log over all channels: that in which entries were written. The clock on
 * the wall does not give this order: it may be set back, which would make the newest payment look
 * old.
 */
import { nextSequence } from '../channel/ledger.js'
import type { Channel, Established } from '../channel/state.js'
import type { ChannelId } from '../types/bytes.js'
import { unlessCorrupt } from './loading.js'
import { paymentKey, paymentsPrefix, readEntry } from './payments.js'
import type { Clock, Store } from './ports.js'

/**
 * Numbers that only grow, over restarts too. They follow the clock as long as the clock grows, and
 * none is below the time of its entry: behind an entry with a number below a time, all are older.
 */
export class LogOrder {
  #last = 0
  readonly #newest = new Map<ChannelId, number>()
  readonly #clock: Pick<Clock, 'now'>

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** The newest number. */
  get last(): number {
    return this.#last
  }

  /** The number of the newest entry of a channel, 0 without one; undefined when it is not known. */
  newestOf(channel: ChannelId): number | undefined {
    return this.#newest.get(channel)
  }

  /** Reads the newest number: that of the newest entry of each channel. */
  async load(store: Store, channels: Iterable<Channel>): Promise<void> {
    for (const channel of channels) {
      if (channel.stage !== 'established') continue
      const newest = await newestOrder(store, channel)
      this.#newest.set(channel.id, newest)
      this.#last = Math.max(this.#last, newest)
    }
  }

  /** @param time - of the entry that gets the number, in milliseconds since 1970 */
  next(channel: ChannelId, time: number): number {
    this.#last = Math.max(this.#last + 1, this.#clock.now(), time)
    this.#newest.set(channel, this.#last)
    return this.#last
  }
}

/** The number of the newest entry that can be read; 0 when there is none. */
async function newestOrder(store: Store, channel: Established): Promise<number> {
  const sequence = nextSequence(channel.ledger) - 1
  // Update 0 pays nothing, and has no entry (UPD-9). A ledger that is lost says nothing.
  if (sequence === 0 && channel.mayHaveForgotten !== true) return 0
  const usual = paymentKey(channel.id, sequence)
  let value = await store.get(usual)
  for (let key = usual, before: string | undefined; ; before = key) {
    const bytes = value
    const found =
      bytes === undefined ? undefined : await unlessCorrupt(async () => readEntry(key, bytes))
    if (found !== undefined && 'value' in found) return found.value.order
    const [older] = await store.last(paymentsPrefix(channel.id), 1, before)
    if (older === undefined) return 0
    ;[key, value] = older
  }
}
