/** Transactions as the chain works with them: decoded once, ids and sizes known. */
import { Transaction } from 'bitcoinjs-lib'
import { outPointText, sameBytes, txidFromHash, type OutPoint, type Txid } from '../types/bytes.js'
import { reversedHex } from './hashes.js'
import { Rejected } from './rules.js'

export interface TxInput {
  readonly outPoint: OutPoint
  /** `txid:vout` of the spent output, the key of every map of coins. */
  readonly spends: string
  readonly scriptSig: Uint8Array
  readonly sequence: number
  readonly witness: readonly Uint8Array[]
}

/**
 * `value` comes from the bytes: before the rules have checked it, it may be negative or too large.
 */
export interface TxOutput {
  readonly value: bigint
  readonly script: Uint8Array
}

export interface Tx {
  readonly txid: Txid
  readonly wtxid: string
  readonly hash: Uint8Array
  readonly witnessHash: Uint8Array
  readonly raw: Uint8Array
  readonly version: number
  readonly locktime: number
  readonly inputs: readonly TxInput[]
  readonly outputs: readonly TxOutput[]
  readonly coinbase: boolean
  readonly weight: number
  readonly vsize: number
  /** Bytes without the witnesses. */
  readonly strippedSize: number
}

/** The sentence of Bitcoin Core's `sendrawtransaction` (code -22). */
const DECODE_FAILED = 'TX decode failed. Make sure the tx has at least one input.'

/**
 * Decodes the whole of `raw`.
 *
 * @throws Rejected when it is not exactly one transaction in its canonical serialization.
 */
export function decodeTransaction(raw: Uint8Array): Tx {
  const parsed = parse(raw)
  const strippedSize = parsed.byteLength(false)
  const weight = strippedSize * 3 + raw.length
  const hash = parsed.getHash(false)
  const witnessHash = parsed.getHash(true)
  const inputs = parsed.ins.map(({ hash, index, script, sequence, witness }): TxInput => {
    const outPoint = { txid: txidFromHash(hash), vout: index }
    return { outPoint, spends: outPointText(outPoint), scriptSig: script, sequence, witness }
  })
  return {
    txid: txidFromHash(hash),
    wtxid: reversedHex(witnessHash),
    hash,
    witnessHash,
    raw,
    version: parsed.version,
    locktime: parsed.locktime,
    inputs,
    outputs: parsed.outs,
    coinbase: parsed.isCoinbase(),
    weight,
    vsize: Math.ceil(weight / 4),
    strippedSize
  }
}

function parse(raw: Uint8Array): Transaction {
  try {
    const parsed = Transaction.fromBuffer(raw)
    if (sameBytes(parsed.toBuffer(), raw)) return parsed
  } catch {
    // Every parser error gives the same answer.
  }
  throw new Rejected(DECODE_FAILED)
}

/** The keys `txid:vout` of all outputs. */
export function outputKeys(tx: Tx): string[] {
  return tx.outputs.map((_, vout) => outPointText({ txid: tx.txid, vout }))
}
