/**
 * The method for mppx, between what that does around it in small; the real one is in test/package.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { Books } from '../../src/metering/books.js'
import {
  Gate,
  MppxBuyer,
  type MppxChallenge,
  MppxSeller,
  payingFetch,
  StreamSales,
  X402Seller
} from '../../src/metering/index.js'
import {
  type Challenge,
  challengeHeader,
  challengeId,
  fromToken,
  isPayment,
  readChallenges,
  readCredential,
  scopeOf,
  toToken
} from '../../src/metering/payment-auth.js'
import { Life } from '../../src/testing/calendar.js'
import { SimDisk } from '../../src/testing/disk.js'
import { satoshi } from '../../src/types/units.js'
import { codeOfRejection } from '../node/fixture.js'
import { FakePayee } from './fake-payee.js'

/*
 * What `mppx` does around a method, in small: its client asks, has a credential made and asks
 * again; its server makes a challenge, or has a credential taken. The real one meets ours in
 * `test/package/mppx.js`.
 */

/** Times that the client asks with a payment. */
const MOST_TRIES = 3
const LIFETIME_MS = 300_000

function dataOf(challenge: Challenge): MppxChallenge {
  return { ...challenge, request: fromToken(challenge.request) as Record<string, unknown> }
}

class VerificationFailedError extends Error {
  readonly status: number = 402

  toProblemDetails(challengeId: string): object {
    return { detail: this.message, challengeId }
  }
}

const TRANSPORT = {
  respondReceipt: ({ response }: { readonly response: unknown }): Response => {
    const headers = { 'payment-receipt': 'yes', 'content-type': 'text/event-stream' }
    return new Response((response as Response).body, { headers })
  }
}

function clientOf(buyer: MppxBuyer): (place: string) => Promise<Response> {
  return async (place) => {
    let answer = await buyer.fetch(place)
    for (let tries = 0; tries < MOST_TRIES && answer.status === 402; tries++) {
      const [asked] = readChallenges(answer.headers.get('www-authenticate') ?? '')
      if (asked === undefined || !buyer.canHandleChallenge({ challenge: dataOf(asked) })) break
      const authorization = await buyer.createCredential({ challenge: dataOf(asked) })
      answer = await buyer.fetch(place, { headers: { authorization } })
    }
    return answer
  }
}

function serverOf(
  seller: MppxSeller,
  secretKey: string,
  amount: string,
  serve: () => Response
): (request: Request) => Promise<Response> {
  return async (request) => {
    const authorization = request.headers.get('authorization')
    const said = isPayment(authorization) ? readCredential(authorization) : null
    const route = seller.schema.request.parse(
      await seller.request({ credential: said, request: { amount } })
    )
    const { name: method, intent } = seller
    const expires = new Date(Date.now() + LIFETIME_MS).toISOString()
    const asked = { realm: 'shop', method, intent, request: toToken(route), expires }
    const challenge = { id: challengeId(Buffer.from(secretKey), asked), ...asked }
    const refused = (body?: object): Response =>
      new Response(body && JSON.stringify(body), {
        status: 402,
        headers: { 'www-authenticate': challengeHeader(challenge) }
      })
    if (said === null) return refused()
    const payload = seller.schema.credential.payload.parse(said.payload)
    const credential = { challenge: dataOf(said.challenge), payload }
    try {
      await seller.broadcast({ credential, request: route })
    } catch (error) {
      if (!(error instanceof VerificationFailedError)) throw error
      return refused(error.toProblemDetails(challenge.id))
    }
    const answered = { credential, input: request, response: serve() }
    return seller.transport.respondReceipt(answered) as Response
  }
}

const PLACE = 'http://localhost/weather'
const SECRET = 'a key'

