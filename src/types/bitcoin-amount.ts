/**
 * Bitcoin in decimals, to satoshis and back. Exact arithmetic on bigint: a float never touches
 * money.
 */
import type { Satoshi } from './units.js'

/** One bitcoin is 10^8 satoshis. */
export const BITCOIN_DECIMALS = 8

const ONE = 10n ** BigInt(BITCOIN_DECIMALS)

/**
 * The satoshis of a decimal number of bitcoin, given as its two parts. The fraction has at most 8
 * digits.
 *
 * @example fromBitcoin('0', '00001') // 1000n
 */
export function fromBitcoin(whole: string, fraction: string): bigint {
  return BigInt(whole) * ONE + BigInt(fraction.padEnd(BITCOIN_DECIMALS, '0'))
}

/**
 * An amount in bitcoin, without zeros at its end.
 *
 * @example toBitcoin(satoshi(100_000n)) // '0.001'
 */
export function toBitcoin(amount: Satoshi): string {
  const fraction = (amount % ONE).toString().padStart(BITCOIN_DECIMALS, '0').replace(/0+$/, '')
  return `${amount / ONE}${fraction === '' ? '' : `.${fraction}`}`
}
