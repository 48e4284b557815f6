/** The embedded regtest chain as a backend: chain, mempool, miner and its wallet in one process. */
import type { Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { feeRate, satoshi, type FeeRate, type Satoshi } from '../types/units.js'
import { Admission, evaluate, isChildWithParents } from './acceptance.js'
import type {
  BlockRef,
  ChainBackend,
  FeeRates,
  ReorgOptions,
  ScriptHash,
  PackageResult,
  SubmitResult
} from './backend.js'
import {
  buildCoinbase,
  MAX_TEMPLATE_WEIGHT,
  mineBlock,
  rateToBeAmong,
  selectTransactions,
  subsidyAt
} from './block.js'
import { Chain } from './chain.js'
import { decodeTransaction, outputKeys, scriptHashOf, type Tx } from './transaction.js'
import { IndexedChain } from './indexed-chain.js'
import { Load, type Trace } from './trace.js'
import { Mempool } from './mempool.js'
import { MinerWallet } from './miner-wallet.js'
import {
  COINBASE_MATURITY,
  type CoreRelease,
  DEFAULT_RELEASE,
  MAX_MEMPOOL_VSIZE,
  RELEASES
} from './rules.js'
import { Rejected } from './backend.js'
import { ScriptVerifier } from './script-interpreter.js'

export interface EmbeddedChainOptions {
  /** Text that the miner's key derives from. */
  readonly seed: string
  /** The time in seconds since 1970 for a new block at a height, before the rules adjust it. */
  readonly now: (height: number) => number
  /**
   * Weight limit for the transactions of a block beside the coinbase; the full block when left out.
   */
  readonly maxWeight?: number
  /** Size limit of the mempool in virtual bytes; 300 million when left out. */
  readonly mempoolVsize?: number
  /** The release of Bitcoin Core whose mempool rules hold; 28 when left out. */
  readonly core?: CoreRelease
}

export class EmbeddedChain extends IndexedChain implements ChainBackend {
  readonly software = 'embedded'
  readonly #chain: Chain
  readonly #pool: Mempool
  readonly #wallet: MinerWallet
  readonly #now: (height: number) => number
  readonly #maxWeight: number
  readonly #admission: Admission
  #load: Load | undefined
  /** Counts the reorganisations: the number of the branch of new blocks. */
  #branch = 0

  constructor({
    seed,
    now,
    maxWeight = MAX_TEMPLATE_WEIGHT,
    mempoolVsize = MAX_MEMPOOL_VSIZE,
    core = DEFAULT_RELEASE
  }: EmbeddedChainOptions) {
    const chain = new Chain(new ScriptVerifier())
    const pool = new Mempool(RELEASES[core])
    super(chain, pool)
    this.#chain = chain
    this.#pool = pool
    this.#wallet = new MinerWallet(seed)
    this.#now = now
    this.#maxWeight = maxWeight
    this.#admission = new Admission(this.#chain, this.#pool, mempoolVsize)
  }

  /** The value of all confirmed coins, in satoshis. */
  get supply(): bigint {
    return this.#chain.coins.total
  }

  async estimateFeeRate(target: number): Promise<FeeRate | undefined> {
    return rateToBeAmong(this.#pool, target * this.#maxWeight)
  }

  async feeRates(): Promise<FeeRates> {
    return {
      minimum: this.#pool.floor.rate,
      relay: feeRate(this.#pool.rules.relay),
      incremental: feeRate(this.#pool.rules.incremental)
    }
  }

  async submit(raw: Uint8Array): Promise<SubmitResult> {
    try {
      const tx = decodeTransaction(raw)
      if (outputKeys(tx).some((key) => this.#chain.coins.coin(key) !== undefined)) {
        throw new Rejected('Transaction outputs already in utxo set')
      }
      if (this.#pool.get(tx.txid) === undefined) this.#accept(tx)
      return { accepted: true, txid: tx.txid }
    } catch (error) {
      if (error instanceof Rejected) return { accepted: false, reason: error.message }
      throw error
    }
  }

  async submitPackage(raws: readonly Uint8Array[]): Promise<PackageResult> {
    const touched = new Set<ScriptHash>()
    try {
      const transactions = raws.map(decodeTransaction)
      const child = transactions.at(-1)
      if (child !== undefined && !isChildWithParents(transactions)) {
        return { refused: [{ txid: child.txid, reason: 'package-not-child-with-parents' }] }
      }
      return {
        refused: this.#admission
          .acceptPackage(transactions, touched)
          .map(({ tx, reason }) => ({ txid: tx.txid, reason }))
      }
    } finally {
      if (touched.size > 0) this.emit('mempool', { touched })
    }
  }

  /** Gives the answer that `submit` would give to a new transaction; changes nothing. */
  async test(raw: Uint8Array): Promise<SubmitResult> {
    try {
      return {
        accepted: true,
        txid: evaluate(decodeTransaction(raw), this.#chain, this.#pool).tx.txid
      }
    } catch (error) {
      if (error instanceof Rejected) return { accepted: false, reason: error.message }
      throw error
    }
  }

  async mine(blocks: number, to: Uint8Array = this.#wallet.script): Promise<BlockRef[]> {
    const mined: BlockRef[] = []
    const touched = new Set<ScriptHash>()
    while (mined.length < blocks) {
      for (const script of this.#mineOne(to)) touched.add(script)
      this.#load?.top()
      mined.push(this.best)
    }
    if (mined.length > 0) this.emit('block', { touched })
    return mined
  }

  async reorg(
    depth: number,
    { transactions = 'wait', without = [], instead = [] }: ReorgOptions = {}
  ): Promise<BlockRef[]> {
    const most = Math.min(COINBASE_MATURITY - 1, this.best.height)
    // Any deeper, spent coins could be those of a coinbase that no longer exists.
    if (!Number.isSafeInteger(depth) || depth < 1 || depth > most) {
      throw new PaychanError(
        'ERR_INVALID_DEPTH',
        `A reorganisation takes back 1 to ${most} blocks here.`,
        { depth, most }
      )
    }
    const added = instead.map(decodeTransaction)
    const { undone, touched } = this.#disconnect(depth)
    this.#branch += 1
    const waiting = this.#admission.empty(touched)
    const mined: BlockRef[] = []
    const mineOne = (): void => {
      for (const script of this.#mineOne(this.#wallet.script)) touched.add(script)
      mined.push(this.best)
    }
    const back = [...(transactions === 'drop' ? [] : undone), ...waiting].filter(
      ({ txid }) => !without.includes(txid)
    )
    this.#admission.takeBack(added, touched)
    while (mined.length <= depth) {
      // Some fit only into a later block: those with a lock.
      if (transactions === 'mine' || (transactions === 'second' && mined.length > 0)) {
        this.#admission.takeBack(back, touched)
      }
      mineOne()
    }
    this.#admission.takeBack(back, touched)
    this.#admission.trim(touched)
    this.emit('block', { touched })
    if (this.#pool.size > 0) this.emit('mempool', { touched })
    return mined
  }

  async fund(script: Uint8Array, amount: Satoshi): Promise<Txid> {
    const tx = this.#wallet.pay(script, amount, this.coinsOf(this.#wallet))
    try {
      this.#accept(tx)
    } catch (error) {
      if (!(error instanceof Rejected)) throw error
      throw new PaychanError(
        'ERR_BROADCAST_REFUSED',
        `The devnet cannot pay ${amount} sat: ${error.message.replace(/\.$/, '')}.`,
        { reason: error.message, amount }
      )
    }
    return tx.txid
  }

  /**
   * Fills the blocks from now on at the rates of a trace, and returns the rate of the next block on
   * demand. Two blocks go by while the coins for it are made.
   */
  async startLoad(trace: Trace, seed: string): Promise<() => FeeRate> {
    const { count, value } = Load.funds
    const load = new Load(
      {
        height: () => this.best.height,
        blockVsize: this.#blockVsize,
        freeCoins: (script) =>
          this.#chain.coins.ofScript(scriptHashOf(script)).filter((coin) => !this.isSpent(coin)),
        waiting: () => this.#pool.entries(),
        accept: (tx) => this.#takes(tx)
      },
      trace,
      seed
    )
    this.#accept(this.#wallet.fanOut(load.script, value, count, this.coinsOf(this.#wallet)))
    await this.mine(1)
    this.#load = load
    load.top()
    return () => load.rate
  }

  #takes(tx: Tx): boolean {
    try {
      this.#accept(tx)
      return true
    } catch (error) {
      if (error instanceof Rejected) return false
      throw error
    }
  }

  get #blockVsize(): number {
    return Math.floor(this.#maxWeight / 4)
  }

  #accept(tx: Tx): void {
    const touched = new Set<ScriptHash>()
    try {
      this.#admission.accept(tx, touched)
    } finally {
      if (touched.size > 0) this.emit('mempool', { touched })
    }
  }

  /** Takes blocks back; returns their transactions without the coinbases, oldest first. */
  #disconnect(depth: number): { undone: Tx[]; touched: Set<ScriptHash> } {
    const undone: Tx[] = []
    const touched = new Set<ScriptHash>()
    for (let n = 0; n < depth; n++) {
      const taken = this.#chain.disconnect()
      if (taken === undefined) break
      undone.unshift(...taken.block.transactions.filter(({ coinbase }) => !coinbase))
      for (const script of taken.touched) touched.add(script)
    }
    return { undone, touched }
  }

  #mineOne(to: Uint8Array): Set<ScriptHash> {
    const { tip } = this.#chain
    const entries = selectTransactions(this.#pool, this.#maxWeight)
    const transactions = entries.map(({ tx }) => tx)
    const fees = entries.reduce((sum, { fee }) => sum + fee, 0n)
    const coinbase = buildCoinbase(
      this.nextHeight,
      to,
      satoshi(subsidyAt(this.nextHeight) + fees),
      transactions,
      this.#branch
    )
    const time = Math.max(this.#now(this.nextHeight), this.#chain.medianTimePast() + 1)
    const touched = this.#chain.connect(mineBlock(tip, time, [coinbase, ...transactions]), time)
    this.#admission.confirm(entries, touched)
    return touched
  }
}
