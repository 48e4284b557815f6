/** The curves: what is looked at every so many seconds. */
import { exposureOf } from '../../channel/risk.js'
import type { Books } from './books.js'
import type { ChannelRecord } from './channel-record.js'
import { Curves } from './curves.js'
import type { PaymentCounts } from './payments.js'
import type { SharedFees } from '../../testing/fees.js'
import type { SimChain } from '../../testing/chain.js'
import type { SimNode } from '../node.js'
import { blockHeight } from '../../types/units.js'

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

export class Samples {
  readonly curves: Curves
  #next = 0

  constructor(private readonly world: Sampled) {
    this.curves = new Curves(world.payments)
  }

  take(nowMs: number): void {
    const { chain, books, nodes, records } = this.world
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
              ...this.world.fees.current,
              height: blockHeight(this.world.chain.height)
            })
      if (exposure !== undefined) risks.push(exposure.risk)
    }
    this.#next = open.length === 0 ? 0 : (this.#next + MOST_RISKS) % open.length
    return risks
  }
}
