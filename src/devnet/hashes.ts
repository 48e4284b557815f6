/** Hashes of the chain and of the Electrum protocol. */
import { createHash } from 'node:crypto'
import { toHex } from '../types/bytes.js'
import type { ScriptHash } from './backend.js'

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
