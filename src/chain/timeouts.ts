/** The time limits of a server, and of a pool of servers. */

import type { Network } from '../../protocols/paychan/1.0/index.js'

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
