/** A person's choice of a transaction's fee: a feerate, or a number of blocks that it may wait. */
import { codeOf, PaychanError } from '../types/errors.js'
import {
  blockDelta,
  feeRate,
  formatAmount,
  formatFeeRate,
  max,
  satPerVByte,
  type BlockDelta,
  type FeeRate,
  type Satoshi
} from '../types/units.js'
import type { Chain } from '../engine/ports.js'
import { LOWEST_RELAY_RATE, SAFE_RELAY_RATE } from '../bitcoin/relay.js'

/** At most one of the two; without either, the usual rate for the work. */
export interface FeeChoice {
  /** In sat per 1,000 vB. */
  readonly feeRate?: bigint
  /** The number of blocks, 1 to 1,008, of the servers' estimate. */
  readonly target?: number
  /** True when the person means what `checkCost` would ask about. */
  readonly highFee?: boolean
}

/** Bound of estimates: beyond it a typing mistake is likelier than a wish. */
const HIGHEST_RATE = feeRate(1_000_000n)

/** A week: the longest horizon of Bitcoin Core's `estimatesmartfee`. */
export const MAX_TARGET = blockDelta(1_008)

/** The targets that `fees` shows: the next block, half an hour, one, two, six, a day. */
export const SHOWN_TARGETS = [1, 3, 6, 12, 36, 144].map(blockDelta)

/**
 * The target of a choice; undefined when it has none.
 *
 * @throws PaychanError `ERR_INVALID_TARGET` (facts: asked, most), `ERR_INVALID_FEERATE` when
 *   there is a feerate as well
 */
export function targetOf({ feeRate, target }: FeeChoice): BlockDelta | undefined {
  if (target === undefined) return undefined
  if (feeRate !== undefined) {
    throw new PaychanError(
      'ERR_INVALID_FEERATE',
      'Give a feerate or a target, not both: a target stands for the feerate that the servers estimate.',
      { target }
    )
  }
  if (!Number.isInteger(target) || target < 1 || target > MAX_TARGET) {
    throw new PaychanError(
      'ERR_INVALID_TARGET',
      `A target is a number of blocks from 1 to ${MAX_TARGET}, and ${target} is not.`,
      { asked: target, most: MAX_TARGET }
    )
  }
  return blockDelta(target)
}

/**
 * The feerate that was asked for, when servers relay it; undefined when none was.
 *
 * @throws PaychanError `ERR_INVALID_FEERATE` (facts, in sat/vB: satPerVByte, least, most),
 * `ERR_FEERATE_TOO_LOW` when it is less than the server's mempool takes now (facts, in sat/vB:
 * satPerVByte, least)
 */
export async function askedRate(
  chain: Pick<Chain, 'relayRates'>,
  { feeRate: asked }: FeeChoice
): Promise<FeeRate | undefined> {
  if (asked === undefined) return undefined
  if (asked < LOWEST_RELAY_RATE || asked > HIGHEST_RATE) {
    throw new PaychanError(
      'ERR_INVALID_FEERATE',
      `A feerate is between ${formatFeeRate(LOWEST_RELAY_RATE)} and ${formatFeeRate(HIGHEST_RATE)}.`,
      {
        satPerVByte: satPerVByte(feeRate(asked)),
        least: satPerVByte(LOWEST_RELAY_RATE),
        most: satPerVByte(HIGHEST_RATE)
      }
    )
  }
  const least = await minimumOf(chain)
  if (asked < least) {
    throw new PaychanError(
      'ERR_FEERATE_TOO_LOW',
      `The server relays nothing below ${formatFeeRate(least)} now, and ${formatFeeRate(feeRate(asked))} were asked for. See \`paychan fees\`.`,
      { satPerVByte: satPerVByte(feeRate(asked)), least: satPerVByte(least) }
    )
  }
  return feeRate(asked)
}

