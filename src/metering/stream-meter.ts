/**
 * What is sold on a stream, in units: messages, seconds or bytes, counted the same on both sides.
 */

/** What a unit is: a message, a begun second in which something is sold, or so many bytes. */
export type Per = 'message' | 'second' | { readonly bytes: number }

const SECOND_MS = 1_000
/** The clocks of two computers run at speeds that differ by less than a hundredth. */
const SHORT_SECOND_MS = 990

/** Milliseconds that nobody sets, and that go on while the clock on the wall is put right. */
export const monotonic = (): number => performance.now()

/** Counts the units that are used: the same on both sides. */
export class Meter {
  #bytes = 0
  #until = -Infinity
  readonly #per: Per
  readonly #clock: () => number

  constructor(per: Per, clock: () => number) {
    this.#per = per
    this.#clock = clock
  }

  /** Units that data uses beside those before. */
  use(data: Uint8Array): number {
    const per = this.#per
    if (per === 'message') return 1
    if (per === 'second') return this.#clock() < this.#until ? 0 : 1
    const before = Math.ceil(this.#bytes / per.bytes)
    this.#bytes += data.length
    return Math.ceil(this.#bytes / per.bytes) - before
  }

  /** So many units are paid: a second begins now, not when it was waited for. */
  begin(units: number): void {
    if (units > 0) this.#until = this.#clock() + SECOND_MS
  }

  /** Data in parts that use one unit each at the most. */
  parts(data: Uint8Array): Uint8Array[] {
    const per = this.#per
    if (typeof per === 'string') return [data]
    const parts: Uint8Array[] = []
    let at = 0
    while (at < data.length) {
      const room = per.bytes - ((this.#bytes + at) % per.bytes)
      parts.push(data.subarray(at, at + room))
      at += room
    }
    return parts
  }
}

/**
 * How fast seconds may be paid. Those in which nothing came are not saved up: a seller that was
 * silent for an hour has sold one second with its next byte.
 */
export class SecondsPace {
  /** When the units that were paid are over, if each of them lasts a second. */
  #until = -Infinity
  readonly #ahead: number
  readonly #clock: () => number

  /** @param ahead - units that a delay on the way may bring at once: those that are paid before */
  constructor(ahead: number, clock: () => number) {
    this.#ahead = ahead
    this.#clock = clock
  }

  /** Takes a second; false when it comes too early. */
  take(): boolean {
    const now = this.#clock()
    if (this.#until - now > (this.#ahead + 1) * SECOND_MS) return false
    this.#until = Math.max(this.#until, now) + SHORT_SECOND_MS
    return true
  }
}
