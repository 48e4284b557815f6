/** The headers of x402: what @x402/core has written is read, and what it reads is written. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  decodePaymentRequiredHeader,
  decodePaymentResponseHeader,
  decodePaymentSignatureHeader
} from '@x402/core/http'
import { validatePaymentPayload, validatePaymentRequired } from '@x402/core/schemas'
import {
  type RouteConfig,
  x402HTTPResourceServer as HttpResourceServer,
  x402ResourceServer as ResourceServer
} from '@x402/core/server'
import type { PaymentRequired } from '@x402/core/types'
import {
  wrapFetchWithPayment,
  x402Client as Client,
  x402HTTPClient as HttpClient
} from '@x402/fetch'
import fc from 'fast-check'
import { Gate, payingFetch, servePriced, X402Buyer, X402Seller } from '../../src/metering/index.js'
import { isOwnChallenge } from '../../src/metering/payment-auth.js'
import {
  challengeOf,
  IDENTIFIER_DECLARATION,
  paymentHeader,
  readPayment,
  readRequired,
  refusalIn,
  requirementOf,
  settlementOf,
  toX402Header,
  type X402Required
} from '../../src/metering/x402.js'
import { satoshi } from '../../src/types/units.js'
import { codeOfRejection, type Fixture, type TestNode } from '../node/fixture.js'
import { startTraders } from './fake-payee.js'

interface Sample<T> {
  readonly header: string
  readonly data: T
}
interface Named {
  readonly name: string
  readonly header: string
}
const vectors = JSON.parse(readFileSync('protocols/http/1.0/vectors/x402.json', 'utf8')) as {
  readonly required: Sample<X402Required>
  readonly payment: Sample<object> & { readonly id: string }
  readonly response: Sample<object>
  readonly refusal: Sample<{ readonly errorReason: string }>
  readonly accept: readonly (Named & { readonly session: string })[]
  readonly refuse: readonly Named[]
}
const { secret } = JSON.parse(readFileSync('protocols/http/1.0/vectors/headers.json', 'utf8')) as {
  readonly secret: string
}

const offered = () => readRequired(vectors.required.header)[0] ?? assert.fail('nothing is offered')

describe('metering / headers of x402', () => {
  it('that @x402/core has written are read: an offer beside those of others', () => {
    const { challenge, terms, x402 } = offered()
    assert.equal(isOwnChallenge(Buffer.from(secret), challenge), true)
    assert.deepEqual([terms.price, terms.network], [2n, 'regtest'])
    assert.deepEqual(x402?.accepted, vectors.required.data.accepts[1], 'as it came')
    assert.deepEqual(readRequired(vectors.required.header).length, 1)
  })

  for (const { name, header, session } of vectors.accept) {
    it(`a payment is taken: ${name}`, () => {
      const { challenge, payload } = readPayment(header)
      assert.deepEqual([challenge.id, payload.cumulativeAmount], [session, 2n])
      assert.equal(isOwnChallenge(Buffer.from(secret), challenge), true)
    })
  }

  for (const { name, header } of vectors.refuse) {
    it(`a payment is refused, HTTP-10: ${name}`, () => {
      assert.throws(() => readPayment(header), { code: 'ERR_MALFORMED_CREDENTIAL' })
    })
  }

  it('an offer is left out that asks for something else than its session, HTTP-10', () => {
    const { accepts, ...required } = vectors.required.data
    for (const change of [
      { amount: '3' },
      { payTo: 'somebody' },
      { network: 'bip122:000000000019d6689c085ae165831e93' },
      { asset: 'usd' },
      { scheme: 'exact' },
      { extra: {} }
    ]) {
      const header = toX402Header({ ...required, accepts: [{ ...accepts[1], ...change }] })
      assert.deepEqual(readRequired(header), [], JSON.stringify(change))
    }
  })

  it('a refusal is heard, and a receipt is none', () => {
    assert.equal(refusalIn(vectors.refusal.header), vectors.refusal.data.errorReason)
    assert.equal(refusalIn(vectors.response.header), undefined)
    assert.equal(refusalIn(null), undefined)
  })

  it('that are written here are the ones that @x402/core writes, and passes', () => {
    const { challenge, x402 } = offered()
    const header = paymentHeader(x402 ?? assert.fail(), challenge, 2n)
    const read = decodePaymentSignatureHeader(header)
    assert.deepEqual(read, vectors.payment.data)
    validatePaymentPayload(read)
    assert.equal(readPayment(header).id, vectors.payment.id)
    const required = {
      x402Version: 2,
      error: 'payment-required',
      resource: { url: 'https://api.example.com/weather', description: '“☂”' },
      accepts: [requirementOf(challenge, 3_600)],
      extensions: { 'payment-identifier': IDENTIFIER_DECLARATION }
    }
    assert.deepEqual(required.accepts[0], vectors.required.data.accepts[1])
    const said = decodePaymentRequiredHeader(toX402Header(required))
    assert.deepEqual(validatePaymentRequired(said), required)
    const [price, standing] = [satoshi(2n), { paid: 4n, spent: 2n, units: 1 }]
    const taken = { problem: undefined, challenge, number: 2n, price, standing }
    assert.deepEqual(
      decodePaymentResponseHeader(toX402Header(settlementOf(taken))),
      vectors.response.data
    )
  })

  it('take nothing of @x402/core: who does not use it does not install it', () => {
    const { peerDependencies, peerDependenciesMeta, dependencies } = JSON.parse(
      readFileSync('package.json', 'utf8')
    ) as Record<string, Record<string, unknown>>
    assert.equal(peerDependencies?.['@x402/core'], '2.27.0')
    assert.deepEqual(peerDependenciesMeta?.['@x402/core'], { optional: true })
    assert.equal(dependencies?.['@x402/core'], undefined)
    for (const file of readdirSync('src/metering')) {
      const source = readFileSync(`src/metering/${file}`, 'utf8')
      assert.doesNotMatch(source, /(from|import\() ?'(@x402|express)/, file)
    }
  })

  it('never break the reader, whatever stands there', () => {
    const { accepts } = vectors.required.data
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), fc.string({ maxLength: 80 }), (json, text) => {
        const data: unknown = JSON.parse(json)
        for (const header of [
          text,
          Buffer.from(json).toString('base64'),
          toX402Header({ x402Version: 2, accepts: [data, accepts[1]], extensions: data })
        ]) {
          assert.ok(
            readRequired(header).every(({ x402 }) => challengeOf(x402?.accepted ?? assert.fail()))
          )
          refusalIn(header)
          assert.throws(() => readPayment(header))
        }
      })
    )
  })
})

/*
 * Servers and clients by `@x402/core`'s own classes: a server as its middlewares use them, without
 * a framework.
 */

