/**
 * Whether those who own a coin have signed a transaction that spends it, as far as we know the kind
 * of its script (BIP141, BIP143).
 */
import { crypto, opcodes, type Transaction } from 'bitcoinjs-lib'
import { sameBytes, txidFromHash } from '../types/bytes.js'
import { satoshi } from '../types/units.js'
import { fromBlock } from './ecdsa.js'
import { isSignedByBoth } from './funding-witness.js'
import { isKeyScript, isSignedByOwner } from './key-spend.js'
import type { Ecdsa } from './keys.js'
import { fundingWitnessScript, payoutWitnessScript } from './scripts.js'

/**
 * For what no block vouches for. A txid does not say anything of the witnesses, so that a real
 * transaction may be shown with others: that is forged as well.
 *
 * @param value - of the output that is spent, in satoshis
 * @returns false also for scripts that are none of ours: they cannot be judged
 */
export function isForgedSpend(
  tx: Transaction,
  index: number,
  script: Uint8Array,
  value: bigint,
  verify: Ecdsa['verify']
): boolean {
  if (isKeyScript(script)) return !isSignedByOwner(tx, index, script, value, verify)
  if (script.length !== 34 || script[0] !== opcodes.OP_0 || script[1] !== 32) return false
  const input = tx.ins[index]
  const witness = input?.witness ?? []
  const witnessScript = witness.at(-1)
  if (
    input === undefined ||
    witnessScript === undefined ||
    !sameBytes(crypto.sha256(witnessScript), script.subarray(2))
  ) {
    return true
  }
  // The layouts are those of scripts.ts; what only looks like them is another script.
  const [clientKey, serverKey, payoutKey] = [
    witnessScript.slice(2, 35),
    witnessScript.slice(36, 69),
    witnessScript.slice(1, 34)
  ]
  if (isScript(witnessScript, () => fundingWitnessScript(clientKey, serverKey))) {
    return !isSignedByBoth(
      tx.toBuffer(),
      {
        outPoint: { txid: txidFromHash(input.hash), vout: input.index },
        value: satoshi(value),
        clientKey,
        serverKey
      },
      verify
    )
  }
  if (!isScript(witnessScript, () => payoutWitnessScript(payoutKey))) return false
  const [der] = witness
  if (der === undefined || witness.length !== 2) return true
  try {
    const { signature, sighashType } = fromBlock(der)
    return !verify(
      payoutKey,
      tx.hashForWitnessV0(index, witnessScript, value, sighashType),
      signature
    )
  } catch {
    return true
  }
}

function isScript(script: Uint8Array, make: () => Uint8Array): boolean {
  try {
    return sameBytes(script, make())
  } catch {
    return false
  }
}
