/** What the scripts of one server fetch in common (COST-4), and may have us keep together (COST-7). */
import type { Transaction } from '../bitcoin/transaction.js'
import type { Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'

/*
 * COST-4: what the scripts of one server fetch in common. One transaction may pay to all of our
 * scripts, and costs whoever sends it a few satoshis for each: it is fetched once, and proved once,
 * for all scripts that ask for it while it is under way or soon after.
 */

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

/*
 * COST-7: what one server may have us keep that no block vouches for, over all scripts; also what a
 * block has and is not known to concern a script, of which there is a whole chain. It costs a
 * server nothing to show, and strangers little to send. The bounds say nothing about who is
 * honest: what goes beyond them is left out, and each server has its own.
 */

/**
 * The memory that a transaction takes beside its bytes, in the histories that have it (some 700
 * bytes were measured), and in the wallet the names of what it spends. So the bounds are of their
 * number as well.
 */
const OVERHEAD_BYTES = 1_000
const OVERHEAD_OF_INPUT_BYTES = 200

/** For all scripts of one server: some 14,000 payments of 220 bytes that wait. */
const MAX_UNPROVED_BYTES = 20_000_000

/** For one script: what is sent to one leaves room for the others. */
const MAX_OF_SCRIPT_BYTES = MAX_UNPROVED_BYTES / 2

/**
 * COST-6, COST-9, COST-10: milliseconds for which a refusal counts: 3.5 blocks. ElectrumX takes 100
 * for each, and forgives 600 in a block.
 */
export const REFUSAL_MS = 2_100_000

/** True for what was `ms` ago at the most. A clock that was set back makes nothing last longer. */
export function isLately(at: number, now: number, ms = REFUSAL_MS): boolean {
  return at <= now && now - at < ms
}

/**
 * COST-10: number of transactions in no block that a server may show and then not have, over all
 * scripts.
 */
export const MOST_LACKED = 8

/** The bytes that all scripts of one server take, and what it has shown and does not have. */
export class UnprovedBudget {
  #left = MAX_UNPROVED_BYTES
  #lacked: number[] = []
  /** True from a refusal on, until something is given back: nothing more is asked for meanwhile. */
  isFull = false
  #isTold = false
  readonly #onFull: (error: PaychanError) => void
  readonly #now: () => number

  /**
   * @param onFull - called once, when something was left out for the first time
   * @param now - the time, in milliseconds
   */
  constructor(onFull: (error: PaychanError) => void = () => {}, now: () => number = () => 0) {
    this.#onFull = onFull
    this.#now = now
  }

  /** Counts a transaction that the server has shown, and does not have when it is asked for it. */
  lacks(): void {
    this.#lacked.push(this.#now())
  }

  /** True while so many were lacking lately that the server is asked for none that no block has. */
  get isLacking(): boolean {
    const now = this.#now()
    this.#lacked = this.#lacked.filter((at) => isLately(at, now))
    return this.#lacked.length >= MOST_LACKED
  }

  take(bytes: number): boolean {
    if (bytes > this.#left) {
      this.isFull = true
      return false
    }
    this.#left -= bytes
    return true
  }

  giveBack(bytes: number): void {
    this.#left += bytes
    this.isFull = false
  }

  /** Called when something is left out. */
  tell(error: PaychanError): void {
    if (!this.#isTold) this.#onFull(error)
    this.#isTold = true
  }
}

/** The share of one script. */
export class UnprovedShare {
  #sizes: Map<Txid, number> | undefined
  #sum = 0
  #isFull = false
  #isOver = false
  readonly #budget: UnprovedBudget

  constructor(budget: UnprovedBudget) {
    this.#budget = budget
  }

  /** True when nothing new has to be asked for. */
  get isFull(): boolean {
    return this.#isOver || this.#isFull || this.#budget.isFull || this.#budget.isLacking
  }

  /** See `UnprovedBudget`. */
  lacks(): void {
    this.#budget.lacks()
  }

  /** True when there is room for a transaction, or it was taken before. */
  take({ txid, raw, inputs }: Transaction): boolean {
    if (this.#isOver) return false
    if (this.#sizes?.has(txid) === true) return true
    const bytes = raw.length + OVERHEAD_BYTES + inputs.length * OVERHEAD_OF_INPUT_BYTES
    if (this.#sum + bytes > MAX_OF_SCRIPT_BYTES) {
      this.#isFull = true
      return false
    }
    if (!this.#budget.take(bytes)) return false
    this.#sizes ??= new Map()
    this.#sizes.set(txid, bytes)
    this.#sum += bytes
    return true
  }

  /** Called when a transaction is kept no more, or a block vouches for it. */
  giveBack(id: Txid): void {
    const bytes = this.#sizes?.get(id)
    if (bytes === undefined) return
    this.#sizes?.delete(id)
    this.#sum -= bytes
    this.#isFull = false
    this.#budget.giveBack(bytes)
  }

  /** Called when there was no room for a transaction; returns what a person is told. */
  leftOut(id: Txid): PaychanError {
    const error = new PaychanError(
      'ERR_HISTORY_TOO_LARGE',
      `More unconfirmed transactions are shown than are kept, and the rest is left out: ${MAX_OF_SCRIPT_BYTES / 1_000_000} MB of one script, ${MAX_UNPROVED_BYTES / 1_000_000} MB of all. What is in a block is known all the same; if this lasts, use another server.`,
      { txid: id }
    )
    if (!this.#isOver) this.#budget.tell(error)
    return error
  }

  /** Gives back all that is not in a list. */
  keepOnly(listed: ReadonlySet<Txid>): void {
    for (const id of [...(this.#sizes?.keys() ?? [])]) if (!listed.has(id)) this.giveBack(id)
    if (this.#sizes?.size === 0) this.#sizes = undefined
  }

  /** Gives back all, for good: nobody watches the script any more. */
  end(): void {
    this.keepOnly(new Set())
    this.#isOver = true
  }
}
