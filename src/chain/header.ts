/**
 * A block header: its fields, its work, the check that it may follow those before it, and the proof
 * that a transaction is in its block. Pure.
 */
import { concat } from 'uint8arrays'
import { hash256 } from '../bitcoin/hashes.js'
import { hashFromTxid, sameBytes, toHex, type Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { MAX_MONEY } from '../types/units.js'
import type { ChainParams } from './params.js'

/*
 * The fields of a block header, its hash, and the work that its difficulty stands for. Pure.
 *
 * Layout (80 bytes, integers little-endian):
 *   0 version (4) | 4 previous block's hash (32) | 36 merkle root (32) | 68 time (4) | 72 nBits (4) | 76 nonce (4)
 */

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

/** The time that the miner states, in seconds since 1970. */
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
  // By less than nothing a bigint is shifted to the right.
  const target = mantissa << BigInt(8 * (exponent - 3))
  return target === 0n || target >> 256n !== 0n ? undefined : target
}

/**
 * The average number of hashes for a block with these `nBits`: 2^256 / (target + 1), as
 * `GetBlockProof` counts.
 */
export function workFromBits(bits: number): bigint {
  const target = targetFromBits(bits)
  return target === undefined ? 0n : (1n << 256n) / (target + 1n)
}

/*
 * The difficulty of the next block: `GetNextWorkRequired` and `CalculateNextWorkRequired` of
 * Bitcoin Core's pow.cpp. Pure.
 */

/** The blocks of one period: two weeks of ten minutes. */
export const PERIOD = 2_016

/** Two weeks, in seconds. */
const TIMESPAN = 14 * 24 * 60 * 60

/** `fPowAllowMinDifficultyBlocks`: seconds after which any block will do, twice the usual time. */
const SLOW = 20 * 60

/** The header at a height of the branch that is looked at. */
export type HeaderLookup = (height: number) => Uint8Array | undefined

/**
 * The `nBits` that the block at `height` must have.
 *
 * @param time - of that block, in seconds since 1970: it matters on testnet
 * @returns undefined when a header that this depends on is not there
 */
export function requiredBits(
  params: ChainParams,
  height: number,
  time: number,
  headerAt: HeaderLookup
): number | undefined {
  const previous = headerAt(height - 1)
  if (previous === undefined) return undefined
  if (params.fixedDifficulty) return bitsOf(previous)
  if (height % PERIOD === 0) {
    const first = headerAt(height - PERIOD)
    // By BIP94 that of its first block, since the last one may be an exception.
    return first === undefined
      ? undefined
      : retarget(params, bitsOf(params.bip94 ? first : previous), timeOf(previous) - timeOf(first))
  }
  if (!params.minDifficultyBlocks) return bitsOf(previous)
  if (time > timeOf(previous) + SLOW) return params.powLimitBits
  // That of the last block which did not make use of this exception.
  for (let at = height - 1; ; at--) {
    const header = headerAt(at)
    if (header === undefined) return undefined
    if (at % PERIOD === 0 || bitsOf(header) !== params.powLimitBits) return bitsOf(header)
  }
}

/**
 * The `nBits` of the next period, at most four times as easy or as hard as the last.
 *
 * @param seconds - from the first block of the last period to its last (which are 2,015 intervals)
 */
export function retarget(
  { powLimitBits }: Pick<ChainParams, 'powLimitBits'>,
  bits: number,
  seconds: number
): number {
  const timespan = BigInt(Math.min(Math.max(seconds, TIMESPAN / 4), TIMESPAN * 4))
  const target = ((targetFromBits(bits) ?? 0n) * timespan) / BigInt(TIMESPAN)
  const limit = targetFromBits(powLimitBits) ?? 0n
  return bitsFromTarget(target > limit ? limit : target)
}

/**
 * The compact form, which keeps three bytes and the sign's bit free (`arith_uint256::GetCompact`).
 */
export function bitsFromTarget(target: bigint): number {
  let size = Math.ceil(target.toString(16).length / 2)
  // A shift by less than nothing goes the other way.
  let mantissa = Number(target >> BigInt(8 * (size - 3)))
  if ((mantissa & 0x800000) !== 0) {
    mantissa >>= 8
    size += 1
  }
  return (size << 24) | mantissa
}

/* Checks that a block header may follow those before it. Pure. */

/**
 * Checks the header at `height` against those before it: link, time, difficulty and proof of work.
 *
 * @param headerAt - the headers before it, as far back as its period of difficulty began
 * @returns the header's hash
 * @throws PaychanError `ERR_CHAIN_LIED`
 */
