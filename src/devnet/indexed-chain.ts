/** The common part of both backends: reading blocks and mempool, and the devnet's own coins. */
import { EventEmitter } from 'node:events'
import type { Txid } from '../types/bytes.js'
import { blockHeight, type BlockHeight, type Satoshi } from '../types/units.js'
import type {
  BlockRef,
  ChainChange,
  ChainEvent,
  LocatedTransaction,
  ScriptCoins,
  ScriptHash,
  ScriptHistory,
  Utxo
} from './backend.js'
import type { BlockIndex } from './block-index.js'
import { createdCoins, type Coin } from './coins.js'
import { scriptHashOf } from './hashes.js'
import type { Mempool } from './mempool.js'
import type { MinerWallet } from './miner-wallet.js'
import { COINBASE_MATURITY } from './rules.js'

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
