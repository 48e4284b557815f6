/**
 * Blocks on top of each other, their unspent coins, and an index of transactions and scripts.
 * Judges nothing.
 */
import { outPointText, type Txid } from '../types/bytes.js'
import type { BlockHeight } from '../types/units.js'
import type { ConfirmedEntry, ScriptHash } from './backend.js'
import { genesisBlock, type Block } from './block.js'
import { CoinSet, createdCoins, type Coin } from './coins.js'
import { scriptHashOf } from './hashes.js'
import { isUnspendable } from './scripts.js'
import type { Tx } from './transaction.js'

export class BlockIndex {
  readonly coins = new CoinSet()
  readonly #blocks: Block[] = []
  /** The coins spent in each block but the genesis, so that a block can be taken back. */
  readonly #spent: Coin[][] = []
  readonly #transactions = new Map<string, { readonly tx: Tx; readonly block: Block }>()
  readonly #histories = new Map<ScriptHash, ConfirmedEntry[]>()
  #tip: Block

  constructor() {
    // As in Bitcoin Core, the genesis coinbase is not a coin, and as in ElectrumX it is in no
    // history.
    this.#tip = genesisBlock()
    this.#blocks.push(this.#tip)
  }

  get tip(): Block {
    return this.#tip
  }

  block(height: number): Block | undefined {
    return this.#blocks[height]
  }

  transaction(txid: string): { readonly tx: Tx; readonly block: Block } | undefined {
    return this.#transactions.get(txid)
  }

  /**
   * The confirmed transactions that pay to a script or spend from it, in the order of the chain.
   */
  history(script: ScriptHash): readonly ConfirmedEntry[] {
    return this.#histories.get(script) ?? []
  }

  /** Adds a valid block on top. Returns the scripts that it pays to or spends from. */
  append(block: Block): Set<ScriptHash> {
    const touched = new Set<ScriptHash>()
    const spent: Coin[] = []
    for (const tx of block.transactions) {
      const coins = tx.inputs.flatMap(({ spends }) => this.coins.coin(spends) ?? [])
      spent.push(...coins)
      const scripts = new Set(
        [...coins, ...tx.outputs]
          .filter(({ script }) => !isUnspendable(script))
          .map(({ script }) => scriptHashOf(script))
      )
      for (const script of scripts) {
        touched.add(script)
        this.#remember(script, tx.txid, block.height)
      }
      for (const { spends } of tx.inputs) this.coins.remove(spends)
      for (const coin of createdCoins(tx, block)) {
        if (!isUnspendable(coin.script)) this.coins.add(coin)
      }
      this.#transactions.set(tx.txid, { tx, block })
    }
    this.#blocks.push(block)
    this.#spent.push(spent)
    this.#tip = block
    return touched
  }

  /**
   * Takes the newest block back. Returns it with the scripts that it pays to or spends from;
   * undefined for the genesis.
   */
  disconnect(): { readonly block: Block; readonly touched: Set<ScriptHash> } | undefined {
    const spent = this.#spent.pop()
    const block = spent === undefined ? undefined : this.#blocks.pop()
    const before = this.#blocks.at(-1)
    if (spent === undefined || block === undefined || before === undefined) return undefined
    this.#tip = before
    const created = block.transactions
      .flatMap((tx) => createdCoins(tx, block))
      .filter(({ script }) => !isUnspendable(script))
    const ownOutputs = new Set(created.map(({ outPoint }) => outPointText(outPoint)))
    for (const key of ownOutputs) this.coins.remove(key)
    // An output created and spent in the same block is not a coin of the chain before it.
    for (const coin of spent) if (!ownOutputs.has(outPointText(coin.outPoint))) this.coins.add(coin)
    for (const { txid } of block.transactions) this.#transactions.delete(txid)
    const touched = new Set([...created, ...spent].map(({ script }) => scriptHashOf(script)))
    for (const script of touched) this.#forget(script, block.height)
    return { block, touched }
  }

  #remember(script: ScriptHash, txid: Txid, height: BlockHeight): void {
    const history = this.#histories.get(script)
    if (history === undefined) this.#histories.set(script, [{ txid, height }])
    else history.push({ txid, height })
  }

  #forget(script: ScriptHash, height: BlockHeight): void {
    const left = this.history(script).filter((entry) => entry.height < height)
    if (left.length === 0) this.#histories.delete(script)
    else this.#histories.set(script, left)
  }
}
