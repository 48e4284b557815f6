/**
 * What can be lost where payment and delivery are two things: one unit, whoever lies or is cut off.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type OutgoingHttpHeader, type OutgoingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Stream } from '@libp2p/interface'
import { lpStream, streamPair } from '@libp2p/utils'
import { wrapFetchWithPayment } from '@x402/fetch'
import { privateCaching } from '../../src/metering/answers.js'
import {
  buyStream,
  Gate,
  type GateOptions,
  type PaidStream,
  payingFetch,
  type PayingFetch,
  StreamSales,
  X402Buyer
} from '../../src/metering/index.js'
import {
  type Challenge,
  credentialHeader,
  readChallenges
} from '../../src/metering/payment-auth.js'
import { memoOf } from '../../src/metering/session-terms.js'
import {
  readPayment,
  readRequired,
  type X402Payload,
  type X402Payment,
  type X402Requirement
} from '../../src/metering/x402.js'
import { codeOf } from '../../src/types/errors.js'
import { satoshi, type Satoshi } from '../../src/types/units.js'
import { codeOfRejection, type Fixture, type TestNode } from '../node/fixture.js'
import { startMute } from '../p2p/hosts.js'
import { FakePayee, startTraders } from './fake-payee.js'
import { coreClient } from './x402.test.js'

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

/* What a client loses to servers that take, and do not deliver. */

const DEAR = satoshi(100n)
const SHOP = 'http://localhost/x'

