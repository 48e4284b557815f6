/** A transaction as the simulated chain keeps it: read once, amounts as numbers of satoshis. */
import { dustLimit } from '../../bitcoin/dust.js'
import { MAX_SIGNATURE_BYTES } from '../../bitcoin/sizes.js'
import type { Transaction } from '../../bitcoin/transaction.js'
import { outPointText, toHex, type Txid } from '../../types/bytes.js'

export interface SimInput {
  readonly outPoint: string
  readonly parent: Txid
  readonly sequence: number
  readonly witness: readonly Uint8Array[]
}
export interface SimOutput {
  readonly script: string
  readonly value: number
}

export interface SimTransaction {
  readonly txid: Txid
  /** Undefined for money that is there from the beginning. */
  readonly transaction: Transaction | undefined
  readonly version: number
  readonly lockTime: number
  readonly inputs: readonly SimInput[]
  readonly outputs: readonly SimOutput[]
  /**
   * Virtual bytes with the longest signatures, so that runs with and without real ones are the
   * same.
   */
  readonly vsize: number
  /** In satoshis; set when it comes in. */
  fee: number
  /** Of its block; undefined in the mempool. */
  height: number | undefined
  /** In which order transactions came. */
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
 * has that length and begins like it.
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
