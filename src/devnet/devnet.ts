/**
 * The devnet: a regtest chain inside this process, and an Electrum server that shows it. A chain
 * for development, with rules that follow Bitcoin Core's but are not Bitcoin Core.
 */
import { randomUUID } from 'node:crypto'
import type { Txid } from '../types/bytes.js'
import { adviceOf } from '../types/error-advice.js'
import { messageOf, PaychanError } from '../types/errors.js'
import { satoshi, type BlockHeight, type FeeRate } from '../types/units.js'
import { addressScript } from './miner-wallet.js'
import type {
  BlockRef,
  ChainBackend,
  ChainChange,
  ChainEvent,
  LocatedTransaction,
  ReorgOptions,
  SubmitResult,
  Utxo
} from './backend.js'
import { BitcoindChain } from './bitcoind/chain.js'
import { genesisBlock, MAX_TEMPLATE_WEIGHT } from './block.js'
import { type ServerTls, startElectrumServer } from './electrum/session.js'
import { EmbeddedChain } from './embedded-chain.js'
import { scriptHashOf } from './transaction.js'
import type { IndexedChain } from './indexed-chain.js'
import { type CoreRelease, MAX_MEMPOOL_VSIZE, RELEASES } from './rules.js'
import type { Trace } from './trace.js'

/**
 * Blocks that exist from the start: the coinbases of the first 21 can be spent then, 1,050 bitcoin.
 */
const INITIAL_BLOCKS = 120

/** Seconds between the blocks of a chain with a seed. */
const BLOCK_INTERVAL = 600

export interface DevnetOptions {
  /** The address to listen on; loopback only unless asked otherwise. */
  readonly host?: string
  /** 0, the default, for any free port. */
  readonly port?: number
  /**
   * Any text. The same seed and the same calls give the same chain, byte for byte; its blocks are
   * then dated ten minutes apart from regtest's genesis on. Without one the key is random and the
   * clock real.
   */
  readonly seed?: string
  /** Mines a block whenever a transaction comes in, so that nothing waits for `mine`. */
  readonly autoMine?: boolean
  /** Weight limit for the transactions of a block, 4,000 to 3,996,000; the latter when left out. */
  readonly blockWeight?: number
  /** Size limit of the mempool in virtual bytes, 1,000 to 300 million; the latter when left out. */
  readonly mempoolVsize?: number
  /**
   * The release of Bitcoin Core whose mempool rules hold: 28, when left out; 30, which relays from
   * 0.1 sat/vB on; 31, with clusters.
   */
  readonly core?: CoreRelease
  /** Keeps the blocks full at the fee rates of a trace, from two blocks after the start on. */
  readonly load?: Trace
  /**
   * `http://USER:PASSWORD@HOST:PORT`: shows the chain of this bitcoind, which is on regtest,
   * instead of an embedded one. Excludes the options of the embedded chain (seed, limits, load).
   */
  readonly bitcoind?: string | undefined
  /** Receives messages for people: the bitcoind is gone, or back. */
  readonly log?: (line: string) => void
  /** Serves TLS with this certificate instead of plain TCP. */
  readonly tls?: ServerTls
}

export interface Devnet {
  /** `tcp://HOST:PORT` (`tls://` with a certificate), the value for `--electrum`. */
  readonly url: string
  readonly host: string
  readonly port: number
  readonly height: BlockHeight
  readonly tip: BlockRef
  readonly backend: ChainBackend
  /** Mines blocks at once with the waiting transactions; resolves once they are in the chain. */
  mine: (blocks?: number) => Promise<readonly BlockRef[]>
  /**
   * Replaces the newest `depth` blocks, 1 to 99, by one more than that, as a branch with more work
   * does. Their transactions wait in the mempool again, unless the options say otherwise.
   *
   * @throws PaychanError `ERR_INVALID_DEPTH`
   */
  reorg: (depth: number, options?: ReorgOptions) => Promise<readonly BlockRef[]>
  /**
   * Pays satoshis to a regtest address. The transaction waits in the mempool: mine a block to
   * confirm it. With `autoMine` it is in a block once this resolves.
   *
   * @throws PaychanError `ERR_INVALID_ADDRESS`, `ERR_INVALID_AMOUNT`, `ERR_INSUFFICIENT_FUNDS`,
   *   `ERR_BROADCAST_REFUSED` (an amount that is dust).
   */
  fund: (address: string, amount: bigint) => Promise<Txid>
  /** As `blockchain.transaction.broadcast`. */
  submit: (raw: Uint8Array) => Promise<SubmitResult>
  transaction: (txid: string) => Promise<LocatedTransaction | undefined>
  /** The unspent outputs of a scriptPubKey; those in the mempool have no height. */
  utxos: (script: Uint8Array) => Promise<readonly Utxo[]>
  /** With a load: the trace's feerate for the next block. */
  nextRate: () => FeeRate | undefined
  on: (event: ChainEvent, listener: (change: ChainChange) => void) => () => void
  stop: () => Promise<void>
}

