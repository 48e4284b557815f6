/**
 * BIP431 (TRUC): a version 3 transaction is small and has at most one unconfirmed relative, of its
 * own version, so that nobody can hang on it what would make its replacement expensive. The reasons
 * are those of Bitcoin Knots, which says which rule was broken; Bitcoin Core calls them all
 * `TRUC-violation`.
 */
import type { Mempool, PoolEntry } from './mempool.js'
import { Rejected } from './rejected.js'
import { TRUC_CHILD_MAX_VSIZE, TRUC_MAX_VSIZE, TRUC_VERSION } from './rules.js'
import type { Tx } from './transaction.js'

/**
 * Checks a transaction with these unconfirmed parents and these direct conflicts.
 *
 * @returns another child of the parent, which the replacement rules may evict in its place
 *   ("sibling eviction").
 * @throws Rejected
 */
export function checkTruc(
  tx: Tx,
  parents: ReadonlySet<PoolEntry>,
  conflicts: ReadonlySet<PoolEntry>,
  pool: Mempool
): PoolEntry | undefined {
  const name = nameOf(tx)
  for (const { tx: parent } of parents) {
    if (tx.version !== TRUC_VERSION && parent.version === TRUC_VERSION) {
      throw new Rejected(
        'truc-spent-by-nontruc',
        `non-version=3 ${name} cannot spend from version=3 ${nameOf(parent)}`
      )
    }
    if (tx.version === TRUC_VERSION && parent.version !== TRUC_VERSION) {
      throw new Rejected(
        'truc-spends-nontruc',
        `version=3 ${name} cannot spend from non-version=3 ${nameOf(parent)}`
      )
    }
  }
  if (tx.version !== TRUC_VERSION) return undefined
  if (tx.vsize > TRUC_MAX_VSIZE) {
    throw new Rejected(
      'truc-vsize-toobig',
      `version=3 ${name} is too big: ${tx.vsize} > ${TRUC_MAX_VSIZE} virtual bytes`
    )
  }
  const [parent, ...more] = parents
  if (parent === undefined) return undefined
  if (more.length > 0 || pool.parents(parent.tx).size > 0) {
    throw new Rejected('truc-ancestors-toomany', `${name} would have too many ancestors`)
  }
  if (tx.vsize > TRUC_CHILD_MAX_VSIZE) {
    throw new Rejected(
      'truc-child-toobig',
      `version=3 child ${name} is too big: ${tx.vsize} > ${TRUC_CHILD_MAX_VSIZE} virtual bytes`
    )
  }
  const [sibling] = pool.children(parent.tx)
  return sibling === undefined || conflicts.has(sibling) ? undefined : sibling
}

function nameOf(tx: Tx): string {
  return `tx ${tx.txid} (wtxid=${tx.wtxid})`
}
