/** Limits how fast each of many callers may ask, and how much at a time. */
import { adviceOf } from '../types/error-advice.js'
import { PaychanError } from '../types/errors.js'
import { Allowance, type AllowanceOptions, remember } from '../types/allowance.js'

/** Beyond this number the caller that was longest away is forgotten: its bucket would be full. */
const MOST_CALLERS = 10_000

/** A bucket for each caller, which fills again with time. */
export class Pace {
  /** The longest away first. */
  readonly #allowances = new Map<string, Allowance>()
  readonly #options: AllowanceOptions
  readonly #now: () => number

  /** @param options - the requests of one caller */
  constructor(options: AllowanceOptions, now = (): number => performance.now()) {
    this.#options = options
    this.#now = now
  }

  /** @throws PaychanError `ERR_API_TOO_FAST` (facts: waitMs) */
  take(caller: string): void {
    const now = this.#now()
    const allowance = this.#allowances.get(caller) ?? new Allowance(this.#options, now)
    remember(this.#allowances, caller, allowance, MOST_CALLERS)
    const waitMs = allowance.take(now)
    if (waitMs === 0) return
    throw new PaychanError(
      'ERR_API_TOO_FAST',
      `You ask too often. Wait ${waitMs.toLocaleString('en')} ms, then ask again.`,
      { waitMs }
    )
  }
}

/** Places for what takes its time: each caller has so many of its own. */
export class Places {
  readonly #taken = new Map<string, number>()
  readonly #most: number
  readonly #what: string

  /** @param what - what takes the places, as the object of a sentence */
  constructor(most: number, what: string) {
    this.#most = most
    this.#what = what
  }

  /**
   * Takes a place, and returns the way to give it back.
   *
   * @throws PaychanError `ERR_TOO_MANY_CALLS` (facts: most)
   */
  take(caller: string): () => void {
    const taken = this.#taken.get(caller) ?? 0
    if (taken >= this.#most) {
      throw new PaychanError(
        'ERR_TOO_MANY_CALLS',
        `This token has ${this.#most} ${this.#what} under way already. ${adviceOf('ERR_TOO_MANY_CALLS')}`,
        { most: this.#most }
      )
    }
    this.#taken.set(caller, taken + 1)
    return () => {
      const left = (this.#taken.get(caller) ?? 1) - 1
      if (left === 0) this.#taken.delete(caller)
      else this.#taken.set(caller, left)
    }
  }
}
