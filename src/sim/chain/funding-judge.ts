/**
 * Whether both sides have signed the spend of a funding output, as every mempool and miner checks.
 * Other scripts are taken as signed.
 */
import { isSignedByBoth } from '../../bitcoin/funding-witness.js'
import type { Ecdsa } from '../../bitcoin/keys.js'
import { fundingScript } from '../../bitcoin/funding.js'
import { toHex } from '../../types/bytes.js'
import { satoshi } from '../../types/units.js'
import type { SimTransaction } from './sim-transaction.js'

/** `2 <K1> <K2> 2 OP_CHECKMULTISIG`: 1 + 34 + 34 + 1 + 1 bytes. */
const FUNDING_WITNESS_SCRIPT_BYTES = 71

/** The two keys of a witness script; undefined when it is no 2-of-2. */
export function keysOf(
  witnessScript: Uint8Array | undefined
): { readonly clientKey: Uint8Array; readonly serverKey: Uint8Array } | undefined {
  if (witnessScript?.length !== FUNDING_WITNESS_SCRIPT_BYTES) return undefined
  return { clientKey: witnessScript.slice(2, 35), serverKey: witnessScript.slice(36, 69) }
}

/** Of the first input that is not signed as its output asks for, why; undefined when all are. */
export function fundingJudge(verify: Ecdsa['verify']) {
  return (
    transaction: SimTransaction,
    spent: (outPoint: string) => { readonly script: string; readonly value: number } | undefined
  ): string | undefined => {
    const { transaction: signed } = transaction
    for (const { outPoint, parent, witness } of transaction.inputs) {
      const keys = keysOf(witness.at(-1))
      if (keys === undefined) continue
      const output = spent(outPoint)
      const vout = Number(outPoint.slice(outPoint.lastIndexOf(':') + 1))
      if (output?.script !== toHex(fundingScript(keys.clientKey, keys.serverKey))) {
        return 'mandatory-script-verify-flag-failed (Witness program hash mismatch)'
      }
      if (
        signed === undefined ||
        !isSignedByBoth(
          signed,
          { outPoint: { txid: parent, vout }, value: satoshi(BigInt(output.value)), ...keys },
          verify
        )
      ) {
        return 'mandatory-script-verify-flag-failed (Signature must be zero for failed CHECK(MULTI)SIG operation)'
      }
    }
    return undefined
  }
}