export function coreClient(buyer: X402Buyer): Client {
  const client = new Client().register('bip122:*', buyer)
  return client.setSpendControls({
    allowedAssets: [{ network: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328', asset: 'sat' }]
  })
}

async function coreServer(
  seller: X402Seller,
  prices: Readonly<Record<string, string>>,
  handle: (request: Request) => Promise<Response>
): Promise<(request: Request) => Promise<Response>> {
  const network = await seller.network()
  const server = new ResourceServer(seller).register('bip122:*', seller)
  const routes: Record<string, RouteConfig> = {}
  for (const [route, price] of Object.entries(prices)) {
    routes[route] = { accepts: { scheme: seller.scheme, network, payTo: '', price } }
  }
  const http = new HttpResourceServer(server, routes)
  await http.initialize()
  return async (request) => {
    const { pathname } = new URL(request.url)
    const adapter = {
      getHeader: (name: string) => request.headers.get(name) ?? undefined,
      getMethod: () => request.method,
      getPath: () => pathname,
      getUrl: () => request.url,
      getAcceptHeader: () => request.headers.get('accept') ?? '',
      getUserAgent: () => ''
    }
    const context = { adapter, path: pathname, method: request.method }
    const result = await http.processHTTPRequest(context)
    if (result.type === 'no-payment-required') return await handle(request)
    if (result.type === 'payment-error') {
      const { status, headers, body } = result.response
      return new Response(JSON.stringify(body), { status, headers })
    }
    const { cancellationDispatcher, beforeHandlerSettlement } = result
    const answer = await handle(request)
    if (answer.status >= 400) {
      const canceled = await cancellationDispatcher.cancel({
        reason: 'handler_failed',
        responseStatus: answer.status
      })
      const headers = http.createFailurePathSettlementHeaders(canceled, beforeHandlerSettlement)
      return new Response(answer.body, { status: answer.status, headers: headers ?? {} })
    }
    const settled = await http.processSettlement(
      result.paymentPayload,
      result.paymentRequirements,
      result.declaredExtensions,
      { request: context },
      undefined,
      beforeHandlerSettlement
    )
    return new Response(answer.body, { status: answer.status, headers: settled.headers })
  }
}

/*
 * Sellers and buyers of this project and of @x402/core, each with the other, over a real channel.
 */

const PRICE = satoshi(2n)
const PLACE = 'http://localhost/paid/weather'
const CHEAP = 'http://localhost/paid/cheap'

describe('metering / x402', () => {
  let fixture: Fixture
  let payer: TestNode
  let payee: TestNode
  let server: (request: Request) => Promise<Response>
  let served = 0
  let status = 200
  let sellers: { stop: () => void }[] = []

  before(async () => {
    ;({ fixture, payer, payee } = await startTraders())
  })
  after(async () => {
    await fixture.end()
  })
  beforeEach(() => {
    ;[served, status] = [0, 200]
  })
  afterEach(() => {
    for (const seller of sellers) seller.stop()
    sellers = []
  })

  const handle = async (request: Request): Promise<Response> => {
    served++
    return new Response(`${served} ${await request.text()}`, { status })
  }

  function startGate(): void {
    const gate = new Gate({
      node: payee.api,
      price: ({ url }) => satoshi(url.endsWith('/cheap') ? 1n : 2n),
      realm: 'localhost',
      patience: 200
    })
    sellers.push(gate)
    server = async (request) => await gate.handle(request, async () => await handle(request))
  }

  async function startCore(): Promise<void> {
    const seller = new X402Seller({ node: payee.api, realm: 'localhost', patience: 200 })
    sellers.push(seller)
    server = await coreServer(seller, { '/paid/cheap': '1sat', '/paid/*': '2sat' }, handle)
  }

  const ask = async (input: string | URL | Request, init?: RequestInit): Promise<Response> =>
    await server(new Request(input, init))

  const limits = (budget = 1_000n) => ({
    node: payer.api,
    mostPerRequest: PRICE,
    budget: satoshi(budget)
  })

  /** A buyer, and the fetch of @x402/core's client that pays by it. */
  function buying(): { readonly buyer: X402Buyer; readonly pay: typeof fetch } {
    const buyer = new X402Buyer({ ...limits(), fetch: ask })
    return { buyer, pay: wrapFetchWithPayment(buyer.fetch, coreClient(buyer)) }
  }

  const offer = async (): Promise<PaymentRequired> =>
    decodePaymentRequiredHeader((await ask(PLACE)).headers.get('payment-required') ?? '')

  /** Pays for one request, by the classes of @x402/core, and leaves the asking to the test. */
  async function signed(
    buyer: X402Buyer,
    asked?: PaymentRequired
  ): Promise<Record<string, string>> {
    const client = new HttpClient(coreClient(buyer))
    const payload = await client.createPaymentPayload(asked ?? (await offer()))
    return client.encodePaymentSignatureHeader(payload)
  }

  const errorOf = (answer: Response): string =>
    decodePaymentRequiredHeader(answer.headers.get('payment-required') ?? '').error ?? ''

  const ends = [
    {
      name: 'a gate',
      start: async () => {
        startGate()
      }
    },
    { name: "@x402/core's server", start: async () => await startCore() }
  ]
  for (const { name, start } of ends) {
    describe(`sold by ${name}`, () => {
      beforeEach(start)

      it("is paid by @x402/core's client, and goes on with one session", async () => {
        const { buyer, pay } = buying()
        for (let n = 1; n <= 3; n++) {
          const answer = await pay(PLACE, { method: 'POST', body: `call ${n}` })
          assert.equal(await answer.text(), `${n} call ${n}`)
          const settled = decodePaymentResponseHeader(answer.headers.get('payment-response') ?? '')
          assert.deepEqual([settled.success, settled.amount], [true, '2'])
          assert.deepEqual(settled.extra, {
            acceptedCumulative: `${2 * n}`,
            spent: `${2 * n}`,
            units: n
          })
        }
        assert.deepEqual([buyer.paid, buyer.spent], [6n, 6n])
      })

      it("is paid in the session that it offers, each time, where the client has not the buyer's fetch", async () => {
        const buyer = new X402Buyer(limits())
        const pay = wrapFetchWithPayment(ask, coreClient(buyer))
        for (let n = 1; n <= 3; n++) {
          const answer = await pay(PLACE)
          const settled = decodePaymentResponseHeader(answer.headers.get('payment-response') ?? '')
          assert.deepEqual([answer.status, settled.extra?.['acceptedCumulative']], [200, '2'])
        }
        assert.deepEqual([buyer.paid, buyer.spent], [6n, 6n])
      })

      it('is paid by the fetch of this project', async () => {
        const pay = payingFetch({
          ...limits(),
          // It understands either: here only x402 is asked.
          fetch: async (input, init) => {
            const answer = await ask(input, init)
            answer.headers.delete('www-authenticate')
            return answer
          }
        })
        for (let n = 1; n <= 3; n++) {
          const answer = await pay(PLACE, { method: 'POST', body: `call ${n}` })
          assert.equal(await answer.text(), `${n} call ${n}`)
        }
        const many = await Promise.all(Array.from({ length: 16 }, async () => await pay(PLACE)))
        assert.ok(many.every((answer) => answer.status === 200))
        assert.deepEqual([served, pay.paid], [19, 38n])
        const [session] = pay.sessions
        assert.deepEqual(
          [session?.paidSat, session?.x402?.accepted.scheme],
          [38, 'paychan'],
          'another process can go on with it'
        )
      })

      it('charges nothing for what it could not deliver, HTTP-7', async () => {
        status = 503
        const { buyer, pay } = buying()
        for (let n = 0; n < 3; n++) {
          const answer = await pay(PLACE)
          const settled = decodePaymentResponseHeader(answer.headers.get('payment-response') ?? '')
          assert.deepEqual([answer.status, settled.success, settled.amount], [503, true, '0'])
        }
        assert.deepEqual([buyer.paid, buyer.spent], [2n, 0n])
        status = 200
        assert.equal((await pay(PLACE)).status, 200)
        assert.equal(buyer.paid, 2n, 'the unit that was paid')
      })

      it('charges what was done for an answer below 500, HTTP-7', async () => {
        status = 404
        const { buyer, pay } = buying()
        for (let n = 1; n <= 3; n++) {
          const answer = await pay(PLACE)
          const settled = decodePaymentResponseHeader(answer.headers.get('payment-response') ?? '')
          assert.deepEqual([answer.status, settled.amount, buyer.spent], [404, '2', BigInt(2 * n)])
        }
        assert.equal(buyer.paid, 6n)
      })

      it('takes a payment once, however often it comes, HTTP-5', async () => {
        const asked = await offer()
        delete asked.extensions
        const headers = await signed(new X402Buyer(limits()), asked)
        const answers = await Promise.all([1, 2, 3].map(async () => await ask(PLACE, { headers })))
        assert.deepEqual(answers.map((answer) => answer.status).sort(), [200, 402, 402])
        assert.equal(served, 1)
      })

      it('takes no payment that was made for another price, or to another server', async () => {
        const cheap = decodePaymentRequiredHeader(
          (await ask(CHEAP)).headers.get('payment-required') ?? ''
        )
        assert.equal(cheap.accepts[0]?.amount, '1')
        const buyer = new X402Buyer(limits())
        const headers = await signed(buyer, cheap)
        const refused = await ask(PLACE, { headers })
        const reason = name === 'a gate' ? 'payment-required' : 'No matching payment requirements'
        assert.deepEqual([refused.status, errorOf(refused)], [402, reason], 'HTTP-1')
        // The session of the one price, in a payment that accepts the other.
        const required = await offer()
        const [accepted] = required.accepts
        const client = new HttpClient(coreClient(buyer))
        const payment = await client.createPaymentPayload(cheap)
        const crossed = client.encodePaymentSignatureHeader({
          ...payment,
          accepted: accepted ?? assert.fail(),
          payload: { ...payment.payload, challenge: cheap.accepts[0]?.extra['challenge'] }
        })
        assert.ok((await ask(PLACE, { headers: crossed })).status >= 400)
        const dear = await signed(new X402Buyer(limits()), required)
        assert.equal(served, 0)
        for (const seller of sellers) seller.stop()
        await start()
        const foreign = await ask(PLACE, { headers: dear })
        assert.deepEqual(
          [foreign.status, errorOf(foreign), served],
          [402, 'verification-failed', 0]
        )
      })

      it('that is restarted in mid-session costs a client one unit at the most', async () => {
        const { buyer, pay } = buying()
        const own = payingFetch({ ...limits(), fetch: ask })
        for (const each of [pay, own]) assert.equal((await each(PLACE)).status, 200)
        for (const seller of sellers) seller.stop()
        await start()
        for (const each of [pay, own, pay, own]) assert.equal((await each(PLACE)).status, 200)
        assert.deepEqual([buyer.paid, own.paid], [8n, 8n], 'three units, and a lost one')
      })
    })
  }

  describe('a gate', () => {
    beforeEach(() => {
      startGate()
    })

    it('says the same session both ways, and takes a number once of both, HTTP-9', async () => {
      const asked = await ask(PLACE)
      const { status, headers } = asked
      const pay = payingFetch({
        ...limits(),
        fetch: async () => new Response(null, { status, headers })
      })
      const authorization = await pay.credential(PLACE)
      const said = decodePaymentRequiredHeader(asked.headers.get('payment-required') ?? '')
      const x402 = await signed(new X402Buyer({ ...limits(), budget: PRICE }), said)
      const both = await ask(PLACE, { headers: { ...x402, authorization } })
      assert.equal(both.status, 400, 'a request is paid one way')
      assert.equal((await ask(PLACE, { headers: { authorization } })).status, 200)
      const again = await ask(PLACE, { headers: x402 })
      assert.deepEqual([again.status, errorOf(again)], [402, 'session/delta-too-small'])
      assert.equal(served, 1)
    })

    it('gives a lost answer again, for the same payment and request only, HTTP-11', async () => {
      const headers = await signed(new X402Buyer(limits()))
      const [first, second] = await Promise.all([
        ask(PLACE, { headers }).then(async (answer) => [
          answer.headers.get('payment-response'),
          await answer.text()
        ]),
        ask(PLACE, { headers }).then(async (answer) => [
          answer.headers.get('payment-response'),
          await answer.text()
        ])
      ])
      assert.deepEqual(second, first)
      assert.equal(served, 1)
      assert.equal((await ask(`${PLACE}/else`, { headers })).status, 409)
      const conflicting = await ask(PLACE, { method: 'POST', headers })
      assert.equal(conflicting.status, 409)
      assert.equal(served, 1)
    })

    it('keeps an answer that its client has left before its end, HTTP-11', async () => {
      const headers = await signed(new X402Buyer(limits()))
      const cut = await ask(PLACE, { headers })
      await cut.body?.cancel()
      assert.equal(await (await ask(PLACE, { headers })).text(), '1 ')
      assert.equal(served, 1)
    })

    it('keeps no answer that is long, or that was not sold', async () => {
      const long = 'x'.repeat(300_000)
      server = async (request) =>
        await (sellers[0] as Gate).handle(request, async () => {
          served++
          return new Response(long, { status })
        })
      const buyer = new X402Buyer(limits())
      const headers = await signed(buyer)
      assert.equal(await (await ask(PLACE, { headers })).text(), long)
      assert.equal((await ask(PLACE, { headers })).status, 402)
      status = 503
      const failing = await signed(buyer)
      assert.equal((await ask(PLACE, { headers: failing })).status, 503)
      status = 200
      const again = await ask(PLACE, { headers: failing })
      assert.deepEqual([again.status, errorOf(again)], [402, 'session/delta-too-small'])
      assert.equal(served, 2)
    })

    it('shows no payment to the server behind it', async () => {
      const seen: string[] = []
      const upstream = createServer((request, response) => {
        seen.push(...Object.keys(request.headers))
        response.end('rain')
      }).listen(0, '127.0.0.1')
      await once(upstream, 'listening')
      const { port } = upstream.address() as AddressInfo
      const proxy = await servePriced({
        gate: sellers[0] as Gate,
        upstream: `http://127.0.0.1:${port}`,
        host: '127.0.0.1',
        port: 0
      })
      const pay = wrapFetchWithPayment(fetch, coreClient(new X402Buyer(limits())))
      const answer = await pay(`${proxy.url}/`, { headers: { 'x-own': 'yes' } })
      assert.equal(await answer.text(), 'rain')
      assert.deepEqual([seen.includes('x-own'), seen.includes('payment-signature')], [true, false])
      await proxy.close()
      upstream.close()
    })

    it('refuses a payment that nobody made, and says what is missing', async () => {
      const required = await offer()
      const [accepted] = required.accepts
      const headers = new HttpClient(new Client()).encodePaymentSignatureHeader({
        x402Version: 2,
        accepted: accepted ?? assert.fail(),
        payload: { action: 'voucher', cumulativeAmount: '2' }
      })
      const answer = await ask(PLACE, { headers })
      assert.deepEqual([answer.status, errorOf(answer)], [402, 'session/insufficient-balance'])
      assert.equal(((await answer.json()) as { missing: string }).missing, '2')
    })

    it('gets the answer that was lost, when its fetch asks again, HTTP-11', async () => {
      let losses = 1
      const pay = payingFetch({
        ...limits(),
        fetch: async (input, init) => {
          const answer = await ask(input, init)
          answer.headers.delete('www-authenticate')
          if (answer.status !== 200 || losses-- === 0) return answer
          await answer.text()
          throw new TypeError('fetch failed')
        }
      })
      assert.equal(await (await pay(PLACE)).text(), '1 ')
      assert.deepEqual([served, pay.paid], [1, 2n])
    })
  })

  describe('a client', () => {
    beforeEach(() => {
      startGate()
    })

    it('pays nothing above its limits, on another network, or for another session', async () => {
      const required = await offer()
      const [accepted = assert.fail()] = required.accepts
      const dear = new X402Buyer({ ...limits(), mostPerRequest: satoshi(1n) })
      assert.equal(
        await codeOfRejection(dear.createPaymentPayload(2, accepted)),
        'ERR_PRICE_TOO_HIGH'
      )
      const poor = new X402Buyer(limits(1n))
      assert.equal(
        await codeOfRejection(poor.createPaymentPayload(2, accepted)),
        'ERR_BUDGET_USED_UP'
      )
      const buyer = new X402Buyer(limits())
      for (const change of [{ amount: '1' }, { payTo: 'x' }, { extra: {} }]) {
        const crossed = { ...accepted, ...change }
        assert.equal(
          await codeOfRejection(buyer.createPaymentPayload(2, crossed)),
          'ERR_NO_PAYMENT_METHOD'
        )
      }
      assert.deepEqual([dear.paid, poor.paid, buyer.paid], [0n, 0n, 0n])
    })

    it('stops after one unit when a server takes and does not deliver, HTTP-6', async () => {
      const honest = server
      server = async (request) => await honest(new Request(request.url))
      const { buyer, pay } = buying()
      assert.equal((await pay(PLACE)).status, 402)
      await assert.rejects(pay(PLACE), /is paid no more/)
      const own = payingFetch({
        ...limits(),
        fetch: async (input, init) => {
          const answer = await ask(input, init)
          answer.headers.delete('www-authenticate')
          return answer
        }
      })
      assert.equal(await codeOfRejection(own(PLACE)), 'ERR_PAID_NOT_DELIVERED')
      assert.deepEqual([buyer.paid, own.paid, served], [2n, 2n, 0])
    })
  })

  it("@x402/core's server asks for no other node, network or asset", async () => {
    const seller = new X402Seller({ node: payee.api, realm: 'localhost' })
    sellers.push(seller)
    const network = await seller.network()
    const base = {
      scheme: 'paychan',
      network,
      asset: 'sat',
      amount: '2',
      payTo: '',
      maxTimeoutSeconds: 60,
      extra: {}
    }
    const { payTo } = await seller.enhancePaymentRequirements(base)
    assert.equal(payTo, (await payee.api.info()).peerId)
    for (const change of [
      { payTo: 'somebody' },
      { network: 'bip122:000000000019d6689c085ae165831e93' as const }
    ]) {
      const other = { ...base, ...change }
      assert.equal(
        await codeOfRejection(seller.enhancePaymentRequirements(other)),
        'ERR_INVALID_REQUEST'
      )
    }
    assert.deepEqual(await seller.parsePrice('2sat'), { asset: 'sat', amount: '2' })
    assert.deepEqual(await seller.parsePrice(2), { asset: 'sat', amount: '2' })
    for (const price of ['$0.10', { asset: 'usd', amount: '2' }, 0.5]) {
      assert.equal(await codeOfRejection(seller.parsePrice(price)), 'ERR_INVALID_AMOUNT')
    }
  })
})
