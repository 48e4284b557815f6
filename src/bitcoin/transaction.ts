/** A transaction as one value: read once, where its bytes come in, and handed on. */
import { Transaction as Wire } from 'bitcoinjs-lib'
import { concat } from 'uint8arrays'
import {
  hashFromTxid,
  type OutPoint,
  sameBytes,
  sameOutPoint,
  type Txid,
  txidFromHash
} from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { satoshi, type Satoshi } from '../types/units.js'
import { SIGHASH } from './ecdsa.js'
import { hash256 } from './hashes.js'

/*
 * The digests that signatures of SegWit inputs sign (BIP143). The three parts that the inputs of a
 * transaction have in common are hashed once: hashed for each input, they would make the work grow
 * with the square of their number.
 */

/** The parts of a transaction that are signed. */
interface Signed {
  readonly version: number
  readonly lockTime: number
  readonly inputs: ReadonlyArray<{ readonly outPoint: OutPoint; readonly sequence: number }>
  readonly outputs: ReadonlyArray<{ readonly script: Uint8Array; readonly value: bigint }>
}

/** Stands where a signature leaves a part open. */
const OPEN = new Uint8Array(32)

/** The type without ANYONECANPAY and what nobody has given a meaning. */
const OUTPUT_MASK = 0x1f

export class Digests {
  #outPoints: Uint8Array | undefined
  #sequences: Uint8Array | undefined
  #outputs: Uint8Array | undefined
  readonly #signed: Signed

  constructor(signed: Signed) {
    this.#signed = signed
  }

  /**
   * The digest of one input.
   *
   * @param value - value of the spent output, in satoshis
   * @throws RangeError when there is no such input
   */
  of(index: number, scriptCode: Uint8Array, value: bigint, type: number): Uint8Array {
    const { version, lockTime, inputs, outputs } = this.#signed
    const input = inputs[index]
    if (input === undefined) throw new RangeError(`the transaction has no input ${index}`)
    const isOfAllInputs = (type & SIGHASH.ANYONECANPAY) === 0
    const part = type & OUTPUT_MASK
    const isOfAllOutputs = part !== SIGHASH.SINGLE && part !== SIGHASH.NONE
    const own = part === SIGHASH.SINGLE ? outputs[index] : undefined
    return hash256(
      concat([
        uint32(version),
        isOfAllInputs
          ? (this.#outPoints ??= hash256(concat(inputs.map(({ outPoint }) => spent(outPoint)))))
          : OPEN,
        isOfAllInputs && isOfAllOutputs
          ? (this.#sequences ??= hash256(concat(inputs.map(({ sequence }) => uint32(sequence)))))
          : OPEN,
        spent(input.outPoint),
        counted(scriptCode),
        uint64(value),
        uint32(input.sequence),
        isOfAllOutputs
          ? (this.#outputs ??= hash256(concat(outputs.map(paid))))
          : own === undefined
            ? OPEN
            : hash256(paid(own)),
        uint32(lockTime),
        uint32(type)
      ])
    )
  }
}

function spent({ txid, vout }: OutPoint): Uint8Array {
  return concat([hashFromTxid(txid), uint32(vout)])
}

function paid({ script, value }: Signed['outputs'][number]): Uint8Array {
  return concat([uint64(value), counted(script)])
}

/** Bytes behind their number, which takes 1, 3 or 5 bytes. */
function counted(bytes: Uint8Array): Uint8Array {
  const { length } = bytes
  const number = uint32(length)
  const prefix =
    length < 0xfd
      ? number.subarray(0, 1)
      : length <= 0xffff
        ? [0xfd, ...number.subarray(0, 2)]
        : [0xfe, ...number]
  return concat([Uint8Array.from(prefix), bytes])
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}

function uint64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value, true)
  return bytes
}

/** One output: its amount, in satoshis, and its scriptPubKey. */
export interface TxOutput {
  readonly script: Uint8Array
  readonly value: Satoshi
}

/** One input, without the output that it spends. */
export interface TxInput {
  readonly outPoint: OutPoint
  readonly sequence: number
  readonly scriptSig: Uint8Array
  readonly witness: readonly Uint8Array[]
}

/** The txid in the input of a block's reward, which spends no output. */
export const NO_TXID = '0'.repeat(64)

/** The content that the bytes of a transaction encode. */
interface Content {
  readonly version: number
  readonly lockTime: number
  readonly inputs: readonly TxInput[]
  readonly outputs: readonly TxOutput[]
}

/** The hashes for the signatures of a transaction, as long as its content is held. */
const digestsOf = new WeakMap<Content, Digests>()

/**
 * A transaction: its bytes and their content. It never changes. Ten thousand watched scripts keep
 * theirs, and the content takes four times as much memory as the bytes: it is held only until the
 * memory is needed, and read again for later callers.
 */
export class Transaction {
  #content: WeakRef<Content>

