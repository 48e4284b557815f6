/** Which key, and what can be done with keys. No secrets here: the signer holds them. */

/** Who funds a channel and owns K1 is its client; the other side, owner of K2, is its server. */
export type Role = 'client' | 'server'

/** The other side. */
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

/** ECDSA over secp256k1, as far as it needs no secret. */
export interface Ecdsa {
  /** Which implementation runs, for `info`. */
  readonly implementation: string
  /** Whether a 64-byte compact signature is valid. A high-S signature is not (BIP146). */
  verify: (publicKey: Uint8Array, digest: Uint8Array, signature: Uint8Array) => boolean
  /** Whether 33 bytes are a compressed point of the curve. */
  isPublicKey: (publicKey: Uint8Array) => boolean
}
