/**
 * The transactions that a miner takes: the best fee rate first, each together with the ancestors
 * that it needs, until the block is full (as the `BlockAssembler` of Bitcoin Core before 31).
 */
import { feeRate, type FeeRate } from '../types/units.js'
import type { Mempool, PoolEntry } from './mempool.js'
import { MAX_BLOCK_WEIGHT, RESERVED_BLOCK_WEIGHT } from './rules.js'

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
