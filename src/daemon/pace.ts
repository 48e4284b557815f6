/** Limits how fast each of many callers may ask, and how much at a time. */
import { adviceOf } from '../types/error-advice.js'
import { PaychanError } from '../types/errors.js'
import { remember } from '../types/recent.js'

export interface PaceOptions {
  /** Number of requests that may come at once. */
  readonly burst: number
  /** Number of requests a second that may come for long. */
  readonly perSecond: number
}

/** Beyond this number the caller that was longest away is forgotten: its bucket would be full. */
const MOST_CALLERS = 10_000

/** A bucket for each caller, which fills again with time. */
export class Pace {
  /** The longest away first. */
  readonly #buckets = new Map<string, { left: number; at: number }>()
  readonly #options: PaceOptions
  readonly #now: () => number

  constructor(options: PaceOptions, now = (): number => performance.now()) {
    this.#options = options
    this.#now = now
  }

  /** @throws PaychanError `ERR_API_TOO_FAST` (facts: waitMs) */
  take(caller: string): void {
    const bucket = this.#filled(caller)
    if (bucket.left < 1) throw this.#tooFast(bucket.left)
    bucket.left -= 1
  }

  #filled(caller: string): { left: number; at: number } {
    const { burst, perSecond } = this.#options
    const now = this.#now()
    const before = this.#buckets.get(caller) ?? { left: burst, at: now }
    const left = Math.min(burst, before.left + ((now - before.at) / 1_000) * perSecond)
    const bucket = { left, at: now }
    remember(this.#buckets, caller, bucket, MOST_CALLERS)
    return bucket
  }

  #tooFast(left: number): PaychanError {
    const waitMs = Math.ceil(((1 - left) / this.#options.perSecond) * 1_000)
    return new PaychanError(
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
