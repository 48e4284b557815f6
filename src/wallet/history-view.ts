/**
 * Merges the histories of all watched scripts. Level-triggered: each history replaces the one
 * before it, so reorgs and replaced transactions need no special code.
 *
 * What is in no block costs nothing to make up. It counts only if it is signed for all outputs of
 * ours that it spends, whichever script's history shows it (EVID-9): a server can show a spend of
 * one script of ours in the history of another, where nothing tells whose signature it needs. The
 * inputs of others are not judged: they need no signature of ours, so there may be any number, and
 * all of them good. So nothing is in the way of anything else through an output that is not ours.
 *
 * What a block has outranks what waits: a transaction that spends what a block has spent otherwise
 * can be in no block any more, and neither can what spends from it.
 *
 * A transaction counts as soon as one history has it. T1 spends from one script of ours and
 * brings change to another; the server may tell of them one after the other, and in between
 * neither the coin nor the change may count twice, or not at all.
 */
import type { Ecdsa } from '../bitcoin/keys.js'
import { SpendJudge } from '../bitcoin/owner-spend.js'
import { NO_TXID, type Transaction, type TxOutput } from '../bitcoin/transaction.js'
import { outPointText, toHex, type OutPoint, type Txid } from '../types/bytes.js'
import type { ChainTransaction } from '../engine/ports.js'

interface Merged {
  readonly transactions: ReadonlyMap<Txid, ChainTransaction>
  /**
   * The spenders by `txid:vout` of the output that is spent: those that blocks have of any output,
   * those that wait of ours.
   */
  readonly spenders: ReadonlyMap<string, ChainTransaction>
}

/**
 * An output of ours that a transaction spends; undefined where the transaction has no such output.
 */
interface OwnInput {
  readonly index: number
  readonly outPoint: OutPoint
  readonly output: TxOutput | undefined
}

export class HistoryView {
  /**
   * In the order of their arrival: where two differ about a transaction, the later one is right.
   */
  readonly #histories = new Map<string, readonly ChainTransaction[]>()
  #merged: Merged | undefined
  readonly #judge: SpendJudge
  readonly #abandoned = new Set<Txid>()

  constructor(verify: Ecdsa['verify']) {
    this.#judge = new SpendJudge(verify)
  }

  /** Replaces the history of a script. */
  set(scriptPubKey: Uint8Array, history: readonly ChainTransaction[]): void {
    const key = toHex(scriptPubKey)
    this.#histories.delete(key)
    this.#histories.set(key, history)
    this.#merged = undefined
  }

  /** Forgets a script that is no longer watched. */
  delete(scriptPubKey: Uint8Array): void {
    if (this.#histories.delete(toHex(scriptPubKey))) this.#merged = undefined
  }

  /** From now on this transaction counts only when a block has it (`funding.ts`). */
  abandon(txid: Txid): void {
    this.#abandoned.add(txid)
    this.#merged = undefined
  }

  transactions(): Iterable<ChainTransaction> {
    return this.#merge().transactions.values()
  }

  transaction(txid: Txid): ChainTransaction | undefined {
    return this.#merge().transactions.get(txid)
  }

  /** The transaction that spends an output of ours, in the chain or in the mempool. */
  spender(outPoint: OutPoint): ChainTransaction | undefined {
    return this.#merge().spenders.get(outPointText(outPoint))
  }

  /**
   * True when something else spends what this transaction spends: it was replaced, and one history
   * still has it.
   */
  isReplaced({ transaction: { txid, inputs } }: ChainTransaction): boolean {
    return inputs.some(
      ({ outPoint }) => (this.spender(outPoint)?.transaction.txid ?? txid) !== txid
    )
  }

  #merge(): Merged {
    if (this.#merged !== undefined) return this.#merged
    const all = [...this.#histories.values()].flat()
    // A txid covers the outputs: who shows them makes no difference.
    const sources = new Map(all.map(({ transaction }) => [transaction.txid, transaction]))
    const transactions = new Map<Txid, ChainTransaction>()
    const ownInputs = new Map<Txid, readonly OwnInput[]>()
    for (const known of all) {
      const { transaction, height } = known
      const { txid } = transaction
      if (height === undefined) {
        const own = this.#ownInputs(transaction, sources)
        if (own.some((input) => this.#isForged(transaction, input))) continue
        ownInputs.set(txid, own)
      }
      transactions.delete(txid)
      transactions.set(txid, known)
    }
    const spenders = new Map<string, ChainTransaction>()
    for (const known of transactions.values()) {
      if (known.height === undefined) continue
      for (const { outPoint } of known.transaction.inputs) {
        // The reward of a block spends nothing, and all rewards say so in the same words.
        if (outPoint.txid !== NO_TXID) spenders.set(outPointText(outPoint), known)
      }
    }
    for (const txid of this.#voided(transactions, spenders)) transactions.delete(txid)
    for (const known of transactions.values()) {
      if (known.height !== undefined) continue
      // While histories disagree about a replaced transaction, the later news decides.
      for (const { outPoint } of ownInputs.get(known.transaction.txid) ?? []) {
        spenders.set(outPointText(outPoint), known)
      }
    }
    this.#merged = { transactions, spenders }
    return this.#merged
  }

  #ownInputs(
    { inputs }: Transaction,
    sources: ReadonlyMap<Txid, Transaction>
  ): readonly OwnInput[] {
    return inputs.flatMap(({ outPoint }, index) => {
      const source = sources.get(outPoint.txid)
      if (source === undefined) return []
      const output = source.outputs[outPoint.vout]
      return output === undefined || this.#histories.has(toHex(output.script))
        ? [{ index, outPoint, output }]
        : []
    })
  }

  /** Each input of ours needs a signature of ours: the first one that is made up ends the look. */
  #isForged(transaction: Transaction, { index, output }: OwnInput): boolean {
    return output === undefined || this.#judge.isForged(transaction, index, output)
  }

  /** Transactions that wait and can be in no block any more, with all that spends from it. */
  #voided(
    transactions: ReadonlyMap<Txid, ChainTransaction>,
    mined: ReadonlyMap<string, ChainTransaction>
  ): ReadonlySet<Txid> {
    const waiting = [...transactions.values()].filter(({ height }) => height === undefined)
    const found = new Set(
      waiting
        .map(({ transaction }) => transaction)
        .filter(
          ({ txid, inputs }) =>
            this.#abandoned.has(txid) ||
            inputs.some(({ outPoint }) => mined.has(outPointText(outPoint)))
        )
        .map(({ txid }) => txid)
    )
    if (found.size === 0) return found
    const children = new Map<Txid, Txid[]>()
    for (const { transaction } of waiting) {
      for (const { outPoint } of transaction.inputs) {
        const those = children.get(outPoint.txid)
        if (those === undefined) children.set(outPoint.txid, [transaction.txid])
        else those.push(transaction.txid)
      }
    }
    // What is added to a set while it is walked is walked as well.
    for (const txid of found) for (const child of children.get(txid) ?? []) found.add(child)
    return found
  }
}
