/**
 * Who has published what and when: for the calibration of risks, and as evidence when a race is
 * lost.
 */
import type { Txid } from '../../types/bytes.js'
import { exposureOf, type Exposure } from '../../channel/risk.js'
import { deadlineOf } from '../../channel/stakes.js'
import type { Established, Publication } from '../../channel/state.js'
import type { SharedFees } from '../../testing/fees.js'
import type { SimChain } from '../../testing/chain.js'
import type { SimNode } from '../node.js'
import type { RaceResult, RiskBucket } from '../results.js'
import { boundOf } from './bid-bound.js'
import type { ChannelRecord } from './channel-record.js'
import { rounded } from './payments.js'

/**
 * `most`: what it may bid at that moment without anything in its way that nobody can prove, see
 * `bid-bound.ts`. Rates in sat/vB.
 */
export interface Bid {
  readonly height: number
  readonly rate: number
  readonly most: number
  readonly txid: Txid
}

/**
 * A race: the bids of one side for one of its states. `exposure`: foretold at the first of them;
 * undefined when nothing was at stake.
 */
export interface Race {
  readonly record: ChannelRecord
  readonly node: SimNode
  readonly turn: number
  readonly height: number
  readonly fee: number
  readonly deadline: number | undefined
  readonly exposure: Exposure | undefined
  readonly bids: Bid[]
}

const BUCKETS = 10

export class Publications {
  readonly #races = new Map<string, Race>()

  constructor(
    private readonly chain: SimChain,
    private readonly fees: SharedFees
  ) {}

  /** A bid has left the node. */
  published(record: ChannelRecord, node: SimNode, state: Established): void {
    const { publication } = state
    if (publication === undefined) return
    const key = `${record.number} ${node.name} ${publication.turn}`
    const race = this.#races.get(key) ?? this.#begin(record, node, state, publication)
    this.#races.set(key, race)
    race.bids.push({
      height: publication.height,
      rate: Number(publication.feeRate) / 1_000,
      most: boundOf(state, publication, {
        before: race.bids,
        fees: node.servers,
        contests: this.chain.contestsOf(record.outPoint ?? '')
      }),
      txid: publication.txid
    })
  }

  bidsOf(record: ChannelRecord, node: SimNode): Bid[] {
    return [...this.#races.values()]
      .filter((race) => race.record === record && race.node === node)
      .flatMap(({ bids }) => bids)
  }

  #begin(
    record: ChannelRecord,
    node: SimNode,
    state: Established,
    { turn, fee, height }: Publication
  ): Race {
    const exposure = exposureOf(state, { ...this.fees.current, height: node.view?.seen.height })
    return {
      record,
      node,
      turn,
      height,
      fee: Number(fee),
      deadline: deadlineOf(state, turn),
      exposure,
      bids: []
    }
  }

  /** Those with something at stake; whose outcome is not known yet are left out. */
  results(spentAt: (record: ChannelRecord) => number | undefined): RaceResult[] {
    return [...this.#races.values()].flatMap(
      ({ record, node, turn, height, fee, deadline, exposure }) => {
        if (exposure === undefined || deadline === undefined) return []
        const spent = spentAt(record)
        if (spent === undefined && this.chain.height <= deadline) return []
        return [
          {
            channel: record.number,
            node: node.name,
            honest: node.honest,
            turn,
            height,
            deadline,
            stake: Number(exposure.stake),
            fee,
            risk: rounded(exposure.risk),
            spentAt: spent ?? null,
            tooLate: spent === undefined || spent > deadline
          }
        ]
      }
    )
  }
}

/** By foretold risk. */
export function bucketsOf(
  races: ReadonlyArray<Pick<RaceResult, 'risk' | 'tooLate'>>
): RiskBucket[] {
  return Array.from({ length: BUCKETS }, (_, n) => {
    const own = races.filter(({ risk }) => Math.min(BUCKETS - 1, Math.floor(risk * BUCKETS)) === n)
    const sum = own.reduce((sum, { risk }) => sum + risk, 0)
    return {
      from: n / BUCKETS,
      to: (n + 1) / BUCKETS,
      predicted: own.length === 0 ? 0 : rounded(sum / own.length),
      publications: own.length,
      tooLate: own.filter(({ tooLate }) => tooLate).length
    }
  })
}
