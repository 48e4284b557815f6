/**
 * Signatures in their two shapes: compact (r and s, 32 bytes each), which the protocol carries,
 * and DER with a sighash byte, which transactions carry.
 */
import { script as scripts, Transaction } from 'bitcoinjs-lib'
import type {
  ecdsaSign,
  ecdsaVerify,
  privateKeyVerify,
  publicKeyCreate,
  publicKeyVerify
} from 'secp256k1'
import type { isPointCompressed, isPrivate, pointFromScalar, sign, verify } from 'tiny-secp256k1'
import { fromHex, toHex } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { max } from '../types/units.js'
import type { Ecdsa } from './keys.js'

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

/*
 * ECDSA over secp256k1 (libsecp256k1 in both cases): the native module where it has a binary for
 * this machine, WebAssembly otherwise. Nonces are those of RFC 6979, so both give the same bytes.
 *
 * The native module is loaded as `secp256k1/bindings`. Its main entry would fall back to a pure
 * JavaScript implementation without a word, many times slower than the WebAssembly one.
 */

/** A function like the result of Node's `createRequire`: this room loads nothing by itself. */
export type LoadModule = (name: string) => unknown

/** ECDSA with secrets: 32-byte keys in, 64-byte compact low-S signatures out. */
export interface EcdsaWithSecrets extends Ecdsa {
  /** The public key: 33 bytes, compressed. @throws PaychanError `ERR_INVALID_SECRET_KEY` */
  readonly publicKeyOf: (secret: Uint8Array) => Uint8Array
  /** Signs a 32-byte digest. @throws PaychanError `ERR_INVALID_DIGEST`, `ERR_INVALID_SECRET_KEY` */
  readonly sign: (secret: Uint8Array, digest: Uint8Array) => Uint8Array
}

interface NativeModule {
  readonly ecdsaSign: typeof ecdsaSign
  readonly ecdsaVerify: typeof ecdsaVerify
  readonly privateKeyVerify: typeof privateKeyVerify
  readonly publicKeyCreate: typeof publicKeyCreate
  readonly publicKeyVerify: typeof publicKeyVerify
}

interface WasmModule {
  readonly isPointCompressed: typeof isPointCompressed
  readonly isPrivate: typeof isPrivate
  readonly pointFromScalar: typeof pointFromScalar
  readonly sign: typeof sign
  readonly verify: typeof verify
}

/**
 * The calls in which the two libraries differ. May throw when the input is not a key or signature.
 */
interface Library {
  readonly implementation: string
  readonly verify: (publicKey: Uint8Array, digest: Uint8Array, signature: Uint8Array) => boolean
  readonly isPublicKey: (publicKey: Uint8Array) => boolean
  readonly isSecretKey: (secret: Uint8Array) => boolean
  readonly publicKeyOf: (secret: Uint8Array) => Uint8Array | null
  readonly sign: (secret: Uint8Array, digest: Uint8Array) => Uint8Array
}

/** The native implementation; undefined when this machine has no binary of it. */
export function nativeEcdsa(load: LoadModule): EcdsaWithSecrets | undefined {
  const module = attempt(() => load('secp256k1/bindings'))
  if (!isNativeModule(module)) return undefined
  return guarded({
    implementation: 'secp256k1 (native)',
    verify: (publicKey, digest, signature) => module.ecdsaVerify(signature, digest, publicKey),
    isPublicKey: (publicKey) => module.publicKeyVerify(publicKey),
    isSecretKey: (secret) => module.privateKeyVerify(secret),
    publicKeyOf: (secret) => module.publicKeyCreate(secret, true),
    sign: (secret, digest) => module.ecdsaSign(digest, secret).signature
  })
}

/** The WebAssembly implementation, which runs everywhere. */
export function wasmEcdsa(load: LoadModule): EcdsaWithSecrets | undefined {
  const module = attempt(() => load('tiny-secp256k1'))
  if (!isWasmModule(module)) return undefined
  return guarded({
    implementation: 'tiny-secp256k1 (WebAssembly)',
    verify: (publicKey, digest, signature) => module.verify(digest, publicKey, signature, true),
    isPublicKey: (publicKey) => module.isPointCompressed(publicKey),
    isSecretKey: (secret) => module.isPrivate(secret),
    publicKeyOf: (secret) => module.pointFromScalar(secret, true),
    sign: (secret, digest) => module.sign(digest, secret)
  })
}

/**
 * Checks lengths and ranges before the library sees anything, so that both libraries answer alike:
 * verification returns false for garbage of every kind, and never throws.
 */
function guarded(library: Library): EcdsaWithSecrets {
  return {
    implementation: library.implementation,
    verify: (publicKey, digest, signature) => {
      // SIG-1: of the two valid signatures of a digest only the one with the low S counts.
      if (publicKey.length !== 33 || digest.length !== 32 || !isLowS(signature)) return false
      return attempt(() => library.verify(publicKey, digest, signature)) ?? false
    },
    isPublicKey: (publicKey) =>
      publicKey.length === 33 && (attempt(() => library.isPublicKey(publicKey)) ?? false),
    publicKeyOf: (secret) => {
      requireSecret(library, secret)
      const publicKey = library.publicKeyOf(secret)
      if (publicKey === null) throw invalidSecret()
      return publicKey
    },
    sign: (secret, digest) => {
      if (digest.length !== 32) {
        throw new PaychanError('ERR_INVALID_DIGEST', 'Only a digest of 32 bytes can be signed.', {
          length: digest.length
        })
      }
      requireSecret(library, secret)
      return library.sign(secret, digest)
    }
  }
}

function requireSecret(library: Library, secret: Uint8Array): void {
  if (secret.length !== 32 || !library.isSecretKey(secret)) throw invalidSecret()
}

function invalidSecret(): PaychanError {
  return new PaychanError(
    'ERR_INVALID_SECRET_KEY',
    'A secret key is 32 bytes, above 0 and below the order of secp256k1.'
  )
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action()
  } catch {
    return undefined
  }
}

function isNativeModule(module: unknown): module is NativeModule {
  return hasFunctions(module, [
    'ecdsaVerify',
    'ecdsaSign',
    'publicKeyCreate',
    'publicKeyVerify',
    'privateKeyVerify'
  ])
}

function isWasmModule(module: unknown): module is WasmModule {
  return hasFunctions(module, [
    'verify',
    'sign',
    'pointFromScalar',
    'isPointCompressed',
    'isPrivate'
  ])
}

function hasFunctions(module: unknown, names: readonly string[]): boolean {
  return (
    typeof module === 'object' &&
    module !== null &&
    names.every((name) => typeof Reflect.get(module, name) === 'function')
  )
}
