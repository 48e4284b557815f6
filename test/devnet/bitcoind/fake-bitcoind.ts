/**
 * The JSON-RPC interface of a bitcoind, with an embedded chain behind it. Counts what is asked of
 * it.
 */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { EmbeddedChain } from '../../../src/devnet/index.js'
import { hash256, reversedHex } from '../../../src/devnet/transaction.js'
import { fromHex, toHex } from '../../../src/types/bytes.js'
import { rawBlock } from '../../real/bitcoind.js'

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

export class FakeBitcoind {
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
