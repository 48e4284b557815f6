/**
 * BIP125, and what Bitcoin Core 31 has in its place: when a transaction may take the place of
 * others that spend the same coins. Every transaction is replaceable ("full RBF").
 */
import { feeFor, feeRate, type Satoshi } from '../types/units.js'
import { checkClusterCount, checkDiagram } from './clusters.js'
import { btc } from './consensus.js'
import type { Mempool, PoolEntry } from './mempool.js'
import { Rejected } from './rejected.js'
import { MAX_REPLACED } from './rules.js'
import type { Tx } from './transaction.js'

/**
 * Checks a transaction against those that it conflicts with.
 *
 * @param note what the reasons end with, such as ` (including sibling eviction)`.
 * @returns all that would be evicted: the conflicts and what depends on them.
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
 * A miner that prefers the old ones must not be the richer for it: a higher fee rate than each
 * direct conflict.
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

/** Rule 2: no unconfirmed input that is not among those of the conflicts. */
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
 * Rules 3 and 4: at least the fees of all that is evicted, and the cost of relaying the replacement
 * on top.
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
