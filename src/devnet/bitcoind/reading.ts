/**
 * What a bitcoind has that an index lacks: read as a whole, so that it can be applied in one go.
 */
import { z } from 'zod'
import { fromHex } from '../../types/bytes.js'
import { blockHeight } from '../../types/units.js'
import type { BlockIndex } from '../block-index.js'
import { decodeBlock, previousHash, type Block } from '../block.js'
import type { Mempool } from '../mempool.js'
import { decodeTransaction, type Tx } from '../transaction.js'
import { RpcRefusal, type BitcoindRpc } from './rpc.js'

/**
 * `RPC_INVALID_ADDRESS_OR_KEY`, `RPC_INVALID_PARAMETER`: a transaction or a height that is no more.
 */
const NOT_FOUND: ReadonlySet<number> = new Set([-5, -8])

/** Blocks in one go: the first reading of a long chain shows progress, and holds little. */
const MOST_BLOCKS = 500
/** In one request: blocks may be large, and bitcoind answers with all of them at once. */
const BLOCKS_AT_ONCE = 50
const TRANSACTIONS_AT_ONCE = 200
/** In one request, from the tip down: a reorganisation reaches hardly ever further. */
const HASHES_AT_ONCE = 100

const hash = z.string().regex(/^[0-9a-f]{64}$/)
const hex = z.string().regex(/^([0-9a-f]{2})*$/)

export interface Reading {
  /** Blocks of the index that are no more. */
  readonly undone: number
  readonly blocks: readonly Block[]
  /** The height of the chain that was read. */
  readonly tip: number
  /** Whether there are more blocks than were read; the mempool comes with the last ones. */
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
  // What was read of the mempool belongs to this tip.
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
