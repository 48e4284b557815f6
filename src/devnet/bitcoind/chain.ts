/**
 * A bitcoind on regtest as a backend: its rules and its mempool, behind our Electrum server. All
 * blocks are held in memory; new ones are fetched twice a second.
 */
import { z } from 'zod'
import { fromString } from 'uint8arrays'
import { toHex, txid as toTxid, type Txid } from '../../types/bytes.js'
import { messageOf, PaychanError } from '../../types/errors.js'
import { feeRate, max, satoshi, type FeeRate, type Satoshi } from '../../types/units.js'
import type {
  BlockRef,
  ChainBackend,
  FeeRates,
  PackageResult,
  ReorgOptions,
  ScriptHash,
  SubmitResult
} from '../backend.js'
import { BlockIndex, IndexedChain } from '../indexed-chain.js'
import { COINBASE_MATURITY, coinsOf } from '../rules.js'
import { Rejected } from '../backend.js'
import { Mempool } from '../mempool.js'
import { MinerWallet } from '../miner-wallet.js'
import { MAX_TEMPLATE_WEIGHT, rateToBeAmong } from '../block.js'
import { decodeTransaction, type Tx } from '../transaction.js'
import { BitcoindRpc, readChanges, type Reading, RpcRefusal } from './rpc.js'

const POLL_MS = 500
/**
 * Blocks per mining call: a call for thousands would time out, and others see blocks before we do.
 */
const BLOCKS_PER_CALL = 25
/** Tries to read a chain that changes during the reading. */
const READING_TRIES = 20
/**
 * The same key at every start, so that the coins of the last one are not lost. Regtest coins are
 * worth nothing.
 */
const WALLET_SEED = 'bitcoind'

const hash = z.string().regex(/^[0-9a-f]{64}$/)
const btcPerKvB = z.number().transform(toRate)

export interface BitcoindOptions {
  /** Receives messages for people: bitcoind is gone, or back. */
  readonly log?: (line: string) => void
}

export class BitcoindChain extends IndexedChain implements ChainBackend {
  readonly #rpc: BitcoindRpc
  readonly #index: BlockIndex
  readonly #pool: Mempool
  readonly #wallet = new MinerWallet(WALLET_SEED)
  readonly #log: (line: string) => void
  #software = 'bitcoind'
  #work: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #isDown = false
  #stopped = false
  /** Counts the reorganisations, so that no new block equals one that was taken back. */
  #branch = Date.now()

  private constructor(rpc: BitcoindRpc, log: (line: string) => void) {
    const index = new BlockIndex()
    const pool = new Mempool()
    super(index, pool)
    this.#rpc = rpc
    this.#index = index
    this.#pool = pool
    this.#log = log
  }

