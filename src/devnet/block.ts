/** Blocks of regtest: headers with their proof of work, coinbases, subsidy, the genesis block. */
import { Block as ParsedBlock, script as bitcoinScript, Transaction } from 'bitcoinjs-lib'
import { concat, fromString } from 'uint8arrays'
import { fromHex } from '../types/bytes.js'
import {
  blockHeight,
  type BlockHeight,
  feeRate,
  type FeeRate,
  satoshi,
  type Satoshi
} from '../types/units.js'
import type { BlockRef } from './backend.js'
import type { Mempool, PoolEntry } from './mempool.js'
import {
  HALVING_INTERVAL,
  INITIAL_SUBSIDY,
  MAX_BLOCK_WEIGHT,
  REGTEST_BITS,
  RESERVED_BLOCK_WEIGHT
} from './rules.js'
import { decodeTransaction, hash256, merkleRoot, reversedHex, type Tx } from './transaction.js'

/** The fields of a header. Hashes are in their internal byte order. */
export interface Header {
  readonly version: number
  readonly previous: Uint8Array
  readonly merkleRoot: Uint8Array
  readonly time: number
  readonly bits: number
  readonly nonce: number
}

export interface Block extends BlockRef {
  /** The 80 bytes that are hashed. */
  readonly rawHeader: Uint8Array
  readonly header: Header
  readonly transactions: readonly Tx[]
}

/** 32 zero bytes: the outpoint of a coinbase, its wtxid, and the reserved value of BIP141. */
export const ZERO_HASH = new Uint8Array(32)

/** BIP141: OP_RETURN, a push of 36 bytes, and the four bytes that mark a witness commitment. */
const COMMITMENT_PREFIX = fromHex('6a24aa21a9ed')

/** BIP9: a version without signals. */
const BLOCK_VERSION = 0x20000000

const GENESIS_COINBASE =
  '01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ffff001d0104' +
  '455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f7574' +
  '20666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6' +
  'bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000'

export function encodeHeader(header: Header): Uint8Array {
  const bytes = new Uint8Array(80)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, header.version, true)
  bytes.set(header.previous, 4)
  bytes.set(header.merkleRoot, 36)
  view.setUint32(68, header.time, true)
  view.setUint32(72, header.bits, true)
  view.setUint32(76, header.nonce, true)
  return bytes
}

/** True when a block's hash meets the target of regtest, 7fffff followed by zeros. */
export function meetsTarget(hash: Uint8Array): boolean {
  const [last, beforeLast, third] = [hash[31] ?? 0xff, hash[30] ?? 0xff, hash[29] ?? 0xff]
  // 7fff ff00...: every hash below 7fff ff is under it, and so is one with only zeros after that.
  if (last !== 0x7f || beforeLast !== 0xff || third !== 0xff) return last <= 0x7f
  return hash.subarray(0, 29).every((byte) => byte === 0)
}

/** The amount that a block may create: 50 bitcoin, halved every 150 blocks. */
export function subsidyAt(height: number): Satoshi {
  const halvings = BigInt(Math.floor(height / HALVING_INTERVAL))
  return satoshi(halvings >= 64n ? 0n : INITIAL_SUBSIDY >> halvings)
}

/**
 * BIP34: the push of the height that the scriptSig of a coinbase starts with (OP_1 to OP_16 for
 * small ones).
 */
export function heightPush(height: number): Uint8Array {
  return bitcoinScript.compile([height <= 16 ? 0x50 + height : bitcoinScript.number.encode(height)])
}

/** BIP141: the commitment to all wtxids, that of the coinbase counting as zeros. */
export function witnessCommitment(transactions: readonly Tx[]): Uint8Array {
  const root = merkleRoot([ZERO_HASH, ...transactions.map((tx) => tx.witnessHash)])
  return concat([COMMITMENT_PREFIX, hash256(concat([root, ZERO_HASH]))])
}

/**
 * The coinbase of a block with these other transactions; `value` is its subsidy and all fees. It
 * makes blocks of different branches differ, even if nothing else does.
 */
export function buildCoinbase(
  height: number,
  script: Uint8Array,
  value: Satoshi,
  transactions: readonly Tx[],
  branch = 0
): Tx {
  const coinbase = new Transaction()
  coinbase.version = 2
  const tag = fromString(`/paychan devnet/${branch === 0 ? '' : branch}`)
  coinbase.addInput(
    ZERO_HASH,
    0xffffffff,
    0xffffffff,
    concat([heightPush(height), Uint8Array.of(tag.length), tag])
  )
  coinbase.setWitness(0, [ZERO_HASH])
  coinbase.addOutput(script, value)
  coinbase.addOutput(witnessCommitment(transactions), 0n)
  return decodeTransaction(coinbase.toBuffer())
}

/** Finds a nonce for a block on top of `parent`. */
export function mineBlock(parent: Block, time: number, transactions: readonly Tx[]): Block {
  const fields = {
    version: BLOCK_VERSION,
    previous: fromHex(parent.hash).reverse(),
    merkleRoot: merkleRoot(transactions.map((tx) => tx.hash)),
    time,
    bits: REGTEST_BITS
  }
  let nonce = 0
  while (!meetsTarget(hash256(encodeHeader({ ...fields, nonce })))) nonce += 1
  return sealBlock(blockHeight(parent.height + 1), { ...fields, nonce }, transactions)
}

/** Puts a block together from a header that has its nonce. */
export function sealBlock(height: BlockHeight, header: Header, transactions: readonly Tx[]): Block {
  const rawHeader = encodeHeader(header)
  return { height, hash: reversedHex(hash256(rawHeader)), rawHeader, header, transactions }
}

/**
 * A block as bitcoind serializes it.
 *
 * @throws Rejected when a transaction is not in the one form that it serializes to.
 */