  /** Called by `parseTransaction` and `makeTransaction`. */
  constructor(
    /** All of its bytes, witnesses included (BIP144). Nobody may write into them. */
    readonly raw: Uint8Array,
    readonly txid: Txid,
    /** Number of bytes without witnesses; the txid is the hash of these bytes. */
    readonly strippedSize: number,
    content: Content
  ) {
    this.#content = new WeakRef(content)
  }

  get version(): number {
    return this.#read().version
  }

  get lockTime(): number {
    return this.#read().lockTime
  }

  get inputs(): readonly TxInput[] {
    return this.#read().inputs
  }

  get outputs(): readonly TxOutput[] {
    return this.#read().outputs
  }

  /** Weight units (BIP141): a byte of a witness is one, every other byte is four. */
  get weight(): number {
    return 3 * this.strippedSize + this.raw.length
  }

  /** Virtual bytes (BIP141). */
  get vsize(): number {
    return Math.ceil(this.weight / 4)
  }

  /** The amount that it pays to one script, or, without a script, in total: in satoshis. */
  paidTo(script?: Uint8Array): bigint {
    return this.outputs.reduce(
      (sum, output) =>
        script === undefined || sameBytes(output.script, script) ? sum + output.value : sum,
      0n
    )
  }

  /** The index of the input that spends an output; -1 when none does. */
  inputOf(outPoint: OutPoint): number {
    return this.inputs.findIndex((input) => sameOutPoint(input.outPoint, outPoint))
  }

  /** True when it spends an output. */
  spends(outPoint: OutPoint): boolean {
    return this.inputOf(outPoint) !== -1
  }

  /**
   * The digest that a signature of one input signs (BIP143).
   *
   * @param value - value of the spent output, in satoshis
   */
  sighash(index: number, scriptCode: Uint8Array, value: bigint, sighashType: number): Uint8Array {
    const content = this.#read()
    const digests = digestsOf.get(content) ?? new Digests(content)
    digestsOf.set(content, digests)
    return digests.of(index, scriptCode, value, sighashType)
  }

  /**
   * Makes the same transaction with these witnesses, one for each input; without any when left out.
   */
  withWitnesses(witnesses: ReadonlyArray<readonly Uint8Array[]> = []): Transaction {
    const { version, lockTime, inputs, outputs } = this
    return makeTransaction({
      version,
      lockTime,
      inputs: inputs.map((input, i) => ({ ...input, witness: witnesses[i] ?? [] })),
      outputs
    })
  }

