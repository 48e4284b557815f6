/** The chain itself: its blocks, the coins that are left, and where every transaction and script occurs. */
import { outPointText, type Txid } from '../types/bytes.js'
import { blockHeight, type BlockHeight } from '../types/units.js'
import type { ConfirmedEntry, ScriptHash } from './backend.js'
import { checkBlock, checkHeader } from './block-rules.js'
import { genesisBlock, type Block } from './block.js'
import { CoinSet, createdCoins, type Coin } from './coins.js'
import type { BlockContext } from './consensus.js'
import { scriptHashOf } from './hashes.js'
import { MEDIAN_TIME_SPAN } from './rules.js'
import type { ScriptVerifier } from './script-interpreter.js'
import { isUnspendable } from './scripts.js'
import type { Tx } from './transaction.js'

export class Chain {
  readonly coins = new CoinSet()
  readonly #blocks: Block[] = []
  /** What the transactions of each block but the genesis have spent, so that a block can be taken back. */
  readonly #spent: Coin[][] = []
  readonly #transactions = new Map<string, { readonly tx: Tx, readonly block: Block }>()
  readonly #histories = new Map<ScriptHash, ConfirmedEntry[]>()
  #tip: Block

  constructor (readonly verifier: ScriptVerifier) {
    // As in Bitcoin Core, the genesis coinbase is no coin, and as in ElectrumX it is in no history.
    this.#tip = genesisBlock()
    this.#blocks.push(this.#tip)
  }

  get tip (): Block {
    return this.#tip
  }

  block (height: number): Block | undefined {
    return this.#blocks[height]
  }

  transaction (txid: string): { readonly tx: Tx, readonly block: Block } | undefined {
    return this.#transactions.get(txid)
  }

  /** The confirmed transactions that pay to a script or spend from it, in the order of the chain. */
  history (script: ScriptHash): readonly ConfirmedEntry[] {
    return this.#histories.get(script) ?? []
  }

  /** The median time of the last 11 blocks up to a height (BIP113). */
  medianTimePast (height: number = this.#tip.height): number {
    const times = this.#blocks.slice(Math.max(0, height - MEDIAN_TIME_SPAN + 1), height + 1).map(block => block.header.time)
    times.sort((a, b) => a - b)
    return times[times.length >> 1] ?? 0
  }

  /** The block that would come next, which mempool and miner judge transactions for. */
  next (): BlockContext {
    return {
      height: blockHeight(this.#tip.height + 1),
      medianTimePast: this.medianTimePast(),
      medianTimePastAt: height => this.medianTimePast(height)
    }
  }

  /**
   * Adds a block on top.
   *
   * @param now the time in seconds that its own is compared with.
   * @returns the scripts that it pays to or spends from.
   * @throws Rejected and changes nothing when it breaks a rule.
   */
  connect (block: Block, now: number): Set<ScriptHash> {
    checkHeader(block, this.#tip, this.medianTimePast(), now)
    const spent = checkBlock(block, this.coins, this.next(), this.verifier)
    const touched = new Set<ScriptHash>()
    block.transactions.forEach((tx, position) => {
      const coins = position === 0 ? [] : spent[position - 1] ?? []
      const scripts = new Set([...coins, ...tx.outputs].filter(({ script }) => !isUnspendable(script)).map(({ script }) => scriptHashOf(script)))
      for (const script of scripts) {
        touched.add(script)
        this.#remember(script, tx.txid, block.height)
      }
      for (const { spends } of tx.inputs) this.coins.remove(spends)
      for (const coin of createdCoins(tx, block)) if (!isUnspendable(coin.script)) this.coins.add(coin)
      this.#transactions.set(tx.txid, { tx, block })
    })
    this.#blocks.push(block)
    this.#spent.push(spent.flat())
    this.#tip = block
    return touched
  }

  /** Takes the newest block back. Returns it with the scripts that it pays to or spends from; undefined for the genesis. */
  disconnect (): { readonly block: Block, readonly touched: Set<ScriptHash> } | undefined {
    const spent = this.#spent.pop()
    const block = spent === undefined ? undefined : this.#blocks.pop()
    const before = this.#blocks.at(-1)
    if (spent === undefined || block === undefined || before === undefined) return undefined
    this.#tip = before
    const created = block.transactions.flatMap(tx => createdCoins(tx, block)).filter(({ script }) => !isUnspendable(script))
    const ownOutputs = new Set(created.map(({ outPoint }) => outPointText(outPoint)))
    for (const key of ownOutputs) this.coins.remove(key)
    // What was created and spent in the same block is no coin of the chain before it.
    for (const coin of spent) if (!ownOutputs.has(outPointText(coin.outPoint))) this.coins.add(coin)
    for (const { txid } of block.transactions) this.#transactions.delete(txid)
    const touched = new Set([...created, ...spent].map(({ script }) => scriptHashOf(script)))
    for (const script of touched) this.#forget(script, block.height)
    return { block, touched }
  }

  #remember (script: ScriptHash, txid: Txid, height: BlockHeight): void {
    const history = this.#histories.get(script)
    if (history === undefined) this.#histories.set(script, [{ txid, height }])
    else history.push({ txid, height })
  }

  #forget (script: ScriptHash, height: BlockHeight): void {
    const left = this.history(script).filter(entry => entry.height < height)
    if (left.length === 0) this.#histories.delete(script)
    else this.#histories.set(script, left)
  }
}
