/**
 * One block header: its fields, its hash, its proof of work. Pure.
 *
 * Layout (80 bytes, integers little-endian):
 *   0 version (4) | 4 previous block's hash (32) | 36 merkle root (32) | 68 time (4) | 72 nBits (4) | 76 nonce (4)
 */
import { crypto } from 'bitcoinjs-lib'
import { sameBytes, toHex } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import type { ChainParams } from './params.js'

export const HEADER_SIZE = 80

/** The hash of a header in the byte order in which the next header refers to it. */
export function headerHash (header: Uint8Array): Uint8Array {
  return crypto.hash256(header)
}

/** A block hash as people write it: hex of the reversed bytes. */
export function hashText (hash: Uint8Array): string {
  return toHex(Uint8Array.from(hash).reverse())
}

/** The hash of the block before this one. */
export function previousHash (header: Uint8Array): Uint8Array {
  return header.subarray(4, 36)
}

/** The root of the tree of the block's transaction ids. */
export function merkleRoot (header: Uint8Array): Uint8Array {
  return header.subarray(36, 68)
}

/** The compact form of the target that the header's hash must not exceed. */
export function bitsOf (header: Uint8Array): number {
  return new DataView(header.buffer, header.byteOffset, header.byteLength).getUint32(72, true)
}

/**
 * The target that `nBits` stands for; undefined when it is negative, zero or above 2^256
 * (`arith_uint256::SetCompact` of Bitcoin Core).
 */
export function targetFromBits (bits: number): bigint | undefined {
  const exponent = bits >>> 24
  const mantissa = BigInt(bits & 0x7fffff)
  if ((bits & 0x800000) !== 0 || mantissa === 0n) return undefined
  const target = exponent <= 3 ? mantissa >> BigInt(8 * (3 - exponent)) : mantissa << BigInt(8 * (exponent - 3))
  return target === 0n || target >> 256n !== 0n ? undefined : target
}

/** The hashes that a block with these `nBits` took on average: 2^256 / (target + 1), as `GetBlockProof` counts. */
export function workFromBits (bits: number): bigint {
  const target = targetFromBits(bits)
  return target === undefined ? 0n : (1n << 256n) / (target + 1n)
}

/**
 * Checks one header against the one before it: link, difficulty and proof of work.
 * On networks that retarget, the header's own `nBits` is held against the easiest permitted one
 * only; such networks need the retargeting rule here before they are opened to users.
 *
 * @returns the header's hash
 * @throws PaychanError `ERR_CHAIN_LIED`
 */
export function checkHeader (params: ChainParams, previous: { hash: Uint8Array, bits: number }, header: Uint8Array, height: number): Uint8Array {
  if (!sameBytes(previousHash(header), previous.hash)) {
    throw refused(`The Electrum server sent a header for height ${height} that does not follow from the one before it.`, height)
  }
  const bits = bitsOf(header)
  const target = targetFromBits(bits)
  const limit = targetFromBits(params.powLimitBits)
  if (target === undefined || limit === undefined || target > limit || (params.fixedDifficulty && bits !== previous.bits)) {
    throw refused(`The Electrum server sent a header for height ${height} with a difficulty that ${params.network} does not permit.`, height)
  }
  const hash = headerHash(header)
  if (BigInt('0x' + hashText(hash)) > target) {
    throw refused(`The Electrum server sent a header for height ${height} without proof of work.`, height)
  }
  return hash
}

/**
 * Checks headers that lie one behind the other in `headers`, the first at `height`.
 *
 * @returns their work
 * @throws PaychanError `ERR_CHAIN_LIED`
 */
export function checkHeaders (params: ChainParams, previous: Uint8Array, headers: Uint8Array, height: number): bigint {
  if (headers.length % HEADER_SIZE !== 0) throw refused('The Electrum server sent headers that are not 80 bytes each.', height)
  let before = { hash: headerHash(previous), bits: bitsOf(previous) }
  let work = 0n
  for (let at = 0; at < headers.length; at += HEADER_SIZE) {
    const header = headers.subarray(at, at + HEADER_SIZE)
    const hash = checkHeader(params, before, header, height + at / HEADER_SIZE)
    before = { hash, bits: bitsOf(header) }
    work += workFromBits(before.bits)
  }
  return work
}

function refused (sentence: string, height: number): PaychanError {
  return new PaychanError('ERR_CHAIN_LIED', `${sentence} Use another server.`, { height })
}