export function checkHeader(
  params: ChainParams,
  headerAt: HeaderLookup,
  previousHashOf: Uint8Array,
  header: Uint8Array,
  height: number
): Uint8Array {
  const wrong = (what: string): PaychanError =>
    refused(`The Electrum server sent a header for height ${height} ${what}.`, height)
  if (!sameBytes(previousHash(header), previousHashOf)) {
    throw wrong('that does not follow from the one before it')
  }
  if (timeOf(header) <= medianTime(headerAt, height)) {
    throw wrong('whose time is before that of most of the last eleven blocks')
  }
  if (isTimewarp(params, headerAt, timeOf(header), height)) {
    throw wrong(
      'that begins a period of difficulty more than ten minutes before the last one has ended'
    )
  }
  const bits = bitsOf(header)
  const target = targetFromBits(bits)
  if (target === undefined || bits !== requiredBits(params, height, timeOf(header), headerAt)) {
    throw wrong(`with a difficulty that ${params.network} does not permit`)
  }
  const hash = headerHash(header)
  if (BigInt('0x' + hashText(hash)) > target) throw wrong('without proof of work')
  return hash
}

/** `MAX_TIMEWARP` of BIP94, in seconds. */
const MAX_TIMEWARP = 600

/**
 * True when the first block of a period is older than BIP94 permits: with such times the difficulty
 * can be pulled down without end.
 */
function isTimewarp(
  { bip94 }: ChainParams,
  headerAt: HeaderLookup,
  time: number,
  height: number
): boolean {
  const previous = headerAt(height - 1)
  return (
    bip94 &&
    height % PERIOD === 0 &&
    previous !== undefined &&
    time < timeOf(previous) - MAX_TIMEWARP
  )
}

/** Number of blocks whose median time a new one has to be after (`nMedianTimeSpan`). */
const MEDIAN_SPAN = 11

