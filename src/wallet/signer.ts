/**
 * The port `Signer`: channel keys derived from the seed, and signatures with them, by the secp256k1
 * of this machine.
 */
import { createRequire } from 'node:module'
import type { Network } from '../../protocols/paychan/1.0/messages.js'
import type { KeyPath } from '../bitcoin/keys.js'
import { channelRoot, channelSecret, type HDKey } from '../bitcoin/seed.js'
import type { Signer } from '../engine/ports.js'
import * as secp256k1 from '../bitcoin/ecdsa.js'
import type { EcdsaWithSecrets } from '../bitcoin/ecdsa.js'
import { PaychanError } from '../types/errors.js'

export type { EcdsaWithSecrets } from '../bitcoin/ecdsa.js'

/**
 * Number of keys kept in memory: a derivation takes some 100 microseconds, a signature 40.
 */
const CACHED_KEYS = 4_096

interface KeyPair {
  readonly secret: Uint8Array
  readonly publicKey: Uint8Array
}

/**
 * @param root - the BIP32 master key (`rootFromWords`)
 * @param ecdsa - the fastest implementation that can be loaded, when left out
 * @example
 * const signer = createSigner(rootFromWords(words), 'regtest')
 * const k1 = signer.publicKey({ role: 'client', high: 12, low: 34, use: 'channel' })
 */
export function createSigner(
  root: HDKey,
  network: Network,
  ecdsa: EcdsaWithSecrets = loadEcdsa()
): Signer {
  const parent = channelRoot(root, network)
  const cache = new LruCache<string, KeyPair>(CACHED_KEYS)

  function keyPair(path: KeyPath): KeyPair {
    return cache.get(`${path.role}/${path.high}/${path.low}/${path.use}`, () => {
      const secret = channelSecret(parent, path)
      return { secret, publicKey: ecdsa.publicKeyOf(secret) }
    })
  }

  return {
    implementation: ecdsa.implementation,
    verify: ecdsa.verify,
    isPublicKey: ecdsa.isPublicKey,
    // A copy: whoever gets it may write into it.
    publicKey: (path) => keyPair(path).publicKey.slice(),
    sign: (path, digest) => ecdsa.sign(keyPair(path).secret, digest)
  }
}

/** A bounded cache that drops the least recently used entry. */
export class LruCache<K, V> {
  readonly #entries = new Map<K, V>()
  readonly #capacity: number

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** The value cached under `key`, or the result of `make`, which is then cached. */
  get(key: K, make: () => V): V {
    const known = this.#entries.get(key)
    const value = known ?? make()
    // A Map keeps the order of insertion: what is used last goes to the end.
    if (known !== undefined) this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size > this.#capacity) {
      const oldest = this.#entries.keys().next()
      if (oldest.done !== true) this.#entries.delete(oldest.value)
    }
    return value
  }

  get size(): number {
    return this.#entries.size
  }
}

/* Loads the secp256k1 of this machine (`src/bitcoin/secp256k1.ts`, which loads nothing itself). */

const load = createRequire(import.meta.url)

/** The native implementation; undefined when this machine has no binary of it. */
export function nativeEcdsa(): EcdsaWithSecrets | undefined {
  return secp256k1.nativeEcdsa(load)
}

/** The WebAssembly implementation, which runs everywhere. */
export function wasmEcdsa(): EcdsaWithSecrets | undefined {
  return secp256k1.wasmEcdsa(load)
}

/**
 * The fastest implementation that this machine has.
 *
 * @throws PaychanError `ERR_NO_ECDSA` when neither can be loaded.
 */
export function loadEcdsa(): EcdsaWithSecrets {
  const found = nativeEcdsa() ?? wasmEcdsa()
  if (found === undefined) {
    throw new PaychanError(
      'ERR_NO_ECDSA',
      'Neither secp256k1 nor tiny-secp256k1 can be loaded; install the packages again with `npm ci`.'
    )
  }
  return found
}
