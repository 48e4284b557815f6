/** The names of keys, and the operations on them. No secrets here: the signer holds them. */

/** The client of a channel funds it and owns K1; the other side, owner of K2, is its server. */
export type Role = 'client' | 'server'

/** Returns the role of the other side. */
export function otherRole(role: Role): Role {
  return role === 'client' ? 'server' : 'client'
}

/**
 * Names one channel key of ours. `high` and `low` are 31 random bits each, drawn for one channel
 * and used as two hardened BIP32 indexes (spec: KEY-2), so that no key ever repeats.
 */
export interface KeyPath {
  readonly role: Role
  readonly high: number
  readonly low: number
  /** `channel`: K1 or K2 of the 2-of-2. `payout`: the key behind output 0 of a state. */
  readonly use: 'channel' | 'payout'
}

/** The part of ECDSA over secp256k1 that needs no secret. */
export interface Ecdsa {
  /** The implementation that runs, for `info`. */
  readonly implementation: string
  /** True when a 64-byte compact signature is valid. A high-S signature is not (BIP146). */
  verify: (publicKey: Uint8Array, digest: Uint8Array, signature: Uint8Array) => boolean
  /** True when 33 bytes are a compressed point of the curve. */
  isPublicKey: (publicKey: Uint8Array) => boolean
}
