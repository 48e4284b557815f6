/**
 * What has to leave a mempool that is too full: the worst first, each with all that depends on it
 * (`CTxMemPool::TrimToSize` of Bitcoin Core; from 31 on the last chunk of a cluster).
 */
import { worstChunk } from './clusters.js'
import { compareRates } from './diagram.js'
import type { Mempool, PoolEntry } from './mempool.js'

interface Worth {
  readonly fee: bigint
  readonly vsize: number
}

/** A transaction with its descendants, and what all of them pay. */
interface Family extends Worth {
  readonly root: PoolEntry
  readonly entries: readonly PoolEntry[]
}

/**
 * Takes out what does not fit into `limit` virtual bytes. Returns what is gone, and the best rate
 * among it in sat/kvB.
 */
export function trim(
  pool: Mempool,
  limit: number
): { readonly evicted: PoolEntry[]; readonly rate: bigint } {
  const evicted: PoolEntry[] = []
  let rate = 0n
  while (pool.vsize > limit) {
    const worst =
      pool.rules.limits === 'clusters'
        ? (worstChunk(pool) ?? { entries: [], fee: 0n, vsize: 1 })
        : pool
            .entries()
            .map((entry) => familyOf(entry, pool))
            .reduce((least, family) => (isWorse(family, least) ? family : least))
    for (const entry of worst.entries) {
      pool.remove(entry)
      evicted.push(entry)
    }
    const own = (worst.fee * 1_000n) / BigInt(worst.vsize)
    if (own > rate) rate = own
  }
  return { evicted, rate }
}

function familyOf(root: PoolEntry, pool: Mempool): Family {
  const entries = [root, ...pool.descendants(root.tx)]
  return {
    root,
    entries,
    fee: entries.reduce((sum, { fee }) => sum + fee, 0n),
    vsize: entries.reduce((sum, { tx }) => sum + tx.vsize, 0)
  }
}

/** By score, then the later one (`CompareTxMemPoolEntryByDescendantScore`). */
function isWorse(a: Family, b: Family): boolean {
  const order = compareRates(scoreOf(a), scoreOf(b))
  return order === 0n ? a.root.arrival > b.root.arrival : order < 0n
}

/**
 * What it pays alone or with its descendants, whichever is the better rate: a child can pay for it.
 */
function scoreOf(family: Family): Worth {
  const alone = { fee: family.root.fee, vsize: family.root.tx.vsize }
  return compareRates(alone, family) > 0n ? alone : family
}
