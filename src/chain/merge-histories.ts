/**
 * One history out of what several servers say about one script. Nothing that one of them has proved
 * can be hidden by the others: what is in a block of the best chain counts whoever shows it. Pure.
 */
import type { Transaction } from '../bitcoin/transaction.js'
import { outPointText, sameBytes, type Txid } from '../types/bytes.js'
import type { ProvedTransaction } from './history.js'

/** The hash of the block at a height of some chain; undefined where it has none. */
export type BlockLookup = (height: number) => string | undefined

/** What one server says. */
export interface ServerView {
  /** In the server's order, each confirmation proved against the header of its block. */
  readonly history: readonly ProvedTransaction[]
  /** False for a server that is trusted no more: then only what it has proved counts. */
  readonly isUsed: boolean
}

/**
 * All that is proved to be in the best chain, by height; then what is in a mempool and can still
 * come into a block, each server's in its own order, with how many of the servers that are used
 * show it. (A proof is of a block, not of a height: a server that changes to another branch has
 * proved nothing there yet.)
 */
export function mergeHistories(
  views: readonly ServerView[],
  best: BlockLookup
): readonly ProvedTransaction[] {
  const [only] = views
  if (
    only !== undefined &&
    views.length === 1 &&
    only.isUsed &&
    only.history.every((each) => each.height === undefined || isIn(each, best))
  ) {
    return only.history
  }
  const confirmed = new Variants()
  const waiting = new Variants()
  const undone: ProvedTransaction[] = []
  for (const { history, isUsed } of views) {
    for (const each of history) {
      if (isIn(each, best)) {
        confirmed.add(each)
      } else if (isUsed && each.height === undefined) {
        waiting.add({ ...each, shownBy: 1 })
      } else if (isUsed) {
        undone.push({ transaction: each.transaction, height: undefined, shownBy: 1 })
      }
    }
  }
  // Witnesses, which a proof says nothing of, were only checked where the transaction waits.
  for (const each of undone) waiting.count(each)
  const spent = new Set(confirmed.all().flatMap(inputsOf))
  const gone = new Set<Txid>()
  for (const each of waiting.all()) {
    // One server has not heard yet that something else has been mined in its place.
    if (
      !confirmed.has(each.transaction.txid) &&
      inputsOf(each).some((input) => spent.has(input) || gone.has(input.slice(0, 64) as Txid))
    ) {
      gone.add(each.transaction.txid)
    }
  }
  return [
    ...confirmed.all().sort((a, b) => (a.height ?? 0) - (b.height ?? 0)),
    ...waiting.all().filter(({ transaction: { txid } }) => !confirmed.has(txid) && !gone.has(txid))
  ]
}

/**
 * Transactions by their txid, which says nothing of the witness: of one that servers show with
 * different ones each is kept, else whoever answers last could hide what another one shows.
 */
class Variants {
  readonly #byTxid = new Map<Txid, ProvedTransaction[]>()

  has(txid: Txid): boolean {
    return this.#byTxid.has(txid)
  }

  /** The same bytes once, with how many show them. */
  add(each: ProvedTransaction): void {
    const { txid } = each.transaction
    const those = this.#byTxid.get(txid) ?? []
    const known = those.findIndex(({ transaction }) => isSame(transaction, each.transaction))
    if (known === -1) those.push(each)
    else this.#countAt(those, known)
    this.#byTxid.set(txid, those)
  }

  /** One more shows it, whose bytes only count when nobody shows others. */
  count(each: ProvedTransaction): void {
    const those = this.#byTxid.get(each.transaction.txid)
    if (those === undefined) this.add(each)
    else this.#countAt(those, 0)
  }

  all(): ProvedTransaction[] {
    return [...this.#byTxid.values()].flat()
  }

  #countAt(those: ProvedTransaction[], index: number): void {
    const known = those[index]
    if (known?.shownBy !== undefined) those[index] = { ...known, shownBy: known.shownBy + 1 }
  }
}

/** Whether two histories say the same, also of what no proof says: who shows it, and the witness. */
export function isSameHistory(
  one: readonly ProvedTransaction[],
  other: readonly ProvedTransaction[]
): boolean {
  return (
    one.length === other.length &&
    one.every((each, i) => {
      const its = other[i]
      return (
        its !== undefined &&
        its.block === each.block &&
        (its.shownBy ?? 1) === (each.shownBy ?? 1) &&
        isSame(its.transaction, each.transaction)
      )
    })
  )
}

/** Of which the witnesses are the same as well. */
function isSame({ raw }: Transaction, other: Transaction): boolean {
  return raw === other.raw || sameBytes(raw, other.raw)
}

/** Whether a transaction is proved to be in a block of this chain. */
export function isIn({ height, block }: ProvedTransaction, chain: BlockLookup): boolean {
  return height !== undefined && block !== undefined && chain(height) === block
}

/**
 * What is proved in the best chain by one of the servers, in a block that another one has too, and
 * missing in that one's history.
 */
export function hiddenBy(
  history: readonly ProvedTransaction[],
  theirs: BlockLookup,
  merged: readonly ProvedTransaction[]
): ProvedTransaction | undefined {
  const shown = new Set(history.map(({ transaction }) => transaction.txid))
  return merged.find((each) => isIn(each, theirs) && !shown.has(each.transaction.txid))
}

function inputsOf({ transaction }: ProvedTransaction): string[] {
  return transaction.inputs.map(({ outPoint }) => outPointText(outPoint))
}
