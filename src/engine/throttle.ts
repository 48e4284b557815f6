/**
 * How fast a peer is listened to. Who says more than a channel can need is held back, not refused:
 * what it sends waits on its own side (WIRE-11), and a handful a second cost us nothing.
 */
import type { Message } from '../../protocols/paychan/1.0/index.js'
import type { Clock } from './ports.js'

/**
 * Messages beside payments that a stream may bring at once: far more than any opening, reconnect or
 * close takes.
 */
export const BURST = 64

/** Milliseconds until another one is taken. */
export const INTERVAL_MS = 100

/**
 * Streams that a peer may begin at once: twice those that it may have (WIRE-9), for a connection
 * that breaks twice.
 */
export const STREAM_BURST = 128

/** Milliseconds until another one is taken: each costs a write or two. */
export const STREAM_INTERVAL_MS = 250

/** So many things at once, then one an interval. */
class Bucket {
  #left: number
  #refilledAt: number

  constructor(
    private readonly clock: Clock,
    private readonly burst: number,
    private readonly intervalMs: number
  ) {
    this.#left = burst
    this.#refilledAt = clock.now()
  }

  /**
   * Takes one; when its turn is over, or undefined for now. Who takes more than there are stands in
   * a line.
   */
  take(): Promise<void> | undefined {
    this.#refill()
    this.#left -= 1
    if (this.#left > 0) return undefined
    return new Promise((resolve) => {
      this.clock.after((1 - this.#left) * this.intervalMs, resolve)
    })
  }

  /** Takes one if there is one now. */
  takeNow(): boolean {
    this.#refill()
    if (this.#left <= 0) return false
    this.#left -= 1
    return true
  }

  /** Whether it is as good as new. */
  get isFull(): boolean {
    this.#refill()
    return this.#left === this.burst
  }

  #refill(): void {
    const now = this.clock.now()
    // A clock that was set back gives nothing, and takes nothing.
    const intervals = Math.floor((now - this.#refilledAt) / this.intervalMs)
    if (intervals === 0) return
    this.#left = Math.min(this.burst, this.#left + Math.max(0, intervals))
    this.#refilledAt = now
  }
}

/**
 * Of one stream. Updates, and acknowledgements of something new, come as fast as the channel takes
 * them.
 */
export class Throttle {
  readonly #bucket: Bucket
  #newestUpdate = -1
  #newestAck = -1

  constructor(clock: Clock) {
    this.#bucket = new Bucket(clock, BURST, INTERVAL_MS)
  }

  /** When the message after this one may be read: now when undefined. */
  after(message: Message): Promise<void> | undefined {
    return this.#isProgress(message) ? undefined : this.#bucket.take()
  }

  /**
   * A payment costs the peer money, an acknowledgement answers what we sent; a sequence that was
   * there before brings nothing.
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
 * COST-2: transactions of strangers that are sent at once, and milliseconds until another one is.
 * ElectrumX takes 100 for a refusal, forgives 1 a second, and hangs up at 10,000: so they come to
 * 400 and then to 250 of the 600 that it forgives in a block, which leaves the rest to our own.
 */
export const FAVOURS = 4
export const FAVOUR_INTERVAL_MS = 240_000

/**
 * COST-4: the same of scripts of strangers that are watched at once: below 1 each, so 64 and then
 * 60 in a block.
 */
export const STRANGE_WATCHES = 64
export const STRANGE_WATCH_INTERVAL_MS = 10_000

/** What all strangers together may have this node ask of its Electrum servers. */
export class StrangersShare {
  readonly #favours: Bucket
  readonly #watches: Bucket

  constructor(clock: Clock) {
    this.#favours = new Bucket(clock, FAVOURS, FAVOUR_INTERVAL_MS)
    this.#watches = new Bucket(clock, STRANGE_WATCHES, STRANGE_WATCH_INTERVAL_MS)
  }

  /** Whether a transaction that is only a stranger's may be sent now. */
  takeFavour(): boolean {
    return this.#favours.takeNow()
  }

  /** Whether a script that holds nothing of ours may be watched before the next block. */
  takeWatch(): boolean {
    return this.#watches.takeNow()
  }
}

/** Of all peers: how fast each may begin streams. Remembers only those who have just begun some. */
export class StreamThrottle {
  readonly #peers = new Map<string, Bucket>()

  constructor(private readonly clock: Clock) {}

  /** When a stream that the peer has begun may be served: now when undefined. */
  before(peer: string): Promise<void> | undefined {
    for (const [name, bucket] of this.#peers) if (bucket.isFull) this.#peers.delete(name)
    const bucket = this.#peers.get(peer) ?? new Bucket(this.clock, STREAM_BURST, STREAM_INTERVAL_MS)
    this.#peers.set(peer, bucket)
    return bucket.take()
  }
}
