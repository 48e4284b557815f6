/**
 * COST-4: what the scripts of one server fetch in common. One transaction may pay to all of our
 * scripts, and costs whoever sends it a few satoshis for each: it is fetched once, and proved once,
 * for all scripts that ask for it while it is under way or soon after.
 */
import type { Transaction } from '../bitcoin/transaction.js'
import type { Txid } from '../types/bytes.js'

/** The bytes of transactions that are kept for the next script that asks. */
const MAX_SHARED_BYTES = 1_000_000

/** The number of transactions, and of proofs, that are kept. */
const MAX_SHARED = 1_000

export class SharedFetches {
  readonly #transactions = new Shared<Transaction>(({ raw }) => raw.length)
  readonly #proofs = new Shared<void>(() => 0)

  /** @param fetch - rejects unless it is the transaction of this id */
  transaction(id: Txid, fetch: () => Promise<Transaction>): Promise<Transaction> {
    return this.#transactions.get(id, fetch)
  }

  /**
   * What is shared is the fact that a transaction is in a block, and not an answer: after a
   * reorganisation another block is at its height.
   *
   * @param prove - rejects unless the transaction is in the block of this hash
   */
  proof(id: Txid, block: string, prove: () => Promise<void>): Promise<void> {
    return this.#proofs.get(`${id} ${block}`, prove)
  }
}

/** Results by name, while they are under way and for a while after; failures are not kept. */
class Shared<T> {
  /** The oldest first; those that are under way have no size yet. */
  readonly #known = new Map<string, { readonly result: Promise<T>; size: number | undefined }>()
  #bytes = 0
  readonly #sizeOf: (value: T) => number

  constructor(sizeOf: (value: T) => number) {
    this.#sizeOf = sizeOf
  }

  get(name: string, fetch: () => Promise<T>): Promise<T> {
    const known = this.#known.get(name)
    if (known !== undefined) return known.result
    const result = this.#kept(name, fetch)
    this.#known.set(name, { result, size: undefined })
    return result
  }

  async #kept(name: string, fetch: () => Promise<T>): Promise<T> {
    try {
      const value = await fetch()
      const entry = this.#known.get(name)
      if (entry !== undefined) entry.size = this.#sizeOf(value)
      this.#bytes += this.#sizeOf(value)
      this.#makeRoom()
      return value
    } catch (error) {
      this.#known.delete(name)
      throw error
    }
  }

  #makeRoom(): void {
    for (const [name, { size }] of this.#known) {
      if (this.#bytes <= MAX_SHARED_BYTES && this.#known.size <= MAX_SHARED) return
      if (size === undefined) continue
      this.#known.delete(name)
      this.#bytes -= size
    }
  }
}
