/**
 * The room for payment requests: which of them give way to new ones, and in which order (REQ-13).
 */
import type { Satoshi } from '../types/units.js'

/** When a request ends. */
interface Ending {
  readonly reusable: boolean
  readonly paidAt?: number | undefined
  readonly expires?: number | undefined
}

/** What counts of a request that has a place; it changes only while it has none. */
interface Placed {
  readonly record: Ending & { readonly id: string; readonly received: Satoshi }
}

/**
 * The requests that have a place, of one maker or of all, in the order in which they give way: at
 * the bound each new one asks for that, so no look is at all of them.
 */
export class RequestRoom<Request extends Placed> {
  readonly most: number
  #size = 0
  /** Those that nobody has begun to pay, the oldest first. */
  readonly #unpaid = new Set<Request>()
  /** Those that end, the first one to end first. */
  readonly #ending: Request[] = []

  constructor(most: number) {
    this.most = most
  }

  get isFull(): boolean {
    return this.#size >= this.most
  }

  get isEmpty(): boolean {
    return this.#size === 0
  }

  enter(open: Request): void {
    this.#size += 1
    if (isUnpaid(open.record)) this.#unpaid.add(open)
    if (endOf(open.record) < Infinity) this.#ending.splice(this.#placeOf(open), 0, open)
  }

  leave(open: Request): void {
    this.#size -= 1
    this.#unpaid.delete(open)
    if (endOf(open.record) < Infinity) this.#ending.splice(this.#placeOf(open), 1)
  }

  /**
   * One that is paid or has expired before one that nobody has paid anything for. One that is
   * reusable, or of which a part has come, stays as long as it is open.
   */
  firstToGo(now: number): Request | undefined {
    const [ending] = this.#ending
    if (ending !== undefined && endOf(ending.record) < now) return ending
    const [unpaid] = this.#unpaid
    return unpaid
  }

  /** The place of one that ends, whether it is there or to come there. */
  #placeOf({ record }: Placed): number {
    const end = endOf(record)
    let [from, to] = [0, this.#ending.length]
    while (from < to) {
      const middle = (from + to) >>> 1
      const other = this.#ending[middle]?.record ?? record
      const otherEnd = endOf(other)
      if (otherEnd < end || (otherEnd === end && other.id < record.id)) from = middle + 1
      else to = middle
    }
    return from
  }
}

/** Milliseconds since 1970 at which nobody is to begin to pay it any more. */
export function endOf({ reusable, paidAt, expires }: Ending): number {
  return Math.min((reusable ? undefined : paidAt) ?? Infinity, expires ?? Infinity)
}

/** True when it is to be paid once, and nothing has come for it. */
function isUnpaid({ reusable, received }: Placed['record']): boolean {
  return !reusable && received === 0n
}
