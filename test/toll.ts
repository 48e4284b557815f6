/**
 * Stands before an Electrum server and charges for what passes, as ElectrumX does (2.0:
 * `session.py`, and aiorpcX): for each request by its method, for each byte in both directions, and
 * a hundred for each refusal. When all of it has come to the hard limit it hangs up. Nothing is
 * forgiven with time, so that what a test measures is the whole; a test says `forgive` itself.
 */
import { once } from 'node:events'
import {
  createConnection,
  createServer,
  type AddressInfo,
  type Server,
  type Socket
} from 'node:net'

/** `COST_HARD_LIMIT` of ElectrumX; it decays by one a second there. */
export const HARD_LIMIT = 10_000

/**
 * What a request costs; those that are not here, 1. Of `estimatefee` the first of a block, of the
 * others a short answer.
 */
const PRICES: Readonly<Record<string, number>> = {
  'server.version': 0.5,
  'server.ping': 0.1,
  'blockchain.headers.subscribe': 0.25,
  'blockchain.scripthash.subscribe': 0.2,
  'blockchain.scripthash.get_history': 0.35,
  'blockchain.scriptpubkey.subscribe': 0.2,
  'blockchain.scriptpubkey.get_history': 0.35,
  'blockchain.outpoint.subscribe': 2.3,
  'blockchain.transaction.testmempoolaccept': 0.25,
  'blockchain.transaction.broadcast': 0.25,
  'blockchain.transaction.broadcast_package': 0.25,
  'blockchain.estimatefee': 2.1
}

const CONNECTION = 5
const REFUSAL = 100
/** `BANDWIDTH_UNIT_COST`: the bytes that cost 1. */
const BYTES = 5_000
/** Headers that cost 1. */
const HEADERS = 50

interface Message {
  readonly id?: number | null
  readonly method?: string
  readonly params?: readonly unknown[]
  readonly error?: unknown
}

export class TollGate {
  /** All that was charged so far, over all connections. */
  total = 0
  /** All that was asked, in its order. */
  readonly requests: Array<{ readonly method: string; readonly params: readonly unknown[] }> = []
  /** Methods that were refused. */
  readonly refused: string[] = []
  readonly #sockets = new Set<Socket>()
  /** With `retains`: what the address, the same for all, has cost. */
  #retained = 0
  #server: Server | undefined
  #port = 0
  #hungUp = 0
  readonly #target: { readonly host: string; readonly port: number }
  readonly #limit: number
  readonly #retains: boolean

  /** `retains`: the cost is kept for an address over its connections (`retained_cost`). */
  constructor(
    target: { readonly host: string; readonly port: number },
    limit = HARD_LIMIT,
    retains = false
  ) {
    this.#target = target
    this.#limit = limit
    this.#retains = retains
  }

  get url(): string {
    return `tcp://127.0.0.1:${this.#port}`
  }

  /** How many connections it has ended for what they cost. */
  get hungUp(): number {
    return this.#hungUp
  }

  /** Of what was retained: ElectrumX forgives 600 in a block. */
  forgive(amount: number): void {
    this.#retained = Math.max(0, this.#retained - amount)
  }

  async open(): Promise<this> {
    const server = createServer((client) => {
      this.#join(client)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
    return this
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    server.close()
    await once(server, 'close')
  }

  #join(client: Socket): void {
    const upstream = createConnection(this.#target)
    const methods = new Map<unknown, string>()
    let cost = 0
    const charge = (amount: number): void => {
      cost += amount
      this.#retained += amount
      this.total += amount
      if ((this.#retains ? this.#retained : cost) < this.#limit || client.destroyed) return
      this.#hungUp++
      client.destroy()
    }
    charge(CONNECTION)
    this.#pass(
      client,
      upstream,
      ({ id, method, params }) => {
        methods.set(id, method ?? '')
        this.requests.push({ method: method ?? '', params: params ?? [] })
        charge(
          method === 'blockchain.block.headers'
            ? Number(params?.[1]) / HEADERS
            : (PRICES[method ?? ''] ?? 1)
        )
      },
      charge
    )
    this.#pass(
      upstream,
      client,
      ({ id, error }) => {
        const method = methods.get(id)
        methods.delete(id)
        if (error === undefined || error === null || method === undefined) return
        this.refused.push(method)
        charge(REFUSAL)
      },
      charge
    )
  }

  #pass(
    from: Socket,
    to: Socket,
    onMessage: (message: Message) => void,
    charge: (amount: number) => void
  ): void {
    this.#sockets.add(from)
    from.setNoDelay(true)
    from.on('error', () => {
      to.destroy()
    })
    from.on('close', () => {
      this.#sockets.delete(from)
      to.destroy()
    })
    let text = ''
    from.on('data', (chunk) => {
      charge(chunk.length / BYTES)
      text += chunk.toString('utf8')
      for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n')) {
        onMessage(JSON.parse(text.slice(0, end)) as Message)
        text = text.slice(end + 1)
      }
      to.write(chunk)
    })
  }
}
