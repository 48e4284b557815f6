/** Waiting: in a line, for several, longer each time, and for how long at the most. */
import type { Network } from '../../protocols/paychan/1.0/index.js'
import type { Clock, OnError, Random, Unsubscribe } from '../engine/ports.js'
import { messageOf } from '../types/errors.js'

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

/* The time limits of an Electrum server. */

/**
 * All in milliseconds. Generous: ElectrumX may hold a reply for a second and notify six seconds
 * late. A server that hangs is noticed `silence` after the request that it does not answer (10 s),
 * and without a request `ping` + `silence` after its last word (25 s).
 */
export interface ChainTimeouts {
  /** Until a TCP connection stands. */
  readonly connect: number
  /** Until a request is given up, while the server answers others. */
  readonly request: number
  /**
   * Time that a server that is asked something may send nothing at all before it counts as dead.
   */
  readonly silence: number
  /** Between two pings of an idle server. */
  readonly ping: number
  /** Time that `broadcast` and `estimateFeeRate` wait for a server before they reject. */
  readonly call: number
  /** Time that a new tip waits for the histories that change with it. */
  readonly settle: number
  /** The first and the longest delay between two tries. */
  readonly retryFirst: number
  readonly retryMost: number
}

export const DEFAULT_TIMEOUTS: ChainTimeouts = {
  connect: 10_000,
  request: 30_000,
  silence: 10_000,
  ping: 15_000,
  call: 30_000,
  settle: 3_000,
  retryFirst: 500,
  retryMost: 30_000
}

/* The waiting times of a pool of servers. */

/** All in milliseconds. */
export interface PoolTimes {
  /** Time that a server may be behind the best chain, or on a branch with less work. */
  readonly lag: number
  /** Time that a server may leave out what another one has proved. */
  readonly omission: number
  /** Time that the answers of slower servers are waited for. */
  readonly answers: number
  /**
   * Time that a new tip waits for the other servers, so that the transactions of the block are
   * known before it, from whichever server.
   */
  readonly settle: number
  /**
   * EVID-6: time that the first tip, and the first one after a time in which no server could be
   * reached, waits for servers that are still connecting, or were there before: until then the
   * first server to answer is alone, and could tell old blocks one by one.
   */
  readonly first: number
  /**
   * Time in which no third block is told before all servers that were there in it have it: a server
   * that hangs (as it looks after the computer has slept) is found out only after half of that.
   */
  readonly row: number
  /** Until a dropped server gets another chance; `retryAlone`: while no other one is up. */
  readonly retry: number
  readonly retryAlone: number
}

const DEFAULT_POOL_TIMES: PoolTimes = {
  lag: 60_000,
  omission: 10_000,
  answers: 3_000,
  settle: 1_000,
  first: 60_000,
  row: 60_000,
  retry: 600_000,
  retryAlone: 30_000
}

/**
 * The times of a pool, with those that are given. On regtest blocks come as fast as somebody makes
 * them: there is no row of blocks to wait with.
 */
export function poolTimes(network: Network, given: Partial<PoolTimes> = {}): PoolTimes {
  return { ...DEFAULT_POOL_TIMES, ...(network === 'regtest' ? { row: 0 } : {}), ...given }
}

/*
 * Those who hear of the chain: callbacks, of which one that throws is logged and does not keep the
 * others from being called, and people.
 */

export type Log = (line: string) => void

/** News about a server for a person. */
export interface ServerReport {
  readonly code: string
  readonly text: string
  readonly server: string
}

export class Listeners<T> {
  readonly #listeners = new Set<{ call: (value: T) => void }>()
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
  }

  get size(): number {
    return this.#listeners.size
  }

  add(listener: (value: T) => void): Unsubscribe {
    const entry = { call: listener }
    this.#listeners.add(entry)
    return () => {
      this.#listeners.delete(entry)
    }
  }

  emit(value: T): void {
    for (const entry of [...this.#listeners]) {
      if (this.#listeners.has(entry)) {
        callSafely(this.#log, () => {
          entry.call(value)
        })
      }
    }
  }
}

/** Calls code of others; an exception goes to the log. */
export function callSafely(log: Log, call: () => void): void {
  try {
    call()
  } catch (error) {
    log(`A listener of the chain threw: ${stackOf(error)}`)
  }
}

/** What becomes of an error in the background (`inBackground`). */
export function toLog(log: Log): OnError {
  return (error) => {
    log(`Work in the background of the chain failed: ${stackOf(error)}`)
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error && error.stack !== undefined ? error.stack : messageOf(error)
}
