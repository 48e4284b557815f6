/**
 * One history out of what several servers say about one script. Nothing that one of them has proved
 * can be hidden by the others: what is in a block of the best chain counts whoever shows it. Pure.
 */
import { Transaction } from 'bitcoinjs-lib'
import type { ChainTransaction } from '../engine/ports.js'
import { outPointText, txidFromHash, type Txid } from '../types/bytes.js'

/** What one server says. */
export interface ServerView {
  /** In the server's order, confirmations proved against the headers of its own chain. */
  readonly history: readonly ChainTransaction[]
  /** Whether the block at a height of its chain is the one of the best chain. */
  readonly agrees: (height: number) => boolean
  /** False for a server that is trusted no more: then only what it has proved counts. */
  readonly isUsed: boolean
}

/**
 * All that is proved to be in the best chain, by height; then what is in a mempool and can still come
 * into a block, each server's in its own order.
 */
export function mergeHistories (views: readonly ServerView[]): readonly ChainTransaction[] {
  const [only] = views
  if (only !== undefined && views.length === 1 && only.isUsed && only.history.every(({ height }) => height === undefined || only.agrees(height))) return only.history
  const confirmed = new Map<Txid, ChainTransaction>()
  const waiting = new Map<Txid, ChainTransaction>()
  for (const { history, agrees, isUsed } of views) {
    for (const each of history) {
      if (each.height !== undefined && agrees(each.height)) confirmed.set(each.txid, each)
      else if (isUsed) waiting.set(each.txid, { ...each, height: undefined })
    }
  }
  const spent = new Set([...confirmed.values()].flatMap(inputsOf))
  const gone = new Set<Txid>()
  for (const each of waiting.values()) {
    // One server has not heard yet that something else has been mined in its place.
    if (!confirmed.has(each.txid) && inputsOf(each).some((input) => spent.has(input) || gone.has(input.slice(0, 64) as Txid))) gone.add(each.txid)
  }
  return [
    ...[...confirmed.values()].sort((a, b) => (a.height ?? 0) - (b.height ?? 0)),
    ...[...waiting.values()].filter(({ txid }) => !confirmed.has(txid) && !gone.has(txid))
  ]
}

/** What is proved in the best chain by one of the servers, and missing in the history of another one. */
export function hiddenBy (view: ServerView, merged: readonly ChainTransaction[]): ChainTransaction | undefined {
  const shown = new Set(view.history.map(({ txid }) => txid))
  return merged.find(({ txid, height }) => height !== undefined && view.agrees(height) && !shown.has(txid))
}

function inputsOf ({ raw }: ChainTransaction): string[] {
  return Transaction.fromBuffer(raw).ins.map(({ hash, index }) => outPointText({ txid: txidFromHash(hash), vout: index }))
}
