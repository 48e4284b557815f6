/** Who spends an output. */
import { sameOutPoint, type OutPoint } from '../types/bytes.js'
import { parseTransaction, type ParsedTransaction } from './transaction.js'

/**
 * Whether a transaction spends an output.
 *
 * @throws PaychanError `ERR_INVALID_TRANSACTION` when raw bytes are given that are no transaction.
 */
export function spenderOf(
  transaction: Uint8Array | ParsedTransaction,
  outPoint: OutPoint
): boolean {
  const { inputs } = transaction instanceof Uint8Array ? parseTransaction(transaction) : transaction
  return inputs.some((input) => sameOutPoint(input.outPoint, outPoint))
}
