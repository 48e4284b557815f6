/** Whether a transaction may spend a funding output at all: both keys have signed it (BIP141, BIP143). */
import { Transaction } from 'bitcoinjs-lib'
import { sameBytes, txidFromHash } from '../types/bytes.js'
import { fromDer } from './ecdsa.js'
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
    const tx = Transaction.fromBuffer(Uint8Array.from(raw))
    const index = tx.ins.findIndex((input) => input.index === outPoint.vout && txidFromHash(input.hash) === outPoint.txid)
    const [nothing, client, server, script, ...more] = tx.ins[index]?.witness ?? []
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
