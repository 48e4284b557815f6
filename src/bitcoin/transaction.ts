/** Transactions that others hand us, read without trust. */
import { Transaction } from 'bitcoinjs-lib'
import { sameBytes, txidFromHash, type OutPoint, type Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { satoshi, type Satoshi } from '../types/units.js'

/** One output: what it pays, in satoshis, and to which scriptPubKey. */
export interface TxOutput {
  readonly script: Uint8Array
  readonly value: Satoshi
}

/** One input, as far as it can be judged without the output that it spends. */
export interface ParsedInput {
  readonly outPoint: OutPoint
  readonly sequence: number
  readonly hasWitness: boolean
  readonly scriptSigLength: number
}

/** What a serialized transaction says. */
export interface ParsedTransaction {
  readonly txid: Txid
  readonly version: number
  readonly lockTime: number
  readonly inputs: readonly ParsedInput[]
  readonly outputs: readonly TxOutput[]
  /** Virtual bytes (BIP141). */
  readonly vsize: number
}

/**
 * `MAX_BLOCK_WEIGHT` of Bitcoin Core's consensus/consensus.h: no transaction has more bytes, for
 * every byte weighs at least 1.
 */
const MAX_TRANSACTION_SIZE = 4_000_000

/**
 * Reads a transaction, with or without witnesses (BIP144).
 *
 * @throws PaychanError `ERR_INVALID_TRANSACTION` for everything that is not exactly one transaction
 * with inputs and outputs, each value within 21 million bitcoin, that serializes to the same bytes
 * again.
 */
export function parseTransaction(raw: Uint8Array): ParsedTransaction {
  const parsed = readTransaction(raw)
  if (parsed.inputs.length === 0) throw invalid('it has no inputs')
  if (parsed.outputs.length === 0) throw invalid('it has no outputs')
  return parsed
}

/** What a transaction pays to a script, in satoshis. @throws PaychanError as `parseTransaction` */
export function paidTo(script: Uint8Array, raw: Uint8Array): bigint {
  return parseTransaction(raw).outputs.reduce(
    (sum, output) => (sameBytes(output.script, script) ? sum + output.value : sum),
    0n
  )
}

/** Whether bytes are one that `parseTransaction` reads. */
export function isTransaction(raw: Uint8Array): boolean {
  try {
    parseTransaction(raw)
    return true
  } catch {
    return false
  }
}

/**
 * As `parseTransaction`, but lets a transaction without inputs or outputs pass, for callers that
 * report these themselves.
 */
export function readTransaction(raw: Uint8Array): ParsedTransaction {
  if (raw.length > MAX_TRANSACTION_SIZE) {
    throw invalid(`it has ${raw.length} bytes, more than fit into a block`)
  }
  try {
    const tx = Transaction.fromBuffer(Uint8Array.from(raw))
    // Catches what the decoder reads leniently, such as counts in more bytes than they need.
    if (!sameBytes(tx.toBuffer(), raw)) {
      throw new Error('it does not serialize to the same bytes again')
    }
    return {
      txid: txidFromHash(tx.getHash()),
      version: tx.version,
      lockTime: tx.locktime,
      inputs: tx.ins.map(({ hash, index, sequence, script, witness }) => ({
        outPoint: { txid: txidFromHash(hash), vout: index },
        sequence,
        hasWitness: witness.length > 0,
        scriptSigLength: script.length
      })),
      outputs: tx.outs.map(({ script, value }) => ({ script, value: satoshi(value) })),
      vsize: tx.virtualSize()
    }
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : 'it cannot be read', error)
  }
}

/** nLockTime of a transaction that was read before: its last four bytes, little-endian. */
export function lockTimeOf(raw: Uint8Array): number {
  return new DataView(raw.buffer, raw.byteOffset + raw.length - 4, 4).getUint32(0, true)
}

function invalid(why: string, cause?: unknown): PaychanError {
  return new PaychanError(
    'ERR_INVALID_TRANSACTION',
    `These bytes are not a transaction: ${why}.`,
    {},
    { cause }
  )
}
