/**
 * One block header: its fields, its hash, its proof of work. Pure.
 *
 * Layout (80 bytes, integers little-endian):
 *   0 version (4) | 4 previous block's hash (32) | 36 merkle root (32) | 68 time (4) | 72 nBits (4) | 76 nonce (4)
 */
import { crypto } from 'bitcoinjs-lib'
import { sameBytes, toHex } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { requiredBits, type HeaderLookup } from './difficulty.js'
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

/** When its miner says that it was found, in seconds since 1970. */
export function timeOf (header: Uint8Array): number {
  return new DataView(header.buffer, header.byteOffset, header.byteLength).getUint32(68, true)
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
 * Checks the header at `height` against those before it: link, time, difficulty and proof of work.
 *
 * @param headerAt - the headers before it, as far back as its period of difficulty began
 * @returns the header's hash
 * @throws PaychanError `ERR_CHAIN_LIED`
 */
export function checkHeader (params: ChainParams, headerAt: HeaderLookup, previousHashOf: Uint8Array, header: Uint8Array, height: number): Uint8Array {
  const wrong = (what: string): PaychanError => refused(`The Electrum server sent a header for height ${height} ${what}.`, height)
  if (!sameBytes(previousHash(header), previousHashOf)) throw wrong('that does not follow from the one before it')
  if (timeOf(header) <= medianTime(headerAt, height)) throw wrong('whose time is before that of most of the last eleven blocks')
  const bits = bitsOf(header)
  const target = targetFromBits(bits)
  if (target === undefined || bits !== requiredBits(params, height, timeOf(header), headerAt)) throw wrong(`with a difficulty that ${params.network} does not permit`)
  const hash = headerHash(header)
  if (BigInt('0x' + hashText(hash)) > target) throw wrong('without proof of work')
  return hash
}

/** The blocks whose median time a new one has to be after (`nMedianTimeSpan`). */
const MEDIAN_SPAN = 11

function medianTime (headerAt: HeaderLookup, height: number): number {
  const times: number[] = []
  for (let at = height - 1; at >= height - MEDIAN_SPAN; at--) {
    const header = headerAt(at)
    if (header === undefined) break
    times.push(timeOf(header))
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0
}

/**
 * Checks headers that lie one behind the other in `headers`, the first at `height`.
 *
 * @param before - the headers below `height`
 * @returns their work
 * @throws PaychanError `ERR_CHAIN_LIED`
 */
export function checkHeaders (params: ChainParams, before: HeaderLookup, headers: Uint8Array, height: number): bigint {
  if (headers.length % HEADER_SIZE !== 0) throw refused('The Electrum server sent headers that are not 80 bytes each.', height)
  const headerAt: HeaderLookup = (at) => at < height ? before(at) : headers.subarray((at - height) * HEADER_SIZE, (at - height + 1) * HEADER_SIZE)
  const previous = before(height - 1)
  if (previous === undefined) throw new RangeError(`no header at height ${height - 1}`)
  let hash = headerHash(previous)
  let work = 0n
  for (let at = height; at < height + headers.length / HEADER_SIZE; at++) {
    const header = headers.subarray((at - height) * HEADER_SIZE, (at - height + 1) * HEADER_SIZE)
    hash = checkHeader(params, headerAt, hash, header, at)
    work += workFromBits(bitsOf(header))
  }
  return work
}

function refused (sentence: string, height: number): PaychanError {
  return new PaychanError('ERR_CHAIN_LIED', `${sentence} Use another server.`, { height })
}