function medianTime(headerAt: HeaderLookup, height: number): number {
  const times: number[] = []
  for (let at = height - 1; at >= height - MEDIAN_SPAN; at--) {
    const header = headerAt(at)
    if (header === undefined) break
    times.push(timeOf(header))
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0
}

/**
 * Checks consecutive `headers`, the first at `height`.
 *
 * @param before - the headers below `height`
 * @returns their work
 * @throws PaychanError `ERR_CHAIN_LIED`
 */
export function checkHeaders(
  params: ChainParams,
  before: HeaderLookup,
  headers: Uint8Array,
  height: number
): bigint {
  if (headers.length % HEADER_SIZE !== 0) {
    throw refused('The Electrum server sent headers that are not 80 bytes each.', height)
  }
  const own = (at: number): Uint8Array =>
    headers.subarray((at - height) * HEADER_SIZE, (at - height + 1) * HEADER_SIZE)
  const headerAt: HeaderLookup = (at) => (at < height ? before(at) : own(at))
  const previous = before(height - 1)
  if (previous === undefined) throw new RangeError(`no header at height ${height - 1}`)
  let hash = headerHash(previous)
  let work = 0n
  for (let at = height; at < height + headers.length / HEADER_SIZE; at++) {
    const header = own(at)
    hash = checkHeader(params, headerAt, hash, header, at)
    work += workFromBits(bitsOf(header))
  }
  return work
}

/**
 * Seconds that a block may be ahead of our clock: the two hours of Bitcoin Core's rule
 * `time-too-new`, and one by which our own clock may be behind.
 */
const MOST_AHEAD = 3 * 60 * 60

/**
 * Refuses blocks from the future where a block is easy once its time is 20 minutes after the one
 * before, so that a server alone could make up any number of them. Our clock may be wrong, and the
 * same block is good later, so this calls nobody a liar.
 *
 * Elsewhere a block costs its work whatever its time says. That is better evidence than our clock:
 * a machine whose clock is behind must not stand still while its deadlines pass. On regtest blocks
 * are free anyway, and tests mine weeks of them in a second.
 *
 * @param now - seconds since 1970
 * @throws PaychanError `ERR_BLOCK_FROM_FUTURE`
 */
export function checkTimes(
  { fixedDifficulty, minDifficultyBlocks }: ChainParams,
  headers: Uint8Array,
  height: number,
  now: number
): void {
  if (fixedDifficulty || !minDifficultyBlocks) return
  for (let at = 0; at < headers.length; at += HEADER_SIZE) {
    const ahead = timeOf(headers.subarray(at, at + HEADER_SIZE)) - now
    if (ahead > MOST_AHEAD) {
      throw new PaychanError(
        'ERR_BLOCK_FROM_FUTURE',
        `The Electrum server shows block ${height + at / HEADER_SIZE}, whose time is ${Math.floor(ahead / 60)} minutes ahead of this machine's clock. Set the clock, or use another server.`,
        { height: height + at / HEADER_SIZE, ahead }
      )
    }
  }
}

/**
 * An error for a person when our clock is far behind the newest block; undefined when it is not,
 * and on regtest.
 *
 * @param now - seconds since 1970
 */
export function clockBehind(
  { fixedDifficulty }: ChainParams,
  tip: Uint8Array,
  now: number
): PaychanError | undefined {
  const behind = timeOf(tip) - now
  return fixedDifficulty || behind <= MOST_AHEAD
    ? undefined
    : new PaychanError(
        'ERR_CLOCK_BEHIND',
        `This machine's clock is ${Math.floor(behind / 3_600)} hours behind the newest block. Channels follow the blocks and lose nothing; set the clock, since tokens, requests and sessions end by it.`,
        { behind }
      )
}

function refused(sentence: string, height: number): PaychanError {
  return new PaychanError('ERR_CHAIN_LIED', `${sentence} Use another server.`, { height })
}

/*
 * Proofs that a transaction is in a block: the hashes beside the path from its id up to the merkle
 * root of the header. Pure.
 *
 * The tree does not tell leaves from inner nodes, and a transaction of exactly 64 bytes hashes like
 * an inner node (CVE-2017-12842). Both ways to abuse that are refused: a 64-byte transaction as
 * the leaf, and an inner node whose 64 bytes read as a transaction.
 */

/** Bytes of an inner node: two hashes. */
export const INNER_NODE_SIZE = 64

/**
 * A proof as an Electrum server gives it: `merkle` are ids (reversed hex), from the leaf's level
 * upwards.
 */
export interface MerkleProof {
  readonly merkle: readonly Txid[]
  readonly pos: number
}

/**
 * A block holds at most 4,000,000 weight units / (4 x 60 bytes) = 16,666 transactions, so that 15
 * levels would do; 32 keeps `pos` within what integer arithmetic of 32 bits can follow.
 */
const MAX_DEPTH = 32

/**
 * The root that a proof leads to.
 *
 * @throws PaychanError `ERR_CHAIN_LIED` when the proof is invalid for any root
 */
export function merkleRootOf(id: Txid, proof: MerkleProof): Uint8Array {
  const depth = proof.merkle.length
  if (
    depth > MAX_DEPTH ||
    !Number.isInteger(proof.pos) ||
    proof.pos < 0 ||
    proof.pos >= 2 ** depth
  ) {
    throw unproved(id)
  }
  let hash = hashFromTxid(id)
  let position = proof.pos
  for (const sibling of proof.merkle) {
    const other = hashFromTxid(sibling)
    const right = position % 2 === 1
    // The last node of an odd row is paired with itself, and then stands on the left. A right-hand
    // node equal to its left neighbour is a doubled leaf, which would prove one id at two places
    // (CVE-2012-2459).
    if (right && sameBytes(hash, other)) throw unproved(id)
    const node = right ? concat([other, hash]) : concat([hash, other])
    if (readsAsTransaction(node)) throw unproved(id)
    hash = hash256(node)
    position = Math.floor(position / 2)
  }
  return hash
}

/**
 * Checks that a transaction is in the block with this merkle root.
 *
 * @param strippedSize - the bytes of the transaction without witnesses, which its id is the hash of
 * @throws PaychanError `ERR_CHAIN_LIED`
 */
export function checkMerkleProof(
  id: Txid,
  strippedSize: number,
  proof: MerkleProof,
  root: Uint8Array
): void {
  if (strippedSize === INNER_NODE_SIZE || !sameBytes(merkleRootOf(id, proof), root)) {
    throw unproved(id)
  }
}

/**
 * True when 64 bytes have the form of a transaction. Only one input and one output fit: 4 version +
 * 1 + (36 outpoint + 1 + s script + 4 sequence) + 1 + (8 value + 1 + p script) + 4 lock = 60 + s +
 * p, so that s + p = 4. Two hashes look like that with a chance below 10^-12.
 */
export function readsAsTransaction(node: Uint8Array): boolean {
  const view = new DataView(node.buffer, node.byteOffset, node.byteLength)
  const inputScript = view.getUint8(41)
  if (view.getUint8(4) !== 1 || inputScript > 4) return false
  const outputs = 42 + inputScript + 4
  return (
    view.getUint8(outputs) === 1 &&
    view.getBigUint64(outputs + 1, true) <= MAX_MONEY &&
    inputScript + view.getUint8(outputs + 9) === 4
  )
}

function unproved(id: Txid): PaychanError {
  return new PaychanError(
    'ERR_CHAIN_LIED',
    `The Electrum server claims that ${id} is confirmed, but its proof does not lead to the block's header. Use another server.`,
    { txid: id }
  )
}
