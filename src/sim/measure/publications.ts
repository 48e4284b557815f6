/** Who has published what and when: for the calibration of risks, and as evidence when a race is lost. */
import { exposureOf } from '../../channel/risk.js'
import { deadlineOf } from '../../channel/stakes.js'
import type { Established } from '../../channel/state.js'
import type { SharedFees } from '../chain/fees.js'
import type { SimChain } from '../chain/sim-chain.js'
import type { SimNode } from '../nodes/sim-node.js'
import type { RiskBucket } from '../results.js'
import type { ChannelRecord } from './channel-record.js'
import { rounded } from './payments.js'

export interface Bid { readonly height: number, readonly rate: number }

/** A race: the bids of one side for one of its states. `risk`: foretold at the first of them; undefined when nothing was at stake. */
export interface Race { readonly record: ChannelRecord, readonly node: SimNode, readonly turn: number, readonly deadline: number | undefined, readonly risk: number | undefined, readonly bids: Bid[] }

const BUCKETS = 10

export class Publications {
  readonly #races = new Map<string, Race>()

  constructor (private readonly chain: SimChain, private readonly fees: SharedFees) {}

  /** A bid has left the node. */
  published (record: ChannelRecord, node: SimNode, state: Established): void {
    const { publication } = state
    if (publication === undefined) return
    const key = `${record.number} ${node.name} ${publication.turn}`
    const race = this.#races.get(key) ?? this.#begin(record, node, state, publication.turn)
    this.#races.set(key, race)
    race.bids.push({ height: publication.height, rate: Number(publication.feeRate) / 1_000 })
  }

  bidsOf (record: ChannelRecord, node: SimNode): Bid[] {
    return [...this.#races.values()].filter((race) => race.record === record && race.node === node).flatMap(({ bids }) => bids)
  }

  #begin (record: ChannelRecord, node: SimNode, state: Established, turn: number): Race {
    const exposure = exposureOf(state, { ...this.fees.current, height: node.view?.tip.height })
    return { record, node, turn, deadline: deadlineOf(state, turn), risk: exposure?.risk, bids: [] }
  }

  /** By foretold risk; those whose outcome is not known yet are left out. */
  buckets (spentAt: (record: ChannelRecord) => number | undefined): RiskBucket[] {
    const buckets = Array.from({ length: BUCKETS }, () => ({ sum: 0, publications: 0, tooLate: 0 }))
    for (const { record, deadline, risk } of this.#races.values()) {
      const bucket = risk === undefined ? undefined : buckets[Math.min(BUCKETS - 1, Math.floor(risk * BUCKETS))]
      if (bucket === undefined || risk === undefined || deadline === undefined) continue
      const spent = spentAt(record)
      if (spent === undefined && this.chain.height <= deadline) continue
      bucket.publications += 1
      bucket.sum += risk
      if (spent === undefined || spent > deadline) bucket.tooLate += 1
    }
    return buckets.map(({ sum, publications, tooLate }, n) => ({ from: n / BUCKETS, to: (n + 1) / BUCKETS, predicted: publications === 0 ? 0 : rounded(sum / publications), publications, tooLate }))
  }
}
