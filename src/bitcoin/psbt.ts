/**
 * PSBTs (BIP174): those that other wallets hand us, read without trust, and the one that we begin.
 */
import { Transaction } from '@scure/btc-signer/transaction.js'
import { Psbt } from 'bitcoinjs-lib'
import { fromString, toString } from 'uint8arrays'
import { fromHex, sameBytes, type OutPoint, type Txid } from '../types/bytes.js'
import { messageOf, PaychanError } from '../types/errors.js'
import { satoshi, type Satoshi } from '../types/units.js'
import {
  parseTransaction,
  type Transaction as BitcoinTransaction,
  type TxOutput
} from './transaction.js'

/** `psbt` and 0xff. */
const MAGIC = fromHex('70736274ff')

/**
 * The size of a transaction of 40,000 bytes (WIRE-6) and of what it spends from: room for a hundred
 * inputs with their whole transactions.
 */
export const MAX_PSBT_BYTES = 200_000

/** One input, as the PSBT describes it. */
export interface PsbtInput {
  readonly outPoint: OutPoint
  /** The output that it spends; undefined when the PSBT does not say. */
  readonly spent: TxOutput | undefined
  /** The value of `PSBT_IN_SIGHASH_TYPE`. */
  readonly sighashType: number | undefined
  /** Somebody has signed it, or it is final. */
  readonly isSigned: boolean
  readonly hasScriptSig: boolean
  /** BIP32 paths of its keys, such as `m/84'/0'/0'/0/1`. */
  readonly paths: readonly string[]
}

export interface ParsedPsbt {
  /** The transaction as it is to be signed. */
  readonly unsigned: Uint8Array
  readonly transaction: BitcoinTransaction
  readonly inputs: readonly PsbtInput[]
}

type RawInput = Psbt['data']['inputs'][number]

/** True when bytes are meant to be a PSBT. */
export function isPsbt(bytes: Uint8Array): boolean {
  return sameBytes(bytes.subarray(0, MAGIC.length), MAGIC)
}

/**
 * Decodes the text that people paste: a PSBT in base64 or hex, or a transaction in hex.
 *
 * @throws PaychanError `ERR_PSBT_MALFORMED`
 */
export function bytesOfText(text: string): Uint8Array {
  const compact = text.replace(/\s+/g, '')
  if (compact === '') throw malformed('it is empty')
  if (/^[0-9a-fA-F]+$/.test(compact) && compact.length % 2 === 0) return fromHex(compact)
  if (!/^[A-Za-z0-9+/]+=*$/.test(compact) || compact.length % 4 !== 0) {
    throw malformed('it is neither base64 nor hex')
  }
  try {
    return fromString(compact, 'base64pad')
  } catch (cause) {
    throw malformed('it is neither base64 nor hex', cause)
  }
}

/** Writes a PSBT as people pass it on: in base64. */
export function psbtText(psbt: Uint8Array): string {
  return toString(psbt, 'base64pad')
}

/** Makes a PSBT without inputs, of version 3 (BIP431), for some wallet to pay for. */
export function basePsbt(script: Uint8Array, amount: Satoshi): Uint8Array {
  const transaction = new Transaction({ version: 3 })
  transaction.addOutput({ script, amount })
  return transaction.toPSBT(0)
}

/**
 * Reads a PSBT of version 0.
 *
 * @throws PaychanError `ERR_PSBT_TOO_LARGE`, `ERR_PSBT_MALFORMED`, `ERR_PSBT_NO_INPUTS`,
 *   `ERR_PSBT_DUPLICATE_INPUT`, `ERR_PSBT_UTXO_MISMATCH` (what it says of an output that it spends
 *   contradicts itself)
 */
