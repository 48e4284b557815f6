/**
 * Merkle roots and branches over hashes in their internal byte order. A level of odd length repeats
 * its last hash.
 */
import { concat } from 'uint8arrays'
import { hash256 } from './hashes.js'

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

/** What the hash at `position` is paired with on its way to the root, deepest pairing first. */
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
