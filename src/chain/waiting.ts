/** Waiting: in a line, for several, and longer each time. */
import type { Clock, Random } from '../engine/ports.js'

/** Lets a bounded number of tasks run at once; the others wait their turn. */
export class Slots {
  readonly #waiting: Array<() => void> = []
  #free: number

  constructor(count: number) {
    this.#free = count
  }

  /** Number of tasks that wait. */
  get waiting(): number {
    return this.#waiting.length
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
      })
    }
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}

/**
 * The work that the word of one server may cause: so much at once, and after that so much a second.
 * What comes above that waits.
 */
export class Allowance {
  #left: number
  #at: number
  readonly #clock: Pick<Clock, 'now'>
  readonly #most: number
  readonly #perSecond: number

  constructor(clock: Pick<Clock, 'now'>, most: number, perSecond: number) {
    this.#clock = clock
    this.#most = most
    this.#perSecond = perSecond
    this.#left = most
    this.#at = clock.now()
  }

  /**
   * Takes so much, if there is anything left: the rest is owed.
   *
   * @returns milliseconds until there is something again; 0 when it was taken
   */
  take(amount: number): number {
    const now = this.#clock.now()
    // A clock that is set back gives nothing, and keeps nobody waiting longer for it.
    const since = Math.max(0, now - this.#at)
    this.#at = now
    this.#left = Math.min(this.#most, this.#left + (since * this.#perSecond) / 1_000)
    if (this.#left <= 0) return Math.ceil(((1 - this.#left) * 1_000) / this.#perSecond)
    this.#left -= amount
    return 0
  }
}

/* Asking several servers at once. */

/**
 * The answers that have come by `patience` milliseconds after the first one, or once all have
 * answered.
 *
 * @throws what the first of the promises rejects with, when all of them reject
 */
export async function gather<T>(
  clock: Clock,
  patience: number,
  promises: ReadonlyArray<Promise<T>>
): Promise<T[]> {
  const answers: T[] = []
  await Promise.any(promises).catch(() => {})
  let cancel = (): void => {}
  const late = new Promise<void>((resolve) => {
    cancel = clock.after(patience, resolve)
  })
  const settled = Promise.allSettled(
    promises.map(async (promise) => {
      answers.push(await promise)
    })
  )
  await Promise.race([late, settled])
  cancel()
  if (answers.length === 0) await promises[0]
  return [...answers]
}

/**
 * Bound of `nextBlockOf`: the next-block rate limits bids as well (STAKE-4), so a lie that makes it
 * small costs more than one that makes it large, up to this.
 */
const MOST_APART = 4n

/**
 * The next-block rate by several servers: of two in the middle the higher one, up to four times the
 * lower one. A server that says too much makes us pay that at most, and one that says too little
 * does not keep us out of blocks.
 */
export function nextBlockOf<T extends bigint>(values: readonly T[]): T | undefined {
  const lower = lowerMedian(values)
  if (lower === undefined) return undefined
  const upper = ascending(values)[Math.floor(values.length / 2)] ?? lower
  return upper <= lower * MOST_APART ? upper : ((lower * MOST_APART) as T)
}

/**
 * The median; of two in the middle the lower one: a server that lies about fees must not make us
 * pay for it.
 */
export function lowerMedian<T extends bigint>(values: readonly T[]): T | undefined {
  return ascending(values)[Math.ceil(values.length / 2) - 1]
}

function ascending<T extends bigint>(values: readonly T[]): T[] {
  return [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
}

/** The wait before the next try: twice as long each time, up to a bound, with jitter. Pure. */
export interface Backoff {
  readonly firstMs: number
  readonly mostMs: number
}

/**
 * A delay between half and the whole of `firstMs x 2^failures`, never more than `mostMs`: the
 * jitter keeps many clients of one server from coming back in the same moment.
 *
 * @param failures - how many tries have failed before this one, from 0
 */
export function backoffDelay(
  { firstMs, mostMs }: Backoff,
  failures: number,
  random: Random
): number {
  const whole = Math.min(mostMs, firstMs * 2 ** Math.min(failures, 30))
  const [high = 0, low = 0] = random.bytes(2)
  return Math.round(whole / 2 + (whole / 2) * ((high * 256 + low) / 65535))
}
