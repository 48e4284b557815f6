/** Transactions as the chain works with them: decoded once, ids and sizes known. */
import { Rejected, DUST_RELAY_FEE_RATE } from './backend.js'
import { createHash } from 'node:crypto'
import { Transaction } from 'bitcoinjs-lib'
import { concat } from 'uint8arrays'
import {
  type OutPoint,
  outPointText,
  sameBytes,
  toHex,
  type Txid,
  txidFromHash
} from '../types/bytes.js'
import type { ScriptHash } from './backend.js'

/*
 * Hashes of the chain and of the Electrum protocol, merkle roots and branches.
 */

/* Hashes of the chain and of the Electrum protocol. */

export function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}

/** SHA256 twice: ids of transactions and blocks, merkle trees. */
export function hash256(bytes: Uint8Array): Uint8Array {
  return sha256(sha256(bytes))
}

/**
 * 32 bytes of a hash as hex in reversed order, as people write the ids of blocks and transactions.
 */
export function reversedHex(hash: Uint8Array): string {
  return toHex(Uint8Array.from(hash).reverse())
}

/** Electrum's name of a scriptPubKey: its SHA256 in reversed order, as hex. */
export function scriptHashOf(script: Uint8Array): ScriptHash {
  return reversedHex(sha256(script)) as ScriptHash
}

/*
 * Merkle roots and branches over hashes in their internal byte order. A level of odd length repeats
 * its last hash.
 */

function nextLevel(level: readonly Uint8Array[]): Uint8Array[] {
  const next: Uint8Array[] = []
  for (let i = 0; i < level.length; i += 2) {
    const left = level[i] ?? new Uint8Array(32)
    next.push(hash256(concat([left, level[i + 1] ?? left])))
  }
  return next
}

/** The root over at least one hash. */
export function merkleRoot(hashes: readonly Uint8Array[]): Uint8Array {
  let level = hashes
  while (level.length > 1) level = nextLevel(level)
  return level[0] ?? new Uint8Array(32)
}

/** The partners of the hash at `position` on its way to the root, deepest pairing first. */
export function merkleBranch(hashes: readonly Uint8Array[], position: number): Uint8Array[] {
  const branch: Uint8Array[] = []
  let level = hashes
  let index = position
  while (level.length > 1) {
    const sibling = level[index ^ 1] ?? level[index]
    if (sibling !== undefined) branch.push(sibling)
    level = nextLevel(level)
    index >>= 1
  }
  return branch
}

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

/*
 * The standard forms of a scriptPubKey, and the least value of an output of each form that is
 * relayed.
 */

export type ScriptKind =
  | 'p2pk'
  | 'p2pkh'
  | 'p2sh'
  | 'p2wpkh'
  | 'p2wsh'
  | 'p2tr'
  | 'p2a'
  | 'witness-unknown'
  | 'multisig'
  | 'op-return'
  | 'nonstandard'

const OP_RETURN = 0x6a
const OP_1 = 0x51
const OP_16 = 0x60
const OP_CHECKSIG = 0xac
const OP_CHECKMULTISIG = 0xae

/**
 * The witness version and program of BIP141; undefined when the script is not a witness program.
 */
export function witnessProgram(
  script: Uint8Array
): { version: number; program: Uint8Array } | undefined {
  const [first, length] = script
  if (
    first === undefined ||
    script.length < 4 ||
    script.length > 42 ||
    length !== script.length - 2
  ) {
    return undefined
  }
  if (first !== 0 && (first < OP_1 || first > OP_16)) return undefined
  return { version: first === 0 ? 0 : first - OP_1 + 1, program: script.subarray(2) }
}

