/**
 * What somebody else may cause: so much work at once, and so much a second for long; and so many
 * entries in memory.
 */

export interface AllowanceOptions {
  /** What may come at once. */
  readonly burst: number
  /** What may come each second for long. */
  readonly perSecond: number
}

/** A bucket that fills again with time. */
export class Allowance {
  #left: number
  #at: number
  readonly #options: AllowanceOptions

  /** @param now - milliseconds, of the clock that all calls of `take` are told */
  constructor(options: AllowanceOptions, now: number) {
    this.#options = options
    this.#left = options.burst
    this.#at = now
  }

  /**
   * Takes so much when there is one left at least; what is more than is left is owed.
   *
   * @returns milliseconds until there is one again; 0 when it was taken
   */
  take(now: number, amount = 1): number {
    const { burst, perSecond } = this.#options
    // A clock that was set back gives nothing, and keeps nobody waiting longer for it.
    const passed = Math.max(0, now - this.#at) / 1_000
    this.#at = now
    this.#left = Math.min(burst, this.#left + passed * perSecond)
    if (this.#left < 1) return Math.ceil(((1 - this.#left) / perSecond) * 1_000)
    this.#left -= amount
    return 0
  }
}

/* Maps of which the newest entries are kept, so that no number of strangers fills memory. */

/**
 * Sets an entry, which is the newest from now on; beyond `most` the one that was set longest ago goes.
 *
 * @example
 * remember(accounts, buyer, account, 100_000)
 */
export function remember<Key, Value>(
  kept: Map<Key, Value>,
  key: Key,
  value: Value,
  most: number
): void {
  kept.delete(key)
  kept.set(key, value)
  const [oldest] = kept.keys()
  if (kept.size > most && oldest !== undefined) kept.delete(oldest)
}
