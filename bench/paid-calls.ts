/** Calls that cost 1 sat, and the same unpaid: over HTTP, and on streams of libp2p. */
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import type { Connection, Libp2p } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { Hono } from 'hono'
import { openBooks } from '../src/metering/books.js'
import { Gate } from '../src/metering/gate.js'
import { buyStream, StreamSales } from '../src/metering/paid-stream.js'
import { payingFetch } from '../src/metering/paying-fetch.js'
import type { PayerNode } from '../src/metering/purse.js'
import type { PayeeNode } from '../src/metering/till.js'
import { satoshi } from '../src/types/units.js'
import { closedLoop, type Load } from './load.js'

export const WAYS = ['http', 'stream'] as const
export type Way = (typeof WAYS)[number]

/** A number of callers, and how they call. */
export interface Calling {
  readonly way: Way
  readonly isPaid: boolean
  readonly callers: number
  readonly ms: number
}

const PRICE = satoshi(1n)
const BUDGET = satoshi(10_000_000n)
const [PAID, FREE] = ['/paid-calls/1.0.0', '/free-calls/1.0.0']
/** Callers on a stream have one each. */
const STREAMS = { maxInboundStreams: 256, maxOutboundStreams: 256 }
const ANSWER = new TextEncoder().encode('an answer')

export interface Seller {
  readonly url: string
  readonly close: () => Promise<void>
}

/** Sells by both ways: at a priced server, whose gate has books on the disk, and on streams. */
export async function sellCalls(
  host: Pick<Libp2p, 'handle'>,
  node: PayeeNode,
  directory: string
): Promise<Seller> {
  const books = await openBooks(directory)
  const gate = new Gate({ node, price: PRICE, realm: 'bench', books })
  const app = new Hono()
  app.use('/paid', gate.hono())
  for (const path of ['/paid', '/free']) app.get(path, (c) => c.text('an answer'))
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 })
  await new Promise((resolve) => server.once('listening', resolve))
  const sales = new StreamSales({ node, price: PRICE, per: 'message' })
  await host.handle(
    PAID,
    async (stream, { remotePeer }) => {
      const paid = await sales.sell(stream, remotePeer.toString())
      for (;;) {
        const question = await paid.received.next()
        if (question.done === true) return
        await paid.send(ANSWER)
      }
    },
    STREAMS
  )
  await host.handle(
    FREE,
    async (stream) => {
      const frames = lpStream(stream)
      for (;;) {
        const question = await frames.read().catch(() => undefined)
        if (question === undefined) return
        await frames.write(ANSWER)
      }
    },
    STREAMS
  )
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      gate.stop()
      sales.stop()
      await new Promise((resolve) => server.close(resolve))
      await books.close()
    }
  }
}

/** Buys by both ways, always with the same sessions. */
export class Buyer {
  readonly #pay: typeof fetch
  readonly #streams = new Map<string, Array<() => Promise<unknown>>>()
  readonly #node: PayerNode
  readonly #url: string
  readonly #seller: Connection

  constructor(node: PayerNode, url: string, seller: Connection) {
    this.#node = node
    this.#url = url
    this.#seller = seller
    this.#pay = payingFetch({ node, mostPerRequest: PRICE, budget: BUDGET })
  }

  async call({ way, isPaid, callers, ms }: Calling): Promise<Load> {
    if (way === 'http') {
      const [ask, place] = isPaid ? [this.#pay, '/paid'] : [fetch, '/free']
      return await closedLoop(callers, ms, async () => {
        const answer = await ask(`${this.#url}${place}`)
        if (answer.status !== 200) throw new Error(`A call was answered with ${answer.status}.`)
        return await answer.text()
      })
    }
    const calls = await this.#callsOn(isPaid, callers)
    let next = 0
    const free = calls.slice(0, callers)
    return await closedLoop(callers, ms, async () => {
      const call = free.pop() ?? calls[next++ % calls.length]
      await call?.()
      if (call !== undefined) free.push(call)
    })
  }

  /** A call on each of so many streams. */
  async #callsOn(isPaid: boolean, count: number): Promise<Array<() => Promise<unknown>>> {
    const protocol = isPaid ? PAID : FREE
    const calls = this.#streams.get(protocol) ?? []
    this.#streams.set(protocol, calls)
    while (calls.length < count) {
      const stream = await this.#seller.newStream(protocol, STREAMS)
      if (isPaid) {
        const seller = this.#seller.remotePeer.toString()
        const limits = { per: 'message', mostPerUnit: PRICE, budget: BUDGET } as const
        const bought = await buyStream(stream, { node: this.#node, seller, ...limits })
        calls.push(async () => {
          await bought.send(ANSWER)
          return await bought.received.next()
        })
      } else {
        const frames = lpStream(stream)
        calls.push(async () => {
          await frames.write(ANSWER)
          return await frames.read()
        })
      }
    }
    return calls
  }
}
