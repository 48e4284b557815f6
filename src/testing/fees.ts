/** Fee estimates that nodes make from the blocks that they have seen. */
import type { FeeView } from '../engine/fee-estimates.js'
import { SAFE_RELAY_RATE } from '../bitcoin/relay.js'
import { feeRate, max, min, type FeeRate } from '../types/units.js'
import { HIGHEST_FEE_RATE } from '../chain/fees.js'

/** Numbers of blocks whose thresholds make an estimate for the next block, and one for an hour. */
const SEEN_FOR_NEXT = 3
const SEEN_FOR_HOUR = 12
/** Four weeks of blocks, as many as the engine keeps. */
const MOST_HISTORY = 4_032

/**
 * Estimates from the newest blocks, as servers make them: nobody knows the rate for the next block.
 * For the next block it is the highest of the last three; for an hour the median of the last
 * twelve. All nodes see the same blocks, so all share one.
 */
export class SharedFees implements FeeView {
  #current: FeeView['current']
  readonly #history: FeeRate[] = []
  readonly #relay: FeeRate

  /**
   * @param before - the rates of the blocks before the beginning, in sat/vB
   * @param relay - the least rate of mempools
   */
  constructor(before: readonly number[], relay: FeeRate = SAFE_RELAY_RATE) {
    this.#relay = relay
    this.#current = {
      feeRate: relay,
      nextBlockRate: relay,
      relay: { minimum: relay, incremental: relay },
      feeHistory: []
    }
    this.update(before)
  }

  get current(): FeeView['current'] {
    return this.#current
  }

  /** Called with each block; `thresholds` in sat/vB, the newest last. */
  update(thresholds: readonly number[]): void {
    const next = this.#bounded(Math.max(...thresholds.slice(-SEEN_FOR_NEXT)))
    const seen = thresholds.slice(-SEEN_FOR_HOUR).sort((a, b) => a - b)
    const hour = this.#bounded(seen[seen.length >> 1] ?? 1)
    this.#history.push(max(hour, next))
    if (this.#history.length > MOST_HISTORY) this.#history.shift()
    this.#current = {
      ...this.#current,
      feeRate: hour,
      nextBlockRate: max(hour, next),
      feeHistory: this.#history
    }
  }

  #bounded(satPerVb: number): FeeRate {
    return min(max(feeRate(BigInt(Math.ceil(satPerVb * 1_000))), this.#relay), HIGHEST_FEE_RATE)
  }

  async load(): Promise<void> {}
  async save(): Promise<void> {}
  async refresh(): Promise<void> {}
}
