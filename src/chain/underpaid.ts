/**
 * Transactions that a server refused because they pay too little alone: a child may pay for them,
 * in one package.
 */
import type { Transaction } from '../bitcoin/transaction.js'
import type { Txid } from '../types/bytes.js'

/** Each is a transaction of a channel that somebody sends again with every block. */
const MOST_KEPT = 100

export class Underpaid {
  readonly #kept = new Map<Txid, Transaction>()

  add(transaction: Transaction): void {
    this.#kept.delete(transaction.txid)
    this.#kept.set(transaction.txid, transaction)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > MOST_KEPT && oldest !== undefined) this.#kept.delete(oldest)
  }

  remove(id: Txid): void {
    this.#kept.delete(id)
  }

  /** Those whose outputs a transaction spends. */
  parentsOf({ inputs }: Transaction): Transaction[] {
    return [...new Set(inputs.flatMap(({ outPoint }) => this.#kept.get(outPoint.txid) ?? []))]
  }
}
