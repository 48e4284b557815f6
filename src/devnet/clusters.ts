/**
 * The cluster mempool of Bitcoin Core 31: how much may hang together, what has to improve for one
 * transaction to take the place of others (`ReplacementChecks`, `CheckMemPoolPolicyLimits`), and
 * which part goes first when there is no room.
 */
import type { Satoshi } from '../types/units.js'
import type { Coin } from './coins.js'
import { chunksOf, compareRates, improves, type Chunk } from './diagram.js'
import type { Mempool, PoolEntry } from './mempool.js'
import { Rejected } from './rejected.js'
import { CLUSTER_LIMIT, CLUSTER_VSIZE_LIMIT, MAX_REPLACED } from './rules.js'
import type { Tx } from './transaction.js'

/** @throws Rejected `too-large-cluster` */
export function checkCluster(tx: Tx, evicted: ReadonlySet<PoolEntry>, pool: Mempool): void {
  const cluster = pool.cluster(pool.parents(tx), evicted)
  const vsize = [...cluster].reduce((sum, entry) => sum + entry.tx.vsize, tx.vsize)
  if (cluster.size + 1 > CLUSTER_LIMIT || vsize > CLUSTER_VSIZE_LIMIT) {
    throw new Rejected('too-large-cluster')
  }
}

/** At most a hundred clusters may have to be ordered anew. @throws Rejected */
export function checkClusterCount(
  tx: Tx,
  conflicts: ReadonlySet<PoolEntry>,
  pool: Mempool,
  note: string
): void {
  const seen = new Set<PoolEntry>()
  let count = 0
  for (const conflict of conflicts) {
    if (seen.has(conflict)) continue
    count += 1
    for (const each of pool.cluster([conflict])) seen.add(each)
  }
  if (count > MAX_REPLACED) {
    throw new Rejected(
      `too many potential replacements${note}`,
      `rejecting replacement ${tx.txid}; too many conflicting clusters (${count} > ${MAX_REPLACED})`
    )
  }
}

/**
 * A miner who takes the best first must not be the poorer anywhere.
 *
 * @throws Rejected `replacement-failed`
 */
export function checkDiagram(
  tx: Tx,
  fee: Satoshi,
  evicted: ReadonlySet<PoolEntry>,
  pool: Mempool,
  note: string
): void {
  const parents = pool.parents(tx)
  const before = pool.cluster([...evicted, ...parents])
  const newcomer: PoolEntry = { tx, fee, spent: NONE, arrival: Infinity, scripts: new Set() }
  const after = new Set([...[...before].filter((entry) => !evicted.has(entry)), newcomer])
  const parentsOf = (entry: PoolEntry): Iterable<PoolEntry> => pool.parents(entry.tx)
  if (improves(chunksOf(after, parentsOf), chunksOf(before, parentsOf))) return
  throw new Rejected(
    `replacement-failed${note}`,
    'insufficient feerate: does not improve feerate diagram'
  )
}

const NONE: readonly Coin[] = []

/** The chunk that a miner would take last. */
export function worstChunk(pool: Mempool): Chunk | undefined {
  const left = new Set(pool.entries())
  let worst: Chunk | undefined
  for (const entry of left) {
    const cluster = pool.cluster([entry])
    for (const each of cluster) left.delete(each)
    const last = chunksOf(cluster, (each) => pool.parents(each.tx)).at(-1)
    if (last !== undefined && (worst === undefined || compareRates(last, worst) <= 0n)) {
      worst = last
    }
  }
  return worst
}
