/** The payment log of all channels together, read from its end backwards. */
import { nextSequence } from '../channel/ledger.js'
import type { Channel, Established } from '../channel/state.js'
import type { ChannelId } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { unlessCorrupt } from './stored-channel.js'
import {
  entryUnlessDamaged,
  paymentInfo,
  type PaymentInfo,
  paymentKey,
  paymentsPrefix,
  readEntry,
  sequenceOf,
  type StoredEntry
} from './payments.js'
import type { Clock, Entry, Store } from './ports.js'

/** The error of an entry of the log that cannot be read: its payments are missing from every list. */
function damaged(sequence: number): PaychanError {
  return new PaychanError(
    'ERR_STORE_CORRUPT',
    `The payments of update ${sequence} are missing from the list: their record is damaged. The balances are right. \`paychan check\` says more.`,
    { cause: 'payments', sequence }
  )
}

/**
 * Number of entries that are read at a time: at most 16,000 payments, before others have their
 * turn.
 */
const PAGE = 16

/** The part of the log that is wanted. */
export interface LogPart {
  /** The channels whose entries are read; all when left out. */
  readonly of?: (channel: Channel) => boolean
  /** Milliseconds since 1970: the payments from then on are all among those read. */
  readonly since?: number | undefined
}

/** The numbers of entries that the node knows, without a look at the disk. */
type KnownOrder = Pick<LogOrder, 'last' | 'newestOf'>

/**
 * The log of all channels together, the newest payment first, as it was at the first step. Reads
 * backwards, a page of one channel at a time, and no more than the caller takes. Entries that are
 * damaged are left out, and told to `onDamaged`.
 *
 * With `since` it ends at the first entry whose number is below that time. The times themselves are
 * in no order, since clocks are set back; the numbers are, and none is below its entry's time, so
 * no payment from then on is left out, and no allowance for clocks is needed. After a clock that
 * was ahead, numbers stay ahead: then more is read than fits, up to the entries of that day.
 */
export async function* readPayments(
  store: Store,
  channels: Iterable<Channel>,
  order: KnownOrder,
  { of = () => true, since = -Infinity }: LogPart,
  onDamaged: (error: PaychanError, channel: ChannelId) => void
): AsyncGenerator<PaymentInfo> {
  const newest = order.last
  const tails = new Tails()
  for (const channel of channels) {
    const upTo = order.newestOf(channel.id) ?? (channel.stage === 'established' ? Infinity : 0)
    if (upTo > 0 && of(channel)) tails.add(new Tail(store, channel, upTo, onDamaged))
  }
  for (let tail = tails.take(); tail !== undefined; tail = tails.take()) {
    if (tail.upTo < since) return
    const entry = tail.takeEntry()
    if (entry !== undefined && entry.order <= newest) {
      for (const payment of [...entry.payments].reverse()) {
        yield paymentInfo(tail.channel, entry, payment)
      }
    }
    if (entry !== undefined || (await tail.advance())) tails.add(tail)
  }
}

/** The entries of one channel that are not taken yet. */
class Tail {
  #entry: StoredEntry | undefined
  /** The newest first. */
  #page: readonly Entry[] = []
  #at = 0
  #before: string | undefined
  readonly #store: Store
  readonly #onDamaged: (error: PaychanError, channel: ChannelId) => void

  /** @param upTo - no entry that is left has a higher number */
  constructor(
    store: Store,
    readonly channel: Channel,
    public upTo: number,
    onDamaged: (error: PaychanError, channel: ChannelId) => void
  ) {
    this.#store = store
    this.#onDamaged = onDamaged
  }

  /** The newest entry that is left, once `advance` has found it. */
  takeEntry(): StoredEntry | undefined {
    const entry = this.#entry
    this.#entry = undefined
    return entry
  }

  /** Finds the newest entry that is left; resolves with false when there is none. */
  async advance(): Promise<boolean> {
    for (;;) {
      const next = this.#page[this.#at++] ?? (await this.#turn())
      if (next === undefined) return false
      const [key, value] = next
      this.#before = key
      this.#entry = entryUnlessDamaged(key, value)
      if (this.#entry !== undefined) {
        this.upTo = this.#entry.order
        return true
      }
      this.#onDamaged(damaged(sequenceOf(key)), this.channel.id)
    }
  }

  async #turn(): Promise<Entry | undefined> {
    this.#page = await this.#store.last(paymentsPrefix(this.channel.id), PAGE, this.#before)
    this.#at = 1
    return this.#page[0]
  }
}

/** Tails by the highest number that each may still have. */
class Tails {
  /** The highest last. */
  readonly #sorted: Tail[] = []

  add(tail: Tail): void {
    let [from, to] = [0, this.#sorted.length]
    while (from < to) {
      const middle = (from + to) >>> 1
      if ((this.#sorted[middle]?.upTo ?? 0) < tail.upTo) from = middle + 1
      else to = middle
    }
    this.#sorted.splice(from, 0, tail)
  }

  take(): Tail | undefined {
    return this.#sorted.pop()
  }
}

/*
 * The order of the payment log over all channels: that in which entries were written. The clock on
 * the wall does not give this order: it may be set back, which would make the newest payment look
 * old.
 */

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
