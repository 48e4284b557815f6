/** T1, the funding transaction: the server's checks once it sees T1 (seed step 6). */
import { outPointText, sameBytes, sameOutPoint, type OutPoint } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import type { Satoshi } from '../types/units.js'
import { fundingWitnessScript, p2wsh } from './scripts.js'
import { parseTransaction, type Transaction, type TxInput } from './transaction.js'

/** The scriptPubKey of the funding output. */
export function fundingScript(clientKey: Uint8Array, serverKey: Uint8Array): Uint8Array {
  return p2wsh(fundingWitnessScript(clientKey, serverKey))
}

/**
 * Checks that T1 is the transaction whose refund was signed, and that it pays what was agreed. The
 * chain decides whether its signatures are valid and its inputs unspent.
 *
 * @param expected - `unsigned`: the outpoint of the one input that may still lack its witness
 *   (renewal.ts); `all` when none is signed yet
 * @throws PaychanError `ERR_FUNDING_TXID`, `ERR_FUNDING_OUTPUT`,
 * `ERR_FUNDING_NOT_SEGWIT` (a scriptSig could be altered by others, and with it the txid).
 */
export function checkFundingTx(
  tx: Transaction,
  expected: {
    readonly outPoint: OutPoint
    readonly script: Uint8Array
    readonly capacity: Satoshi
    readonly unsigned?: OutPoint | 'all' | undefined
  }
): void {
  const { outPoint, script, capacity, unsigned } = expected
  if (tx.txid !== outPoint.txid) {
    throw new PaychanError(
      'ERR_FUNDING_TXID',
      `The funding transaction is ${tx.txid}, but the refund spends ${outPointText(outPoint)}.`,
      { txid: tx.txid, expected: outPoint.txid }
    )
  }
  const output = tx.outputs[outPoint.vout]
  if (output === undefined) {
    throw new PaychanError(
      'ERR_FUNDING_OUTPUT',
      `The funding transaction has no output ${outPoint.vout}.`,
      { vout: outPoint.vout, outputs: tx.outputs.length }
    )
  }
  if (!sameBytes(output.script, script)) {
    throw new PaychanError(
      'ERR_FUNDING_OUTPUT',
      `Output ${outPoint.vout} of the funding transaction does not pay to the keys of the channel.`,
      { vout: outPoint.vout }
    )
  }
  if (output.value !== capacity) {
    throw new PaychanError(
      'ERR_FUNDING_OUTPUT',
      `The funding output is worth ${output.value} sat; the terms say ${capacity} sat.`,
      { value: output.value, capacity }
    )
  }
  // An input with an empty scriptSig and a witness can only be a valid spend of a native SegWit
  // output.
  const lacksWitness = ({ witness, outPoint: spent }: TxInput): boolean =>
    witness.length === 0 &&
    unsigned !== 'all' &&
    !(unsigned !== undefined && sameOutPoint(spent, unsigned))
  if (tx.inputs.some((input) => lacksWitness(input) || input.scriptSig.length > 0)) {
    throw new PaychanError(
      'ERR_FUNDING_NOT_SEGWIT',
      'Every input of the funding transaction has to spend a native SegWit output, so that nobody can change its txid.',
      { txid: tx.txid }
    )
  }
}

/** Reads T1. @throws PaychanError `ERR_FUNDING_MALFORMED` */
export function readFunding(raw: Uint8Array): Transaction {
  try {
    return parseTransaction(raw)
  } catch (cause) {
    throw new PaychanError(
      'ERR_FUNDING_MALFORMED',
      'The funding transaction cannot be read.',
      {},
      { cause }
    )
  }
}
