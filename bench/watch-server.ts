/**
 * A process of its own: opens many channels into a store, then is an Electrum server at the
 * beginning of regtest, whose first block has their T1s, as the node of the store learns at once.
 * Everything is worked out before, so that answers cost next to nothing. Tells its port and the
 * scripts; a message from the parent brings a new block, without any of the scripts in it, or cuts
 * all connections.
 */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { concat } from 'uint8arrays'
import { buildCoinbase, genesisBlock, mineBlock } from '../src/devnet/block.js'
import {
  decodeTransaction,
  hash256,
  reversedHex,
  scriptHashOf,
  sha256
} from '../src/devnet/transaction.js'
import { openLevelStore } from '../src/store/level.js'
import { toHex } from '../src/types/bytes.js'
import { satoshi } from '../src/types/units.js'
import { openIdleChannels } from './idle-channels.js'
import { allKnown, startEngine } from './idle-node.js'

/** The message to the parent once the server listens. */
export interface ServerReady {
  readonly port: number
  readonly scripts: readonly string[]
}

const [count = '', directory = ''] = process.argv.slice(2)

const store = await openLevelStore(directory)
const opened = await openIdleChannels(Number(count), store)
await store.close()

const transactions = opened.transactions.map((raw) => decodeTransaction(raw))
const coinbase = buildCoinbase(1, new Uint8Array(22), satoshi(1n), [])
const genesis = genesisBlock()
const blocks = [genesis, mineBlock(genesis, genesis.header.time + 600, [coinbase, ...transactions])]

/** All levels of the merkle tree of block 1, so that a branch is looked up. */
const levels: Uint8Array[][] = [[coinbase, ...transactions].map(({ hash }) => hash)]
for (let level = levels[0] ?? []; level.length > 1;) {
  const above: Uint8Array[] = []
  for (let i = 0; i < level.length; i += 2) {
    above.push(
      hash256(
        concat([
          level[i] ?? level[0] ?? new Uint8Array(),
          level[i + 1] ?? level[i] ?? new Uint8Array()
        ])
      )
    )
  }
  levels.push(above)
  level = above
}

const byScript = new Map(
  transactions.flatMap((tx, index) =>
    tx.outputs.map(({ script }) => [scriptHashOf(script) as string, { tx, index }])
  )
)
const byTxid = new Map(transactions.map((tx, index) => [tx.txid as string, { tx, index }]))

function tip(): { height: number; hex: string } {
  const last = blocks.at(-1) ?? genesis
  return { height: last.height, hex: toHex(last.rawHeader) }
}

function answer(method: string, [first, second]: readonly unknown[]): unknown {
  const found = byScript.get(String(first)) ?? byTxid.get(String(first))
  switch (method) {
    case 'server.version':
      return ['bench', '1.4']
    case 'blockchain.headers.subscribe':
      return tip()
    case 'blockchain.block.headers': {
      const part = blocks.slice(Number(first), Number(first) + Number(second))
      return {
        count: part.length,
        hex: part.map(({ rawHeader }) => toHex(rawHeader)).join(''),
        max: 2016
      }
    }
    case 'blockchain.scripthash.subscribe':
      return found === undefined
        ? null
        : toHex(sha256(new TextEncoder().encode(`${found.tx.txid}:1:`)))
    case 'blockchain.scripthash.get_history':
      return found === undefined ? [] : [{ tx_hash: found.tx.txid, height: 1 }]
    case 'blockchain.transaction.get':
      return toHex(found?.tx.raw ?? new Uint8Array())
    case 'blockchain.transaction.get_merkle': {
      const position = (found?.index ?? 0) + 1
      const merkle = levels
        .slice(0, -1)
        .map((level, depth) =>
          reversedHex(
            level[(position >> depth) ^ 1] ?? level[position >> depth] ?? new Uint8Array()
          )
        )
      return { block_height: 1, merkle, pos: position }
    }
    default:
      return null
  }
}

/** A first life of the node, which finds its T1s in their block: later ones find nothing new. */
async function settle(port: number): Promise<void> {
  const { chain, stop } = await startEngine(directory, port)
  await allKnown(chain, opened.scripts.length)
  await stop()
}

const sockets = new Set<Socket>()
const server = createServer((socket) => {
  sockets.add(socket)
  socket.setNoDelay(true)
  socket.on('error', () => {})
  socket.on('close', () => {
    sockets.delete(socket)
  })
  let rest = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    socket.write(
      lines
        .map((line) => {
          const { id, method, params } = JSON.parse(line) as {
            id: number
            method: string
            params: unknown[]
          }
          return `${JSON.stringify({ jsonrpc: '2.0', id, result: answer(method, params) })}\n`
        })
        .join('')
    )
  })
})

process.on('message', (order) => {
  if (order === 'cut') for (const socket of sockets) socket.destroy()
  if (order !== 'mine') return
  const last = blocks.at(-1) ?? genesis
  blocks.push(
    mineBlock(last, last.header.time + 600, [
      buildCoinbase(last.height + 1, new Uint8Array(22), satoshi(1n), [])
    ])
  )
  for (const socket of sockets) {
    socket.write(
      `${JSON.stringify({ jsonrpc: '2.0', method: 'blockchain.headers.subscribe', params: [tip()] })}\n`
    )
  }
})
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  settle(port).then(
    () => {
      const ready: ServerReady = { port, scripts: opened.scripts.map((script) => toHex(script)) }
      process.send?.(ready)
    },
    (error: unknown) => {
      throw error
    }
  )
})
process.on('disconnect', () => {
  process.exit()
})
