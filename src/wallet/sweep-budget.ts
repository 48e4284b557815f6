/**
 * STAKE-5: what sweeps may cost by themselves. A payout is its owner's alone and nothing waits for
 * it, so the other side must not choose the hour in which it is swept, nor a server that lies about
 * prices or refuses a fee what it costs.
 */
import { dustLimit } from '../bitcoin/sizes.js'
import { SAFE_RELAY_RATE } from '../bitcoin/relay.js'
import { sweepVsize } from '../bitcoin/owner-spend.js'
import { doubledDaily } from '../channel/fee-curve.js'
import { feeFor, feeRate, max, min, type FeeRate, type Satoshi } from '../types/units.js'

/** A twentieth, 5 %, on the first day; twice as much with each further one, so all after five. */
const PART_OF_PAYOUT = 20n

/** A payout that is to be swept, and the number of blocks that it has waited. */
export interface WaitingPayout {
  readonly value: Satoshi
  readonly waited: number
}

/** The most that the sweep of one payout may cost, in satoshis. */
function budgetOf({ value, waited }: WaitingPayout): bigint {
  return min<bigint>(value, doubledDaily(value, waited) / PART_OF_PAYOUT)
}

/**
 * The highest feerate of one sweep of payouts: what their budgets pay for and leaves no dust, or
 * what every node relays when that is more, for nothing will be cheaper.
 */
export function mostSweepRate(payouts: readonly WaitingPayout[], to: Uint8Array): FeeRate {
  const total = payouts.reduce((sum, { value }) => sum + value, 0n)
  const budget = payouts.reduce((sum, payout) => sum + budgetOf(payout), 0n)
  const most = max(0n, min(budget, total - dustLimit(to)))
  const vsize = BigInt(sweepVsize(payouts.length, to))
  return max(SAFE_RELAY_RATE, feeRate((most * 1000n) / vsize))
}

/**
 * Chooses those of many payouts that one sweep takes now, and its feerate: the estimate, or what
 * the payout that can pay most affords alone. The others come along where each pays for its own
 * input.
 */
export function chooseSweep<P extends WaitingPayout>(
  payouts: readonly P[],
  estimate: FeeRate,
  to: Uint8Array
): { readonly payouts: readonly P[]; readonly rate: FeeRate } {
  const rate = payouts.reduce<FeeRate>(
    (most, payout) => max(most, min(estimate, mostSweepRate([payout], to))),
    SAFE_RELAY_RATE
  )
  const inputVsize = sweepVsize(2, to) - sweepVsize(1, to)
  const least = feeFor(SAFE_RELAY_RATE, inputVsize)
  const cost = feeFor(rate, inputVsize)
  return {
    payouts: payouts.filter(
      (payout) => payout.value > cost && cost <= max<bigint>(budgetOf(payout), least)
    ),
    rate
  }
}
