/**
 * The units that money and time are counted in. Each is a branded primitive: a bare `bigint` or
 * `number` does not fit where an amount or a height is asked for, so that a height can never be
 * added to an amount, or a fee rate passed for a fee.
 */
import { PaychanError } from './errors.js'

declare const unit: unique symbol

/** An amount in whole satoshis, from 0 to 21 million bitcoin. */
export type Satoshi = bigint & { readonly [unit]: 'satoshi' }

/** A fee rate in satoshis per 1,000 virtual bytes, the unit of Bitcoin Core (`sat/kvB`). */
export type FeeRate = bigint & { readonly [unit]: 'sat/kvB' }

/** The height of a block; also what an absolute `nLockTime` below 500,000,000 means (BIP65). */
export type BlockHeight = number & { readonly [unit]: 'height' }

/** A number of blocks between two heights. */
export type BlockDelta = number & { readonly [unit]: 'blocks' }

/** 21,000,000 bitcoin x 100,000,000: `MAX_MONEY` of Bitcoin Core's consensus/amount.h. */
export const MAX_MONEY = 2_100_000_000_000_000n

/** `LOCKTIME_THRESHOLD` of Bitcoin Core: from here on `nLockTime` is a time, not a height. */
export const LOCKTIME_THRESHOLD = 500_000_000

/**
 * Brands an amount of satoshis.
 *
 * @throws PaychanError `ERR_INVALID_AMOUNT` when it is negative or above 21 million bitcoin.
 * @example satoshi(1000n)
 */
export function satoshi(value: bigint): Satoshi {
  if (value < 0n || value > MAX_MONEY) {
    throw new PaychanError(
      'ERR_INVALID_AMOUNT',
      `An amount is between 0 and ${MAX_MONEY} sat, and ${value} is not.`,
      { amount: value }
    )
  }
  return value as Satoshi
}

/**
 * Writes an amount with its unit and thousands separators, the same in every locale.
 *
 * @example formatAmount(1234567n) // '1,234,567 sat'
 */
export function formatAmount(amount: bigint): string {
  return `${amount.toString().replace(/\B(?=(\d{3})+$)/g, ',')} sat`
}

/** No money at all. */
export const ZERO_SAT = satoshi(0n)

/**
 * Adds amounts.
 *
 * @throws PaychanError `ERR_INVALID_AMOUNT` when it is above 21 million bitcoin.
 */
export function addSat(...amounts: Satoshi[]): Satoshi {
  return satoshi(amounts.reduce<bigint>((sum, amount) => sum + amount, 0n))
}

/**
 * Adds amounts that others show and may make up, capped at 21 million bitcoin, so that the sum can
 * always be shown.
 */
export function sumShown(amounts: Iterable<Satoshi>): Satoshi {
  let sum = 0n
  for (const amount of amounts) sum += amount
  return satoshi(min(sum, MAX_MONEY))
}

/** `a - b`. @throws PaychanError `ERR_INVALID_AMOUNT` when the difference is negative. */
export function subSat(a: Satoshi, b: Satoshi): Satoshi {
  return satoshi(a - b)
}

/** The smaller of two values of the same unit. */
export function min<T extends bigint | number>(a: T, b: T): T {
  return a < b ? a : b
}

/** The larger of two values of the same unit. */
export function max<T extends bigint | number>(a: T, b: T): T {
  return a > b ? a : b
}

/**
 * Brands a fee rate in sat/kvB (1 sat/vB = 1000n).
 *
 * @throws PaychanError `ERR_INVALID_FEERATE` when it is negative.
 */
export function feeRate(satPerKvB: bigint): FeeRate {
  if (satPerKvB < 0n) {
    throw new PaychanError('ERR_INVALID_FEERATE', `A fee rate cannot be ${satPerKvB} sat/kvB.`, {
      feeRate: satPerKvB
    })
  }
  return satPerKvB as FeeRate
}

/**
 * Writes a fee rate as people do.
 *
 * @example formatFeeRate(feeRate(2500n)) // '2.5 sat/vB'
 */
export function formatFeeRate(rate: FeeRate): string {
  const decimals = (rate % 1000n).toString().padStart(3, '0').replace(/0+$/, '')
  return `${rate / 1000n}${decimals === '' ? '' : `.${decimals}`} sat/vB`
}

/**
 * Converts a fee rate to sat/vB, the one unit that people and programs outside are told, as a
 * number of at most 3 decimals.
 *
 * @example satPerVByte(feeRate(2500n)) // 2.5
 */
export function satPerVByte(rate: FeeRate): number {
  return Number(rate) / 1_000
}

/**
 * Brands a rate that is given in sat/vB: the reverse of `satPerVByte`.
 *
 * @throws PaychanError `ERR_INVALID_FEERATE` when it is not a number of sat/vB with at most 3
 *   decimals
 */
export function rateOfSatPerVByte(value: number): FeeRate {
  const rate = Math.round(value * 1_000)
  if (!Number.isSafeInteger(rate) || rate < 0 || Math.abs(rate - value * 1_000) > 1e-6) {
    throw new PaychanError(
      'ERR_INVALID_FEERATE',
      `A feerate is a number of sat/vB with at most 3 decimals, and ${value} is not.`,
      { satPerVByte: value }
    )
  }
  return BigInt(rate) as FeeRate
}

/**
 * Computes the fee of a transaction of `vsize` virtual bytes, rounded up, as Bitcoin Core rounds
 * (`CFeeRate::GetFee`): a fee rounded down would fall below the rate that a mempool asks for.
 *
 * @example feeFor(feeRate(1500n), 181) // 272n: 181 x 1.5 = 271.5
 */
export function feeFor(rate: FeeRate, vsize: number): Satoshi {
  return satoshi((rate * BigInt(vsize) + 999n) / 1000n)
}

/** The lowest feerate at which `vsize` virtual bytes cost a fee. */
export function rateFor(fee: bigint, vsize: number): FeeRate {
  const size = BigInt(vsize)
  return feeRate((fee * 1000n + size - 1n) / size)
}

/**
 * Brands a block height.
 *
 * @throws PaychanError `ERR_INVALID_HEIGHT` when it is not a whole number from 0 to 499,999,999.
 */
export function blockHeight(value: number): BlockHeight {
  if (!Number.isInteger(value) || value < 0 || value >= LOCKTIME_THRESHOLD) {
    throw new PaychanError(
      'ERR_INVALID_HEIGHT',
      `A block height is a whole number from 0 to ${LOCKTIME_THRESHOLD - 1}, and ${value} is not.`,
      { height: value }
    )
  }
  return value as BlockHeight
}

/**
 * Brands a number of blocks.
 *
 * @throws PaychanError `ERR_INVALID_HEIGHT` when it is not a whole number.
 */
export function blockDelta(value: number): BlockDelta {
  if (!Number.isInteger(value)) {
    throw new PaychanError(
      'ERR_INVALID_HEIGHT',
      `A number of blocks is a whole number, and ${value} is not.`,
      { blocks: value }
    )
  }
  return value as BlockDelta
}

/** `height + delta`. @throws PaychanError `ERR_INVALID_HEIGHT` when the sum is not a height. */
export function heightPlus(height: BlockHeight, delta: BlockDelta): BlockHeight {
  return blockHeight(height + delta)
}

/** `height - delta`. @throws PaychanError `ERR_INVALID_HEIGHT` when the difference is below 0. */
export function heightMinus(height: BlockHeight, delta: BlockDelta): BlockHeight {
  return blockHeight(height - delta)
}
