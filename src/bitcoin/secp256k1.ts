/**
 * ECDSA over secp256k1 (libsecp256k1 in both cases): the native module where it has a binary for
 * this machine, WebAssembly otherwise. Nonces are those of RFC 6979, so both give the same bytes.
 *
 * The native module is loaded as `secp256k1/bindings`. Its main entry would fall back to a pure
 * JavaScript implementation without a word, many times slower than the WebAssembly one.
 */
import type {
  ecdsaSign,
  ecdsaVerify,
  privateKeyVerify,
  publicKeyCreate,
  publicKeyVerify
} from 'secp256k1'
import type { isPointCompressed, isPrivate, pointFromScalar, sign, verify } from 'tiny-secp256k1'
import { PaychanError } from '../types/errors.js'
import { isLowS } from './ecdsa.js'
import type { Ecdsa } from './keys.js'

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
