/**
 * The fields of a block header, its hash, and what its difficulty stands for. Pure.
 *
 * Layout (80 bytes, integers little-endian):
 *   0 version (4) | 4 previous block's hash (32) | 36 merkle root (32) | 68 time (4) | 72 nBits (4) | 76 nonce (4)
 */
import { hash256 } from '../bitcoin/hashes.js'
import { toHex } from '../types/bytes.js'

export const HEADER_SIZE = 80

/** The hash of a header in the byte order in which the next header refers to it. */
export function headerHash(header: Uint8Array): Uint8Array {
  return hash256(header)
}

/** A block hash as people write it: hex of the reversed bytes. */
export function hashText(hash: Uint8Array): string {
  return toHex(Uint8Array.from(hash).reverse())
}

/** The hash of the block before this one. */
export function previousHash(header: Uint8Array): Uint8Array {
  return header.subarray(4, 36)
}

/** The root of the tree of the block's transaction ids. */
export function merkleRoot(header: Uint8Array): Uint8Array {
  return header.subarray(36, 68)
}

/** When its miner says that it was found, in seconds since 1970. */
export function timeOf(header: Uint8Array): number {
  return new DataView(header.buffer, header.byteOffset, header.byteLength).getUint32(68, true)
}

/** The compact form of the target that the header's hash must not exceed. */
export function bitsOf(header: Uint8Array): number {
  return new DataView(header.buffer, header.byteOffset, header.byteLength).getUint32(72, true)
}

/**
 * The target that `nBits` stands for; undefined when it is negative, zero or above 2^256
 * (`arith_uint256::SetCompact` of Bitcoin Core).
 */
export function targetFromBits(bits: number): bigint | undefined {
  const exponent = bits >>> 24
  const mantissa = BigInt(bits & 0x7fffff)
  if ((bits & 0x800000) !== 0 || mantissa === 0n) return undefined
  const target =
    exponent <= 3 ? mantissa >> BigInt(8 * (3 - exponent)) : mantissa << BigInt(8 * (exponent - 3))
  return target === 0n || target >> 256n !== 0n ? undefined : target
}

/**
 * The hashes that a block with these `nBits` took on average: 2^256 / (target + 1), as
 * `GetBlockProof` counts.
 */
export function workFromBits(bits: number): bigint {
  const target = targetFromBits(bits)
  return target === undefined ? 0n : (1n << 256n) / (target + 1n)
}
