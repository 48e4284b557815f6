/**
 * The curves of a run, point by point, and what its capital did, whether of simulated nodes or of
 * real ones.
 */
import type { CapitalTotals, Series } from '../results.js'
import { rounded, type PaymentCounts } from './payments.js'

/** What there is to see at one time. */
export interface Point {
  /** Seconds of virtual time. */
  readonly time: number
  readonly height: number
  /** Of the next block, in sat/vB. */
  readonly feeRate: number
  /** Satoshis in open channels. */
  readonly locked: number
  readonly openChannels: number
  readonly nodesUp: number
  /** Satoshis of fees so far. */
  readonly fees: number
  /** Of channels that have something at stake, 0 to 1. */
  readonly risks: readonly number[]
}

/** A channel that is open at the newest point. */
export interface OpenChannel {
  readonly capacity: number
  firstSample: number
  readonly balances: number[]
}

/** A day. */
const IDLE_AFTER = 86_400

export class Curves {
  readonly series: { readonly [name in keyof Series]: number[] } = {
    times: [],
    heights: [],
    feeRates: [],
    made: [],
    failed: [],
    volume: [],
    locked: [],
    openChannels: [],
    nodesUp: [],
    fees: [],
    riskMax: [],
    riskMean: []
  }
  #before: Pick<PaymentCounts, 'made' | 'failed' | 'volume'> = { made: 0, failed: 0, volume: 0 }
  #idle = 0

  constructor(private readonly counts: PaymentCounts) {}

  /** Mean of what is in open channels, and the part of it on which nothing was paid for a day. */
  get capital(): Pick<CapitalTotals, 'locked' | 'idle'> {
    const { locked } = this.series
    const sum = locked.reduce((all, value) => all + value, 0)
    return {
      locked: Math.round(sum / Math.max(1, locked.length)),
      idle: sum === 0 ? 0 : rounded(this.#idle / sum)
    }
  }

  add({ time, height, feeRate, locked, openChannels, nodesUp, fees, risks }: Point): void {
    const { series } = this
    const { made, failed, volume } = this.counts
    series.times.push(Math.round(time))
    series.heights.push(height)
    series.feeRates.push(rounded(feeRate))
    series.made.push(made - this.#before.made)
    series.failed.push(failed - this.#before.failed)
    series.volume.push(volume - this.#before.volume)
    series.locked.push(locked)
    series.openChannels.push(openChannels)
    series.nodesUp.push(nodesUp)
    series.fees.push(fees)
    series.riskMax.push(rounded(Math.max(0, ...risks)))
    series.riskMean.push(
      rounded(risks.reduce((sum, risk) => sum + risk, 0) / Math.max(1, risks.length))
    )
    this.#before = { made, failed, volume }
  }

  /** `unpaid`: seconds since the last payment over it. */
  addIdle({ capacity }: OpenChannel, unpaid: number): void {
    if (unpaid > IDLE_AFTER) this.#idle += capacity
  }

  /** `balance`: the client's. */
  addBalance(channel: OpenChannel, balance: number): void {
    if (channel.firstSample < 0) channel.firstSample = this.series.times.length - 1
    channel.balances.push(balance)
  }
}
