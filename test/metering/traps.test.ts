/**
 * What can be lost where payment and delivery are two things: one unit, whoever lies or is cut off.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type OutgoingHttpHeader, type OutgoingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Stream } from '@libp2p/interface'
import { lpStream, streamPair } from '@libp2p/utils'
import { privateCaching } from '../../src/metering/answers.js'
import {
  buyStream,
  Gate,
  type GateOptions,
  type PaidStream,
  payingFetch,
  StreamSales
} from '../../src/metering/index.js'
import {
  type Challenge,
  credentialHeader,
  readChallenges
} from '../../src/metering/payment-auth.js'
import { memoOf } from '../../src/metering/session-terms.js'
import { satoshi } from '../../src/types/units.js'
import { codeOfRejection, type Fixture, type TestNode } from '../node/fixture.js'
import { startMute } from '../p2p/hosts.js'
import { FakePayee, startTraders } from './fake-payee.js'

const PRICE = satoshi(2n)
const PLACE = 'http://localhost/weather'
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('metering / traps', () => {
  let fixture: Fixture
  let payer: TestNode
  let payee: TestNode
  let seller: string

  before(async () => {
    ;({ fixture, payer, payee, seller } = await startTraders())
  })
  after(async () => {
    await fixture.end()
  })

  describe('of HTTP', () => {
    let gate: Gate

    function start(options: Partial<GateOptions> = {}): void {
      gate = new Gate({ node: payee.api, price: PRICE, realm: 'x', patience: 0, ...options })
    }
    afterEach(() => {
      gate.stop()
    })

    const server = async (request: Request): Promise<Response> =>
      await gate.handle(request, async () => new Response('rain'))

    async function challenged(): Promise<Challenge> {
      const answer = await server(new Request(PLACE))
      const [challenge] = readChallenges(answer.headers.get('www-authenticate') ?? '')
      assert.ok(challenge)
      return challenge
    }
    const asked = async (challenge: Challenge, payload: object): Promise<Response> => {
      const authorization = credentialHeader({ challenge, payload })
      return await server(new Request(PLACE, { headers: { authorization } }))
    }
    const voucher = (cumulativeAmount: string): object => ({ action: 'voucher', cumulativeAmount })

    it('a credential of one session is not paid by another one', async () => {
      start()
      const [mine, other] = [await challenged(), await challenged()]
      assert.notEqual(mine.id, other.id)
      await payer.api.pay({ to: seller, amount: PRICE, memo: memoOf(mine.id) })
      assert.equal((await asked(other, voucher('2'))).status, 402)
      assert.equal((await asked({ ...other, id: mine.id }, voucher('2'))).status, 401)
      assert.equal((await asked(mine, voucher('2'))).status, 200)
      // Nor one that is known by now, and changed.
      await payer.api.pay({ to: seller, amount: PRICE, memo: memoOf(mine.id) })
      for (const change of [
        { request: other.request.slice(4) },
        { expires: '2999-01-01T00:00:00Z' }
      ]) {
        assert.equal((await asked({ ...mine, ...change }, voucher('4'))).status, 401)
      }
      assert.equal((await asked(mine, voucher('4'))).status, 200)
    })

    it('a header pays nothing, whatever it says', async () => {
      start()
      const challenge = await challenged()
      for (const number of ['2', '1000000', '2100000000000000']) {
        assert.equal((await asked(challenge, voucher(number))).status, 402, number)
      }
    })

    it('while a channel waits for its blocks, units come on trust; then the payer is told when to ask again', async () => {
      const channelId = 'c0ffee'.padEnd(64, '0')
      const opening = { id: channelId, role: 'server', watched: true, fundingSeen: true }
      let status = 'confirming'
      const list = async (): Promise<never> => [{ ...opening, status }] as unknown as never
      start({ trustedUnits: 2, node: { ...payee.api, channels: { list } } })
      const open = (number: string): object => ({
        action: 'open',
        channelId,
        cumulativeAmount: number
      })
      const challenge = await challenged()
      assert.equal((await asked(challenge, open('2'))).status, 200)
      assert.equal((await asked(challenge, open('4'))).status, 200)
      const later = await asked(challenge, open('6'))
      assert.deepEqual([later.status, later.headers.get('retry-after')], [402, '30'])
      assert.equal(((await later.json()) as { missing: string }).missing, '6', 'with its debt')
      assert.equal((await asked(await challenged(), open('2'))).status, 402, 'once for a channel')
      status = 'open'
      await payer.api.pay({ to: seller, amount: satoshi(6n), memo: memoOf(challenge.id) })
      assert.equal((await asked(challenge, voucher('6'))).status, 200)
    })
  })

  describe('of streams', () => {
    let sales: StreamSales
    const limits = { per: 'message', mostPerUnit: PRICE, budget: satoshi(1_000n) } as const

    beforeEach(() => {
      sales = new StreamSales({ node: payee.api, price: PRICE, per: 'message' })
    })
    afterEach(() => {
      sales.stop()
    })

    async function next(stream: PaidStream): Promise<string> {
      const next = await stream.received.next()
      assert.ok(next.done !== true)
      return new TextDecoder().decode(next.value)
    }

    it('a seller that takes and does not deliver has one unit, however long it talks', async () => {
      const [end, other] = await streamPair()
      const liar = lpStream(end)
      const offer = { session: 'a'.repeat(24), priceSat: 2, per: 'message', sells: 'out' }
      const said = JSON.stringify({ ...offer, units: 0, paidSat: 0 })
      await liar.write(Uint8Array.of(0, ...bytes(said)))
      const bought = await buyStream(other, { node: payer.api, seller, ...limits })
      // Of what is sold, nothing, again and again.
      for (let n = 0; n < 5; n++) {
        await liar.write(Uint8Array.of(1, ...new Uint8Array(8)))
        assert.equal(await next(bought), '')
      }
      await payee.events.when(
        (event) => event.type === 'payment' && event.payment.memo === memoOf(offer.session)
      )
      assert.equal(bought.bill().paid, PRICE)
      await bought.close()
    })

    it('however often the line is cut, no unit is paid twice, and one at the most is lost with each cut', async () => {
      const CUTS = 6
      let received = 0
      let ends: [Stream, Stream] | undefined
      let bills: Array<ReturnType<PaidStream['bill']>> = []
      for (let cut = 0; cut <= CUTS; cut++) {
        ends = await streamPair()
        const [sold, bought] = await Promise.all([
          sales.sell(ends[0], 'the buyer'),
          buyStream(ends[1], { node: payer.api, seller, ...limits })
        ])
        for (let n = 0; n < cut % 3; n++) {
          const sending = sold.send(bytes(`${received}`))
          assert.equal(await next(bought), `${received++}`)
          await sending
        }
        // The seller sells one more, and the line is cut while it is on its way.
        const closed = new Promise((resolve) => {
          ends?.[0].addEventListener('close', resolve, { once: true })
        })
        await sold.send(bytes('lost'))
        ends[1].abort(new Error('the line is cut'))
        await closed
        bills = [sold.bill(), bought.bill()]
      }
      const [sold] = bills
      assert.equal(sold?.units, received + CUTS + 1)
      const most = BigInt(received + CUTS + 2) * PRICE
      assert.ok(sold.paid <= most, `${sold.paid} of ${most} sat: all that was sold, and one ahead`)
      assert.ok(bills.every(({ session }) => session === sold.session))
    })

    it('who sells may be who opens the stream', async () => {
      const [shop, customer] = await Promise.all([startMute(), startMute()])
      for (const host of [shop, customer]) {
        fixture.onEnd(async () => {
          await host.stop()
        })
      }
      const bought = new Promise<string>((resolve, reject) => {
        const buy = async (stream: Stream): Promise<void> => {
          resolve(await next(await buyStream(stream, { node: payer.api, seller, ...limits })))
        }
        customer
          .handle('/news/1.0', (stream) => {
            buy(stream).catch(reject)
          })
          .catch(reject)
      })
      const stream = await shop.dialProtocol(customer.getMultiaddrs(), '/news/1.0')
      const sold = await sales.sell(stream, customer.peerId.toString())
      await sold.send(bytes('rain tomorrow'))
      assert.equal(await bought, 'rain tomorrow')
      await sold.close()
    })

    it('a buyer that is asked for more than it allows pays nothing', async () => {
      const [end, other] = await streamPair()
      await sales.sell(end, 'a poor buyer')
      const node = { ...payer.api, pay: async () => assert.fail('it pays') }
      const poor = { ...limits, node, seller, mostPerUnit: satoshi(1n), budget: satoshi(9n) }
      assert.equal(await codeOfRejection(buyStream(other, poor)), 'ERR_PRICE_TOO_HIGH')
    })
  })
})

/* What was paid for is kept by its payer alone. */

