/** So much at once, and so much a second for long: how fast somebody else may cause work. */

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
