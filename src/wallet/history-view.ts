/**
 * Merges the histories of all watched scripts. Level-triggered: each history replaces the one
 * before it, so reorgs and replaced transactions need no special code.
 *
 * What is in no block counts only if its inputs are signed for the outputs that we know, whichever
 * script they pay to (EVID-9): a server can show a spend of one script of ours in the history of
 * another, where nothing tells whose signature it needs.
 *
 * A transaction counts as soon as one history has it. T1 spends from one script of ours and
 * brings change to another; the server may tell of them one after the other, and in between
 * neither the coin nor the change may count twice, or not at all.
 */
import { isForgedSpend } from '../bitcoin/owner-spend.js'
import type { Ecdsa } from '../bitcoin/keys.js'
import type { Transaction } from '../bitcoin/transaction.js'
import { outPointText, toHex, type OutPoint, type Txid } from '../types/bytes.js'
import type { ChainTransaction } from '../engine/ports.js'

interface Merged {
  readonly transactions: ReadonlyMap<Txid, ChainTransaction>
  /** The spenders by `txid:vout` of the output that is spent. */
  readonly spenders: ReadonlyMap<string, ChainTransaction>
}

export class HistoryView {
  /**
   * In the order of their arrival: where two differ about a transaction, the later one is right.
   */
  private readonly histories = new Map<string, readonly ChainTransaction[]>()
  private merged: Merged | undefined
  /** Inputs that were judged, and whether they are forged: a signature is checked once. */
  private readonly judged = new WeakMap<Transaction, Map<number, boolean>>()

  constructor(private readonly verify: Ecdsa['verify']) {}

  /** Replaces the history of a script. */
  set(scriptPubKey: Uint8Array, history: readonly ChainTransaction[]): void {
    const key = toHex(scriptPubKey)
    this.histories.delete(key)
    this.histories.set(key, history)
    this.merged = undefined
  }

  /** Forgets a script that is no longer watched. */
  delete(scriptPubKey: Uint8Array): void {
    if (this.histories.delete(toHex(scriptPubKey))) this.merged = undefined
  }

  transactions(): Iterable<ChainTransaction> {
    return this.merge().transactions.values()
  }

  transaction(txid: Txid): ChainTransaction | undefined {
    return this.merge().transactions.get(txid)
  }

  /** The transaction that spends an output, in the chain or in the mempool. */
  spender(outPoint: OutPoint): ChainTransaction | undefined {
    return this.merge().spenders.get(outPointText(outPoint))
  }

  /**
   * True when something else spends what this transaction spends: it was replaced, and one history
   * still has it.
   */
  isReplaced({ transaction: { txid, inputs } }: ChainTransaction): boolean {
    return inputs.some(({ outPoint }) => this.spender(outPoint)?.transaction.txid !== txid)
  }

  private merge(): Merged {
    if (this.merged !== undefined) return this.merged
    const all = [...this.histories.values()].flat()
    // A txid covers the outputs: who shows them makes no difference.
    const sources = new Map(all.map(({ transaction }) => [transaction.txid, transaction]))
    const transactions = new Map<Txid, ChainTransaction>()
    const spenders = new Map<string, ChainTransaction>()
    for (const known of all) {
      const { transaction, height } = known
      if (height === undefined && this.isForged(transaction, sources)) continue
      transactions.set(transaction.txid, known)
      for (const { outPoint } of transaction.inputs) {
        const name = outPointText(outPoint)
        // While histories disagree about a replaced transaction, a block decides, and then the
        // later news.
        if (height !== undefined || spenders.get(name)?.height === undefined) {
          spenders.set(name, known)
        }
      }
    }
    this.merged = { transactions, spenders }
    return this.merged
  }

  /** True when an input is not signed by the owner of the output that it spends, if we know it. */
  private isForged(transaction: Transaction, sources: ReadonlyMap<Txid, Transaction>): boolean {
    const judged = this.judged.get(transaction) ?? new Map<number, boolean>()
    this.judged.set(transaction, judged)
    return transaction.inputs.some(({ outPoint: { txid, vout } }, index) => {
      const source = sources.get(txid)
      if (source === undefined) return false
      const output = source.outputs[vout]
      const isForged =
        judged.get(index) ??
        (output === undefined || isForgedSpend(transaction, index, output, this.verify))
      judged.set(index, isForged)
      return isForged
    })
  }
}