export function decodeBlock(height: BlockHeight, raw: Uint8Array): Block {
  const {
    version,
    prevHash,
    merkleRoot,
    timestamp: time,
    bits,
    nonce,
    transactions
  } = ParsedBlock.fromBuffer(raw)
  if (prevHash === undefined || merkleRoot === undefined) throw new TypeError('no header')
  return sealBlock(
    height,
    { version, previous: prevHash, merkleRoot, time, bits, nonce },
    (transactions ?? []).map((tx) => decodeTransaction(tx.toBuffer()))
  )
}

/** The hash of the block before, as people write it. */
export function previousHash({ header }: Block): string {
  return reversedHex(header.previous)
}

/** Block 0 of regtest: 0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206. */
export function genesisBlock(): Block {
  const coinbase = decodeTransaction(fromHex(GENESIS_COINBASE))
  const header = {
    version: 1,
    previous: ZERO_HASH,
    merkleRoot: coinbase.hash,
    time: 1_296_688_602,
    bits: REGTEST_BITS,
    nonce: 2
  }
  return sealBlock(blockHeight(0), header, [coinbase])
}

/*
 * The transactions that a miner takes: the best fee rate first, each together with the ancestors
 * that it needs, until the block is full (as the `BlockAssembler` of Bitcoin Core before 31).
 */

/** The room of a block beside its header and its coinbase. */
export const MAX_TEMPLATE_WEIGHT = MAX_BLOCK_WEIGHT - RESERVED_BLOCK_WEIGHT

/**
 * A block without room for this much is full: 1,000 vB, a large settlement or a TRUC child. Bitcoin
 * Core's miner stops looking for smaller ones that would fit at the same distance
 * (`BLOCK_FULL_ENOUGH_WEIGHT_DELTA`).
 */
const FULL_ENOUGH_WEIGHT = 4_000

interface Package {
  readonly entries: readonly PoolEntry[]
  readonly fee: bigint
  readonly vsize: number
  readonly weight: number
}

type Candidate = readonly [PoolEntry, Package]

/** The transactions of the next block, parents before their children. */
export function selectTransactions(pool: Mempool, maxWeight = MAX_TEMPLATE_WEIGHT): PoolEntry[] {
  return selectPackages(pool, maxWeight).flatMap(({ entries }) => entries)
}

/**
 * The lowest fee rate at which a transaction of up to 1,000 vB would be among those that fit into
 * this weight: it outbids the cheapest packages whose place it needs. Undefined while there is room
 * for any.
 */
export function rateToBeAmong(pool: Mempool, maxWeight: number): FeeRate | undefined {
  const packages = selectPackages(pool, maxWeight)
  let room = packages.reduce((left, { weight }) => left - weight, maxWeight)
  if (room >= FULL_ENOUGH_WEIGHT) return undefined
  const rates = packages
    .map(({ fee, vsize, weight }) => ({ rate: (fee * 1_000n) / BigInt(vsize), weight }))
    .sort((a, b) => Number(a.rate - b.rate))
  for (const { rate, weight } of rates) {
    room += weight
    if (room >= FULL_ENOUGH_WEIGHT) return feeRate(rate + 1n)
  }
  return undefined
}

function selectPackages(pool: Mempool, maxWeight: number): Package[] {
  const packages: Package[] = []
  const chosen = new Set<PoolEntry>()
  const waiting = new Map(pool.entries().map((entry) => [entry, packageOf(entry, chosen, pool)]))
  // Worst first. A changed package is inserted again; the old one is skipped when its turn comes.
  const queue: Candidate[] = [...waiting].sort((a, b) => (isBetter(a, b) ? 1 : -1))
  let weight = 0
  for (let best = queue.pop(); best !== undefined; best = queue.pop()) {
    const [entry, pack] = best
    if (waiting.get(entry) !== pack) continue
    waiting.delete(entry)
    // It waits for the next block, and so do its descendants: their packages hold it and are
    // heavier still.
    if (weight + pack.weight > maxWeight) continue
    weight += pack.weight
    packages.push(pack)
    for (const each of pack.entries) {
      chosen.add(each)
      waiting.delete(each)
    }
    for (const each of pack.entries) {
      for (const child of pool.descendants(each.tx)) {
        if (!waiting.has(child)) continue
        const candidate: Candidate = [child, packageOf(child, chosen, pool)]
        waiting.set(child, candidate[1])
        queue.splice(placeOf(candidate, queue), 0, candidate)
      }
    }
  }
  return packages
}

/** An entry with those of its ancestors that are not chosen yet, parents first. */
function packageOf(entry: PoolEntry, chosen: ReadonlySet<PoolEntry>, pool: Mempool): Package {
  const missing = [...pool.ancestors(entry.tx)].filter((ancestor) => !chosen.has(ancestor))
  // A parent arrived before its children.
  const entries = [...missing, entry].sort((a, b) => a.arrival - b.arrival)
  let fee = 0n
  let vsize = 0
  let weight = 0
  for (const { tx, fee: own } of entries) {
    fee += own
    vsize += tx.vsize
    weight += tx.weight
  }
  return { entries, fee, vsize, weight }
}

/** The position of a candidate in a list that is sorted worst first. */
function placeOf(candidate: Candidate, sorted: readonly Candidate[]): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    const other = sorted[middle]
    if (other !== undefined && isBetter(candidate, other)) low = middle + 1
    else high = middle
  }
  return low
}

/** Compares fee rates without division; when equal, the earlier one is better. */
function isBetter([entry, a]: Candidate, [other, b]: Candidate): boolean {
  const left = a.fee * BigInt(b.vsize)
  const right = b.fee * BigInt(a.vsize)
  return left === right ? entry.arrival < other.arrival : left > right
}
