/** A scripted Electrum server over TCP: honest as long as a test does not tell it otherwise. */
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { scriptHashOf } from '../../src/chain/electrum/session.js'
import { fromHex, toHex, txid } from '../../src/types/bytes.js'
import { FakeChain } from './fake-chain.js'
import { Recorder } from './helpers.js'

/** What a handler may do besides returning a result: throw this to answer with an error. */
export class Refusal extends Error {}

/** A handler that returns this leaves the request without an answer. */
export const SILENCE = Symbol('silence')

export type Handler = (params: unknown[], socket: Socket) => unknown

/** What each version of the protocol does not have, of what others have. */
const LACKING: Readonly<Record<FakeServer['version'], readonly string[]>> = {
  1.4: [
    'mempool.get_info',
    'blockchain.transaction.broadcast_package',
    'blockchain.transaction.testmempoolaccept',
    'blockchain.scriptpubkey.subscribe',
    'blockchain.scriptpubkey.get_history'
  ],
  1.6: [
    'blockchain.relayfee',
    'blockchain.transaction.testmempoolaccept',
    'blockchain.scriptpubkey.subscribe',
    'blockchain.scriptpubkey.get_history'
  ],
  1.7: [
    'blockchain.relayfee',
    'blockchain.scripthash.subscribe',
    'blockchain.scripthash.get_history'
  ]
}

export class FakeServer {
  readonly requests = new Recorder<{ method: string; params: unknown[] }>()
  readonly connections = new Recorder<Socket>()
  readonly #overrides = new Map<string, Handler>()
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #port = 0

  /** The version of the protocol that it agrees on. */
  version: '1.4' | '1.6' | '1.7' = '1.4'

  constructor(readonly chain: FakeChain = new FakeChain()) {}

  get url(): string {
    return `tcp://127.0.0.1:${this.#port}`
  }

  get port(): number {
    return this.#port
  }

  async listen(port = this.#port): Promise<this> {
    const server = createServer((socket) => {
      this.#accept(socket)
    })
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    this.#server = server
    this.#port = (server.address() as AddressInfo).port
    return this
  }

  /** Stops listening and drops everybody; `listen` brings it back at the same port. */
  async close(): Promise<void> {
    this.drop()
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    server.close()
    await once(server, 'close')
  }

  drop(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#sockets.clear()
  }

  /** Answers a method in another way until `restore`. A promise holds the answer back. */
  on(method: string, handler: Handler): void {
    this.#overrides.set(method, handler)
  }

  restore(method: string): void {
    this.#overrides.delete(method)
  }

  count(method: string): number {
    return this.requests.all.filter((request) => request.method === method).length
  }

  send(text: string | Uint8Array): void {
    for (const socket of this.#sockets) socket.write(text)
  }

  notify(method: string, params: unknown[]): void {
    this.send(JSON.stringify({ jsonrpc: '2.0', method, params }) + '\n')
  }

  notifyTip(): void {
    this.notify('blockchain.headers.subscribe', [this.tip()])
  }

  notifyScript(script: Uint8Array): void {
    const scriptHash = scriptHashOf(script)
    this.notify(
      this.version === '1.7'
        ? 'blockchain.scriptpubkey.subscribe'
        : 'blockchain.scripthash.subscribe',
      [scriptHash, this.chain.status(scriptHash)]
    )
  }

  tip(): { height: number; hex: string } {
    return { height: this.chain.height, hex: toHex(this.chain.header(this.chain.height)) }
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#sockets.delete(socket)
    })
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('utf8')
      for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n')) {
        void this.#answer(socket, text.slice(0, end))
        text = text.slice(end + 1)
      }
    })
    this.connections.push(socket)
  }

  async #answer(socket: Socket, line: string): Promise<void> {
    const { id, method, params } = JSON.parse(line) as {
      id: number
      method: string
      params: unknown[]
    }
    this.requests.push({ method, params })
    try {
      if (LACKING[this.version].includes(method)) throw new Refusal(`unknown method "${method}"`)
      const result = await (
        this.#overrides.get(method) ?? ((params: unknown[]) => this.honest(method, params))
      )(params, socket)
      if (result !== SILENCE) socket.write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\n')
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      socket.write(
        JSON.stringify({ jsonrpc: '2.0', id, error: { code: 1, message: error.message } }) + '\n'
      )
    }
  }

  /** What an honest server answers. */
  honest(method: string, params: unknown[]): unknown {
    const [first, second] = params
    switch (method) {
      case 'server.version':
        return ['FakeElectrum 1', this.version]
      case 'server.ping':
        return null
      case 'blockchain.headers.subscribe':
        return this.tip()
      case 'blockchain.block.headers': {
        const blocks = this.chain.blocks.slice(Number(first), Number(first) + Number(second))
        const headers = blocks.map(({ header }) => toHex(header))
        if (this.version !== '1.4') return { count: headers.length, headers, max: 2016 }
        return { count: blocks.length, hex: headers.join(''), max: 2016 }
      }
      case 'blockchain.scripthash.subscribe':
        return this.chain.status(String(first))
      case 'blockchain.scripthash.get_history':
        return this.chain.history(String(first))
      case 'blockchain.scriptpubkey.subscribe':
        return this.chain.status(scriptHashOf(fromHex(String(first))))
      case 'blockchain.scriptpubkey.get_history':
        return this.chain.history(scriptHashOf(fromHex(String(first))))
      case 'blockchain.transaction.get': {
        const transaction = this.chain.find(txid(String(first)))
        if (transaction === undefined) {
          throw new Refusal('No such mempool or blockchain transaction.')
        }
        return transaction.toHex()
      }
      case 'blockchain.transaction.get_merkle': {
        const proof = this.chain.proof(txid(String(first)), Number(second))
        if (proof === undefined) {
          throw new Refusal(`tx ${String(first)} not in block at height ${String(second)}`)
        }
        return { ...proof, block_height: second }
      }
      case 'blockchain.estimatefee':
        return -1
      case 'blockchain.relayfee':
        return 0.00001
      case 'mempool.get_info':
        return { mempoolminfee: 0.00001, minrelaytxfee: 0.00001, incrementalrelayfee: 0.00001 }
      default:
        throw new Refusal(`unknown method "${method}"`)
    }
  }
}
