/** What `open` and `renew` are told about their funding transaction, in the engine's terms. */
import type { FundingChoice } from '../channel/state.js'
import { outPointFromText } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { feeRate, type BlockDelta, type FeeRate } from '../types/units.js'
import { askedRate, MAX_TARGET, SHOWN_TARGETS, targetOf, type FeeChoice } from '../wallet/fee-choice.js'
import type { Chain } from '../engine/ports.js'
import type { Fees } from './api.js'

export interface ChosenFunding {
  readonly choice: FundingChoice | undefined
  /** Undefined for what is usual. */
  readonly patience: BlockDelta | undefined
}

/**
 * A target is how long T1 may wait before it is paid for once more; who names a feerate decides about
 * that as well, with `bumpFee`, at least for a week.
 *
 * @throws PaychanError those of `chosenRate`, `ERR_INVALID_OUTPOINT`, `ERR_PSBT_CHOICE`
 */
export async function fundingChoice (chain: Chain, { coins, psbt, ...asked }: FeeChoice & { readonly coins?: readonly string[], readonly psbt?: true }): Promise<ChosenFunding> {
  if (psbt === true && (coins ?? asked.feeRate ?? asked.target) !== undefined) throw new PaychanError('ERR_PSBT_CHOICE', 'With a PSBT the coins and the fee are chosen in the outside wallet, not here.')
  const named = coins?.map(outPointFromText)
  if (named?.length === 0) throw new PaychanError('ERR_INVALID_OUTPOINT', 'No coin is named. Name at least one, or leave the choice to the wallet.')
  const target = targetOf(asked)
  const rate = target === undefined ? await askedRate(chain, asked) : await chain.estimateFeeRate(target)
  if (rate === undefined && named === undefined) return { choice: undefined, patience: undefined }
  return { choice: { feeRate: rate, coins: named }, patience: rate === undefined ? undefined : target ?? MAX_TARGET }
}

/** What a settlement or a refund is to bid; undefined without a choice. It has no bounds but the stake: it may compete with another state. */
export async function bidOf (chain: Pick<Chain, 'estimateFeeRate'>, choice: FeeChoice): Promise<FeeRate | undefined> {
  const target = targetOf(choice)
  if (target !== undefined) return await chain.estimateFeeRate(target)
  return choice.feeRate === undefined ? undefined : feeRate(choice.feeRate)
}

/** @throws PaychanError `ERR_CHAIN_UNAVAILABLE` */
export async function feesOf (chain: Chain): Promise<Fees> {
  const { minimum } = await chain.relayRates()
  const estimates = await Promise.all(SHOWN_TARGETS.map(async (blocks) => ({ blocks, feeRate: await chain.estimateFeeRate(blocks) })))
  return { minimum, estimates }
}
