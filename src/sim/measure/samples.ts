/** The curves: values sampled at regular intervals. */
import { exposureOf } from '../../channel/risk.js'
import type { Books } from './books.js'
import { type ChannelRecord } from './channels.js'
import { type PaymentCounts, rounded } from './payments.js'
import type { SharedFees } from '../../testing/servers.js'
import type { SimChain } from '../../testing/chain.js'
import type { SimNode } from '../node.js'
import { blockHeight } from '../../types/units.js'
import type { CapitalTotals, Series } from '../results.js'

/** A risk takes up to a millisecond to compute: this many channels per sample, in turn. */
const MOST_RISKS = 6
/** With more channels, a file of balances would be too large to draw. */
const MOST_WITH_BALANCES = 2_000

interface Sampled {
  readonly chain: SimChain
  readonly books: Books
  readonly fees: SharedFees
  readonly nodes: readonly SimNode[]
  readonly records: readonly ChannelRecord[]
  readonly payments: PaymentCounts
}

export class Samples {
  readonly curves: Curves
  #next = 0
  readonly #world: Sampled

  constructor(world: Sampled) {
    this.#world = world
    this.curves = new Curves(world.payments)
  }

  take(nowMs: number): void {
    const { chain, books, nodes, records } = this.#world
    const { curves } = this
    const open = records.filter(
      ({ outPoint }) => outPoint !== undefined && books.open.has(outPoint)
    )
    curves.add({
      time: nowMs / 1_000,
      height: chain.height,
      feeRate: chain.nextRate,
      locked: books.locked,
      openChannels: books.open.size,
      nodesUp: nodes.filter(({ isUp }) => isUp).length,
      fees: books.fees,
      risks: this.#risks(open)
    })
    for (const record of open) {
      curves.addIdle(record, (nowMs - record.lastPaidAt) / 1_000)
      if (records.length <= MOST_WITH_BALANCES) {
        curves.addBalance(record, record.capacity - record.serverTold)
      }
    }
  }

  #risks(open: readonly ChannelRecord[]): number[] {
    const risks: number[] = []
    for (let n = 0; n < Math.min(MOST_RISKS, open.length); n++) {
      const record = open[(this.#next + n) % open.length]
      const state = record?.newest()
      const exposure =
        state === undefined
          ? undefined
          : exposureOf(state, {
              ...this.#world.fees.current,
              height: blockHeight(this.#world.chain.height)
            })
      if (exposure !== undefined) risks.push(exposure.risk)
    }
    this.#next = open.length === 0 ? 0 : (this.#next + MOST_RISKS) % open.length
    return risks
  }
}

/**
 * The curves of a run, point by point, and the use of its capital, for simulated nodes or real
 * ones.
 */

/** The values at one time. */
export interface Point {
  /** Seconds of virtual time. */
  readonly time: number
  readonly height: number
  /** Feerate of the next block, in sat/vB. */
  readonly feeRate: number
  /** Satoshis in open channels. */
  readonly locked: number
  readonly openChannels: number
  readonly nodesUp: number
  /** Satoshis of fees so far. */
  readonly fees: number
  /** Risks of the channels with something at stake, 0 to 1. */
  readonly risks: readonly number[]
}

/** A channel that is open at the newest point. */
interface OpenChannel {
  readonly capacity: number
  firstSample: number
  readonly balances: number[]
}

/** A day, in seconds. */
const IDLE_AFTER = 86_400

export class Curves {
  readonly series: { readonly [name in keyof Series]: number[] } = {
    times: [],
    heights: [],
    nextSatPerVByte: [],
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
  readonly #counts: PaymentCounts

  constructor(counts: PaymentCounts) {
    this.#counts = counts
  }

  /** The mean amount in open channels, and the part of it without a payment for a day. */
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
    const { made, failed, volume } = this.#counts
    series.times.push(Math.round(time))
    series.heights.push(height)
    series.nextSatPerVByte.push(rounded(feeRate))
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
