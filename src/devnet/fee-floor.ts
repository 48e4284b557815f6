/**
 * The rate that a full mempool asks for (`CTxMemPool::GetMinFee`, `trackPackageRemoved` of Bitcoin
 * Core): what was evicted, plus the incremental relay fee; then it decays. Core halves it in 12
 * hours, twice as fast when less than half of the mempool is in use, four times when less than a
 * quarter; here in the 72 blocks of 12 hours, since this chain's time is its height.
 */
import { feeRate, max, type FeeRate } from '../types/units.js'
import type { MempoolRules } from './release.js'

const HALF_LIFE_BLOCKS = 72

export class FeeFloor {
  #rate = 0

  constructor(private readonly rules: Pick<MempoolRules, 'relay' | 'incremental'>) {}

  /** What entering costs at the least, in sat/kvB. */
  get rate(): FeeRate {
    return feeRate(max(this.rules.relay, BigInt(Math.ceil(this.#rate))))
  }

  /** Whether it is the mempool that asks for more than is usual. */
  get isRaised(): boolean {
    return this.rate > this.rules.relay
  }

  /** Something at this rate had to go. */
  raise(evicted: bigint): void {
    this.#rate = Math.max(this.#rate, Number(evicted + this.rules.incremental))
  }

  /** A block was found; `used` of the mempool's room, 0 to 1, is in use. */
  decay(used: number): void {
    const halfLife = HALF_LIFE_BLOCKS / (used < 0.25 ? 4 : used < 0.5 ? 2 : 1)
    this.#rate /= 2 ** (1 / halfLife)
    // Below half of the incremental fee it is nothing (Core does the same).
    if (this.#rate < Number(this.rules.incremental) / 2) this.#rate = 0
  }
}