/**
 * The fee rate of a transaction by a choice, or else by the estimate for `usual` blocks.
 *
 * @throws PaychanError those of `targetOf` and `askedRate`, and `ERR_CHAIN_UNAVAILABLE` when an
 * estimate is needed
 */
export async function chosenRate(
  chain: Pick<Chain, 'relayRates' | 'estimateFeeRate'>,
  choice: FeeChoice,
  usual: BlockDelta
): Promise<FeeRate> {
  const target = targetOf(choice) ?? usual
  return (await askedRate(chain, choice)) ?? (await estimatedRate(chain, target))
}

/**
 * EVID-7: the fee rate of a transaction when nobody has named one: the estimate, but no less than
 * what every node relays, since one server may say that less will do.
 *
 * @throws PaychanError `ERR_CHAIN_UNAVAILABLE`
 */
export async function estimatedRate(
  chain: Pick<Chain, 'estimateFeeRate'>,
  target: BlockDelta
): Promise<FeeRate> {
  return max(await chain.estimateFeeRate(target), SAFE_RELAY_RATE)
}

/** The factor over the next-block rate from which a feerate is likelier a slip than a wish. */
const TIMES_THE_ESTIMATE = 10n

/** The known part of a planned payment's cost. */
interface Cost {
  readonly rate?: FeeRate | undefined
  readonly fee?: Satoshi
  readonly amount?: Satoshi | undefined
}

/**
 * Asks before a fee that exceeds the amount moved, or ten times the estimate: such a fee is most
 * often a slip of the unit.
 *
 * @param meant - true when the fee is wanted
 * @throws PaychanError `ERR_FEE_TOO_HIGH` (facts: fee, amount; or, in sat/vB, satPerVByte and
 *   estimate)
 */
export async function checkCost(
  chain: Pick<Chain, 'estimateFeeRate'>,
  { rate, fee, amount }: Cost,
  meant = false
): Promise<void> {
  if (meant) return
  const sure = 'If that is meant, say so: `--yes`, or `highFee: true` over the API.'
  if (fee !== undefined && amount !== undefined && fee > amount) {
    throw new PaychanError(
      'ERR_FEE_TOO_HIGH',
      `The fee would be ${formatAmount(fee)}, more than the ${formatAmount(amount)} that it is paid for. ${sure}`,
      { fee, amount }
    )
  }
  if (rate === undefined) return
  const estimate = await estimateOf(chain)
  if (estimate === undefined || rate <= estimate * TIMES_THE_ESTIMATE) return
  throw new PaychanError(
    'ERR_FEE_TOO_HIGH',
    `${formatFeeRate(rate)} is more than ten times ${formatFeeRate(estimate)}, which the servers estimate for the next block. ${sure}`,
    { satPerVByte: satPerVByte(rate), estimate: satPerVByte(estimate) }
  )
}

/** The estimate to compare with; undefined without a server. */
async function estimateOf(chain: Pick<Chain, 'estimateFeeRate'>): Promise<FeeRate | undefined> {
  try {
    return await chain.estimateFeeRate(blockDelta(1))
  } catch (error) {
    if (codeOf(error) === 'ERR_CHAIN_UNAVAILABLE') return undefined
    throw error
  }
}

/**
 * The rate that a replacement pays for its own relay beyond the fee of the replaced version;
 * without a server, the rate that every node asks for.
 */
export async function incrementalOf(chain: Pick<Chain, 'relayRates'>): Promise<FeeRate> {
  try {
    return (await chain.relayRates()).incremental
  } catch (error) {
    if (codeOf(error) === 'ERR_CHAIN_UNAVAILABLE') return SAFE_RELAY_RATE
    throw error
  }
}

/** Without a server any feerate is taken: the transaction waits for a server anyway. */
async function minimumOf(chain: Pick<Chain, 'relayRates'>): Promise<FeeRate> {
  try {
    return (await chain.relayRates()).minimum
  } catch (error) {
    if (codeOf(error) === 'ERR_CHAIN_UNAVAILABLE') return LOWEST_RELAY_RATE
    throw error
  }
}
