/**
 * How the fee of a publication rises: from the estimate at its first block, by the same factor from
 * block to block, to half of the budget shortly before the deadline, and through the last blocks to
 * all of it. In the last third it is at least a quarter above what the next block takes by the
 * estimate, which is mostly far less than the budget, and enough. It never falls. (lnd's sweeper,
 * too, goes from an estimate to a budget at a deadline, with 50 % of the value as its default.)
 */
import { feeRate, max, min, type FeeRate } from '../types/units.js'

/** In which more than half of the budget is bid; less when the whole race is short. */
const MOST_LAST_BLOCKS = 6

export interface CurveInput {
  /** Where the race began: the height and the rate of the first bid. */
  readonly since: { readonly height: number, readonly feeRate: FeeRate }
  readonly height: number
  /** The height from which on the other side can publish; undefined: nothing presses. */
  readonly deadline: number | undefined
  /** Of the last bid. */
  readonly previous: FeeRate
  readonly estimate: FeeRate
  /** What the next block takes, by the estimate. */
  readonly nextBlock: FeeRate
  /** All of the budget as a rate. */
  readonly budget: FeeRate
}

/** The rate to bid at a height, not above the budget. */
export function curveRate ({ since, height, deadline, previous, estimate, nextBlock, budget }: CurveInput): FeeRate {
  const wanted = max(max(estimate, previous), deadline === undefined || height >= deadline
    ? raisedRate(since, height, previous, estimate, deadline)
    : max(towards(since, height, deadline, budget), isLate(since, height, deadline) ? feeRate(nextBlock * 5n / 4n) : feeRate(0n)))
  return min(wanted, budget)
}

/** The last third of the blocks that there were. */
function isLate (since: CurveInput['since'], height: number, deadline: number): boolean {
  return height > since.height && (deadline - height) * 3 <= deadline - since.height
}

/** BIP125 rule 4: a replacement pays 1 sat/vB more. */
const LEAST_STEP = 1_000n

/** A quarter more for each block in which it did not help; unpressed only up to ten times the estimate. */
function raisedRate (since: CurveInput['since'], height: number, previous: FeeRate, estimate: FeeRate, deadline: number | undefined): FeeRate {
  if (height <= since.height) return previous
  const raised = feeRate(previous + max(previous / 4n, LEAST_STEP))
  return deadline === undefined ? min(raised, max(previous, feeRate(estimate * 10n))) : raised
}

function towards (since: CurveInput['since'], height: number, deadline: number, budget: FeeRate): FeeRate {
  const blocks = deadline - since.height
  const last = Math.min(MOST_LAST_BLOCKS, Math.floor(blocks / 6))
  if (height >= deadline - 1 && height > since.height) return budget
  const half = max(budget / 2n, since.feeRate as bigint)
  const before = blocks - last
  const gone = Math.max(0, height - since.height)
  return gone <= before
    ? between(since.feeRate, half, gone / Math.max(1, before))
    : between(half, max(budget, half), (gone - before) / Math.max(1, last - 1))
}

/** By the same factor from step to step. */
function between (from: bigint, to: bigint, share: number): FeeRate {
  return feeRate(BigInt(Math.round(Number(from) * (Number(to) / Number(from)) ** share)))
}
