/**
 * What the scripts of one server fetch in common (COST-4), may have us keep together (COST-7), and
 * what all that it may refuse comes to (COST-11).
 */
import type { Transaction } from '../bitcoin/transaction.js'
import type { Clock } from '../engine/ports.js'
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

/*
 * COST-11: the one budget of a server. Each refusal takes 100 of the 10,000 at which ElectrumX hangs
 * up, whatever was refused; it forgives 600 in a block. What may be refused because of others shares
 * what is left by its rank: each rank goes while the sum of all is below its own ceiling, so no rank
 * can use up what is kept for those above it.
 */

/** Milliseconds for which a refusal counts, one after the other: 500 of the 600 in a block. */
const FORGIVEN_MS = 120_000

/** The number of refusals up to which each rank goes, the least first: what strangers cause. */
const CEILINGS = {
  /** Transactions of strangers. */
  favour: 15,
  /** What is shown to a script of ours and is in no block. */
  unproved: 20,
  /** Closes, and T1s that are not our own. */
  patient: 25,
  /** Publications without a T1 in a block. */
  orphan: 30,
  publication: 40
} as const

export type CostRank = keyof typeof CEILINGS

/** All refusals of one server, over its sessions: it keeps the sum by address. */
export class RefusalBudget {
  #sum = 0
  #at: number
  readonly #clock: Pick<Clock, 'now'>

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
    this.#at = clock.now()
  }

  /** Counts a refusal, of whatever it was. */
  refused(): void {
    this.#forgive()
    this.#sum++
  }

  /** True while one more may be asked for. `underway`: those of this rank that have no answer. */
  hasRoom(rank: CostRank, underway: number): boolean {
    this.#forgive()
    return this.#sum + underway + 1 <= CEILINGS[rank]
  }

  #forgive(): void {
    const now = this.#clock.now()
    // A clock that was set back forgives nothing, and holds nothing up.
    this.#sum = Math.max(0, this.#sum - Math.max(0, now - this.#at) / FORGIVEN_MS)
    this.#at = now
  }
}

/** The bytes that all scripts of one server take, and what it has shown and does not have. */
export class UnprovedBudget {
  #left = MAX_UNPROVED_BYTES
  #lacked: number[] = []
  /** Number of transactions in no block that are asked for now. */
  #underway = 0
  readonly #waiting: Array<(isIn: boolean) => void> = []
  /** True from a refusal on, until something is given back: nothing more is asked for meanwhile. */
  isFull = false
  #isTold = false
  readonly #onFull: (error: PaychanError) => void
  readonly #clock: Pick<Clock, 'now'>
  readonly #refusals: RefusalBudget

  /**
   * @param onFull - called once, when something was left out for the first time
   * @param refusals - of the same server
   */
  constructor(
    onFull: (error: PaychanError) => void = () => {},
    clock: Pick<Clock, 'now'> = { now: () => 0 },
    refusals = new RefusalBudget(clock)
  ) {
    this.#onFull = onFull
    this.#clock = clock
    this.#refusals = refusals
  }

  /**
   * Waits for a place to ask the server for a transaction that it shows and no block has: each of
   * those under way may be lacking. False when so many were that it is asked for none.
   */
  async enter(): Promise<boolean> {
    return await new Promise<boolean>((resolve) => {
      this.#waiting.push(resolve)
      this.#letIn()
    })
  }

  /** To be called for each that has entered. `isLacking`: the server does not have it. */
  leave(isLacking: boolean): void {
    this.#underway--
    if (isLacking) this.#lacked.push(this.#clock.now())
    this.#letIn()
  }

  /** True while so many were lacking lately that the server is asked for none that no block has. */
  get isLacking(): boolean {
    return !this.#hasPlace(0)
  }

  #hasPlace(underway: number): boolean {
    const now = this.#clock.now()
    this.#lacked = this.#lacked.filter((at) => isLately(at, now))
    return (
      this.#lacked.length + underway < MOST_LACKED && this.#refusals.hasRoom('unproved', underway)
    )
  }

  #letIn(): void {
    while (this.#waiting.length > 0) {
      const isIn = this.#hasPlace(this.#underway)
      // Those under way may turn out to be there.
      if (!isIn && this.#hasPlace(0)) return
      if (isIn) this.#underway++
      this.#waiting.shift()?.(isIn)
    }
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
  enter(): Promise<boolean> {
    return this.#budget.enter()
  }

  /** See `UnprovedBudget`. */
  leave(isLacking: boolean): void {
    this.#budget.leave(isLacking)
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
