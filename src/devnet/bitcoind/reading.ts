/** What a bitcoind has that an index lacks: read as a whole, so that it can be applied in one go. */
import { z } from 'zod'
import { fromHex } from '../../types/bytes.js'
import { blockHeight } from '../../types/units.js'
import type { BlockIndex } from '../block-index.js'
import { decodeBlock, previousHash, type Block } from '../block.js'
import type { Mempool } from '../mempool.js'
import { decodeTransaction, type Tx } from '../transaction.js'
import { RpcRefusal, type BitcoindRpc } from './rpc.js'

/** `RPC_INVALID_ADDRESS_OR_KEY`, `RPC_INVALID_PARAMETER`: a transaction or a height that is no more. */
const NOT_FOUND: ReadonlySet<number> = new Set([-5, -8])

/** Blocks in one go: the first reading of a long chain shows progress, and holds little. */
const MOST_BLOCKS = 500

const hash = z.string().regex(/^[0-9a-f]{64}$/)
const hex = z.string().regex(/^([0-9a-f]{2})*$/)

export interface Reading {
  /** Blocks of the index that are no more. */
  readonly undone: number
  readonly blocks: readonly Block[]
  /** Whether there are more blocks than were read; the mempool comes with the last ones. */
  readonly isPart: boolean
  readonly mempool: ReadonlySet<string>
  readonly arrived: readonly Tx[]
}

/** Undefined when the chain has changed meanwhile. */
export async function readChanges (rpc: BitcoindRpc, index: BlockIndex, pool: Mempool): Promise<Reading | undefined> {
  try {
    return await read(rpc, index, pool)
  } catch (error) {
    if (error instanceof RpcRefusal && NOT_FOUND.has(error.code)) return undefined
    throw error
  }
}

async function read (rpc: BitcoindRpc, index: BlockIndex, pool: Mempool): Promise<Reading | undefined> {
  const best = await rpc.call(hash, 'getbestblockhash')
  const { height: tip } = await rpc.call(z.object({ height: z.int() }), 'getblockheader', best)
  let common = Math.min(index.tip.height, tip)
  while (common > 0 && await rpc.call(hash, 'getblockhash', common) !== index.block(common)?.hash) common -= 1
  const blocks: Block[] = []
  let before = index.block(common)?.hash
  for (let height = common + 1; height <= tip && blocks.length < MOST_BLOCKS; height++) {
    const raw = await rpc.call(hex, 'getblock', await rpc.call(hash, 'getblockhash', height), 0)
    const block = decodeBlock(blockHeight(height), fromHex(raw))
    if (previousHash(block) !== before) return undefined
    before = block.hash
    blocks.push(block)
  }
  const undone = index.tip.height - common
  if (before !== best) return { undone, blocks, isPart: true, mempool: new Set(), arrived: [] }
  const mempool = new Set(await rpc.call(z.array(hash), 'getrawmempool'))
  const arrived: Tx[] = []
  for (const txid of mempool) {
    if (pool.get(txid) === undefined) arrived.push(decodeTransaction(fromHex(await rpc.call(hex, 'getrawtransaction', txid))))
  }
  // What was read of the mempool belongs to this tip.
  return await rpc.call(hash, 'getbestblockhash') === best ? { undone, blocks, isPart: false, mempool, arrived } : undefined
}
