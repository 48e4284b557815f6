/** Limits how fast each of many callers may ask, how much at a time, and how much all of them. */
import { setTimeout as after } from 'node:timers/promises'
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

/** Milliseconds of rest after a count that took very long. */
const LONGEST_REST = 1_000

/**
 * Answers for which all that a node has is counted, without a pause. One is under way at a time,
 * and as much time as it took is left to payments and blocks after it: whoever asks, and however
 * often, has half of the node's time at the most. Those who ask for the same before it begins share
 * it, so it is as new as each of them would have had it.
 */
export class Counts {
  readonly #waiting = new Map<string, Promise<Uint8Array<ArrayBuffer>>>()
  #free: Promise<unknown> = Promise.resolve()
  readonly #now: () => number
  readonly #rest: (ms: number) => Promise<unknown>

  /** @param rest - waits that long */
  constructor(
    now = (): number => performance.now(),
    rest = async (ms: number): Promise<unknown> => await after(ms, undefined, { ref: false })
  ) {
    this.#now = now
    this.#rest = rest
  }

  /**
   * The answer to what is asked.
   *
   * @param asked - callers that name the same get the same
   */
  async of(asked: string, count: () => Promise<string>): Promise<Uint8Array<ArrayBuffer>> {
    const waiting = this.#waiting.get(asked)
    if (waiting !== undefined) return await waiting
    let since = 0
    const answer = this.#free.then(async () => {
      this.#waiting.delete(asked)
      since = this.#now()
      return new TextEncoder().encode(await count())
    })
    this.#waiting.set(asked, answer)
    const rest = async (): Promise<void> => {
      await this.#rest(Math.min(this.#now() - since, LONGEST_REST))
    }
    this.#free = answer.then(rest, rest)
    return await answer
  }
}
