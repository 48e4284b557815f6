/** A bitcoind: its JSON-RPC interface over HTTP, and complete readings of its state. */
import { z } from 'zod'
import { fromHex } from '../../types/bytes.js'
import { messageOf, PaychanError } from '../../types/errors.js'
import { blockHeight } from '../../types/units.js'
import type { BlockIndex } from '../indexed-chain.js'
import { type Block, decodeBlock, previousHash } from '../block.js'
import type { Mempool } from '../mempool.js'
import { decodeTransaction, type Tx } from '../transaction.js'

/* The JSON-RPC interface of a bitcoind, over HTTP. */

/** Mining a hundred blocks may take a while; anything longer is a bitcoind that hangs. */
const TIMEOUT_MS = 120_000

/** Methods that must not be repeated. Repeating any other gives the answer that was lost. */
const ONCE: ReadonlySet<string> = new Set(['generatetodescriptor', 'generateblock'])

/** A connection that bitcoind closed while idle (`-rpcservertimeout`), unknown to us. */
const CLOSED: ReadonlySet<unknown> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

/** `RPC_IN_WARMUP` */
const STARTING = -28

/** A refusal of bitcoind. `code` is one of Bitcoin Core's `RPC_*`. */
export class RpcRefusal extends Error {
  override readonly name = 'RpcRefusal'

  constructor(
    readonly code: number,
    message: string
  ) {
    super(message)
  }
}

const answerShape = z.object({
  result: z.unknown(),
  error: z.object({ code: z.number(), message: z.string() }).nullish()
})
const batchShape = z.array(answerShape.extend({ id: z.int() }))

export class BitcoindRpc {
  /** The address, without the password. */
  readonly address: string
  readonly #endpoint: string
  readonly #authorization: string

  /**
   * @param url `http://USER:PASSWORD@HOST:PORT`; the content of bitcoind's `.cookie` file is a
   *   user and a password too.
   * @throws PaychanError `ERR_CONFIG_INVALID`
   */
  constructor(url: string) {
    const parsed = URL.canParse(url) ? new URL(url) : undefined
    if (parsed?.protocol !== 'http:' || parsed.username === '' || parsed.password === '') {
      throw new PaychanError(
        'ERR_CONFIG_INVALID',
        'The address of a bitcoind is written http://USER:PASSWORD@HOST:PORT, such as http://me:secret@127.0.0.1:18443 (or with the two halves of its .cookie file).',
        { key: 'bitcoind' }
      )
    }
    this.address = parsed.host
    this.#endpoint = `${parsed.origin}/`
    this.#authorization = `Basic ${btoa(`${decodeURIComponent(parsed.username)}:${decodeURIComponent(parsed.password)}`)}`
  }

  /** @throws RpcRefusal, PaychanError `ERR_BITCOIND_UNREACHABLE`, `ERR_BITCOIND_AUTH` */
  async call<T>(shape: z.ZodType<T>, method: string, ...params: unknown[]): Promise<T> {
    return this.#read(
      shape,
      method,
      answerShape.parse(await this.#post({ method, params }, !ONCE.has(method)))
    )
  }

  /**
   * Calls one method many times in one request, which saves a busy machine a round trip for each.
   * For calls that may be repeated.
   *
   * @throws RpcRefusal for the first refused call; else as `call`
   */
  async batch<T>(
    shape: z.ZodType<T>,
    method: string,
    each: ReadonlyArray<readonly unknown[]>
  ): Promise<T[]> {
    if (each.length === 0) return []
    const answers = batchShape.parse(
      await this.#post(
        each.map((params, id) => ({ id, method, params })),
        true
      )
    )
    const byId = new Map(answers.map((answer) => [answer.id, answer]))
    return each.map((_, id) => this.#read(shape, method, byId.get(id)))
  }

  #read<T>(
    shape: z.ZodType<T>,
    method: string,
    answer: z.output<typeof answerShape> | undefined
  ): T {
    const { result, error } = answer ?? { result: undefined, error: undefined }
    if (error?.code === STARTING) throw this.#unreachable(error.message)
    if (error !== null && error !== undefined) throw new RpcRefusal(error.code, error.message)
    const parsed = shape.safeParse(result)
    if (!parsed.success) throw this.#unreachable(`it gave an answer of the wrong form to ${method}`)
    return parsed.data
  }

  async #post(body: object, mayRepeat: boolean): Promise<unknown> {
    let status: number
    let text: string
    try {
      const response = await fetch(this.#endpoint, {
        method: 'POST',
        headers: { authorization: this.#authorization, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS)
      })
      status = response.status
      text = await response.text()
    } catch (error) {
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
      if (
        mayRepeat &&
        typeof cause === 'object' &&
        cause !== null &&
        'code' in cause &&
        CLOSED.has(cause.code)
      ) {
        return await this.#post(body, false)
      }
      throw this.#unreachable(messageOf(cause))
    }
    if (status === 401 || status === 403) {
      throw new PaychanError(
        'ERR_BITCOIND_AUTH',
        `The bitcoind at ${this.address} does not take this user and password.`,
        { address: this.address }
      )
    }
    try {
      return JSON.parse(text)
    } catch {
      throw this.#unreachable(`HTTP status ${status}`)
    }
  }

  #unreachable(why: string): PaychanError {
    return new PaychanError(
      'ERR_BITCOIND_UNREACHABLE',
      `Cannot use the bitcoind at ${this.address}: ${why}. Is it running, with -server and this -rpcport?`,
      { address: this.address }
    )
  }
}

