/**
 * BIP125, and its successor in Bitcoin Core 31: the rules for a transaction that replaces others
 * that spend the same coins. Every transaction is replaceable ("full RBF").
 */
import { feeFor, feeRate, type Satoshi } from '../types/units.js'
import type { Coin } from './coins.js'
import { btc, CLUSTER_LIMIT, CLUSTER_VSIZE_LIMIT, MAX_REPLACED } from './rules.js'
import { Rejected } from './backend.js'
import type { Mempool, PoolEntry } from './mempool.js'
import type { Tx } from './transaction.js'

/**
 * Checks a transaction against its conflicts.
 *
 * @param note the end of the reasons, such as ` (including sibling eviction)`.
 * @returns all entries to evict: the conflicts and their descendants.
 * @throws Rejected
 */
export function checkReplacement(
  tx: Tx,
  fee: Satoshi,
  conflicts: ReadonlySet<PoolEntry>,
  pool: Mempool,
  note = ''
): Set<PoolEntry> {
  const evicted = new Set<PoolEntry>()
  if (conflicts.size === 0) return evicted
  for (const conflict of conflicts) {
    evicted.add(conflict)
    for (const descendant of pool.descendants(conflict.tx)) evicted.add(descendant)
  }
  for (const ancestor of pool.ancestors(tx)) {
    if (evicted.has(ancestor)) {
      throw new Rejected(
        'bad-txns-spends-conflicting-tx',
        `${tx.txid} spends conflicting transaction ${ancestor.tx.txid}`
      )
    }
  }
  if (pool.rules.limits === 'clusters') {
    checkClusterCount(tx, conflicts, pool, note)
    checkFees(tx, fee, evicted, pool, note)
    checkDiagram(tx, fee, evicted, pool, note)
    return evicted
  }
  checkFeeRate(tx, fee, conflicts, note)
  if (evicted.size > MAX_REPLACED) {
    throw new Rejected(
      `too many potential replacements${note}`,
      `rejecting replacement ${tx.txid}; too many potential replacements (${evicted.size} > ${MAX_REPLACED})`
    )
  }
  checkNewUnconfirmed(tx, conflicts, pool, note)
  checkFees(tx, fee, evicted, pool, note)
  return evicted
}

/**
 * A miner that prefers the old ones must not be the richer for it: the fee rate exceeds that of
 * each direct conflict.
 */
function checkFeeRate(tx: Tx, fee: Satoshi, conflicts: ReadonlySet<PoolEntry>, note: string): void {
  for (const conflict of conflicts) {
    if (fee * BigInt(conflict.tx.vsize) > conflict.fee * BigInt(tx.vsize)) continue
    throw new Rejected(
      `insufficient fee${note}`,
      `rejecting replacement ${tx.txid}; new feerate ${perKvB(fee, tx)} <= old feerate ${perKvB(conflict.fee, conflict.tx)}`
    )
  }
}

/** Rule 2: no unconfirmed input beyond those of the conflicts. */
function checkNewUnconfirmed(
  tx: Tx,
  conflicts: ReadonlySet<PoolEntry>,
  pool: Mempool,
  note: string
): void {
  const known = new Set<PoolEntry>()
  for (const conflict of conflicts) {
    for (const parent of pool.parents(conflict.tx)) known.add(parent)
  }
  tx.inputs.forEach(({ outPoint }, i) => {
    const parent = pool.get(outPoint.txid)
    if (parent !== undefined && !known.has(parent)) {
      throw new Rejected(
        `replacement-adds-unconfirmed${note}`,
        `replacement ${tx.txid} adds unconfirmed input, idx ${i}`
      )
    }
  })
}

/**
 * Rules 3 and 4: at least the fees of all evicted entries, plus the cost of relaying the
 * replacement.
 */
function checkFees(
  tx: Tx,
  fee: Satoshi,
  evicted: ReadonlySet<PoolEntry>,
  { rules }: Mempool,
  note: string
): void {
  let replaced = 0n
  for (const entry of evicted) replaced += entry.fee
  if (fee < replaced) {
    throw new Rejected(
      `insufficient fee${note}`,
      `rejecting replacement ${tx.txid}, less fees than conflicting txs; ${btc(fee)} < ${btc(replaced)}`
    )
  }
  const relay = feeFor(feeRate(rules.incremental), tx.vsize)
  if (fee - replaced < relay) {
    throw new Rejected(
      `insufficient fee${note}`,
      `rejecting replacement ${tx.txid}, not enough additional fees to relay; ${btc(fee - replaced)} < ${btc(relay)}`
    )
  }
}

function perKvB(fee: Satoshi, tx: Tx): string {
  const rate = (fee * 1_000n) / BigInt(tx.vsize)
  return `${rate / 100_000_000n}.${(rate % 100_000_000n).toString().padStart(8, '0')} BTC/kvB`
}

