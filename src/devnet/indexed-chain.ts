/** The common part of both backends: reading blocks and mempool, and the devnet's own coins. */
import { EventEmitter } from 'node:events'
import { outPointText, type Txid } from '../types/bytes.js'
import { blockHeight, type BlockHeight, type Satoshi } from '../types/units.js'
import type {
  BlockRef,
  ChainChange,
  ChainEvent,
  ConfirmedEntry,
  LocatedTransaction,
  ScriptCoins,
  ScriptHash,
  ScriptHistory,
  Utxo
} from './backend.js'
import { type Block, genesisBlock } from './block.js'
import { type Coin, CoinSet, createdCoins } from './coins.js'
import type { Mempool } from './mempool.js'
import type { MinerWallet } from './miner-wallet.js'
import { COINBASE_MATURITY } from './rules.js'
import { isUnspendable, scriptHashOf, type Tx } from './transaction.js'

export class IndexedChain {
  readonly #index: BlockIndex
  readonly #pool: Mempool
  readonly #events = new EventEmitter<Record<ChainEvent, [ChainChange]>>()

  constructor(index: BlockIndex, pool: Mempool) {
    this.#index = index
    this.#pool = pool
    this.#events.setMaxListeners(0)
  }

  /** The tip, without waiting. */
  get best(): BlockRef {
    const { height, hash } = this.#index.tip
    return { height, hash }
  }

  on(event: ChainEvent, listener: (change: ChainChange) => void): () => void {
    this.#events.on(event, listener)
    return () => {
      this.#events.off(event, listener)
    }
  }

  async tip(): Promise<BlockRef> {
    return this.best
  }

  async header(height: number): Promise<Uint8Array | undefined> {
    return this.#index.block(height)?.rawHeader
  }

  async blockTxids(height: number): Promise<readonly Txid[] | undefined> {
    return this.#index.block(height)?.transactions.map((tx) => tx.txid)
  }

  async transaction(txid: string): Promise<LocatedTransaction | undefined> {
    const waiting = this.#pool.get(txid)
    if (waiting !== undefined) {
      return { txid: waiting.tx.txid, raw: waiting.tx.raw, block: undefined }
    }
    const found = this.#index.transaction(txid)
    if (found === undefined) return undefined
    const {
      tx,
      block: { height, hash, header }
    } = found
    return { txid: tx.txid, raw: tx.raw, block: { height, hash, time: header.time } }
  }

  async scriptHistory(script: ScriptHash): Promise<ScriptHistory> {
    return { confirmed: [...this.#index.history(script)], mempool: this.#pool.history(script) }
  }

  async scriptCoins(script: ScriptHash): Promise<ScriptCoins> {
    const confirmed = this.#index.coins
      .ofScript(script)
      .map((coin) => ({ coin, spent: this.isSpent(coin) }))
    const waiting = this.#waitingCoins(script).filter((coin) => !this.isSpent(coin))
    return {
      unspent: [
        ...confirmed.filter(({ spent }) => !spent).map(({ coin }) => utxoOf(coin, coin.height)),
        ...waiting.map((coin) => utxoOf(coin, undefined))
      ],
      spentByMempool: confirmed
        .filter(({ spent }) => spent)
        .map(({ coin }) => utxoOf(coin, coin.height))
    }
  }

  async mempool(): Promise<{ txid: Txid; fee: Satoshi; vsize: number }[]> {
    return this.#pool.entries().map(({ tx, fee }) => ({ txid: tx.txid, fee, vsize: tx.vsize }))
  }

  protected emit(event: ChainEvent, change: ChainChange): void {
    this.#events.emit(event, change)
  }

  protected get nextHeight(): BlockHeight {
    return blockHeight(this.#index.tip.height + 1)
  }

  /** True when the mempool spends the coin. */
  protected isSpent(coin: Coin): boolean {
    return this.#pool.spender(`${coin.outPoint.txid}:${coin.outPoint.vout}`) !== undefined
  }

  /**
   * Coins of a wallet that can be spent now: confirmed ones first, then change that is still in the
   * mempool.
   */
  protected coinsOf(wallet: MinerWallet): Coin[] {
    const own = scriptHashOf(wallet.script)
    const confirmed = this.#index.coins
      .ofScript(own)
      .filter((coin) => !coin.coinbase || this.nextHeight - coin.height >= COINBASE_MATURITY)
    return [...confirmed, ...this.#waitingCoins(own)].filter((coin) => !this.isSpent(coin))
  }

  #waitingCoins(script: ScriptHash): Coin[] {
    return this.#pool
      .ofScript(script)
      .flatMap(({ tx }) => createdCoins(tx, { height: this.nextHeight }))
      .filter((coin) => scriptHashOf(coin.script) === script)
  }
}

function utxoOf({ outPoint, value }: Coin, height: BlockHeight | undefined): Utxo {
  return { outPoint, value, height }
}

/*
 * Blocks on top of each other, their unspent coins, and an index of transactions and scripts.
 * Judges nothing.
 */

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