describe('metering / a method for mppx', () => {
  let payee: FakePayee
  let open: Array<{ readonly stop: () => void }> = []
  let served = 0
  let shop: () => Response

  beforeEach(() => {
    payee = new FakePayee()
    served = 0
    shop = () => new Response('rain')
  })
  afterEach(() => {
    for (const each of open) each.stop()
    open = []
  })

  const serve = (): Response => {
    served++
    return shop()
  }
  const limits = () => ({
    node: payee.payer,
    mostPerRequest: satoshi(5n),
    budget: satoshi(1_000n)
  })

  type Ask = (request: Request) => Promise<Response>
  const asFetch =
    (ask: Ask): typeof fetch =>
    async (input, init) =>
      await ask(new Request(input, init))

  function gate(): Ask {
    const made = new Gate({ node: payee.node, price: satoshi(2n), realm: 'shop', patience: 0 })
    open.push(made)
    return async (request) => await made.handle(request, async () => serve())
  }

  function seller(amount = '2', streamed?: 'event', secretKey = SECRET): Ask {
    const made = new MppxSeller({
      node: payee.node,
      secretKey,
      Errors: { VerificationFailedError },
      transport: TRANSPORT,
      patience: 0,
      streamPatience: 0,
      ...(streamed === undefined ? {} : { streamed })
    })
    open.push(made)
    return serverOf(made, SECRET, amount, serve)
  }

  function buyer(ask: Ask): MppxBuyer {
    return new MppxBuyer({ ...limits(), fetch: asFetch(ask) })
  }

  it('takes nothing of mppx: who does not use it does not install it', () => {
    const { peerDependencies, peerDependenciesMeta, dependencies } = JSON.parse(
      readFileSync('package.json', 'utf8')
    ) as Record<string, Record<string, unknown>>
    assert.equal(peerDependencies?.['mppx'], '0.11.0')
    assert.deepEqual(peerDependenciesMeta?.['mppx'], { optional: true })
    assert.equal(dependencies?.['mppx'], undefined)
    for (const file of readdirSync('src/metering')) {
      const source = readFileSync(`src/metering/${file}`, 'utf8')
      assert.doesNotMatch(source, /^(?! \*).*(from|import\() ?'mppx/m, file)
    }
  })

  for (const [name, start, lost] of [
    ['a gate', () => gate(), 2n],
    // It has its key again, and with it the session.
    ['its own server', () => seller(), 0n]
  ] as const) {
    it(`pays ${name} a unit for each call, in one session`, async () => {
      const paying = buyer(start())
      const pay = clientOf(paying)
      for (let n = 0; n < 3; n++) assert.equal(await (await pay(PLACE)).text(), 'rain')
      assert.deepEqual([served, paying.paid, paying.spent, payee.paid], [3, 6n, 6n, 6n])
    })

    it(`pays ${name} once for what could not be delivered, HTTP-7`, async () => {
      const paying = buyer(start())
      const pay = clientOf(paying)
      shop = () => new Response('', { status: 503 })
      assert.equal((await pay(PLACE)).status, 503)
      shop = () => new Response('rain')
      assert.equal((await pay(PLACE)).status, 200)
      assert.deepEqual([served, paying.paid], [2, 2n])
    })

    it(`loses ${lost} sat when ${name} has lost its sessions`, async () => {
      let ask = start()
      const paying = buyer(async (request) => await ask(request))
      const pay = clientOf(paying)
      assert.equal((await pay(PLACE)).status, 200)
      for (const each of open) each.stop()
      payee.paid = 0n
      ask = start()
      for (let n = 0; n < 2; n++) assert.equal((await pay(PLACE)).status, 200)
      assert.deepEqual([served, payee.paid], [3, 4n + lost])
    })
  }

  it('stops after one unit when a server takes and does not deliver, HTTP-6', async () => {
    const honest = gate()
    const paying = buyer(async ({ url }) => await honest(new Request(url)))
    const pay = clientOf(paying)
    for (let n = 0; n < 2; n++) {
      assert.equal(await codeOfRejection(pay(PLACE)), 'ERR_PAID_NOT_DELIVERED')
    }
    assert.deepEqual([served, payee.paid], [0, 2n])
  })

  it('pays in one further session for a request at the most, whatever is asked for then, HTTP-6', async () => {
    const shops = ['1', '2', '3', '4', '5'].map((amount) => seller(amount))
    let asks = 0
    const paying = buyer(async (request) => {
      const { pathname } = new URL(request.url)
      const shop =
        shops[pathname === '/weather' ? asks++ % shops.length : Number(pathname.slice(1))]
      if (pathname === '/weather') request.headers.delete('authorization')
      return (await shop?.(request)) ?? assert.fail()
    })
    const pay = clientOf(paying)
    // One that has delivered much may lose sessions.
    for (let n = 0; n < 200; n++) await pay(`http://localhost/${n % shops.length}`)
    assert.equal(served, 200)
    const { paid } = paying
    assert.equal(await codeOfRejection(pay(PLACE)), 'ERR_PAID_NOT_DELIVERED')
    assert.deepEqual([asks, paying.paid - paid], [3, 3n], 'at the prices 1 and 2')
  })

  it('pays for no offer whose server it has not seen, or that others can read, HTTP-2', async () => {
    const ask = gate()
    const [asked] = readChallenges(
      (await ask(new Request(PLACE))).headers.get('www-authenticate') ?? ''
    )
    const challenge = dataOf(asked ?? assert.fail())
    assert.equal(
      await codeOfRejection(buyer(ask).createCredential({ challenge })),
      'ERR_INVALID_REQUEST'
    )
    const far = clientOf(buyer(ask))('http://api.example.com/weather')
    assert.equal(await codeOfRejection(far), 'ERR_INSECURE_PAYMENT')
    assert.deepEqual([served, payee.paid], [0, 0n])
  })

  it('delivers nothing for a unit that is unpaid, used, or for another price, HTTP-1, HTTP-5', async () => {
    const ask = seller()
    const answered = async (
      server: Ask,
      authorization: string
    ): Promise<Record<string, unknown>> => {
      const answer = await server(new Request(PLACE, { headers: { authorization } }))
      return answer.status === 200
        ? { status: 200 }
        : ((await answer.json()) as Record<string, unknown>)
    }
    const mute = { ...payee.payer, pay: async () => await Promise.resolve({} as never) }
    const unpaid = await payingFetch({ ...limits(), node: mute, fetch: asFetch(ask) }).credential(
      PLACE
    )
    const refused = await answered(ask, unpaid)
    assert.deepEqual([refused['status'], refused['missing']], [402, '2'])
    assert.match(String(refused['type']), /session\/insufficient-balance$/)

    const paid = await payingFetch({ ...limits(), fetch: asFetch(ask) }).credential(PLACE)
    const types: Array<Record<string, unknown>> = []
    for (const server of [seller('3'), seller('2', undefined, 'another key'), ask, ask]) {
      types.push(await answered(server, paid))
    }
    assert.deepEqual(
      types.map(({ status, type }) => [status, String(type).split('/problems/')[1]]),
      [
        [402, 'payment-required'],
        [401, 'verification-failed'],
        [200, undefined],
        [402, 'session/delta-too-small']
      ]
    )
    assert.equal(served, 1)
  })

  it('offers two sessions to two who ask at the same moment', async () => {
    const ask = seller()
    const answers = await Promise.all([1, 2, 3, 4].map(async () => await ask(new Request(PLACE))))
    const ids = answers.map(({ headers }) => headers.get('www-authenticate'))
    assert.equal(new Set(ids).size, 4)
  })

  it('sells a stream of events by the event, and stops at one that is not paid, HTTP-13', async () => {
    shop = () =>
      new Response('data: 0\n\ndata: 1\n\n', { headers: { 'content-type': 'text/event-stream' } })
    const ask = seller('2', 'event')
    const paying = buyer(ask)
    assert.equal(await (await clientOf(paying)(PLACE)).text(), 'data: 0\n\ndata: 1\n\n')
    assert.equal(paying.spent, 4n)
    const authorization = await payingFetch({ ...limits(), fetch: asFetch(ask) }).credential(PLACE)
    const cut = await ask(new Request(PLACE, { headers: { authorization } }))
    await assert.rejects(cut.text(), /not paid in time/)
  })

  it('pays each route that mppx has named in sessions of its own', async () => {
    const credentials: string[] = []
    const routed = async (request: Request): Promise<Response> => {
      const authorization = request.headers.get('authorization')
      const { pathname } = new URL(request.url)
      if (authorization === null) {
        const answer = await ask(request)
        const headers = new Headers(answer.headers)
        const header = headers.get('www-authenticate') ?? ''
        const opaque = toToken({ _mppx_scope: `GET ${pathname}` })
        headers.set(
          'www-authenticate',
          `${header.replace(/, opaque="[^"]*"/, '')}, opaque="${opaque}"`
        )
        return new Response(null, { status: 402, headers })
      }
      credentials.push(`${pathname} ${scopeOf(readCredential(authorization).challenge)}`)
      return new Response('rain')
    }
    const ask = gate()
    const pay = payingFetch({ ...limits(), fetch: asFetch(routed) })
    for (const path of ['/a', '/b', '/a']) await pay(`http://localhost${path}`)
    assert.deepEqual(credentials, ['/a GET /a', '/b GET /b', '/a GET /a'])
  })
})

/* Books are those of one seller, whatever it sells by. */

const PRICE = satoshi(2n)

describe('metering / books', () => {
  const payee = new FakePayee()
  const { node } = payee

  const sellers = {
    'a gate': (books: Books) => new Gate({ node, price: PRICE, realm: 'shop', books, patience: 0 }),
    'a seller on streams': (books: Books) =>
      new StreamSales({ node, price: PRICE, per: 'message', books }),
    'a seller by x402': (books: Books) => new X402Seller({ node, realm: 'shop', books }),
    'a seller by mppx': (books: Books) =>
      new MppxSeller({
        node,
        secretKey: 'a key',
        Errors: { VerificationFailedError },
        transport: TRANSPORT,
        books
      })
  }

  const read = async (disk = new SimDisk()): Promise<Books> =>
    await Books.read(disk.storeFor(new Life()), Date.now())

  for (const [name, sell] of Object.entries(sellers)) {
    it(`that ${name} has had are nobody else's, HTTP-16`, async () => {
      const books = await read()
      sell(books).stop()
      for (const [other, again] of Object.entries(sellers)) {
        assert.throws(() => again(books), { code: 'ERR_GATE_RUNNING' }, other)
      }
    })
  }

  it('that are read again know what was sold: it is not sold again', async () => {
    const disk = new SimDisk()
    const first = sellers['a gate'](await read(disk))
    const ask = async (gate: Gate, authorization?: string): Promise<Response> => {
      const headers = authorization === undefined ? {} : { authorization }
      const request = new Request('http://localhost/', { headers })
      return await gate.handle(request, async () => new Response('rain'))
    }
    const pay = payingFetch({
      node: payee.payer,
      mostPerRequest: PRICE,
      budget: PRICE,
      fetch: async () => await ask(first)
    })
    const unit = await pay.credential('http://localhost/')
    assert.equal((await ask(first, unit)).status, 200)
    first.stop()
    const second = sellers['a gate'](await read(disk))
    assert.equal((await ask(second, unit)).status, 402)
    second.stop()
  })
})
