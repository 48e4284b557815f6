/**
 * The port `Signer` for simulated nodes. Secrets are hashes of a node's name and the path: a BIP32
 * derivation takes a millisecond, and there are ten thousands of keys. Two kinds:
 *
 *     real    ECDSA over secp256k1, as a node has it
 *     model   no curve: a signature is a hash of secret and digest, which only the owner of the key can
 *             make, and which is checked by making it again. It says who has signed what, and costs nothing.
 */
import { createHash } from 'node:crypto'
import type { Ecdsa, KeyPath } from '../bitcoin/keys.js'
import { payoutWitnessScript, p2wsh } from '../bitcoin/scripts.js'
import type { Signer } from '../engine/ports.js'
import { toHex } from '../types/bytes.js'
import { loadEcdsa } from '../wallet/signer.js'

interface KeyPair {
  readonly secret: Uint8Array
  readonly publicKey: Uint8Array
}

/** Called with every payout key that is made: the script of its outputs. */
type OnPayoutScript = (script: string) => void

/** All keys of a world. */
export interface KeyMaker extends Pick<Ecdsa, 'verify'> {
  readonly signerFor: (name: string, onPayoutScript?: OnPayoutScript) => Signer
}

interface Scheme extends Ecdsa {
  readonly publicKeyOf: (secret: Uint8Array) => Uint8Array
  readonly sign: (secret: Uint8Array, digest: Uint8Array) => Uint8Array
}

export function keyMaker(seed: number, model: boolean): KeyMaker {
  const scheme: Scheme = model ? modelScheme() : loadEcdsa()
  return {
    verify: scheme.verify,
    signerFor: (name, onPayoutScript = () => {}) =>
      signerOf(scheme, `${seed} ${name}`, onPayoutScript)
  }
}

function signerOf(scheme: Scheme, owner: string, onPayoutScript: OnPayoutScript): Signer {
  const pairs = new Map<string, KeyPair>()
  const pairOf = ({ role, high, low, use }: KeyPath): KeyPair => {
    const path = `${role}/${high}/${low}/${use}`
    const known = pairs.get(path)
    if (known !== undefined) return known
    const secret = hashOf(`paychan simulated key ${owner} ${path}`)
    const pair = { secret, publicKey: scheme.publicKeyOf(secret) }
    pairs.set(path, pair)
    if (use === 'payout') onPayoutScript(toHex(p2wsh(payoutWitnessScript(pair.publicKey))))
    return pair
  }
  return {
    implementation: scheme.implementation,
    verify: scheme.verify,
    isPublicKey: scheme.isPublicKey,
    publicKey: (path) => pairOf(path).publicKey.slice(),
    sign: (path, digest) => scheme.sign(pairOf(path).secret, digest)
  }
}

/**
 * Below the order of the curve, and with a low S, as every check of a signature's form asks for.
 */
const R_BYTES = 0x7f
const S_BYTES = 0x3f

function modelScheme(): Scheme {
  const secrets = new Map<string, Uint8Array>()
  const sign = (secret: Uint8Array, digest: Uint8Array): Uint8Array => {
    const r = createHash('sha256').update(secret).update(digest).digest()
    const signature = Uint8Array.from([
      ...r,
      ...createHash('sha256').update(secret).update(r).digest()
    ])
    signature[0] = ((signature[0] ?? 0) & R_BYTES) | 1
    signature[32] = ((signature[32] ?? 0) & S_BYTES) | 1
    return signature
  }
  return {
    implementation: 'a model of secp256k1: who has signed what',
    publicKeyOf: (secret) => {
      const publicKey = Uint8Array.from([
        2,
        ...createHash('sha256').update('public').update(secret).digest()
      ])
      secrets.set(toHex(publicKey), secret)
      return publicKey
    },
    sign,
    verify: (publicKey, digest, signature) => {
      const secret = secrets.get(toHex(publicKey))
      return secret !== undefined && Buffer.compare(sign(secret, digest), signature) === 0
    },
    isPublicKey: (publicKey) => secrets.has(toHex(publicKey))
  }
}

function hashOf(text: string): Uint8Array {
  return Uint8Array.from(createHash('sha256').update(text).digest())
}
