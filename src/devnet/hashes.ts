/**
 * Hashes of the chain and of the Electrum protocol, merkle roots and branches.
 */
import { createHash } from 'node:crypto'
import { concat } from 'uint8arrays'
import { toHex } from '../types/bytes.js'
import type { ScriptHash } from './backend.js'

/* Hashes of the chain and of the Electrum protocol. */

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

/*
 * Merkle roots and branches over hashes in their internal byte order. A level of odd length repeats
 * its last hash.
 */

function nextLevel(level: readonly Uint8Array[]): Uint8Array[] {
  const next: Uint8Array[] = []
  for (let i = 0; i < level.length; i += 2) {
    const left = level[i] ?? new Uint8Array(32)
    next.push(hash256(concat([left, level[i + 1] ?? left])))
  }
  return next
}

/** The root over at least one hash. */
export function merkleRoot(hashes: readonly Uint8Array[]): Uint8Array {
  let level = hashes
  while (level.length > 1) level = nextLevel(level)
  return level[0] ?? new Uint8Array(32)
}

/** The partners of the hash at `position` on its way to the root, deepest pairing first. */
export function merkleBranch(hashes: readonly Uint8Array[], position: number): Uint8Array[] {
  const branch: Uint8Array[] = []
  let level = hashes
  let index = position
  while (level.length > 1) {
    const sibling = level[index ^ 1] ?? level[index]
    if (sibling !== undefined) branch.push(sibling)
    level = nextLevel(level)
    index >>= 1
  }
  return branch
}
