/** A transaction as the simulated chain keeps it: read once, amounts as numbers of satoshis. */
import { dustLimit, MAX_SIGNATURE_BYTES } from '../bitcoin/sizes.js'
import type { Transaction } from '../bitcoin/transaction.js'
import { outPointText, toHex, type Txid } from '../types/bytes.js'
import { isSignedByBoth } from '../bitcoin/funding-spend.js'
import type { Ecdsa } from '../bitcoin/keys.js'
import { fundingScript } from '../bitcoin/funding.js'
import { satoshi } from '../types/units.js'

interface SimInput {
  readonly outPoint: string
  readonly parent: Txid
  readonly sequence: number
  readonly witness: readonly Uint8Array[]
}
interface SimOutput {
  readonly script: string
  readonly value: number
}

export interface SimTransaction {
  readonly txid: Txid
  /** Undefined for money that exists from the beginning. */
  readonly transaction: Transaction | undefined
  readonly version: number
  readonly lockTime: number
  readonly inputs: readonly SimInput[]
  readonly outputs: readonly SimOutput[]
  /**
   * Virtual bytes with the longest signatures, so that runs with and without real signatures are
   * the same.
   */
  readonly vsize: number
  /** The fee in satoshis; set when the transaction comes in. */
  fee: number
  /** The height of its block; undefined in the mempool. */
  height: number | undefined
  /** The position in the order in which transactions came. */
  order: number
  readonly hasDust: boolean
}

export function readSimTransaction(transaction: Transaction): SimTransaction {
  const { txid, version, lockTime, inputs, outputs, weight } = transaction
  const shortened = inputs.reduce(
    (sum, { witness }) => sum + witness.reduce((bytes, item) => bytes + missingBytes(item), 0),
    0
  )
  return {
    txid,
    transaction,
    version,
    lockTime,
    inputs: inputs.map(({ outPoint, sequence, witness }) => ({
      outPoint: outPointText(outPoint),
      parent: outPoint.txid,
      sequence,
      witness
    })),
    outputs: outputs.map(({ script, value }) => ({ script: toHex(script), value: Number(value) })),
    vsize: Math.ceil((weight + shortened) / 4),
    fee: 0,
    height: undefined,
    order: 0,
    hasDust: outputs.some(({ script, value }) => value < dustLimit(script))
  }
}

/**
 * A DER signature with its sighash byte has 72 bytes or some fewer; nothing else in our witnesses
 * has that length and the same first byte.
 */
function missingBytes(item: Uint8Array): number {
  return item[0] === 0x30 &&
    item.length >= MAX_SIGNATURE_BYTES - 4 &&
    item.length < MAX_SIGNATURE_BYTES
    ? MAX_SIGNATURE_BYTES - item.length
    : 0
}

/** Satoshis per virtual byte. */
export function rateOf(transactions: readonly SimTransaction[]): number {
  return (
    transactions.reduce((sum, { fee }) => sum + fee, 0) /
    Math.max(
      1,
      transactions.reduce((sum, { vsize }) => sum + vsize, 0)
    )
  )
}

/**
 * Checks that both sides have signed the spend of a funding output, as every mempool and miner
 * does. Other scripts are taken as signed.
 */

/** `2 <K1> <K2> 2 OP_CHECKMULTISIG`: 1 + 34 + 34 + 1 + 1 bytes. */
const FUNDING_WITNESS_SCRIPT_BYTES = 71

/** The two keys of a witness script; undefined when it is not a 2-of-2. */
export function keysOf(
  witnessScript: Uint8Array | undefined
): { readonly clientKey: Uint8Array; readonly serverKey: Uint8Array } | undefined {
  if (witnessScript?.length !== FUNDING_WITNESS_SCRIPT_BYTES) return undefined
  return { clientKey: witnessScript.slice(2, 35), serverKey: witnessScript.slice(36, 69) }
}

/**
 * Gives the fault of the first input that is not signed as its output asks for; undefined when all
 * inputs are.
 */
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