export function parsePsbt(bytes: Uint8Array): ParsedPsbt {
  if (bytes.length > MAX_PSBT_BYTES) {
    throw new PaychanError(
      'ERR_PSBT_TOO_LARGE',
      `The PSBT has ${bytes.length} bytes; at most ${MAX_PSBT_BYTES} are taken. Use fewer inputs.`,
      { bytes: bytes.length, most: MAX_PSBT_BYTES }
    )
  }
  if (!isPsbt(bytes)) throw malformed('it does not begin as one')
  const { data } = decode(bytes)
  try {
    const unsigned = data.globalMap.unsignedTx.toBuffer()
    const transaction = parseTransaction(unsigned)
    return {
      unsigned,
      transaction,
      inputs: transaction.inputs.map(({ outPoint }, i) =>
        readInput(data.inputs[i] ?? {}, outPoint, i)
      )
    }
  } catch (error) {
    if (error instanceof PaychanError && error.code.startsWith('ERR_PSBT_')) throw error
    throw malformed('its transaction cannot be read', error)
  }
}

function decode(bytes: Uint8Array): Psbt {
  try {
    return Psbt.fromBuffer(bytes)
  } catch (cause) {
    if (messageOf(cause).startsWith('Duplicate input')) {
      throw new PaychanError(
        'ERR_PSBT_DUPLICATE_INPUT',
        'The PSBT spends one output twice.',
        {},
        { cause }
      )
    }
    throw explained(bytes, cause)
  }
}

/**
 * Explains why bitcoinjs-lib cannot read a PSBT: it reads none without inputs and none of version
 * 2. The other library reads both, and so tells why.
 */
function explained(bytes: Uint8Array, cause: unknown): PaychanError {
  try {
    const { inputsLength } = Transaction.fromPSBT(bytes)
    if (inputsLength === 0) {
      return new PaychanError(
        'ERR_PSBT_NO_INPUTS',
        'The PSBT spends nothing yet: have your wallet add inputs that pay for it, and its change.',
        {},
        { cause }
      )
    }
    return malformed(
      'it is of version 2 (BIP370); have your wallet write version 0 (BIP174)',
      cause
    )
  } catch {
    return malformed('it is damaged, or cut off', cause)
  }
}

function readInput(raw: RawInput, outPoint: OutPoint, index: number): PsbtInput {
  const {
    partialSig = [],
    tapKeySig = [],
    tapScriptSig = [],
    finalScriptSig = [],
    finalScriptWitness = [],
    sighashType,
    bip32Derivation = [],
    tapBip32Derivation = []
  } = raw
  return {
    outPoint,
    spent: spentBy(raw, outPoint, index),
    sighashType,
    isSigned: [partialSig, tapKeySig, tapScriptSig, finalScriptSig, finalScriptWitness].some(
      (part) => part.length > 0
    ),
    hasScriptSig: finalScriptSig.length > 0,
    paths: [...bip32Derivation, ...tapBip32Derivation].map(({ path }) => path)
  }
}

/**
 * The spent output. A whole previous transaction is proved by its txid; a bare output
 * (`PSBT_IN_WITNESS_UTXO`) by the signature, which commits to its amount (BIP143, BIP341).
 */
function spentBy(
  { nonWitnessUtxo, witnessUtxo }: RawInput,
  { txid: id, vout }: OutPoint,
  index: number
): TxOutput | undefined {
  const bare =
    witnessUtxo === undefined
      ? undefined
      : { script: witnessUtxo.script, value: satoshi(witnessUtxo.value) }
  if (nonWitnessUtxo === undefined) return bare
  const previous = parseTransaction(nonWitnessUtxo)
  const output = previous.outputs[vout]
  if (
    previous.txid !== id ||
    output === undefined ||
    (bare !== undefined && (output.value !== bare.value || !sameBytes(output.script, bare.script)))
  ) {
    throw mismatch(index, previous.txid, id)
  }
  return output
}

function mismatch(input: number, found: Txid, expected: Txid): PaychanError {
  return new PaychanError(
    'ERR_PSBT_UTXO_MISMATCH',
    `What the PSBT says of the output that input ${input} spends is not true: have your wallet make it again.`,
    { input, found, expected }
  )
}

/** @returns the error of bytes that are not a PSBT: `ERR_PSBT_MALFORMED` */
export function malformed(why: string, cause?: unknown): PaychanError {
  return new PaychanError(
    'ERR_PSBT_MALFORMED',
    `That is no PSBT: ${why}. Give it as base64, as hex, or as a file.`,
    {},
    { cause }
  )
}
