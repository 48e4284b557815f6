/** Amounts from callers that the compiler has not checked. */
import { PaychanError } from '../types/errors.js'
import { satoshi, type Satoshi } from '../types/units.js'

/**
 * Callers without types may give a number, which would fail only where it meets a bigint.
 *
 * @throws PaychanError `ERR_INVALID_AMOUNT`
 */
export function amountOf(value: unknown): Satoshi {
  if (typeof value !== 'bigint') {
    throw new PaychanError(
      'ERR_INVALID_AMOUNT',
      `An amount is a bigint of whole satoshis, such as 1000n; this is ${typeof value === 'number' ? `the number ${value}` : `of type ${typeof value}`}.`
    )
  }
  return satoshi(value)
}
