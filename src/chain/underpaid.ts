/**
 * Transactions that a server refused because they pay too little alone: a child may pay for them,
 * in one package.
 */
import { Transaction } from 'bitcoinjs-lib'
import { txidFromHash, type Txid } from '../types/bytes.js'

/** Each is a transaction of a channel that somebody sends again with every block. */
const MOST_KEPT = 100

export class Underpaid {
  readonly #kept = new Map<Txid, Uint8Array>()

  add(id: Txid, raw: Uint8Array): void {
    this.#kept.delete(id)
    this.#kept.set(id, raw)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > MOST_KEPT && oldest !== undefined) this.#kept.delete(oldest)
  }

  remove(id: Txid): void {
    this.#kept.delete(id)
  }

  /** Those whose outputs a transaction spends. */
  parentsOf(raw: Uint8Array): Uint8Array[] {
    return [
      ...new Set(
        Transaction.fromBuffer(raw).ins.flatMap(
          ({ hash }) => this.#kept.get(txidFromHash(hash)) ?? []
        )
      )
    ]
  }
}