describe('metering / private answers', () => {
  for (const [before, after] of [
    [null, 'private'],
    ['', 'private'],
    ['public, max-age=3600', 'private, max-age=3600'],
    ['Public,S-MaxAge=9, must-revalidate', 'private, must-revalidate'],
    ['s-maxage = 9', 'private'],
    ['private="set-cookie", max-age=1', 'private, max-age=1'],
    ['private', 'private'],
    ['no-store', 'private, no-store']
  ] as const) {
    it(`${before ?? 'no header'} becomes ${after}`, () => {
      assert.equal(privateCaching(before), after)
    })
  }

  const SHARED = {
    'CDN-Cache-Control': 'max-age=60',
    'cloudflare-cdn-cache-control': 'max-age=60',
    'vercel-cdn-cache-control': 'max-age=60',
    'netlify-cdn-cache-control': 'public',
    'surrogate-control': 'max-age=60',
    'x-accel-expires': '60'
  }

  it('are those of a gate, whatever the server behind it says to shared caches', async () => {
    const payee = new FakePayee()
    const price = satoshi(2n)
    const gate = new Gate({ node: payee.node, realm: 'shop', price })
    const pay = payingFetch({
      node: payee.payer,
      mostPerRequest: price,
      budget: satoshi(10n),
      fetch: async (input, init) =>
        await gate.handle(new Request(input, init), async () => {
          const caching = { 'cache-control': 'public', ...SHARED }
          return new Response('paid', { headers: caching })
        })
    })
    const { headers } = await pay('http://localhost/')
    assert.equal(headers.get('cache-control'), 'private')
    for (const name of Object.keys(SHARED)) assert.equal(headers.get(name), null, name)
    gate.stop()
  })

  const inObject: OutgoingHttpHeaders = {
    'Cache-Control': 'public, max-age=9',
    'Set-Cookie': ['a=1', 'b=2'],
    ...SHARED
  }
  const inList: OutgoingHttpHeader[] = [
    ...['Cache-Control', 'public, max-age=9', 'set-cookie', 'a=1', 'Set-Cookie', 'b=2'],
    ...Object.entries(SHARED).flat()
  ]
  for (const [form, caching] of Object.entries({ 'an object': inObject, 'a list': inList })) {
    it(`are those of a gate for Express, whatever writeHead is told in ${form}`, async () => {
      const payee = new FakePayee()
      const price = satoshi(2n)
      const gate = new Gate({ node: payee.node, realm: 'shop', price })
      const guard = gate.express()
      const server = createServer((request, response) => {
        guard(request, response, () => {
          response.setHeader('vercel-cdn-cache-control', 'public')
          response.writeHead(201, 'Made', caching).end('paid')
        })
      }).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const pay = payingFetch({ node: payee.payer, mostPerRequest: price, budget: price })
      const answer = await pay(`http://127.0.0.1:${port}/`)
      gate.stop()
      server.closeAllConnections()
      await once(server.close(), 'close')
      const { status, statusText, headers } = answer
      assert.deepEqual(
        [status, statusText, headers.get('cache-control'), headers.getSetCookie()],
        [201, 'Made', 'private, max-age=9', ['a=1', 'b=2']]
      )
      for (const name of Object.keys(SHARED)) assert.equal(headers.get(name), null, name)
    })
  }
})
