/**
 * One history out of what several servers say about one script. Nothing that one of them has proved
 * can be hidden by the others: what is in a block of the best chain counts whoever shows it. Pure.
 */
import { outPointText, type Txid } from '../types/bytes.js'
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
  const confirmed = new Map<Txid, ProvedTransaction>()
  const waiting = new Map<Txid, ProvedTransaction>()
  for (const { history, isUsed } of views) {
    for (const each of history) {
      const { txid } = each.transaction
      if (isIn(each, best)) confirmed.set(txid, each)
      // Witnesses, which a proof says nothing of, were only checked where the transaction waits.
      else if (isUsed) {
        const before = waiting.get(txid)
        waiting.set(txid, {
          transaction: each.height === undefined ? each.transaction : (before ?? each).transaction,
          height: undefined,
          shownBy: (before?.shownBy ?? 0) + 1
        })
      }
    }
  }
  const spent = new Set([...confirmed.values()].flatMap(inputsOf))
  const gone = new Set<Txid>()
  for (const each of waiting.values()) {
    // One server has not heard yet that something else has been mined in its place.
    if (
      !confirmed.has(each.transaction.txid) &&
      inputsOf(each).some((input) => spent.has(input) || gone.has(input.slice(0, 64) as Txid))
    ) {
      gone.add(each.transaction.txid)
    }
  }
  return [
    ...[...confirmed.values()].sort((a, b) => (a.height ?? 0) - (b.height ?? 0)),
    ...[...waiting]
      .filter(([txid]) => !confirmed.has(txid) && !gone.has(txid))
      .map(([, each]) => each)
  ]
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