describe('metering / deliveries', () => {
  let payee: FakePayee
  let gate: Gate
  let delivered: number

  beforeEach(() => {
    payee = new FakePayee()
    delivered = 0
    start()
  })
  afterEach(() => {
    gate.stop()
  })

  /** Has forgotten the sessions of the gate before. */
  function start(): void {
    gate = new Gate({ node: payee.node, price: DEAR, realm: 'shop', patience: 0 })
  }

  const client = (reach: (request: Request) => Promise<Response>): PayingFetch =>
    payingFetch({
      node: payee.payer,
      mostPerRequest: DEAR,
      budget: satoshi(1_000_000n),
      fetch: async (input, init) => await reach(new Request(input, init))
    })

  const honest = async (request: Request): Promise<Response> =>
    await gate.handle(request, async () => {
      delivered++
      return new Response('here')
    })

  async function codes(pay: PayingFetch, times: number): Promise<string[]> {
    const seen: string[] = []
    for (let n = 0; n < times; n++) {
      seen.push(await pay(SHOP).then(({ status }) => `${status}`, codeOf))
    }
    return seen
  }

  it('a server that says each time that it has lost the session loses one, and is paid no more', async () => {
    const pay = client(async (request) => {
      const answer = await honest(request)
      if (answer.status === 200) {
        gate.stop()
        start()
      }
      return answer
    })
    const seen = await codes(pay, 10)
    assert.deepEqual(seen.slice(0, 3), ['200', '200', 'ERR_PAID_NOT_DELIVERED'])
    assert.deepEqual(new Set(seen.slice(3)), new Set(['ERR_PAID_NOT_DELIVERED']))
    assert.deepEqual([delivered, payee.paid], [2, 400n])
  })

  it('a server may be restarted once in a hundred units, also while many ask', async () => {
    const pay = client(honest)
    await Promise.all(Array.from({ length: 200 }, async () => await pay(SHOP)))
    for (let n = 0; n < 3; n++) {
      gate.stop()
      start()
      const answers = await Promise.all(Array.from({ length: 20 }, async () => await pay(SHOP)))
      assert.ok(answers.every(({ status }) => status === 200))
    }
    gate.stop()
    start()
    assert.equal(await codeOfRejection(pay(SHOP)), 'ERR_PAID_NOT_DELIVERED')
  })

  it('a server that never delivers has one unit, however often it is asked', async () => {
    const pay = client(async (request) => {
      request.headers.delete('authorization')
      return await honest(request)
    })
    assert.deepEqual(new Set(await codes(pay, 20)), new Set(['ERR_PAID_NOT_DELIVERED']))
    assert.equal(payee.paid, DEAR)
    assert.equal(await codeOfRejection(pay.credential(SHOP)), 'ERR_PAID_NOT_DELIVERED')
  })

  it('a server that did not deliver one thing is paid for no other, whatever is left of that', async () => {
    gate.stop()
    const price = ({ url }: { url: string }): Satoshi => satoshi(url.endsWith('/good') ? 50n : 100n)
    gate = new Gate({ node: payee.node, price, realm: 'shop', patience: 0 })
    const good = 'http://localhost/good'
    const pay = client(async (request) => {
      if (request.url !== good) request.headers.delete('authorization')
      return await honest(request)
    })
    assert.equal((await pay(good)).status, 200)
    assert.equal(await codeOfRejection(pay(SHOP)), 'ERR_PAID_NOT_DELIVERED')
    assert.equal(await codeOfRejection(pay(good)), 'ERR_PAID_NOT_DELIVERED')
    assert.equal(payee.paid, 150n)
  })

  it('a server that asks for another price each time has one further unit, and is paid no more', async () => {
    const prices = new Map<string, bigint>()
    gate.stop()
    const price = ({ url }: { url: string }): Satoshi => satoshi(prices.get(url) ?? 0n)
    gate = new Gate({ node: payee.node, price, realm: 'shop', patience: 0 })
    let asks = 0
    const pay = client(async (request) => {
      if (request.url !== SHOP) return await honest(request)
      // It shows the request no payment, and asks for the next of the prices that it has had.
      request.headers.delete('authorization')
      prices.set(SHOP, BigInt(1 + (asks++ % 20)))
      return await honest(request)
    })
    for (let n = 1n; n <= 20n; n++) {
      prices.set(`http://localhost/${n}`, n)
      assert.equal((await pay(`http://localhost/${n}`)).status, 200)
    }
    const { paid } = pay
    assert.equal(await codeOfRejection(pay(SHOP)), 'ERR_PAID_NOT_DELIVERED')
    assert.equal(pay.paid - paid, 4n, 'at the prices 1 and 3, each asked with twice')
    assert.equal(asks, 5)
    assert.equal(await codeOfRejection(pay(SHOP)), 'ERR_PAID_NOT_DELIVERED')
    assert.equal(pay.paid - paid, 4n)
  })

  it('a server that is paid no more is still asked for what is free', async () => {
    const pay = client(async (request) => {
      if (request.url.endsWith('/free')) return new Response('free')
      request.headers.delete('authorization')
      return await honest(request)
    })
    await codes(pay, 1)
    assert.equal(await (await pay('http://localhost/free')).text(), 'free')
  })

  it('a server that is paid by x402 loses one session, too, whatever it calls itself', async () => {
    const limits = { node: payee.payer, mostPerRequest: DEAR, budget: satoshi(1_000n) }
    const buyer = new X402Buyer(limits)
    let names = 0
    const offered = async (): Promise<X402Requirement> => {
      gate.stop()
      gate = new Gate({ node: payee.node, price: DEAR, realm: `shop ${names++}` })
      const said = (await honest(new Request(SHOP))).headers.get('payment-required')
      return readRequired(said)[0]?.x402?.accepted ?? assert.fail()
    }
    const paid = async (accepted: X402Requirement): Promise<X402Payload> => {
      const { payload } = await buyer.createPaymentPayload(2, accepted)
      return { x402Version: 2, accepted, payload }
    }
    const forgotten = async (paymentPayload: X402Payload): Promise<X402Requirement> => {
      const requirements = await offered()
      const outcome = { paymentPayload, requirements, paymentRequired: { error: 'forgotten' } }
      assert.deepEqual(await buyer.schemeHooks.onPaymentResponse(outcome), { recovered: true })
      return requirements
    }
    const second = await forgotten(await paid(await offered()))
    const third = await forgotten(await paid(second))
    assert.equal(await codeOfRejection(paid(third)), 'ERR_PAID_NOT_DELIVERED')
    assert.equal(buyer.paid, 200n)
  })

  for (const way of ["the buyer's fetch", 'another fetch', "the buyer's fetch, redirected there"]) {
    it(`a server is shown by x402 no session that was paid at another one, by ${way}`, async () => {
      const offered: string[] = []
      const shown: X402Payment[] = []
      const reach = async (
        input: string | URL | Request,
        init?: RequestInit
      ): Promise<Response> => {
        const request = new Request(input, init)
        // What it could not deliver is left in its session.
        if (request.url === SHOP) {
          return await gate.handle(request, async () => new Response('', { status: 503 }))
        }
        const payment = request.headers.get('payment-signature')
        if (payment !== null) {
          shown.push(readPayment(payment))
          return new Response('thanks')
        }
        const copied = await honest(new Request(SHOP))
        const [offer = assert.fail()] = readRequired(copied.headers.get('payment-required'))
        offered.push(offer.challenge.id)
        if (way.endsWith('there')) Object.defineProperty(copied, 'url', { value: SHOP })
        return copied
      }
      const limits = { node: payee.payer, mostPerRequest: DEAR, budget: satoshi(1_000n) }
      const buyer = new X402Buyer({ ...limits, fetch: reach })
      const pay = wrapFetchWithPayment(
        way === 'another fetch' ? reach : buyer.fetch,
        coreClient(buyer)
      )
      await pay(SHOP)
      await pay(SHOP)
      assert.ok(buyer.paid > 0n && buyer.spent === 0n)
      await pay('http://127.0.0.1/evil')
      assert.equal(offered.length, 1)
      assert.deepEqual(
        shown.map(({ challenge }) => challenge.id),
        offered
      )
    })
  }

  it('a server to which a request is redirected is not paid', async () => {
    const asked: string[] = []
    const pay = client(async (request) => {
      asked.push(request.redirect)
      return new Response(null, { status: 302, headers: { location: 'http://127.0.0.1/evil' } })
    })
    const answer = await pay(SHOP)
    assert.deepEqual(
      [answer.status, answer.headers.get('location')],
      [302, 'http://127.0.0.1/evil']
    )
    assert.equal(await codeOfRejection(pay.credential(SHOP)), 'ERR_NOTHING_TO_PAY')
    assert.deepEqual(asked, ['manual', 'manual'])
  })

  it('no channel is opened to a server whose first payment would be above the budget', async () => {
    const dear = new FakePayee(2_000n)
    gate.stop()
    gate = new Gate({ node: dear.node, price: DEAR, realm: 'shop', patience: 0 })
    let opened = 0
    const noChannel = Object.assign(new Error('none'), { code: 'ERR_NO_CHANNEL' })
    const node = {
      ...dear.payer,
      channels: {
        open: async () => {
          opened++
        }
      },
      pay: async () => await Promise.reject(noChannel)
    } as unknown as typeof dear.payer
    const buy = (budget: bigint): PayingFetch =>
      payingFetch({
        node,
        mostPerRequest: DEAR,
        budget: satoshi(budget),
        open: { amount: satoshi(100_000n) },
        mostFirstPayment: satoshi(2_000n),
        fetch: async (input, init) => await honest(new Request(input, init))
      })
    assert.equal(await codeOfRejection(buy(1_000n)(SHOP)), 'ERR_BUDGET_USED_UP')
    assert.equal(opened, 0)
    assert.equal(await codeOfRejection(buy(2_000n)(SHOP)), 'ERR_NO_CHANNEL')
    assert.equal(opened, 1)
  })
})
