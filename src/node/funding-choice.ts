/** Turns the funding options of `open` and `renew` into the engine's terms. */
import type { FundingChoice } from '../channel/state.js'
import { outPointFromText } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import {
  rateOfSatPerVByte,
  satPerVByte,
  type BlockDelta,
  type FeeRate,
  type Satoshi
} from '../types/units.js'
import { askedRate, checkCost, estimatedRate, MAX_TARGET, targetOf } from '../wallet/fee-choice.js'
import type * as wallet from '../wallet/spending.js'
import type { Chain } from '../engine/ports.js'
import type { FeeChoice } from './api.js'

export interface ChosenFunding {
  readonly choice: FundingChoice | undefined
  /** Undefined for the usual patience. */
  readonly patience: BlockDelta | undefined
  /** The limit for the cost of the wallet's share of T1. */
  readonly mostFee: Satoshi | undefined
}

/** The wallet counts in sat per 1,000 vB, without fractions. */
export function choiceOf({ satPerVByte, target, highFee }: FeeChoice): wallet.FeeChoice {
  return {
    ...(satPerVByte === undefined ? {} : { feeRate: rateOfSatPerVByte(satPerVByte) }),
    ...(target === undefined ? {} : { target }),
    ...(highFee === undefined ? {} : { highFee })
  }
}

/** Gives the wallet's answer in the unit that people are told. */
export function shownRate<Result extends { readonly feeRate: FeeRate }>({
  feeRate,
  ...result
}: Result): Omit<Result, 'feeRate'> & { readonly satPerVByte: number } {
  return { ...result, satPerVByte: satPerVByte(feeRate) }
}

/**
 * The feerate of a choice; undefined without one.
 *
 * @throws PaychanError those of `chosenRate` and `checkCost`
 */
export async function namedRate(
  chain: Chain,
  asked: wallet.FeeChoice
): Promise<FeeRate | undefined> {
  const target = targetOf(asked)
  const rate =
    target === undefined ? await askedRate(chain, asked) : await estimatedRate(chain, target)
  await checkCost(chain, { rate: asked.feeRate === undefined ? undefined : rate }, asked.highFee)
  return rate
}

/**
 * A target is the time T1 may wait before its fee is raised. With a feerate the caller decides that
 * as well, with `bumpFee`, for at least a week.
 *
 * @param added - the amount that the wallet puts into the channel
 * @throws PaychanError those of `chosenRate` and `checkCost`, `ERR_INVALID_OUTPOINT`,
 *   `ERR_PSBT_CHOICE`
 */
export async function fundingChoice(
  chain: Chain,
  added: Satoshi,
  {
    coins,
    psbt,
    mostFee: most,
    ...given
  }: FeeChoice & {
    readonly coins?: readonly string[]
    readonly psbt?: true
    readonly mostFee?: Satoshi
  }
): Promise<ChosenFunding> {
  const asked = choiceOf(given)
  if (psbt === true && (coins ?? asked.feeRate ?? asked.target) !== undefined) {
    throw new PaychanError(
      'ERR_PSBT_CHOICE',
      'With a PSBT the coins and the fee are chosen in the outside wallet, not here.'
    )
  }
  const named = coins?.map(outPointFromText)
  if (named?.length === 0) {
    throw new PaychanError(
      'ERR_INVALID_OUTPOINT',
      'No coin is named. Name at least one, or leave the choice to the wallet.'
    )
  }
  const rate = await namedRate(chain, asked)
  const mostFee = most ?? (asked.highFee === true || added === 0n ? undefined : added)
  if (rate === undefined && named === undefined) {
    return { choice: undefined, patience: undefined, mostFee }
  }
  return {
    choice: { feeRate: rate, coins: named },
    patience: rate === undefined ? undefined : (targetOf(asked) ?? MAX_TARGET),
    mostFee
  }
}

/**
 * The bid of a settlement or a refund; undefined without a choice. Only the stake bounds it: it may
 * compete with another state.
 */
export async function bidOf(
  chain: Pick<Chain, 'estimateFeeRate'>,
  choice: FeeChoice
): Promise<FeeRate | undefined> {
  const asked = choiceOf(choice)
  const target = targetOf(asked)
  if (target !== undefined) return await chain.estimateFeeRate(target)
  return choice.satPerVByte === undefined ? undefined : rateOfSatPerVByte(choice.satPerVByte)
}