/**
 * Starts a devnet. 120 blocks exist once it resolves.
 *
 * @throws PaychanError `ERR_LISTEN_FAILED` when the port cannot be had, `ERR_CONFIG_INVALID` when a
 *   limit makes no sense; with a bitcoind `ERR_BITCOIND_UNREACHABLE`, `ERR_BITCOIND_AUTH`,
 *   `ERR_WRONG_NETWORK`.
 * @example
 * const devnet = await startDevnet({ seed: 'story' })
 * await devnet.fund('bcrt1q...', satoshi(100_000n))
 * await devnet.mine(1)
 * await devnet.stop()
 */
export async function startDevnet(options: DevnetOptions = {}): Promise<Devnet> {
  const { host = '127.0.0.1', port = 0, autoMine = false, tls, bitcoind, log } = options
  const { chain, nextRate, stop } =
    bitcoind === undefined ? await embedded(options) : await mirrored(bitcoind, log)
  const server = await startElectrumServer(chain, host, port, tls).catch((cause: unknown) => {
    void stop()
    throw new PaychanError(
      'ERR_LISTEN_FAILED',
      `Cannot listen on ${host}:${port} (${messageOf(cause)}). ${adviceOf('ERR_LISTEN_FAILED')}`,
      { host, port },
      { cause }
    )
  })
  const miner = autoMine ? startMiner(chain) : undefined
  return {
    url: `${tls === undefined ? 'tcp' : 'tls'}://${host}:${server.port}`,
    host,
    port: server.port,
    backend: chain,
    get height() {
      return chain.best.height
    },
    get tip() {
      return chain.best
    },
    mine: async (blocks = 1) => await chain.mine(blocks),
    reorg: async (depth, options) => await chain.reorg(depth, options),
    fund: async (address, amount) => {
      const txid = await chain.fund(addressScript(address), satoshi(amount))
      await miner?.idle()
      return txid
    },
    submit: async (raw) => await chain.submit(raw),
    transaction: async (txid) => await chain.transaction(txid),
    utxos: async (script) => (await chain.scriptCoins(scriptHashOf(script))).unspent,
    nextRate: () => nextRate?.(),
    on: (event, listener) => chain.on(event, listener),
    stop: async () => {
      await miner?.stop()
      await server.stop()
      await stop()
    }
  }
}

/** A backend, with the extras that the devnet needs. */
interface Behind {
  readonly chain: IndexedChain & ChainBackend
  readonly nextRate?: () => FeeRate
  readonly stop: () => Promise<void>
}

async function embedded({
  seed,
  blockWeight,
  mempoolVsize,
  core,
  load
}: DevnetOptions): Promise<Behind> {
  checkLimit('blockWeight', blockWeight, 4_000, MAX_TEMPLATE_WEIGHT)
  checkLimit('mempoolVsize', mempoolVsize, 1_000, MAX_MEMPOOL_VSIZE)
  if (core !== undefined && !(core in RELEASES)) {
    throw new PaychanError(
      'ERR_CONFIG_INVALID',
      `core is one of ${Object.keys(RELEASES).join(', ')}, and ${String(core)} is not.`,
      { key: 'core', value: core }
    )
  }
  const genesisTime = genesisBlock().header.time
  const chain = new EmbeddedChain({
    seed: seed ?? randomUUID(),
    ...(blockWeight === undefined ? {} : { maxWeight: blockWeight }),
    ...(mempoolVsize === undefined ? {} : { mempoolVsize }),
    ...(core === undefined ? {} : { core }),
    now:
      seed === undefined
        ? () => Math.floor(Date.now() / 1_000)
        : (height) => genesisTime + height * BLOCK_INTERVAL
  })
  await chain.mine(INITIAL_BLOCKS)
  return {
    chain,
    ...(load === undefined ? {} : { nextRate: await chain.startLoad(load, seed ?? 'load') }),
    stop: async () => {}
  }
}

async function mirrored(url: string, log?: (line: string) => void): Promise<Behind> {
  const chain = await BitcoindChain.connect(url, INITIAL_BLOCKS, log === undefined ? {} : { log })
  return {
    chain,
    stop: async () => {
      await chain.stop()
    }
  }
}

function checkLimit(key: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= least && value <= most)) {
    return
  }
  throw new PaychanError(
    'ERR_CONFIG_INVALID',
    `${key} is a whole number from ${least} to ${most}, and ${value} is not.`,
    { key, value }
  )
}

/** Mines one block after another for as long as transactions wait. */
function startMiner(chain: ChainBackend): { idle: () => Promise<void>; stop: () => Promise<void> } {
  let work = Promise.resolve()
  const off = chain.on('mempool', () => {
    work = work.then(async () => {
      if ((await chain.mempool()).length > 0) await chain.mine(1)
    })
  })
  return {
    idle: async () => {
      await work
    },
    stop: async () => {
      off()
      await work
    }
  }
}
