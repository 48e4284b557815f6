/**
 * The entry of the mempool: admits transactions by the rules, and evicts others to make room.
 * `touched` collects the scripts whose history may have changed.
 */
import { feeFor } from '../types/units.js'
import { evaluate } from './acceptance.js'
import type { ScriptHash } from './backend.js'
import type { Chain } from './chain.js'
import type { Mempool, PoolEntry } from './mempool.js'
import { compareRates, worstChunk } from './replacement.js'
import { Rejected } from './rules.js'
import type { Tx } from './transaction.js'

/**
 * True when the last spends every other transaction, and none of the others does
 * (`IsChildWithParentsTree`).
 */
export function isChildWithParents(transactions: readonly Tx[]): boolean {
  const child = transactions.at(-1)
  const parents = transactions.slice(0, -1)
  const spends = (tx: Tx, parent: Tx): boolean =>
    tx.inputs.some(({ outPoint }) => outPoint.txid === parent.txid)
  return (
    child !== undefined &&
    parents.every(
      (parent) => spends(child, parent) && !parents.some((other) => spends(other, parent))
    )
  )
}

export class Admission {
  /** @param limit the mempool's size in virtual bytes. */
  constructor(
    readonly chain: Chain,
    readonly pool: Mempool,
    readonly limit: number
  ) {}

  /**
   * Admits a transaction. The entries that it replaces are gone even if the mempool is full of
   * better ones and it cannot stay itself, as in Bitcoin Core.
   *
   * @throws Rejected
   */
  accept(tx: Tx, touched: Set<ScriptHash>): void {
    const { fee, spent, evicted } = evaluate(tx, this.chain, this.pool)
    for (const entry of evicted) this.drop(entry, touched)
    this.#note(this.pool.add(tx, fee, spent), touched)
    this.trim(touched)
    if (this.pool.get(tx.txid) === undefined) throw new Rejected('mempool full')
  }

  /**
   * Admits parents and their child: each alone if it can, else those that pay too little with the
   * child, if their joint fee is enough (`AcceptPackage` of Bitcoin Core). Of a refused package,
   * the transactions that could come in alone stay.
   *
   * @returns the refused transactions, and why
   */
  acceptPackage(
    transactions: readonly Tx[],
    touched: Set<ScriptHash>
  ): Array<{ tx: Tx; reason: string }> {
    const refused: Array<{ tx: Tx; reason: string }> = []
    for (const tx of transactions) {
      try {
        if (this.pool.get(tx.txid) === undefined) this.accept(tx, touched)
      } catch (error) {
        if (!(error instanceof Rejected)) throw error
        refused.push({ tx, reason: error.message })
      }
    }
    const child = refused.at(-1)
    if (
      child === undefined ||
      child.tx !== transactions.at(-1) ||
      refused.length < 2 ||
      !refused.every((each) => each === child || /min (relay )?fee not met/.test(each.reason))
    ) {
      return refused
    }
    try {
      this.#acceptTogether(
        refused.map(({ tx }) => tx),
        touched
      )
      return []
    } catch (error) {
      if (!(error instanceof Rejected)) throw error
      return refused.map(({ tx, reason }) => ({
        tx,
        reason: tx === child.tx ? error.message : reason
      }))
    }
  }

  /** @throws Rejected; then none of them is in */
  #acceptTogether(transactions: readonly Tx[], touched: Set<ScriptHash>): void {
    const entries: PoolEntry[] = []
    try {
      for (const tx of transactions) {
        const { fee, spent, evicted } = evaluate(tx, this.chain, this.pool, 'package')
        // Bitcoin Core replaces with a package only as a pair of its own kind, which nobody needs
        // here.
        if (evicted.size > 0) throw new Rejected('package RBF failed')
        entries.push(this.pool.add(tx, fee, spent))
      }
      const [fee, vsize] = [
        entries.reduce<bigint>((sum, entry) => sum + entry.fee, 0n),
        transactions.reduce((sum, tx) => sum + tx.vsize, 0)
      ]
      const minimum = feeFor(this.pool.floor.rate, vsize)
      if (fee < minimum) {
        throw new Rejected(
          this.pool.floor.isRaised ? 'mempool min fee not met' : 'min relay fee not met',
          `${fee} < ${minimum}`
        )
      }
    } catch (error) {
      for (const entry of entries.reverse()) this.pool.remove(entry)
      throw error
    }
    for (const entry of entries) this.#note(entry, touched)
    this.trim(touched)
    if (transactions.some((tx) => this.pool.get(tx.txid) === undefined)) {
      throw new Rejected('mempool full')
    }
  }

  /**
   * Restores transactions as Bitcoin Core does after a reorganisation: those that no longer hold
   * are left out, parents come before children. The limit is applied afterwards.
   */
  takeBack(transactions: readonly Tx[], touched: Set<ScriptHash>): void {
    for (const tx of transactions) {
      try {
        const { fee, spent } = evaluate(tx, this.chain, this.pool, 'returning')
        this.#note(this.pool.add(tx, fee, spent), touched)
      } catch (error) {
        if (!(error instanceof Rejected)) throw error
      }
    }
  }

  /** Takes everything out; returns it in the order of its arrival. */
  empty(touched: Set<ScriptHash>): Tx[] {
    const entries = this.pool.entries()
    for (const entry of entries) this.drop(entry, touched)
    return entries.map(({ tx }) => tx)
  }

  /** Evicts what does not fit any more, and raises the minimum rate above it. */
  trim(touched: Set<ScriptHash>): void {
    const { evicted, rate } = trim(this.pool, this.limit)
    for (const entry of evicted) this.#note(entry, touched)
    if (evicted.length > 0) this.pool.floor.raise(rate)
  }

  /** Removes the transactions of the newest block. */
  confirm(entries: readonly PoolEntry[], touched: Set<ScriptHash>): void {
    for (const entry of entries) {
      // Its children lose an unconfirmed parent, which shows in their histories.
      for (const child of this.pool.children(entry.tx)) this.#note(child, touched)
      this.drop(entry, touched)
    }
    this.pool.floor.decay(this.pool.vsize / this.limit)
  }

  drop(entry: PoolEntry, touched: Set<ScriptHash>): void {
    this.pool.remove(entry)
    this.#note(entry, touched)
  }

  #note(entry: PoolEntry, touched: Set<ScriptHash>): void {
    for (const script of entry.scripts) touched.add(script)
  }
}

/*
 * Chooses the entries to leave a mempool that is too full: the worst first, each with all its
 * descendants (`CTxMemPool::TrimToSize` of Bitcoin Core; from 31 on the last chunk of a cluster).
 */

interface Worth {
  readonly fee: bigint
  readonly vsize: number
}

/** A transaction with its descendants, and their total fees. */
interface Family extends Worth {
  readonly root: PoolEntry
  readonly entries: readonly PoolEntry[]
}

/**
 * Evicts what does not fit into `limit` virtual bytes. Returns the evicted, and the best rate among
 * them in sat/kvB.
 */
function trim(
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

/** Orders by score, then the later one first (`CompareTxMemPoolEntryByDescendantScore`). */
function isWorse(a: Family, b: Family): boolean {
  const order = compareRates(scoreOf(a), scoreOf(b))
  return order === 0n ? a.root.arrival > b.root.arrival : order < 0n
}

/** The better of two rates, alone or with its descendants: a child can pay for it. */
function scoreOf(family: Family): Worth {
  const alone = { fee: family.root.fee, vsize: family.root.tx.vsize }
  return compareRates(alone, family) > 0n ? alone : family
}