/** True when the bytes are the pushes of OP_RETURN data and nothing else. */
export function isPushOnly(script: Uint8Array): boolean {
  let at = 0
  while (at < script.length) {
    const op = script[at] ?? 0
    at += 1
    if (op > OP_16) return false
    const size = op < 0x4c ? 0 : op <= 0x4e ? 2 ** (op - 0x4c) : 0
    if (at + size > script.length) return false
    let length = op < 0x4c ? op : 0
    for (let i = 0; i < size; i++) length += (script[at + i] ?? 0) * 2 ** (8 * i)
    at += size + length
  }
  return at === script.length
}

function startsWith(script: Uint8Array, ...bytes: number[]): boolean {
  return bytes.every((byte, i) => script[i] === byte)
}

/**
 * Length of a public key whose push starts at `at`: 33 or 65 bytes; undefined when there is none.
 */
function keyLengthAt(script: Uint8Array, at: number): number | undefined {
  const length = script[at]
  const head = script[at + 1]
  if (length === 33 && (head === 2 || head === 3)) return length
  if (length === 65 && (head === 4 || head === 6 || head === 7)) return length
  return undefined
}

/** Bare `m <key> ... n OP_CHECKMULTISIG` with at most three keys, the most that is relayed. */
function isBareMultisig(script: Uint8Array): boolean {
  const m = (script[0] ?? 0) - OP_1 + 1
  let at = 1
  let keys = 0
  for (
    let length = keyLengthAt(script, at);
    length !== undefined;
    length = keyLengthAt(script, at)
  ) {
    keys += 1
    at += 1 + length
  }
  const n = (script[at] ?? 0) - OP_1 + 1
  return (
    at + 2 === script.length &&
    script[at + 1] === OP_CHECKMULTISIG &&
    n === keys &&
    m >= 1 &&
    m <= n &&
    n <= 3
  )
}

export function scriptKind(script: Uint8Array): ScriptKind {
  const witness = witnessProgram(script)
  if (witness !== undefined) {
    const { version, program } = witness
    if (version === 0) {
      return program.length === 20 ? 'p2wpkh' : program.length === 32 ? 'p2wsh' : 'nonstandard'
    }
    if (version === 1 && program.length === 32) return 'p2tr'
    return startsWith(script, OP_1, 2, 0x4e, 0x73) && script.length === 4
      ? 'p2a'
      : 'witness-unknown'
  }
  if (
    script.length === 25 &&
    startsWith(script, 0x76, 0xa9, 20) &&
    script[23] === 0x88 &&
    script[24] === OP_CHECKSIG
  ) {
    return 'p2pkh'
  }
  if (script.length === 23 && startsWith(script, 0xa9, 20) && script[22] === 0x87) return 'p2sh'
  if (script[0] === OP_RETURN && isPushOnly(script.subarray(1))) return 'op-return'
  const key = keyLengthAt(script, 0)
  if (key !== undefined && script.length === key + 2 && script[key + 1] === OP_CHECKSIG) {
    return 'p2pk'
  }
  return isBareMultisig(script) ? 'multisig' : 'nonstandard'
}

/** True when nothing can ever spend it, so that it is not a coin (`CScript::IsUnspendable`). */
export function isUnspendable(script: Uint8Array): boolean {
  return script[0] === OP_RETURN || script.length > 10_000
}

/**
 * The value below which an output is dust, in satoshis: the cost of spending it at 3 sat/vB
 * (`GetDustThreshold` of Bitcoin Core).
 *
 * @example dustThreshold(p2wsh) // (43 + 67) x 3 sat/vB = 330 sat
 */
export function dustThreshold(script: Uint8Array): bigint {
  if (isUnspendable(script)) return 0n
  const output = 8 + (script.length < 253 ? 1 : 3) + script.length
  // Outpoint 36, length of the scriptSig 1, sequence 4; then 107 bytes of signature and key, a
  // quarter of them when they are witness data: 41 + 26 = 67, or 41 + 107 = 148.
  const input = witnessProgram(script) === undefined ? 148 : 67
  return (BigInt(output + input) * DUST_RELAY_FEE_RATE) / 1_000n
}
