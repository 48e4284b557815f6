/** The curves: what is looked at every so many seconds. */
import { exposureOf } from '../../channel/risk.js'
import type { Books } from './books.js'
import type { ChannelRecord } from './channel-record.js'
import { rounded, type PaymentCounts } from './payments.js'
import type { SharedFees } from '../chain/fees.js'
import type { SimChain } from '../chain/sim-chain.js'
import type { SimNode } from '../nodes/sim-node.js'
import type { Series } from '../results.js'
import { blockHeight } from '../../types/units.js'

/** A day. */
const IDLE_AFTER_MS = 86_400_000
/** A risk takes up to a millisecond: of so many channels a sample, in turn. */
const MOST_RISKS = 6
/** Beyond, a file of balances would be larger than anything that draws it can take. */
const MOST_WITH_BALANCES = 2_000

export interface Sampled {
  readonly chain: SimChain
  readonly books: Books
  readonly fees: SharedFees
  readonly nodes: readonly SimNode[]
  readonly records: readonly ChannelRecord[]
  readonly payments: PaymentCounts
}

type Curves = { -readonly [name in keyof Series]: number[] }

export class Samples {
  readonly curves: Curves = { times: [], heights: [], feeRates: [], made: [], failed: [], volume: [], locked: [], openChannels: [], nodesUp: [], fees: [], riskMax: [], riskMean: [] }
  #made = 0
  #failed = 0
  #volume = 0
  #next = 0
  #idle = 0

  constructor (private readonly world: Sampled) {}

  /** Mean of what is in open channels, and the part of it on which nothing was paid for a day. */
  get capital (): { readonly locked: number, readonly idle: number } {
    const { locked } = this.curves
    const sum = locked.reduce((all, value) => all + value, 0)
    return { locked: Math.round(sum / Math.max(1, locked.length)), idle: sum === 0 ? 0 : rounded(this.#idle / sum) }
  }

  take (nowMs: number): void {
    const { chain, books, nodes, records, payments } = this.world
    const { curves } = this
    curves.times.push(Math.round(nowMs / 1_000))
    curves.heights.push(chain.height)
    curves.feeRates.push(rounded(chain.nextRate))
    curves.made.push(payments.made - this.#made)
    curves.failed.push(payments.failed - this.#failed)
    curves.volume.push(payments.volume - this.#volume)
    curves.locked.push(books.locked)
    curves.openChannels.push(books.open.size)
    curves.nodesUp.push(nodes.filter(({ isUp }) => isUp).length)
    curves.fees.push(books.fees)
    this.#made = payments.made
    this.#failed = payments.failed
    this.#volume = payments.volume
    const open = records.filter(({ outPoint }) => outPoint !== undefined && books.open.has(outPoint))
    for (const record of open) if (nowMs - record.lastPaidAt > IDLE_AFTER_MS) this.#idle += record.capacity
    if (records.length <= MOST_WITH_BALANCES) for (const record of open) this.#balance(record)
    this.#risk(open)
  }

  #balance (record: ChannelRecord): void {
    if (record.firstSample < 0) record.firstSample = this.curves.times.length - 1
    record.balances.push(record.capacity - record.serverTold)
  }

  #risk (open: readonly ChannelRecord[]): void {
    const risks: number[] = []
    for (let n = 0; n < Math.min(MOST_RISKS, open.length); n++) {
      const record = open[(this.#next + n) % open.length]
      const state = record?.newest()
      const exposure = state === undefined ? undefined : exposureOf(state, { ...this.world.fees.current, height: blockHeight(this.world.chain.height) })
      if (exposure !== undefined) risks.push(exposure.risk)
    }
    this.#next = open.length === 0 ? 0 : (this.#next + MOST_RISKS) % open.length
    this.curves.riskMax.push(rounded(Math.max(0, ...risks)))
    this.curves.riskMean.push(rounded(risks.reduce((sum, risk) => sum + risk, 0) / Math.max(1, risks.length)))
  }
}