/*
 * The cluster mempool of Bitcoin Core 31: the limits of a cluster, the improvement that a
 * replacement must bring (`ReplacementChecks`, `CheckMemPoolPolicyLimits`), and the part that
 * leaves first when there is no room.
 */

/** @throws Rejected `too-large-cluster` */
export function checkCluster(tx: Tx, evicted: ReadonlySet<PoolEntry>, pool: Mempool): void {
  const cluster = pool.cluster(pool.parents(tx), evicted)
  const vsize = [...cluster].reduce((sum, entry) => sum + entry.tx.vsize, tx.vsize)
  if (cluster.size + 1 > CLUSTER_LIMIT || vsize > CLUSTER_VSIZE_LIMIT) {
    throw new Rejected('too-large-cluster')
  }
}

/** At most a hundred clusters may need a new order. @throws Rejected */
function checkClusterCount(
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
 * A miner who takes the best first must not be the poorer at any point.
 *
 * @throws Rejected `replacement-failed`
 */
function checkDiagram(
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

/*
 * The feerate diagram of connected transactions (Bitcoin Core 31, util/feefrac.h and txgraph.h):
 * the fees of the first virtual bytes, in the order in which a miner takes them. The order is by
 * the best set of ancestors, which Core improves on where that is possible.
 */

/** Transactions that a miner takes together. */
interface Chunk {
  readonly entries: readonly PoolEntry[]
  readonly fee: bigint
  readonly vsize: number
}

/** Negative when the rate of `a` is lower than that of `b`; without division. */
export function compareRates(
  a: Pick<Chunk, 'fee' | 'vsize'>,
  b: Pick<Chunk, 'fee' | 'vsize'>
): bigint {
  return a.fee * BigInt(b.vsize) - b.fee * BigInt(a.vsize)
}

/**
 * The best first.
 *
 * @param parentsOf - the parents among `entries`
 */
function chunksOf(
  entries: ReadonlySet<PoolEntry>,
  parentsOf: (entry: PoolEntry) => Iterable<PoolEntry>
): Chunk[] {
  const left = new Set(entries)
  const chunks: Chunk[] = []
  while (left.size > 0) {
    const best = [...left]
      .map((entry) => withAncestors(entry, left, parentsOf))
      .reduce((a, b) => (compareRates(b, a) > 0n ? b : a))
    for (const entry of best.entries) left.delete(entry)
    chunks.push(best)
    // A chunk that pays better than its predecessor is merged with it.
    for (
      let last = chunks.at(-1), before = chunks.at(-2);
      last !== undefined && before !== undefined && compareRates(last, before) > 0n;
      last = chunks.at(-1), before = chunks.at(-2)
    ) {
      chunks.splice(-2, 2, sumOf([...before.entries, ...last.entries]))
    }
  }
  return chunks
}

/**
 * True when the first diagram lies nowhere below the second, and somewhere above it
 * (`CompareChunks`).
 */
function improves(after: readonly Chunk[], before: readonly Chunk[]): boolean {
  const ends = (chunks: readonly Chunk[]): number[] =>
    chunks.reduce<number[]>((all, { vsize }) => [...all, (all.at(-1) ?? 0) + vsize], [])
  let isBetter = false
  for (const size of [...ends(after), ...ends(before)]) {
    const difference = feeWithin(after, size) - feeWithin(before, size)
    if (difference < 0) return false
    if (difference > 0) isBetter = true
  }
  return isBetter
}

/**
 * The fee of the first `size` virtual bytes; beyond the last chunk, of all. In whole satoshis times
 * 10^9: only the order counts.
 */
function feeWithin(chunks: readonly Chunk[], size: number): bigint {
  let room = size
  let fee = 0n
  for (const chunk of chunks) {
    const part = Math.min(room, chunk.vsize)
    fee += (chunk.fee * SCALE * BigInt(part)) / BigInt(chunk.vsize)
    room -= part
  }
  return fee
}

const SCALE = 1_000_000_000n

function withAncestors(
  entry: PoolEntry,
  among: ReadonlySet<PoolEntry>,
  parentsOf: (entry: PoolEntry) => Iterable<PoolEntry>
): Chunk {
  const found = new Set<PoolEntry>()
  const visit = (each: PoolEntry): void => {
    if (found.has(each) || !among.has(each)) return
    for (const parent of parentsOf(each)) visit(parent)
    found.add(each)
  }
  visit(entry)
  return sumOf([...found])
}

function sumOf(entries: readonly PoolEntry[]): Chunk {
  return {
    entries,
    fee: entries.reduce((sum, { fee }) => sum + fee, 0n),
    vsize: entries.reduce((sum, { tx }) => sum + tx.vsize, 0)
  }
}
