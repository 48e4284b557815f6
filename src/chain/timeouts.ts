/** How long an Electrum server may take. */

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
