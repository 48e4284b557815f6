/**
 * The door of the mempool: lets transactions in by the rules, and out what has to make room. All that
 * changes is noted in `touched`, the scripts whose history may be another one now.
 */
import { evaluate } from './acceptance.js'
import type { ScriptHash } from './backend.js'
import type { Chain } from './chain.js'
import type { Mempool, PoolEntry } from './mempool.js'
import { Rejected } from './rejected.js'
import type { Tx } from './transaction.js'
import { trim } from './trimming.js'

export class Admission {
  /** @param limit how many virtual bytes the mempool holds. */
  constructor (readonly chain: Chain, readonly pool: Mempool, readonly limit: number) {}

  /**
   * Lets a transaction in. What it replaces is gone even if the mempool is full of better ones, and it
   * cannot stay itself, as in Bitcoin Core.
   *
   * @throws Rejected
   */
  accept (tx: Tx, touched: Set<ScriptHash>): void {
    const { fee, spent, evicted } = evaluate(tx, this.chain, this.pool)
    for (const entry of evicted) this.drop(entry, touched)
    this.#note(this.pool.add(tx, fee, spent), touched)
    this.trim(touched)
    if (this.pool.get(tx.txid) === undefined) throw new Rejected('mempool full')
  }

  /** As Bitcoin Core's mempool after a reorganisation: what does not hold any more is left out, parents come before children. The limit is for afterwards. */
  takeBack (transactions: readonly Tx[], touched: Set<ScriptHash>): void {
    for (const tx of transactions) {
      try {
        const { fee, spent } = evaluate(tx, this.chain, this.pool, true)
        this.#note(this.pool.add(tx, fee, spent), touched)
      } catch (error) {
        if (!(error instanceof Rejected)) throw error
      }
    }
  }

  /** Takes everything out; returns it in the order of its arrival. */
  empty (touched: Set<ScriptHash>): Tx[] {
    const entries = this.pool.entries()
    for (const entry of entries) this.drop(entry, touched)
    return entries.map(({ tx }) => tx)
  }

  /** What does not fit any more has to go, and the next one has to pay more than that. */
  trim (touched: Set<ScriptHash>): void {
    const { evicted, rate } = trim(this.pool, this.limit)
    for (const entry of evicted) this.#note(entry, touched)
    if (evicted.length > 0) this.pool.floor.raise(rate)
  }

  /** Takes out what the newest block has. */
  confirm (entries: readonly PoolEntry[], touched: Set<ScriptHash>): void {
    for (const entry of entries) {
      // Its children lose an unconfirmed parent, which shows in their histories.
      for (const child of this.pool.children(entry.tx)) this.#note(child, touched)
      this.drop(entry, touched)
    }
    this.pool.floor.decay(this.pool.vsize / this.limit)
  }

  drop (entry: PoolEntry, touched: Set<ScriptHash>): void {
    this.pool.remove(entry)
    this.#note(entry, touched)
  }

  #note (entry: PoolEntry, touched: Set<ScriptHash>): void {
    for (const script of entry.scripts) touched.add(script)
  }
}
