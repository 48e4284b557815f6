/**
 * What waits for its payment on a stream that is over takes nothing of what is paid for the next
 * one.
 */
import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import type { Stream } from '@libp2p/interface'
import { lpStream, streamPair, type LengthPrefixedStream } from '@libp2p/utils'
import { z } from 'zod'
import { Gate, StreamSales, type PaidStream } from '../../src/metering/index.js'
import { credentialHeader, readChallenges } from '../../src/metering/payment-auth.js'
import { memoOf } from '../../src/metering/session-terms.js'
import '../../src/p2p/polyfill.js'
import { satoshi } from '../../src/types/units.js'
import { FakePayee } from './fake-payee.js'

const PRICE = satoshi(1n)
/** Milliseconds: longer than a test takes. */
const LONG = 60_000

const offerShape = z.object({ session: z.string(), units: z.number() })

describe('metering / streams that are left', () => {
  let payee: FakePayee
  let seller: { readonly stop: () => void }

  beforeEach(() => {
    payee = new FakePayee()
  })
  afterEach(() => {
    seller.stop()
  })

  interface Open {
    readonly mine: Stream
    readonly theirs: Stream
    readonly frames: LengthPrefixedStream<Stream>
    readonly sold: PaidStream
    readonly offer: z.output<typeof offerShape>
  }

  async function open(sales: StreamSales): Promise<Open> {
    const [mine, theirs] = await streamPair()
    const frames = lpStream(mine)
    const [sold, first] = await Promise.all([sales.sell(theirs, 'the buyer'), frames.read()])
    const offer = offerShape.parse(JSON.parse(Buffer.from(first.subarray(1)).toString()))
    return { mine, theirs, frames, sold, offer }
  }

  it('of libp2p: the account goes on with the next one, which has all that is paid', async () => {
    const sales = new StreamSales({
      node: payee.node,
      price: PRICE,
      per: 'message',
      patience: LONG
    })
    seller = sales
    const one = await open(sales)
    const waiting = [1, 2, 3].map(async (each) => await one.sold.send(Uint8Array.of(each)))
    const refused = Promise.all([
      assert.rejects(waiting[0] ?? assert.fail(), { code: 'ERR_NOT_PAID' }),
      ...waiting.slice(1).map(async (queued) => {
        await assert.rejects(queued, { code: 'ERR_NOT_PAID', message: /is over/ })
      })
    ])
    await setImmediate()
    const closed = new Promise((resolve) => {
      one.theirs.addEventListener('close', resolve, { once: true })
    })
    one.mine.abort(new Error('the line is cut'))
    await closed
    const two = await open(sales)
    assert.deepEqual(two.offer, { ...two.offer, session: one.offer.session, units: 0 })
    const sent = two.sold.send(Uint8Array.of(7))
    await setImmediate()
    payee.pay({ amount: PRICE, memo: memoOf(two.offer.session) })
    assert.equal((await two.frames.read()).subarray().at(-1), 7)
    await sent
    await refused
    assert.equal(two.sold.bill().units, 1)
    two.mine.abort(new Error('the test is over'))
  })

  it('of events: the next request has the unit that is paid', async () => {
    const gate = new Gate({
      node: payee.node,
      price: PRICE,
      realm: 'shop',
      patience: 0,
      streamed: 'event',
      streamPatience: LONG
    })
    seller = gate
    const ask = async (headers: Record<string, string> = {}): Promise<Response> =>
      await gate.handle(new Request('http://localhost/', { headers }), async () => {
        const type = { 'content-type': 'text/event-stream' }
        return new Response('data: a\n\ndata: b\n\n', { headers: type })
      })
    const offered = (await ask()).headers.get('www-authenticate') ?? ''
    const [challenge = assert.fail()] = readChallenges(offered)
    const unit = async (cumulativeAmount: string): Promise<Response> => {
      const payload = { action: 'voucher', cumulativeAmount }
      return await ask({ authorization: credentialHeader({ challenge, payload }) })
    }
    const paid = { amount: PRICE, memo: memoOf(challenge.id) }
    payee.pay(paid)
    const reader = ((await unit('1')).body as ReadableStream<Uint8Array>).getReader()
    const read = async (): Promise<string> =>
      Buffer.from((await reader.read()).value ?? []).toString()
    assert.equal(await read(), 'data: a\n\n')
    assert.match(await read(), /payment-need-voucher/)
    const next = reader.read()
    await reader.cancel()
    assert.equal((await next).done, true)
    payee.pay(paid)
    await setImmediate()
    const second = await unit('2')
    assert.equal(second.status, 200)
    await second.body?.cancel()
  })
})
