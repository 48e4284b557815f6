/** Whether a transaction may spend a funding output at all: both keys have signed it (BIP141, BIP143). */
import { Transaction } from 'bitcoinjs-lib'
import { sameBytes, txidFromHash, type OutPoint } from '../types/bytes.js'
import { fromDer, SIGHASH } from './ecdsa.js'
import type { FundingOutput } from './funding-spend.js'
import type { Ecdsa } from './keys.js'
import { fundingWitnessScript } from './scripts.js'

/**
 * Checks the input that spends the output: its witness, and both signatures with whatever they sign.
 * A miner checks the same; so this is for what no block vouches for.
 *
 * @returns false also for bytes that are no transaction, and for one that does not spend the output
 */
export function isSignedByBoth (raw: Uint8Array, { outPoint, value, clientKey, serverKey }: FundingOutput, verify: Ecdsa['verify']): boolean {
  try {
    const { tx, index, witness: [nothing, client, server, script, ...more] } = spending(raw, outPoint)
    const expected = fundingWitnessScript(clientKey, serverKey)
    if (nothing?.length !== 0 || client === undefined || server === undefined || script === undefined || more.length > 0 || !sameBytes(script, expected)) return false
    return [[clientKey, client] as const, [serverKey, server] as const].every(([key, der]) => {
      const { signature, sighashType } = fromDer(der)
      return verify(key, tx.hashForWitnessV0(index, expected, value, sighashType), signature)
    })
  } catch {
    return false
  }
}

/**
 * Whether both signatures of the spend are of `ALL`: then it is something that the two sides have agreed on, a
 * close or the T1 of a renewal, for the payer of a state never signs more than its own output. They are taken as verified.
 */
export function isSignedWhole (raw: Uint8Array, outPoint: OutPoint): boolean {
  try {
    const { witness: [, client, server] } = spending(raw, outPoint)
    return [client, server].every((der) => der !== undefined && fromDer(der).sighashType === SIGHASH.ALL)
  } catch {
    return false
  }
}

/** The transaction, which of its inputs spends the output, and what stands in its witness. */
function spending (raw: Uint8Array, outPoint: OutPoint): { readonly tx: Transaction, readonly index: number, readonly witness: readonly Uint8Array[] } {
  const tx = Transaction.fromBuffer(Uint8Array.from(raw))
  const index = tx.ins.findIndex((input) => input.index === outPoint.vout && txidFromHash(input.hash) === outPoint.txid)
  return { tx, index, witness: tx.ins[index]?.witness ?? [] }
}
