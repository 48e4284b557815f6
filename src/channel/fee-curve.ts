/**
 * The rise of a publication's fee: from the estimate at the height at which it was due, by the same
 * factor from block to block, to half of the budget shortly before the deadline, and through the
 * last blocks towards all of it. In the last third it is at least a quarter above the estimate for
 * the next block, which is mostly far less than the budget, and enough. It never falls. (lnd's
 * sweeper, too, goes from an estimate to a budget at a deadline, with 50 % of the value as its
 * default.)
 *
 * While nobody competes, it stops short of that: a node that comes back two blocks before the
 * deadline would otherwise bid its whole budget for a place that a hundredth of it buys.
 */
import { SAFE_RELAY_RATE } from '../bitcoin/relay.js'
import { feeRate, max, min, type FeeRate } from '../types/units.js'
import type { Env } from './env.js'
import { DAY } from './schedule.js'

/** 20 sat/vB: 181 vB of a T3 then cost 3,620 sat, which is not worth an attack. */
export const HURRY_RATE = feeRate(20_000n)

/** Blocks in which more than half of the budget is bid; fewer when the whole race is short. */
const MOST_LAST_BLOCKS = 6

export interface CurveInput {
  /**
   * The start of the race: the height at which publishing was due, and the rate of the first bid.
   */
  readonly since: { readonly height: number; readonly feeRate: FeeRate }
  readonly height: number
  /** The height from which the other side can publish. */
  readonly deadline: number
  /** The rate of the last bid. */
  readonly previous: FeeRate
  /**
   * The rate of the last bid that a block has passed over, with the extra cost of replacing it;
   * undefined when there is none.
   */
  readonly passedOver: FeeRate | undefined
  readonly estimate: FeeRate
  /** The estimated rate for the next block. */
  readonly nextBlock: FeeRate
  /** The whole budget as a rate. */
  readonly budget: FeeRate
  /**
   * A server has refused the last bid for its fee, and the caller limits the cost of that: here
   * only the budget does.
   */
  readonly isContested: boolean
}

/** The rate to bid in a race at a height, at most the budget. */
export function curveRate(input: CurveInput): FeeRate {
  const { since, height, deadline, previous, estimate, nextBlock, budget } = input
  if (height >= deadline) {
    return min(max(max(estimate, previous), raisedRate(since, height, previous)), mostRate(input))
  }
  const wanted = isLate(since, height, deadline)
    ? max(max(estimate, previous), feeRate((nextBlock * 5n) / 4n))
    : max(previous, min(estimate, feeRate(budget / EARLY_PART)))
  return min(max(wanted, towards(since, height, deadline, budget)), mostRate(input))
}

/**
 * The rate to bid without pressure, at most the budget (STAKE-3): up to ten times the estimate on
 * the first day, and twice as much with each further day, for the estimate may be false.
 */
export function patientRate({
  since,
  height,
  previous,
  estimate,
  budget
}: Pick<CurveInput, 'since' | 'height' | 'previous' | 'estimate' | 'budget'>): FeeRate {
  const most = doubledDaily(estimate * MOST_ESTIMATES, height - since.height)
  return min(
    max(
      max(estimate, previous),
      min(raisedRate(since, height, previous), max(previous, feeRate(most)))
    ),
    budget
  )
}

const MOST_ESTIMATES = 10n

/** Doubles an amount for each whole day of blocks that has passed. */
export function doubledDaily(amount: bigint, blocks: number): bigint {
  return amount * 2n ** BigInt(Math.min(MOST_DOUBLINGS, Math.floor(Math.max(0, blocks) / DAY)))
}

/** More doublings than the contents of any channel allow. */
const MOST_DOUBLINGS = 40

/**
 * True when the next block is dearer than the median of the blocks seen; false while less than a
 * day of them has been seen. Who may wait does, so that a peer does not choose the hour.
 */
export function isDear({
  nextBlockRate,
  feeHistory
}: Pick<Env, 'nextBlockRate' | 'feeHistory'>): boolean {
  if (feeHistory.length < DAY) return false
  const asDear = feeHistory.filter((rate) => rate >= nextBlockRate).length
  return asDear * 2 < feeHistory.length
}

/**
 * STAKE-4: until the last third, estimates, which are the word of servers, move a bid to a quarter
 * of the budget at most: dear blocks often pass.
 */
const EARLY_PART = 4n

/** True in the last third of the blocks of a race, and in the last three of any race. */
export function isLate(
  since: Pick<CurveInput['since'], 'height'>,
  height: number,
  deadline: number
): boolean {
  return deadline - height <= 3 || (deadline - height) * 3 <= deadline - since.height
}

/**
 * Twice a normal bid is in the next block unless blocks are out of the ordinary. Then each block
 * that passes over our bid proves it, whatever servers say of prices, and lets the next bid double:
 * from 2 sat/vB to 1,000 sat/vB takes nine blocks.
 */
const MOST_NORMAL_BIDS = 2n

/**
 * A race that begins in its last block has one bid, and no block that could tell what it takes:
 * where the next one takes some times as much as the last one, all is lost. So it is a multiple, up
 * to a part of the stake that is a normal price for having been away: of 600,000 sat at stake
 * 18,750, which is 100 sat/vB.
 */
const ONLY_BID = { nextBlocks: 10n, least: HURRY_RATE, part: 32n }

function onlyBid({ nextBlock, budget }: CurveInput): FeeRate {
  const { nextBlocks, least, part } = ONLY_BID
  return feeRate(min(max(nextBlock * nextBlocks, least), budget / part))
}

/**
 * STAKE-4: while nobody competes, a quarter of the budget is kept: paying the whole budget wins
 * nothing.
 */
function mostRate(input: CurveInput): FeeRate {
  const { height, deadline, nextBlock, passedOver, budget, isContested } = input
  if (isContested) return budget
  const normal = feeRate(((nextBlock * 5n) / 4n) * MOST_NORMAL_BIDS)
  // A small stake that is hardly above a normal bid is still worth one.
  const kept = max(feeRate((budget * 3n) / 4n), min(budget, feeRate((nextBlock * 5n) / 4n)))
  const isOnlyBid = passedOver === undefined && height === deadline - 1
  return min(
    kept,
    max(max(normal, feeRate((passedOver ?? 0n) * 2n)), isOnlyBid ? onlyBid(input) : feeRate(0n))
  )
}

/** BIP125 rule 4, as every node applies it. */
const LEAST_STEP: bigint = SAFE_RELAY_RATE

/** A quarter more for each block that did not take the bid. */
function raisedRate(since: CurveInput['since'], height: number, previous: FeeRate): FeeRate {
  return height <= since.height ? previous : feeRate(previous + max(previous / 4n, LEAST_STEP))
}

function towards(
  since: CurveInput['since'],
  height: number,
  deadline: number,
  budget: FeeRate
): FeeRate {
  const blocks = deadline - since.height
  const last = Math.min(MOST_LAST_BLOCKS, Math.floor(blocks / 6))
  if (height >= deadline - 1) return budget
  const first = min(since.feeRate, feeRate(budget / EARLY_PART))
  const half = max(budget / 2n, first as bigint)
  const before = blocks - last
  const gone = Math.max(0, height - since.height)
  return gone <= before
    ? between(first, half, gone / Math.max(1, before))
    : between(half, max(budget, half), (gone - before) / Math.max(1, last - 1))
}

/** Interpolates by the same factor from step to step. */
function between(from: bigint, to: bigint, share: number): FeeRate {
  if (from <= 0n) return feeRate(0n)
  return feeRate(BigInt(Math.round(Number(from) * (Number(to) / Number(from)) ** share)))
}
