/**
 * Which transactions a miner takes: the best fee rate first, each together with the ancestors that
 * it needs, until the block is full (as the `BlockAssembler` of Bitcoin Core before 31).
 */
import type { Mempool, PoolEntry } from './mempool.js'
import { MAX_BLOCK_WEIGHT, RESERVED_BLOCK_WEIGHT } from './rules.js'

interface Package { readonly entries: readonly PoolEntry[], readonly fee: bigint, readonly vsize: number, readonly weight: number }

/** The transactions of the next block, parents before their children. */
export function selectTransactions (pool: Mempool, maxWeight = MAX_BLOCK_WEIGHT - RESERVED_BLOCK_WEIGHT): PoolEntry[] {
  const chosen = new Set<PoolEntry>()
  const waiting = new Map(pool.entries().map(entry => [entry, packageOf(entry, chosen, pool)]))
  let weight = 0
  for (let best = bestOf(waiting); best !== undefined; best = bestOf(waiting)) {
    const [entry, pack] = best
    waiting.delete(entry)
    // It waits for the next block, and so do its descendants: their packages hold it and are heavier still.
    if (weight + pack.weight > maxWeight) continue
    weight += pack.weight
    for (const each of pack.entries) {
      chosen.add(each)
      waiting.delete(each)
    }
    for (const each of pack.entries) {
      for (const child of pool.descendants(each.tx)) {
        if (waiting.has(child)) waiting.set(child, packageOf(child, chosen, pool))
      }
    }
  }
  return [...chosen]
}

/** An entry with those of its ancestors that are not chosen yet, parents first. */
function packageOf (entry: PoolEntry, chosen: ReadonlySet<PoolEntry>, pool: Mempool): Package {
  const missing = [...pool.ancestors(entry.tx)].filter(ancestor => !chosen.has(ancestor))
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

function bestOf (waiting: ReadonlyMap<PoolEntry, Package>): readonly [PoolEntry, Package] | undefined {
  let best: readonly [PoolEntry, Package] | undefined
  for (const candidate of waiting) if (best === undefined || isBetter(candidate, best)) best = candidate
  return best
}

/** By fee rate, compared without division; the earlier one when equal. */
function isBetter ([entry, a]: readonly [PoolEntry, Package], [other, b]: readonly [PoolEntry, Package]): boolean {
  const left = a.fee * BigInt(b.vsize)
  const right = b.fee * BigInt(a.vsize)
  return left === right ? entry.arrival < other.arrival : left > right
}
