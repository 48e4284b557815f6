/**
 * How long a server, and a pool of servers, may take for what.
 */

/* How long an Electrum server may take. */

/**
 * All in milliseconds. Generous: ElectrumX may hold a reply for a second and notify six seconds
 * late. A server that hangs is noticed `silence` after the request that it does not answer, and
 * when nothing is asked of it `ping` + `silence` after its last word: 10 s and 25 s.
 */
export interface ChainTimeouts {
  /** Until a TCP connection stands. */
  readonly connect: number
  /** Until a request is given up, while the server answers others. */
  readonly request: number
  /**
   * For how long a server that is asked something may send nothing at all before it counts as dead.
   */
  readonly silence: number
  /** Between two pings of an idle server. */
  readonly ping: number
  /** How long `broadcast` and `estimateFeeRate` wait for a server before they reject. */
  readonly call: number
  /** How long a new tip waits for the histories that change with it. */
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

/* How long a pool of servers waits for what. */

/** All in milliseconds. */
export interface PoolTimes {
  /** For how long a server may be behind the best chain, or on a branch with less work. */
  readonly lag: number
  /** For how long it may leave out what another one has proved. */
  readonly omission: number
  /** How long the answers of slower servers are waited for. */
  readonly answers: number
  /**
   * How long a new tip waits for the other servers, so that what came with the block is known
   * before it, whoever tells.
   */
  readonly settle: number
  /**
   * EVID-6: how long the first tip, and the first one after a time in which no server could be
   * reached, waits for servers that are still connecting, or were there before: who is the first to
   * answer is alone until then, and could tell old blocks one by one.
   */
  readonly first: number
  /**
   * In which no third block is told before all servers have it that were there in it: a server that
   * hangs, as to a computer that has slept, is not known to for half of that.
   */
  readonly row: number
  /** After which a dropped server gets another chance, and after which while no other one is up. */
  readonly retry: number
  readonly retryAlone: number
}

export const DEFAULT_POOL_TIMES: PoolTimes = {
  lag: 60_000,
  omission: 10_000,
  answers: 3_000,
  settle: 1_000,
  first: 60_000,
  row: 60_000,
  retry: 600_000,
  retryAlone: 30_000
}

/** On regtest blocks come as fast as somebody makes them. */
export const REGTEST_ROW = 0
