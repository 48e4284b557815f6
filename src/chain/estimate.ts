/**
 * The fee rate to use, given a server's answers: never absurd, never below the relay minimum. Pure.
 */
import { LOWEST_RELAY_RATE, SAFE_RELAY_RATE } from '../bitcoin/relay.js'
import type { RelayRates } from '../engine/ports.js'
import { feeRate, max, min, type FeeRate } from '../types/units.js'

/** 1,000 sat/vB bounds estimates (never a bid against a conflict that we have seen). */
export const HIGHEST_FEE_RATE = feeRate(1_000_000n)

/** The rate while no server ever gave a better one: 10 sat/vB. */
export const FALLBACK_FEE_RATE = feeRate(10_000n)

/** `estimatefee` answers -1 on regtest for want of traffic; there the lowest rate confirms. */
export const REGTEST_FALLBACK_FEE_RATE = SAFE_RELAY_RATE

/** Milliseconds that an earlier answer stands in for a missing one: about six blocks. */
export const LAST_GOOD_MS = 3_600_000

/**
 * Bound of honest estimates: above 0.1 BTC/kvB Bitcoin Core refuses to send
 * (`DEFAULT_MAX_RAW_TX_FEE_RATE`).
 */
const ABSURD_BTC_PER_KVB = 0.1

interface EstimateInput {
  /** The answer of `blockchain.estimatefee`, in BTC/kvB; undefined when it was not usable. */
  readonly answer: number | undefined
  /** The mempool's rate for blocks of a million vB; see `histogramRate`. */
  readonly mempool?: FeeRate | undefined
  /** The least that the mempool asks for, in BTC/kvB. */
  readonly relayFee: number | undefined
  /** The newest good answer, if younger than `LAST_GOOD_MS`. */
  readonly lastGood: FeeRate | undefined
  readonly fallback: FeeRate
}

interface Estimate {
  readonly rate: FeeRate
  readonly source: 'server' | 'mempool' | 'last' | 'fallback'
}

/**
 * @example
 * boundedEstimate({ answer: 0.00002, relayFee: 0.00001, lastGood: undefined, fallback })
 * // { rate: 2000n sat/kvB, source: 'server' }
 */
export function boundedEstimate({
  answer,
  mempool,
  relayFee,
  lastGood,
  fallback
}: EstimateInput): Estimate {
  const floor = max(LOWEST_RELAY_RATE, plausible(relayFee) ?? SAFE_RELAY_RATE)
  // An estimate looks back at blocks; what waits already has to be outbid all the same.
  const waiting = mempool ?? floor
  const bounded = (rate: FeeRate): FeeRate => min(max(max(rate, waiting), floor), HIGHEST_FEE_RATE)
  const rate = plausible(answer)
  if (rate !== undefined) return { rate: bounded(rate), source: 'server' }
  if (mempool !== undefined) {
    return { rate: bounded(max(mempool, lastGood ?? mempool)), source: 'mempool' }
  }
  if (lastGood !== undefined) return { rate: bounded(lastGood), source: 'last' }
  return { rate: bounded(fallback), source: 'fallback' }
}

/** Bound of a server's increment: more than 10 sat/vB would only burn our fees. */
const HIGHEST_INCREMENT = feeRate(10_000n)

/** The rates that a mempool asks for, out of a server's answer in BTC/kvB. */
export function boundedRelayRates({
  minimum,
  incremental
}: {
  readonly minimum?: number | undefined
  readonly incremental?: number | undefined
}): RelayRates {
  const within = (rate: FeeRate | undefined, most: FeeRate): FeeRate =>
    min(max(rate ?? SAFE_RELAY_RATE, LOWEST_RELAY_RATE), most)
  return {
    minimum: within(plausible(minimum), HIGHEST_FEE_RATE),
    incremental: within(plausible(incremental), HIGHEST_INCREMENT)
  }
}

/** Room of a block: 1,000,000 vB. */
const BLOCK_VSIZE = 1_000_000

/**
 * The rate below which nothing that waits now is among the next `blocks` blocks; undefined while
 * all of it fits, or when the server's answer makes no sense.
 *
 * @param histogram - as `mempool.get_fee_histogram`: pairs of a rate in sat/vB and the virtual
 *   bytes
 *   that pay it, or more, up to the pair before
 * @example histogramRate([[50, 600_000], [20, 700_000], [3, 4_000_000]], 1) // 20 sat/vB
 */
export function histogramRate(
  histogram: ReadonlyArray<readonly [number, number]>,
  blocks: number
): FeeRate | undefined {
  let room = blocks * BLOCK_VSIZE
  for (const [rate, vsize] of [...histogram].sort(([a], [b]) => b - a)) {
    if (!(rate >= 0) || !(vsize >= 0) || rate > 1e9) return undefined
    room -= vsize
    if (room < 0) return feeRate(BigInt(Math.ceil(rate * 1_000)))
  }
  return undefined
}

/**
 * BTC/kvB to sat/kvB; undefined for what cannot be a fee rate: -1 (no estimate), 0, NaN, a fortune.
 */
function plausible(btcPerKvB: number | undefined): FeeRate | undefined {
  if (btcPerKvB === undefined || !(btcPerKvB > 0) || btcPerKvB > ABSURD_BTC_PER_KVB) {
    return undefined
  }
  // Rounded, since 0.00001 x 100,000,000 = 1000.0000000000001 in floating point.
  return feeRate(BigInt(Math.round(btcPerKvB * 100_000_000)))
}
