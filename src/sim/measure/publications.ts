/**
 * Publications with their publishers and times: for the calibration of risks, and as evidence of a
 * lost race.
 */
import type { Txid } from '../../types/bytes.js'
import { exposureOf, type Exposure } from '../../channel/risk.js'
import { deadlineOf, lastDeadlineOf, windowOf } from '../../channel/stakes.js'
import type { Established, Publication } from '../../channel/state.js'
import type { SharedFees } from '../../testing/servers.js'
import type { SimChain, Contest } from '../../testing/chain.js'
import type { SimNode } from '../node.js'
import type { RaceResult, RiskBucket } from '../results.js'
import { type ChannelRecord } from './channels.js'
import { rounded } from './payments.js'
import { curveRate, patientRate } from '../../channel/fee-curve.js'
import { isSettledByUser } from '../../channel/bidding.js'
import { publishable, stakeAt, vsizeOf } from '../../channel/publishable.js'
import { ageOf, isOlder, payeeOf, stateOfLock, type StateRef } from '../../channel/schedule.js'
import type { FeeView } from '../../engine/fee-estimates.js'
import { feeRate, max } from '../../types/units.js'

/**
 * `most`: the limit of a bid at that moment without any unproven obstacle. Rates in sat/vB.
 */
interface Bid {
  readonly height: number
  readonly rate: number
  readonly most: number
  readonly txid: Txid
}

/**
 * A race: the bids of one side for one of its states. `exposure`: predicted at the first of them;
 * undefined when nothing was at stake.
 */
interface Race {
  readonly record: ChannelRecord
  readonly node: SimNode
  readonly published: StateRef
  readonly height: number
  readonly fee: number
  readonly deadline: number | undefined
  readonly exposure: Exposure | undefined
  readonly bids: Bid[]
}

const BUCKETS = 10

export class Publications {
  readonly #races = new Map<string, Race>()
  readonly #byRecord = new Map<ChannelRecord, Race[]>()
  readonly #chain: SimChain
  readonly #fees: SharedFees

  constructor(chain: SimChain, fees: SharedFees) {
    this.#chain = chain
    this.#fees = fees
  }

  /** Records a bid that has left the node. */
  published(record: ChannelRecord, node: SimNode, state: Established): void {
    const { publication } = state
    if (publication === undefined) return
    const key = `${record.number} ${node.name} ${ageOf(publication.state)}`
    const race = this.#races.get(key) ?? this.#begin(key, record, node, state, publication)
    race.bids.push({
      height: publication.height,
      rate: Number(publication.feeRate) / 1_000,
      most: boundOf(state, publication, {
        before: race.bids,
        fees: node.servers,
        contests: this.#chain.contestsOf(record.outPoint ?? ''),
        canBeLiedTo: node.servers.canPretend
      }),
      txid: publication.txid
    })
  }