/* Reads what the index lacks as a whole, so that it can be applied in one go. */

/**
 * `RPC_INVALID_ADDRESS_OR_KEY`, `RPC_INVALID_PARAMETER`: a transaction or a height that no longer
 * exists.
 */
const NOT_FOUND: ReadonlySet<number> = new Set([-5, -8])

/**
 * Blocks in one go, so that the first reading of a long chain shows progress and takes little
 * memory.
 */
const MOST_BLOCKS = 500
/** Blocks per request: they may be large, and bitcoind answers with all at once. */
const BLOCKS_AT_ONCE = 50
const TRANSACTIONS_AT_ONCE = 200
/** Hashes per request, from the tip down: a reorganisation hardly ever goes deeper. */
const HASHES_AT_ONCE = 100

const hash = z.string().regex(/^[0-9a-f]{64}$/)
const hex = z.string().regex(/^([0-9a-f]{2})*$/)

export interface Reading {
  /** Number of the index's blocks that were taken back. */
  readonly undone: number
  readonly blocks: readonly Block[]
  /** The height of the chain that was read. */
  readonly tip: number
  /** True when more blocks are left to read; the mempool comes with the last ones. */
  readonly isPart: boolean
  readonly mempool: ReadonlySet<string>
  readonly arrived: readonly Tx[]
}

/** Undefined when the chain has changed meanwhile. */
export async function readChanges(
  rpc: BitcoindRpc,
  index: BlockIndex,
  pool: Mempool
): Promise<Reading | undefined> {
  try {
    return await read(rpc, index, pool)
  } catch (error) {
    if (error instanceof RpcRefusal && NOT_FOUND.has(error.code)) return undefined
    throw error
  }
}

async function read(
  rpc: BitcoindRpc,
  index: BlockIndex,
  pool: Mempool
): Promise<Reading | undefined> {
  const best = await rpc.call(hash, 'getbestblockhash')
  const { height: tip } = await rpc.call(z.object({ height: z.int() }), 'getblockheader', best)
  const common = await commonHeight(rpc, index, tip)
  const blocks: Block[] = []
  let before = index.block(common)?.hash
  const hashes = await rpc.batch(
    hash,
    'getblockhash',
    heights(common + 1, Math.min(tip, common + MOST_BLOCKS))
  )
  for (const part of inParts(hashes, BLOCKS_AT_ONCE)) {
    for (const raw of await rpc.batch(
      hex,
      'getblock',
      part.map((each) => [each, 0])
    )) {
      const block = decodeBlock(blockHeight(common + 1 + blocks.length), fromHex(raw))
      if (previousHash(block) !== before) return undefined
      before = block.hash
      blocks.push(block)
    }
  }
  const undone = index.tip.height - common
  if (before !== best) return { undone, blocks, tip, isPart: true, mempool: new Set(), arrived: [] }
  const mempool = new Set(await rpc.call(z.array(hash), 'getrawmempool'))
  const arrived: Tx[] = []
  for (const part of inParts(
    [...mempool].filter((txid) => pool.get(txid) === undefined),
    TRANSACTIONS_AT_ONCE
  )) {
    for (const raw of await rpc.batch(
      hex,
      'getrawtransaction',
      part.map((txid) => [txid])
    )) {
      arrived.push(decodeTransaction(fromHex(raw)))
    }
  }
  // The mempool reading belongs to this tip.
  return (await rpc.call(hash, 'getbestblockhash')) === best
    ? { undone, blocks, tip, isPart: false, mempool, arrived }
    : undefined
}

/** The height of the newest block that both have. */
async function commonHeight(rpc: BitcoindRpc, index: BlockIndex, tip: number): Promise<number> {
  let top = Math.min(index.tip.height, tip)
  // One is enough, unless blocks were taken back.
  for (let count = 1; top > 0; count = HASHES_AT_ONCE) {
    const first = Math.max(1, top - count + 1)
    const hashes = await rpc.batch(hash, 'getblockhash', heights(first, top))
    const same = hashes.findLastIndex((each, i) => index.block(first + i)?.hash === each)
    if (same !== -1) return first + same
    top = first - 1
  }
  return 0
}

function heights(first: number, last: number): number[][] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => [first + i])
}

function inParts<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) =>
    all.slice(i * size, (i + 1) * size)
  )
}