  /**
   * Makes the same transaction over other bytes that are equal, so that these are in memory once.
   */
  over(raw: Uint8Array): Transaction {
    return raw !== this.raw && sameBytes(raw, this.raw)
      ? new Transaction(raw, this.txid, this.strippedSize, this.#read())
      : this
  }

  #read(): Content {
    const known = this.#content.deref()
    if (known !== undefined) return known
    const read = contentOf(Wire.fromBuffer(this.raw))
    this.#content = new WeakRef(read)
    return read
  }
}

/** The parts of a transaction. Left out: no lock, nothing to unlock an input with. */
export interface TransactionParts {
  readonly version: number
  readonly lockTime?: number
  readonly inputs: ReadonlyArray<
    Pick<TxInput, 'outPoint' | 'sequence'> & Partial<Pick<TxInput, 'scriptSig' | 'witness'>>
  >
  readonly outputs: readonly TxOutput[]
}

/** Makes a new transaction. */
export function makeTransaction(parts: TransactionParts): Transaction {
  const wire = wireOf(parts)
  return transactionOf(wire.toBuffer(), wire)
}

/**
 * `MAX_BLOCK_WEIGHT` of Bitcoin Core's consensus/consensus.h: no transaction has more bytes, since
 * every byte weighs at least 1.
 */
const MAX_TRANSACTION_SIZE = 4_000_000

/**
 * Reads a transaction, with or without witnesses (BIP144). Its bytes are kept as they are given:
 * nobody may write into them.
 *
 * @throws PaychanError `ERR_INVALID_TRANSACTION` for everything that is not exactly one transaction
 * with inputs and outputs, each value within 21 million bitcoin, that serializes to the same bytes
 * again.
 */
export function parseTransaction(raw: Uint8Array): Transaction {
  const parsed = readTransaction(raw)
  if (parsed.inputs.length === 0) throw invalid('it has no inputs')
  if (parsed.outputs.length === 0) throw invalid('it has no outputs')
  return parsed
}

/** What was read of bytes that are kept, such as those of a state: they are looked at again. */
const read = new WeakMap<Uint8Array, Transaction>()

/** Reads like `parseTransaction`, the same bytes once; undefined for bytes that it does not read. */
export function readableTransaction(raw: Uint8Array): Transaction | undefined {
  const known = read.get(raw)
  if (known !== undefined) return known
  try {
    const transaction = parseTransaction(raw)
    // A copy was made of bytes that others may write into.
    if (transaction.raw === raw) read.set(raw, transaction)
    return transaction
  } catch {
    return undefined
  }
}

/**
 * Reads like `parseTransaction`, but lets a transaction without inputs or outputs pass, for callers
 * that report these themselves.
 */
export function readTransaction(raw: Uint8Array): Transaction {
  if (raw.length > MAX_TRANSACTION_SIZE) {
    throw invalid(`it has ${raw.length} bytes, more than fit into a block`)
  }
  try {
    // The decoder copies parts of a Uint8Array, and points into one of its subclasses.
    const bytes = raw.constructor === Uint8Array ? raw : Uint8Array.from(raw)
    const wire = Wire.fromBuffer(bytes)
    // Catches what the decoder reads leniently, such as counts in more bytes than they need.
    if (!sameBytes(wire.toBuffer(), bytes)) {
      throw new Error('it does not serialize to the same bytes again')
    }
    return transactionOf(bytes, wire)
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : 'it cannot be read', error)
  }
}

/** nLockTime of a transaction that was read before: its last four bytes, little-endian. */
export function lockTimeOf(raw: Uint8Array): number {
  return new DataView(raw.buffer, raw.byteOffset + raw.length - 4, 4).getUint32(0, true)
}

/** Most inputs have no scriptSig: one array for all of them. */
const NO_SCRIPT = new Uint8Array(0)

function transactionOf(raw: Uint8Array, wire: Wire): Transaction {
  const size = wire.byteLength(false)
  return new Transaction(raw, txidFromHash(hash256(stripped(raw, size))), size, contentOf(wire))
}

/**
 * The bytes without witnesses. BIP144 puts marker and flag behind the version, and the witnesses
 * before the lock.
 */
function stripped(raw: Uint8Array, size: number): Uint8Array {
  if (raw.length === size) return raw
  const bytes = new Uint8Array(size)
  bytes.set(raw.subarray(0, 4))
  bytes.set(raw.subarray(6, size - 2), 4)
  bytes.set(raw.subarray(-4), size - 4)
  return bytes
}

function contentOf(wire: Wire): Content {
  return {
    version: wire.version,
    lockTime: wire.locktime,
    inputs: wire.ins.map(({ hash, index, sequence, script, witness }) => ({
      outPoint: { txid: txidFromHash(hash), vout: index },
      sequence,
      scriptSig: script.length === 0 ? NO_SCRIPT : script,
      witness
    })),
    outputs: wire.outs.map(({ script, value }) => ({ script, value: satoshi(value) }))
  }
}

function wireOf({ version, lockTime = 0, inputs, outputs }: TransactionParts): Wire {
  const wire = new Wire()
  wire.version = version
  wire.locktime = lockTime
  inputs.forEach(({ outPoint, sequence, scriptSig = NO_SCRIPT, witness = [] }, i) => {
    wire.addInput(hashFromTxid(outPoint.txid), outPoint.vout, sequence, scriptSig)
    wire.setWitness(i, [...witness])
  })
  for (const { script, value } of outputs) wire.addOutput(script, value)
  return wire
}

function invalid(why: string, cause?: unknown): PaychanError {
  return new PaychanError(
    'ERR_INVALID_TRANSACTION',
    `These bytes are not a transaction: ${why}.`,
    {},
    { cause }
  )
}