  bidsOf(record: ChannelRecord, node: SimNode): Bid[] {
    return (this.#byRecord.get(record) ?? [])
      .filter((race) => race.node === node)
      .flatMap(({ bids }) => bids)
  }

  #begin(
    key: string,
    record: ChannelRecord,
    node: SimNode,
    state: Established,
    { state: published, fee, height }: Publication
  ): Race {
    const exposure = exposureOf(state, { ...this.#fees.current, height: node.view?.seen.height })
    const race: Race = {
      record,
      node,
      published,
      height,
      fee: Number(fee),
      deadline: deadlineOf(state, published),
      exposure,
      bids: []
    }
    this.#races.set(key, race)
    const others = this.#byRecord.get(record)
    if (others === undefined) this.#byRecord.set(record, [race])
    else others.push(race)
    return race
  }

  /** The races with something at stake, except those whose outcome is not known yet. */
  results(spentAt: (record: ChannelRecord) => number | undefined): RaceResult[] {
    return [...this.#races.values()].flatMap(
      ({ record, node, published, height, fee, deadline, exposure }) => {
        // T2 has no deadline.
        if (exposure === undefined || deadline === undefined || published === 'refund') return []
        const spent = spentAt(record)
        if (spent === undefined && this.#chain.height <= deadline) return []
        return [
          {
            channel: record.number,
            node: node.name,
            honest: node.honest,
            turn: published,
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

/** Groups races by predicted risk. */
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

/**
 * The upper bound of an honest side's bid: by its own curve, or by the immediate rise that a
 * refusal for fees allows; and while the mempools really hold an older state of the other side,
 * twice its bid of the block before. Transactions that only servers show, or that could never be
 * mined, raise nothing. Where nothing but a close is in the way, which pays it all that it has, the
 * curve is that of a side that nobody competes with, and the rise doubles with each block
 * (EVID-10).
 */
interface Surroundings {
  /** Earlier bids for the same state, oldest first. */
  readonly before: readonly Bid[]
  readonly fees: Pick<FeeView, 'current'>
  readonly contests: readonly Contest[]
  /** A server of its own can make it believe that something else is in the way. */
  readonly canBeLiedTo: boolean
}

/** A refusal for fees lets a bid rise at once to twice the estimate, or to this rate. */
const HURRY_RATE = 20
/** The incremental fee of a replacement, in satoshis per 1,000 vB. */
const STEP = 1_000n
/** A quarter more for each block in which the bid did not help. */
const RAISE = 5 / 4

/** The upper bound of a bid, in sat/vB. */
function boundOf(
  state: Established,
  publication: Publication,
  { before, fees, contests, canBeLiedTo }: Surroundings
): number {
  const ours = publishable(state)
  if (ours === undefined) return Infinity
  const { feeRate: estimate, nextBlockRate: nextBlock } = fees.current
  const { since, height } = publication
  const last = before.at(-1)
  const earlier = before.findLast((bid) => bid.height < height)
  const previous = feeRate(BigInt(Math.round(Math.min(last?.rate ?? 0, last?.most ?? 0) * 1_000)))
  const { from, deadline } = windowOf(state, publication.state, height)
  const lastDeadline = lastDeadlineOf(state, publication.state)
  const isPatient = lastDeadline === undefined || height >= lastDeadline || isSettledByUser(state)
  // STAKE-3: once nothing presses any more, the bid may reach the whole share.
  const worth = isPatient ? ours.share : stakeAt(state, ours, height, estimate)
  const budget = feeRate((worth * 1_000n) / BigInt(vsizeOf(state, ours)))
  const input = {
    since,
    height,
    previous: last === undefined ? since.feeRate : previous,
    estimate,
    budget
  }
  const isAgainstClose = !canBeLiedTo && isOnlyClose(state, contests, [...before, publication])
  const curve =
    deadline === undefined
      ? 0
      : Number(
          curveRate({
            ...input,
            since: { ...since, height: max(since.height, from) },
            deadline,
            passedOver: earlier && feeRate(BigInt(Math.ceil(earlier.rate * 1_000)) + STEP),
            nextBlock,
            isContested: !isAgainstClose
          })
        ) / 1_000
  const patient = isPatient ? Number(patientRate(input)) / 1_000 : 0
  const refused = Math.max((2 * Number(estimate)) / 1_000, HURRY_RATE)
  const raced = contests.some((contest) => isRival(state, publication.state, contest))
    ? 2 * Math.min(earlier?.rate ?? refused, earlier?.most ?? refused)
    : 0
  const passed = isAgainstClose ? height - (publication.begun ?? height) : 0
  return Math.max(curve, patient, refused * RAISE * 2 ** passed, raced)
}

/**
 * True when mempools hold a close of the channel, and no state but its own: what it could win
 * against that is nothing.
 */
function isOnlyClose(
  { closes, publication }: Established,
  contests: readonly Contest[],
  own: ReadonlyArray<Pick<Bid, 'txid'>>
): boolean {
  const height = publication?.height ?? 0
  const theirs = contests
    .filter(({ from, to }) => from <= height && to >= height)
    .map(({ transaction }) => transaction.txid)
    .filter((txid) => !own.some((bid) => bid.txid === txid))
  return theirs.length > 0 && theirs.every((txid) => closes.some((close) => close.txid === txid))
}

/** True for an older state of the other side that could be mined alone. */
function isRival({ terms, role }: Established, ours: StateRef, { transaction }: Contest): boolean {
  const state = stateOfLock(terms, transaction.lockTime)
  return (
    transaction.inputs.length === 1 &&
    state !== undefined &&
    isOlder(state, ours) &&
    payeeOf(state) !== role
  )
}
