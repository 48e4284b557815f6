/**
 * A devnet that shows the chain of a bitcoind: how it is read, and what happens when others have
 * mined it.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fundPatiently } from '../../../src/demo/stage.js'
import { type Devnet, type EmbeddedChain, startDevnet } from '../../../src/devnet/index.js'
import { hash256, reversedHex } from '../../../src/devnet/transaction.js'
import { fromHex, toHex } from '../../../src/types/bytes.js'
import { satoshi } from '../../../src/types/units.js'
import { rawBlock } from '../../real/bitcoind.js'
import { alice, freshChain } from '../support.js'

/*
 * The JSON-RPC interface of a bitcoind, with an embedded chain behind it. Counts what is asked of
 * it.
 */

interface Call {
  readonly id?: number
  readonly method: string
  readonly params: readonly unknown[]
}

class Refused extends Error {
  constructor(
    readonly code: number,
    message: string
  ) {
    super(message)
  }
}

class FakeBitcoind {
  /** HTTP requests, whatever is in them. */
  requests = 0
  #server: Server | undefined
  #known: string[] = []

  constructor(readonly chain: EmbeddedChain) {}

  get url(): string {
    return `http://me:secret@127.0.0.1:${(this.#server?.address() as AddressInfo).port}`
  }

  async listen(): Promise<this> {
    this.#server = createServer((request, response) => {
      let text = ''
      request
        .setEncoding('utf8')
        .on('data', (chunk: string) => {
          text += chunk
        })
        .on('end', () => {
          this.requests++
          const body = JSON.parse(text) as Call | Call[]
          const answered = Array.isArray(body)
            ? Promise.all(body.map(async (each) => await this.#answer(each)))
            : this.#answer(body)
          void answered.then((answer) => {
            response.end(JSON.stringify(answer))
          })
        })
    })
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return this
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections()
    this.#server?.close()
  }

  async #answer({ id = 0, method, params }: Call): Promise<object> {
    try {
      return { id, result: await this.#result(method, params), error: null }
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      return { id, result: null, error: { code: error.code, message: error.message } }
    }
  }

  async #result(method: string, [first, second]: readonly unknown[]): Promise<unknown> {
    const { chain } = this
    switch (method) {
      case 'getblockchaininfo':
        return { chain: 'regtest' }
      case 'getnetworkinfo':
        return { subversion: '/Fake:1/' }
      case 'getmempoolinfo':
        return { mempoolminfee: 0.00001, minrelaytxfee: 0.00001, incrementalrelayfee: 0.00001 }
      case 'getbestblockhash':
        return chain.best.hash
      case 'getblockheader':
        return { height: await this.#heightOf(first) }
      case 'getblockhash':
        return (await this.#hashes())[Number(first)] ?? refuse(-8, 'Block height out of range')
      case 'getblock':
        return await rawBlock(chain, await this.#heightOf(first))
      case 'getrawmempool':
        return (await chain.mempool()).map(({ txid }) => txid)
      case 'getrawtransaction':
        return toHex(
          (await chain.transaction(String(first)))?.raw ?? refuse(-5, 'No such mempool transaction')
        )
      case 'generatetodescriptor':
        return (
          await chain.mine(Number(first), fromHex(/^raw\((.*)\)$/.exec(String(second))?.[1] ?? ''))
        ).map(({ hash }) => hash)
      case 'sendrawtransaction': {
        const result = await chain.submit(fromHex(String(first)))
        return result.accepted ? result.txid : refuse(-26, result.reason)
      }
      default:
        return refuse(-32_601, `Method not found: ${method}`)
    }
  }

  async #hashes(): Promise<string[]> {
    if (this.#known.at(-1) === this.chain.best.hash) return this.#known
    const headers = await Promise.all(
      Array.from(
        { length: this.chain.best.height + 1 },
        async (_, height) => await this.chain.header(height)
      )
    )
    this.#known = headers.map((header) => reversedHex(hash256(header ?? new Uint8Array())))
    return this.#known
  }

  async #heightOf(hash: unknown): Promise<number> {
    const height = (await this.#hashes()).indexOf(String(hash))
    return height === -1 ? refuse(-5, 'Block not found') : height
  }
}

function refuse(code: number, message: string): never {
  throw new Refused(code, message)
}

describe('devnet / the chain of a bitcoind', () => {
  let bitcoind: FakeBitcoind
  const ends: Array<() => Promise<void>> = []
  const told: string[] = []

  beforeEach(async () => {
    told.splice(0)
    bitcoind = await new FakeBitcoind(await freshChain()).listen()
    ends.push(async () => {
      await bitcoind.close()
    })
  })

  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })

  async function mirror(): Promise<Devnet> {
    const devnet = await startDevnet({
      bitcoind: bitcoind.url,
      log: (line) => {
        told.push(line)
      }
    })
    ends.push(async () => {
      await devnet.stop()
    })
    return devnet
  }

  it('is read many blocks at a time, and says how far it is, before anybody is served', async () => {
    await bitcoind.chain.mine(1_000)
    const devnet = await mirror()
    assert.equal(devnet.height, 1_120)
    assert.ok(bitcoind.requests < 50, `${bitcoind.requests} requests`)
    assert.deepEqual(told, [
      'reading the chain of bitcoind: block 500 of 1120',
      'reading the chain of bitcoind: block 1000 of 1120'
    ])
  })

  it('is caught up with at once when many blocks come together, also on another branch', async () => {
    const devnet = await mirror()
    const before = bitcoind.requests
    const seen = new Promise<void>((resolve) => {
      devnet.on('block', () => {
        if (devnet.tip.hash === bitcoind.chain.best.hash) resolve()
      })
    })
    await bitcoind.chain.reorg(20)
    await bitcoind.chain.mine(200)
    await seen
    assert.equal(devnet.height, bitcoind.chain.best.height)
    assert.ok(bitcoind.requests - before < 40, `${bitcoind.requests - before} requests`)
  })

  it('that others have mined pays nobody at first; a demo mines until it has coins of its own', async () => {
    const devnet = await mirror()
    await assert.rejects(devnet.fund(alice.address, 1_000_000n), {
      code: 'ERR_INSUFFICIENT_FUNDS',
      message: /has 0 sat that can be spent now/
    })
    const said: string[] = []
    await fundPatiently(devnet, alice.address, satoshi(1_000_000n), {
      say: (line) => {
        said.push(line)
      }
    })
    assert.deepEqual(
      [said.length, devnet.height, (await bitcoind.chain.mempool()).length],
      [1, 220, 1]
    )
    await fundPatiently(devnet, alice.address, satoshi(1_000_000n), {
      say: (line) => {
        said.push(line)
      }
    })
    assert.equal(said.length, 1, 'nothing more is mined, or said')
  })
})