  /**
   * Reads its chain, mines up to `blocks` if it is shorter, and then follows it.
   *
   * @throws PaychanError `ERR_CONFIG_INVALID`, `ERR_BITCOIND_UNREACHABLE`, `ERR_BITCOIND_AUTH`,
   *   `ERR_WRONG_NETWORK`
   */
  static async connect(
    url: string,
    blocks: number,
    { log = () => {} }: BitcoindOptions = {}
  ): Promise<BitcoindChain> {
    const rpc = new BitcoindRpc(url)
    const { chain: network } = await rpc.call(z.object({ chain: z.string() }), 'getblockchaininfo')
    if (network !== 'regtest') {
      throw new PaychanError(
        'ERR_WRONG_NETWORK',
        `The bitcoind at ${rpc.address} is on '${network}', and a devnet mines: it needs one on regtest. For other networks run electrs, Fulcrum or ElectrumX.`,
        { network }
      )
    }
    const chain = new BitcoindChain(rpc, log)
    chain.#software = (
      await rpc.call(z.object({ subversion: z.string() }), 'getnetworkinfo')
    ).subversion
    await chain.refresh()
    if (chain.best.height < blocks) await chain.mine(blocks - chain.best.height)
    chain.#poll()
    return chain
  }

  get software(): string {
    return this.#software
  }

  /** Reads the changes now. @throws PaychanError `ERR_BITCOIND_UNREACHABLE` */
  refresh(): Promise<void> {
    const done = this.#work.then(async () => {
      await this.#read()
    })
    this.#work = done.catch(() => {})
    return done
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#work
  }

  async estimateFeeRate(target: number): Promise<FeeRate | undefined> {
    // Without traffic bitcoind cannot tell; the transactions waiting for the next blocks can.
    const waiting = rateToBeAmong(this.#pool, target * MAX_TEMPLATE_WEIGHT)
    const { feerate } = await this.#rpc.call(
      z.object({ feerate: btcPerKvB.optional() }),
      'estimatesmartfee',
      Math.min(target, 1_008)
    )
    return feerate === undefined || waiting === undefined
      ? (feerate ?? waiting)
      : max(feerate, waiting)
  }

  async feeRates(): Promise<FeeRates> {
    const {
      mempoolminfee: minimum,
      minrelaytxfee: relay,
      incrementalrelayfee: incremental
    } = await this.#rpc.call(
      z.object({
        mempoolminfee: btcPerKvB,
        minrelaytxfee: btcPerKvB,
        incrementalrelayfee: btcPerKvB
      }),
      'getmempoolinfo'
    )
    return { minimum, relay, incremental }
  }

  async submit(raw: Uint8Array): Promise<SubmitResult> {
    const result = await this.#refusable(async () => {
      // 0: no limit to the fee; the sender has decided.
      return toTxid(await this.#rpc.call(hash, 'sendrawtransaction', toHex(raw), 0))
    })
    await this.refresh()
    return result
  }

  async submitPackage(raws: readonly Uint8Array[]): Promise<PackageResult> {
    const shape = z.object({
      package_msg: z.string(),
      'tx-results': z.record(z.string(), z.object({ txid: hash, error: z.string().optional() }))
    })
    const last = toTxid(decodeTransaction(raws.at(-1) ?? new Uint8Array()).txid)
    try {
      const { package_msg: message, 'tx-results': results } = await this.#rpc.call(
        shape,
        'submitpackage',
        raws.map(toHex),
        0
      )
      const refused = Object.values(results).flatMap(({ txid, error }) =>
        error === undefined ? [] : { txid: toTxid(txid), reason: error }
      )
      return {
        refused:
          message === 'success' || refused.length > 0 ? refused : [{ txid: last, reason: message }]
      }
    } catch (error) {
      if (error instanceof RpcRefusal) return { refused: [{ txid: last, reason: error.message }] }
      throw error
    } finally {
      await this.refresh()
    }
  }

  /**
   * Gives the answer that `submit` would give to a new transaction; changes nothing. The reason is
   * the short one.
   */
  async test(raw: Uint8Array): Promise<SubmitResult> {
    const shape = z.array(
      z.object({
        txid: hash,
        allowed: z.boolean().optional(),
        'reject-reason': z.string().optional()
      })
    )
    const verdict = await this.#refusable(async () => {
      const [answer] = await this.#rpc.call(shape, 'testmempoolaccept', [toHex(raw)], 0)
      if (answer?.allowed !== true) {
        throw new RpcRefusal(0, answer?.['reject-reason'] ?? 'no verdict')
      }
      return toTxid(answer.txid)
    })
    return verdict
  }

  async mine(blocks: number, to: Uint8Array = this.#wallet.script): Promise<readonly BlockRef[]> {
    const from = this.best.height
    for (let left = blocks; left > 0; left -= BLOCKS_PER_CALL) {
      await this.#generate(Math.min(left, BLOCKS_PER_CALL), to)
      await this.refresh()
    }
    return await this.#refsAfter(from, blocks)
  }

  async reorg(
    depth: number,
    { transactions = 'wait', without = [], instead = [] }: ReorgOptions = {}
  ): Promise<readonly BlockRef[]> {
    const { height } = this.best
    const most = Math.min(COINBASE_MATURITY - 1, height)
    if (!Number.isSafeInteger(depth) || depth < 1 || depth > most) {
      throw new PaychanError(
        'ERR_INVALID_DEPTH',
        `A reorganisation takes back 1 to ${most} blocks here.`,
        { depth, most }
      )
    }
    if (transactions === 'drop' || without.length > 0) {
      throw new PaychanError(
        'ERR_UNSUPPORTED',
        'A bitcoind forgets no transaction: with it, those of the blocks that go can wait or be mined again.',
        { transactions }
      )
    }
    await this.#rpc.call(z.null(), 'invalidateblock', this.#index.block(height - depth + 1)?.hash)
    // bitcoind judges the same block only once, so no new block may equal an old one.
    this.#branch += 1
    const script = Uint8Array.of(8, ...fromString(this.#branch.toString().slice(-8)), 0x75, 0x51)
    for (let n = 0; n <= depth; n++) {
      const isEmpty = n === 0 && (transactions === 'second' || instead.length > 0)
      if ((transactions === 'mine' || transactions === 'second') && !isEmpty) {
        await this.#generate(1, script)
      } else {
        await this.#rpc.call(
          z.object({ hash }),
          'generateblock',
          `raw(${toHex(script)})`,
          n === 0 ? instead.map(toHex) : []
        )
      }
    }
    return await this.#refsAfter(height - depth, depth + 1)
  }

  async fund(script: Uint8Array, amount: Satoshi): Promise<Txid> {
    const result = await this.submit(
      this.#wallet.pay(script, amount, this.coinsOf(this.#wallet)).raw
    )
    if (!result.accepted) {
      throw new PaychanError(
        'ERR_BROADCAST_REFUSED',
        `The devnet cannot pay ${amount} sat: ${result.reason.replace(/\.$/, '')}.`,
        { reason: result.reason, amount }
      )
    }
    return result.txid
  }

  async #generate(blocks: number, script: Uint8Array): Promise<void> {
    await this.#rpc.call(z.array(hash), 'generatetodescriptor', blocks, `raw(${toHex(script)})`)
  }

  async #refsAfter(height: number, blocks: number): Promise<BlockRef[]> {
    await this.refresh()
    return Array.from({ length: blocks }, (_, n) => this.#index.block(height + 1 + n)).flatMap(
      (block) => (block === undefined ? [] : { height: block.height, hash: block.hash })
    )
  }

  async #refusable(work: () => Promise<Txid>): Promise<SubmitResult> {
    try {
      return { accepted: true, txid: await work() }
    } catch (error) {
      if (error instanceof RpcRefusal) return { accepted: false, reason: error.message }
      throw error
    }
  }

  #poll(): void {
    if (this.#stopped) return
    this.#timer = setTimeout(() => {
      this.refresh()
        .then(
          () => {
            if (this.#isDown) this.#log('bitcoind is back')
            this.#isDown = false
          },
          (error: unknown) => {
            if (!this.#isDown) this.#log(messageOf(error))
            this.#isDown = true
          }
        )
        .finally(() => {
          this.#poll()
        })
    }, POLL_MS)
  }

  async #read(): Promise<void> {
    for (let tries = 0; tries < READING_TRIES; tries++) {
      const reading = await readChanges(this.#rpc, this.#index, this.#pool)
      if (reading === undefined) continue
      this.#apply(reading)
      if (!reading.isPart) return
      this.#log(`reading the chain of bitcoind: block ${this.best.height} of ${reading.tip}`)
      tries = 0
    }
    throw new PaychanError(
      'ERR_BITCOIND_UNREACHABLE',
      `The chain of the bitcoind at ${this.#rpc.address} changes faster than it can be read.`,
      { address: this.#rpc.address }
    )
  }

  /** Runs in one step, so that nobody sees half of the change. */
  #apply({ undone, blocks, isPart, mempool, arrived }: Reading): void {
    const inBlocks = new Set<ScriptHash>()
    for (let n = 0; n < undone; n++) {
      for (const script of this.#index.disconnect()?.touched ?? []) inBlocks.add(script)
    }
    for (const block of blocks) for (const script of this.#index.append(block)) inBlocks.add(script)
    const waiting = isPart ? new Set<ScriptHash>() : this.#replacePool(mempool, arrived)
    for (const script of waiting) inBlocks.add(script)
    if (undone > 0 || blocks.length > 0) this.emit('block', { touched: inBlocks })
    if (waiting.size > 0) this.emit('mempool', { touched: waiting })
  }

  #replacePool(mempool: ReadonlySet<string>, arrived: readonly Tx[]): Set<ScriptHash> {
    const touched = new Set<ScriptHash>()
    const note = (scripts: ReadonlySet<ScriptHash>): void => {
      for (const script of scripts) touched.add(script)
    }
    for (const entry of this.#pool.entries()) {
      if (mempool.has(entry.tx.txid)) continue
      // Its children may lose an unconfirmed parent, which shows in their histories.
      for (const child of this.#pool.children(entry.tx)) note(child.scripts)
      this.#pool.remove(entry)
      note(entry.scripts)
    }
    // Parents before children, in any order of the list.
    let left = [...arrived]
    for (let before = left.length + 1; left.length < before;) {
      before = left.length
      left = left.filter((tx) => !this.#takes(tx, note))
    }
    return touched
  }

  #takes(tx: Tx, note: (scripts: ReadonlySet<ScriptHash>) => void): boolean {
    try {
      const spent = coinsOf(tx, this.#pool.view(this.#index.coins, this.nextHeight))
      const fee =
        spent.reduce<bigint>((sum, { value }) => sum + value, 0n) -
        tx.outputs.reduce((sum, { value }) => sum + value, 0n)
      note(this.#pool.add(tx, satoshi(fee), spent).scripts)
      return true
    } catch (error) {
      if (error instanceof Rejected) return false
      throw error
    }
  }
}

/** BTC/kvB, with the noise of floating point, to sat/kvB. */
function toRate(value: number): FeeRate {
  return feeRate(BigInt(Math.round(value * 100_000_000)))
}
