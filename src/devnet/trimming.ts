/** What has to leave a mempool that is too full: the worst first, each with all that depends on it (`CTxMemPool::TrimToSize` of Bitcoin Core). */
import type { Mempool, PoolEntry } from './mempool.js'

/** A transaction with its descendants. */
interface Family { readonly entries: readonly PoolEntry[], readonly fee: bigint, readonly vsize: number }

/** The virtual bytes of all that waits. */
export function vsizeOf (pool: Mempool): number {
  return pool.entries().reduce((sum, { tx }) => sum + tx.vsize, 0)
}

/** Takes out what does not fit into `limit` virtual bytes. Returns what is gone, and the best rate among it in sat/kvB. */
export function trim (pool: Mempool, limit: number): { readonly evicted: PoolEntry[], readonly rate: bigint } {
  const evicted: PoolEntry[] = []
  let rate = 0n
  for (let size = vsizeOf(pool); size > limit;) {
    const worst = pool.entries().map((entry) => familyOf(entry, pool)).reduce((least, family) => isWorse(family, least) ? family : least)
    for (const entry of worst.entries) {
      pool.remove(entry)
      evicted.push(entry)
      size -= entry.tx.vsize
    }
    const own = worst.fee * 1_000n / BigInt(worst.vsize)
    if (own > rate) rate = own
  }
  return { evicted, rate }
}

function familyOf (entry: PoolEntry, pool: Mempool): Family {
  const entries = [entry, ...pool.descendants(entry.tx)]
  return { entries, fee: entries.reduce((sum, { fee }) => sum + fee, 0n), vsize: entries.reduce((sum, { tx }) => sum + tx.vsize, 0) }
}

/** By rate; the later one when equal. */
function isWorse (a: Family, b: Family): boolean {
  return a.fee * BigInt(b.vsize) < b.fee * BigInt(a.vsize)
}
