/**
 * What the histories of all watched scripts say together. Level-triggered: each history replaces
 * the one before it, so a reorg or a replaced transaction undoes by itself what it undoes.
 *
 * A transaction counts as soon as one history has it. T1 spends from one script of ours and
 * brings change to another; the server may tell of them one after the other, and in between
 * neither the coin nor the change may count twice, or not at all.
 */
import { parseTransaction, type ParsedTransaction } from '../bitcoin/transaction.js'
import { outPointText, toHex, type OutPoint, type Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import type { ChainTransaction } from '../engine/ports.js'
import type { BlockHeight } from '../types/units.js'

/** A transaction of a history, read. */
export interface KnownTransaction extends ParsedTransaction {
  readonly raw: Uint8Array
  /** Undefined in the mempool. */
  readonly height: BlockHeight | undefined
}

interface Merged {
  readonly transactions: ReadonlyMap<Txid, KnownTransaction>
  /** By `txid:vout` of the output that is spent. */
  readonly spenders: ReadonlyMap<string, KnownTransaction>
}

export class HistoryView {
  /**
   * In the order of their arrival: where two differ about a transaction, the later one is right.
   */
  private readonly histories = new Map<string, readonly ChainTransaction[]>()
  private parsed = new Map<Txid, ParsedTransaction>()
  private merged: Merged | undefined

  constructor(private readonly onError: (error: Error) => void) {}

  /** Replaces the history of a script. */
  set(scriptPubKey: Uint8Array, history: readonly ChainTransaction[]): void {
    const key = toHex(scriptPubKey)
    this.histories.delete(key)
    this.histories.set(
      key,
      history.filter((transaction) => this.read(transaction) !== undefined)
    )
    this.merged = undefined
  }

  /** Forgets a script that is watched no more. */
  delete(scriptPubKey: Uint8Array): void {
    if (this.histories.delete(toHex(scriptPubKey))) this.merged = undefined
  }

  transactions(): Iterable<KnownTransaction> {
    return this.merge().transactions.values()
  }

  transaction(txid: Txid): KnownTransaction | undefined {
    return this.merge().transactions.get(txid)
  }

  /** The transaction that spends an output, in the chain or in the mempool. */
  spender(outPoint: OutPoint): KnownTransaction | undefined {
    return this.merge().spenders.get(outPointText(outPoint))
  }

  /**
   * Whether something else spends what this one spends: it was replaced, and one history still has
   * it.
   */
  isReplaced({ txid, inputs }: KnownTransaction): boolean {
    return inputs.some(({ outPoint }) => this.spender(outPoint)?.txid !== txid)
  }

  private merge(): Merged {
    if (this.merged !== undefined) return this.merged
    const transactions = new Map<Txid, KnownTransaction>()
    const spenders = new Map<string, KnownTransaction>()
    const parsed = new Map<Txid, ParsedTransaction>()
    for (const history of this.histories.values()) {
      for (const { txid, raw, height } of history) {
        const content = this.parsed.get(txid)
        if (content === undefined) continue
        parsed.set(txid, content)
        const known = { ...content, raw, height }
        transactions.set(txid, known)
        for (const { outPoint } of content.inputs) {
          const name = outPointText(outPoint)
          // While histories disagree about a replaced transaction, a block decides, and then the
          // later news.
          if (height !== undefined || spenders.get(name)?.height === undefined) {
            spenders.set(name, known)
          }
        }
      }
    }
    this.parsed = parsed
    this.merged = { transactions, spenders }
    return this.merged
  }

  /**
   * The content of a transaction; undefined, and reported, when the bytes are not what they are
   * said to be.
   */
  private read({ txid, raw }: ChainTransaction): ParsedTransaction | undefined {
    const known = this.parsed.get(txid)
    if (known !== undefined) return known
    try {
      const content = parseTransaction(raw)
      if (content.txid !== txid) {
        throw new PaychanError(
          'ERR_CHAIN_LIED',
          `The server gave the transaction ${content.txid} for ${txid}. Use another server.`,
          { txid, got: content.txid }
        )
      }
      this.parsed.set(txid, content)
      return content
    } catch (error) {
      this.onError(
        new PaychanError(
          'ERR_CHAIN_LIED',
          `The transaction ${txid} in the history of an address of ours cannot be read, and is ignored. Use another server.`,
          { txid },
          { cause: error }
        )
      )
      return undefined
    }
  }
}
