/**
 * Signatures in their two shapes: compact (r and s, 32 bytes each), which the protocol carries,
 * and DER with a sighash byte, which transactions carry.
 */
import { script as scripts, Transaction } from 'bitcoinjs-lib'
import { fromHex, toHex } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { max } from '../types/units.js'

/** The sighash types: the part of a transaction that a signature commits to (BIP143). */
export const SIGHASH = {
  ALL: Transaction.SIGHASH_ALL,
  NONE: Transaction.SIGHASH_NONE,
  SINGLE: Transaction.SIGHASH_SINGLE,
  ANYONECANPAY: Transaction.SIGHASH_ANYONECANPAY
} as const

/** The order n of secp256k1 (SEC 2, 2.4.1). */
export const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

/**
 * True when a 64-byte compact signature has 0 < r < n and 0 < s <= n/2. Every valid signature (r,
 * s) has a second form, (r, n - s); Bitcoin Core relays only the lower of the two (BIP146).
 */
export function isLowS(compact: Uint8Array): boolean {
  return (
    compact.length === 64 &&
    !isZero(compact, 0) &&
    isBelow(compact, 0, ORDER_BYTES) &&
    !isZero(compact, 32) &&
    isBelow(compact, 32, HIGH_S_BYTES)
  )
}

/** n, and n/2 + 1, which is the lowest high S: 32 bytes, big-endian. */
const ORDER_BYTES = fromHex(ORDER.toString(16))
const HIGH_S_BYTES = fromHex((ORDER / 2n + 1n).toString(16))

/** True when 32 bytes, from an index on, are zero. Byte by byte: every verification asks. */
function isZero(bytes: Uint8Array, from: number): boolean {
  for (let at = from; at < from + 32; at++) if (bytes[at] !== 0) return false
  return true
}

/** True when 32 bytes, from an index on, are a lower number than the 32 bytes of a limit. */
function isBelow(bytes: Uint8Array, from: number, limit: Uint8Array): boolean {
  for (let at = 0; at < 32; at++) {
    const byte = bytes[from + at] ?? 0
    const most = limit[at] ?? 0
    if (byte !== most) return byte < most
  }
  return false
}

/**
 * Writes a compact signature as transactions carry it: strict DER (BIP66) and the sighash byte.
 *
 * @throws PaychanError `ERR_INVALID_SIGNATURE` when it is not 64 bytes, is out of range, or has a
 *   high S.
 */
export function toDer(compact: Uint8Array, sighashType: number): Uint8Array {
  if (!isLowS(compact)) {
    throw invalid(
      'A signature is 64 bytes, r and s, with r and s in range and s in the lower half (BIP146).'
    )
  }
  if (!scripts.isDefinedHashType(sighashType)) {
    throw invalid(`${sighashType} is not a sighash type.`)
  }
  return scripts.signature.encode(compact, sighashType)
}

/**
 * Reads a signature from a transaction's witness as compact signature and sighash type.
 *
 * @throws PaychanError `ERR_INVALID_SIGNATURE` when it is not strict DER with a defined sighash
 *   type and a low S.
 */
export function fromDer(der: Uint8Array): { signature: Uint8Array; sighashType: number } {
  const decoded = decode(der)
  if (!isLowS(decoded.signature)) {
    throw invalid('The signature is out of range, or its S is not the lower one (BIP146).')
  }
  return decoded
}

/**
 * Reads a signature as a block may have it: any sighash type, and of the signature and its
 * negative, which are both valid there, returns the one with the low S. No block can have a
 * signature that is refused here, so a server that shows one has made it up.
 *
 * @throws PaychanError `ERR_INVALID_SIGNATURE` when it is not strict DER (BIP66, which blocks
 *   have to keep)
 */
export function fromBlock(der: Uint8Array): { signature: Uint8Array; sighashType: number } {
  const sighashType = der.at(-1)
  if (sighashType === undefined) throw invalid('The signature is empty.')
  const { signature } = decode(Uint8Array.from([...der.subarray(0, -1), SIGHASH.ALL]))
  if (isLowS(signature)) return { signature, sighashType }
  const s = BigInt(`0x${toHex(signature.subarray(32))}`)
  const negative = Uint8Array.from([
    ...signature.subarray(0, 32),
    ...fromHex(
      max(0n, ORDER - s)
        .toString(16)
        .padStart(64, '0')
    )
  ])
  if (!isLowS(negative)) throw invalid('The signature is out of range.')
  return { signature: negative, sighashType }
}

function decode(der: Uint8Array): { signature: Uint8Array; sighashType: number } {
  try {
    const { signature, hashType } = scripts.signature.decode(der)
    return { signature, sighashType: hashType }
  } catch (cause) {
    throw invalid('The signature is not in strict DER with a sighash byte (BIP66).', cause)
  }
}

function invalid(message: string, cause?: unknown): PaychanError {
  return new PaychanError('ERR_INVALID_SIGNATURE', message, {}, { cause })
}
