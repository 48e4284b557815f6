/**
 * How the fee of a publication rises: from the estimate at its first block, by the same factor from
 * block to block, to half of the budget shortly before the deadline, and to all of it in the last
 * blocks. It never falls. (lnd's sweeper, too, goes from an estimate to a budget at a deadline,
 * with 50 % of the value as its default budget.)
 */
import { feeRate, max, min, type FeeRate } from '../types/units.js'

/** In which all of the budget is bid; less when the whole race is short. */
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
  /** All of the budget as a rate. */
  readonly budget: FeeRate
}

/** The rate to bid at a height, not above the budget. */
export function curveRate ({ since, height, deadline, previous, estimate, budget }: CurveInput): FeeRate {
  const wanted = max(max(estimate, previous), deadline === undefined || height >= deadline
    ? raisedRate(since, height, previous, estimate, deadline)
    : towards(since, height, deadline, budget))
  return min(wanted, budget)
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
  if (height >= deadline - Math.max(last, 1) && height > since.height) return budget
  const half = feeRate(max(budget / 2n, since.feeRate as bigint))
  const share = Math.max(0, height - since.height) / Math.max(1, blocks - last)
  return feeRate(BigInt(Math.round(Number(since.feeRate) * (Number(half) / Number(since.feeRate)) ** share)))
}
