/** A priced HTTP server and its clients over a channel of real nodes; requests beside payments. */
import assert from 'node:assert/strict'
import { Hono } from 'hono'
import {
  Gate,
  type GateOptions,
  payingFetch,
  type PayingFetch,
  receiptOf
} from '../../src/metering/index.js'
import {
  type Challenge,
  challengeHeader,
  credentialHeader,
  readChallenges
} from '../../src/metering/payment-auth.js'
import { RepeatableRequest } from '../../src/metering/purchases.js'
import { memoOf } from '../../src/metering/session-terms.js'
import type { PayRequest } from '../../src/node/api.js'
import { PaychanError } from '../../src/types/errors.js'
import { satoshi, type Satoshi } from '../../src/types/units.js'
import { codeOfRejection, type Fixture, type TestNode } from '../node/fixture.js'
import { FakePayee, FarEvents, startTraders } from './fake-payee.js'

const PRICE = satoshi(2n)
const PLACE = 'http://localhost/weather'

interface Problem {
  readonly type: string
  readonly detail: string
  readonly missing?: string
}

describe('metering / a priced server', () => {
  let fixture: Fixture
  let payer: TestNode
  let payee: TestNode
  let gate: Gate
  let served = 0
  let status = 200
  let server: (request: Request) => Promise<Response>

  before(async () => {
    ;({ fixture, payer, payee } = await startTraders())
  })
  after(async () => {
    await fixture.end()
  })
  beforeEach(() => {
    ;[served, status] = [0, 200]
    start()
  })
  afterEach(() => {
    gate.stop()
  })

  function start(options: Partial<GateOptions> = {}): void {
    gate = new Gate({ node: payee.api, price: PRICE, realm: 'localhost', ...options })
    server = async (request) =>
      await gate.handle(request, async () => {
        served++
        return new Response(await request.text(), { status })
      })
  }

  const client = (budget = 1_000n, most: Satoshi = PRICE): PayingFetch =>
    payingFetch({
      node: payer.api,
      mostPerRequest: most,
      budget: satoshi(budget),
      fetch: async (input, init) => await server(new Request(input, init))
    })

  async function challenged(request = new Request(PLACE)): Promise<Challenge> {
    const answer = await server(request)
    assert.equal(answer.status, 402)
    const [challenge] = readChallenges(answer.headers.get('www-authenticate') ?? '')
    assert.ok(challenge)
    return challenge
  }

  const asked = async (challenge: Challenge, cumulativeAmount: string): Promise<Response> =>
    await server(
      new Request(PLACE, {
        headers: {
          authorization: credentialHeader({
            challenge,
            payload: { action: 'voucher', cumulativeAmount }
          })
        }
      })
    )

  it('asks for money with a problem and a challenge that says how to pay it', async () => {
    const answer = await server(new Request(PLACE))
    assert.deepEqual(
      [answer.status, answer.headers.get('cache-control'), answer.headers.get('content-type')],
      [402, 'no-store', 'application/problem+json']
    )
    const { type, detail } = (await answer.json()) as Problem
    assert.equal(type, 'https://paymentauth.org/problems/payment-required')
    assert.match(detail, /^This costs 2 sat\./)
    assert.equal(served, 0)
  })

  it('is paid by the request, and the bill is exact', async () => {
    const pay = client()
    for (let n = 1; n <= 5; n++) {
      const answer = await pay(PLACE, { method: 'POST', body: `call ${n}` })
      assert.equal(await answer.text(), `call ${n}`)
      const receipt = receiptOf(answer)
      assert.deepEqual([receipt?.units, receipt?.spent], [n, `${2 * n}`])
      assert.equal(answer.headers.get('cache-control'), 'private')
    }
    assert.deepEqual([served, pay.paid], [5, 10n])
    const [{ memo } = assert.fail()] = await payee.api.payments.list({ limit: 1 })
    assert.match(memo, /^402:/)
  })

  it('serves many callers at once, each for its own unit', async () => {
    const pay = client()
    const answers = await Promise.all(Array.from({ length: 64 }, async () => await pay(PLACE)))
    assert.ok(answers.every((answer) => answer.status === 200))
    assert.deepEqual([served, pay.paid], [64, 128n])
  })

  it('refuses a unit that is not paid, and one that is spent', async () => {
    start({ patience: 0 })
    const challenge = await challenged()
    const unpaid = await asked(challenge, '2')
    const problem = (await unpaid.json()) as Problem
    assert.deepEqual([unpaid.status, problem.missing], [402, '2'])
    assert.match(problem.type, /insufficient-balance$/)
    const to = (await payee.api.info()).peerId
    await payer.api.pay({ to, amount: PRICE, memo: memoOf(challenge.id) })
    assert.equal((await asked(challenge, '2')).status, 200)
    const again = await asked(challenge, '2')
    assert.deepEqual([again.status, served], [402, 1])
    assert.match(((await again.json()) as Problem).type, /delta-too-small$/)
  })

  it('knows a payment of which it was told nothing', async () => {
    gate.stop()
    const away = new FarEvents(payee.api.events)
    start({ node: { ...payee.api, events: away }, patience: 0 })
    assert.equal((await client()(PLACE)).status, 200, 'before it heard anything')
    away.break()
    assert.equal((await client()(PLACE)).status, 200, 'while it heard nothing')
    assert.equal((await client()(PLACE)).status, 200, 'as it hears again')
  })

  it('has its node look for payments once for each time that it was away, whoever asks', async () => {
    gate.stop()
    let lists = 0
    const { payments } = payee.api
    const list: typeof payments.list = async (filter) => {
      lists++
      return await payments.list(filter)
    }
    const away = new FarEvents(payee.api.events)
    start({ node: { ...payee.api, events: away, payments: { ...payments, list } }, patience: 0 })
    const stranger = async (): Promise<void> => {
      assert.equal((await asked(await challenged(), '2')).status, 402)
    }
    for (let n = 0; n < 5; n++) await stranger()
    assert.equal(lists, 1, 'it began')
    away.break()
    for (let n = 0; n < 5; n++) await stranger()
    assert.equal(lists, 2, 'it was away')
    gate.stop()
    start({ node: { ...payee.api, payments: { ...payments, list } }, patience: 0 })
    for (let n = 0; n < 5; n++) await stranger()
    assert.equal(lists, 2, 'a node in the same process tells everything')
  })

  it('takes no challenge of another server, for another price, or out of time', async () => {
    const to = (await payee.api.info()).peerId
    const foreign = await challenged()
    gate.stop()
    start()
    await payer.api.pay({ to, amount: PRICE, memo: memoOf(foreign.id) })
    const refused = await asked(foreign, '2')
    assert.equal(refused.status, 401)
    assert.match(((await refused.json()) as Problem).type, /verification-failed$/)
    const own = await challenged()
    assert.equal((await asked({ ...own, realm: 'elsewhere' }, '2')).status, 401)
    let now = Date.now()
    gate.stop()
    start({ now: () => now, lifetime: 60 })
    const late = await challenged()
    now += 60_001
    assert.match(((await (await asked(late, '2')).json()) as Problem).type, /payment-expired$/)
    assert.equal(served, 0)
  })

  it('refuses what it cannot read', async () => {
    for (const authorization of [
      'Payment x',
      credentialHeader({ challenge: await challenged(), payload: { action: 'steal' } }),
      credentialHeader({
        challenge: await challenged(),
        payload: { action: 'voucher', cumulativeAmount: '-2' }
      })
    ]) {
      const answer = await server(new Request(PLACE, { headers: { authorization } }))
      assert.equal(answer.status, 400)
      assert.match(((await answer.json()) as Problem).type, /malformed-credential$/)
    }
  })

  it('charges nothing for what it could not deliver', async () => {
    const pay = client()
    status = 503
    for (let n = 0; n < 3; n++) assert.equal((await pay(PLACE)).status, 503)
    assert.equal(pay.paid, 2n)
    status = 200
    assert.equal((await pay(PLACE)).status, 200)
    assert.equal(pay.paid, 2n, 'the unit that was paid')
  })

  it('charges a request whose client has gone, however it ends', async () => {
    gate.stop()
    start({ patience: 0 })
    const to = (await payee.api.info()).peerId
    for (const end of [
      async () => new Response(null, { status: 503 }),
      async () => await Promise.reject(new Error('aborted'))
    ]) {
      const challenge = await challenged()
      await payer.api.pay({ to, amount: PRICE, memo: memoOf(challenge.id) })
      const leaving = new AbortController()
      const { signal } = leaving
      const payload = { action: 'voucher', cumulativeAmount: '2' }
      const authorization = credentialHeader({ challenge, payload })
      const broken = new Request(PLACE, { signal, headers: { authorization } })
      await gate
        .handle(broken, async () => {
          leaving.abort()
          return await end()
        })
        .catch(() => {})
      assert.equal((await asked(challenge, '4')).status, 402)
    }
  })

  it('that is restarted in mid-session costs a client one unit at the most', async () => {
    const pay = client()
    await pay(PLACE)
    gate.stop()
    start()
    for (let n = 0; n < 3; n++) assert.equal((await pay(PLACE)).status, 200)
    assert.equal(pay.paid, 10n, 'four units, and the one that the first server had of the next')
  })

  it('has prices by place, and free ones', async () => {
    gate.stop()
    start({
      price: ({ url }) => satoshi(url.endsWith('/free') ? 0n : url.endsWith('/b') ? 3n : 2n)
    })
    const pay = client(1_000n, satoshi(3n))
    for (const place of ['a', 'b', 'a', 'free', 'b']) {
      const answer = await pay(`http://localhost/${place}`)
      assert.equal(answer.status, 200, place)
      assert.equal(receiptOf(answer) === undefined, place === 'free')
    }
    assert.equal(pay.paid, 10n)
  })

  it('fits into Hono', async () => {
    const app = new Hono()
    app.use('/paid/*', gate.hono())
    app.get('/paid/:name', (c) => c.text(`hello ${c.req.param('name')}`))
    server = async (request) => await app.fetch(request)
    assert.equal((await server(new Request('http://localhost/paid/x'))).status, 402)
    const answer = await client()('http://localhost/paid/x')
    assert.equal(await answer.text(), 'hello x')
    assert.equal(receiptOf(answer)?.units, 1)
  })

  describe('a client', () => {
    it('pays nothing above its limits', async () => {
      assert.equal(await codeOfRejection(client(1_000n, satoshi(1n))(PLACE)), 'ERR_PRICE_TOO_HIGH')
      const pay = client(5n)
      await pay(PLACE)
      await pay(PLACE)
      assert.equal(await codeOfRejection(pay(PLACE)), 'ERR_BUDGET_USED_UP')
      assert.deepEqual([pay.paid, served], [4n, 2])
    })

    it('stops after one unit when a server takes and does not deliver', async () => {
      const honest = server
      const pay = client()
      server = async (request) => {
        const bare = new Request(PLACE)
        return await honest(request.headers.has('authorization') ? bare : request)
      }
      assert.equal(await codeOfRejection(pay(PLACE)), 'ERR_PAID_NOT_DELIVERED')
      assert.deepEqual([pay.paid, served], [2n, 0])
    })

    it('pays nothing in the clear, on another network, or by another method', async () => {
      const pay = client()
      assert.equal(await codeOfRejection(pay('http://example.com/')), 'ERR_INSECURE_PAYMENT')
      const challenge = await challenged()
      const answer = (header: string) => async () =>
        new Response('', { status: 402, headers: { 'www-authenticate': header } })
      server = answer(challengeHeader({ ...challenge, method: 'lightning' }))
      assert.equal(await codeOfRejection(pay(PLACE)), 'ERR_NO_PAYMENT_METHOD')
      server = answer('Basic realm="x"')
      assert.equal(await codeOfRejection(pay(PLACE)), 'ERR_NO_PAYMENT_METHOD')
      const request = Buffer.from(
        Buffer.from(challenge.request, 'base64url')
          .toString()
          .replace(/bip122:[0-9a-f]+/, 'bip122:000000000019d6689c085ae165831e93')
      ).toString('base64url')
      server = answer(challengeHeader({ ...challenge, request }))
      assert.equal(await codeOfRejection(pay(PLACE)), 'ERR_WRONG_NETWORK')
      assert.equal(pay.paid, 0n)
    })

    it('opens a channel where there is none, when it may, and pays what the first payment has to be', async () => {
      const shop = await fixture.node('shop')
      gate.stop()
      start({ node: shop.api })
      const first = client(20_000n)
      assert.equal(await codeOfRejection(first(PLACE)), 'ERR_NO_CHANNEL')
      const pay = payingFetch({
        node: payer.api,
        mostPerRequest: PRICE,
        budget: satoshi(20_000n),
        open: { amount: satoshi(100_000n) },
        fetch: async (input, init) => await server(new Request(input, init))
      })
      const answers = await Promise.all([pay(PLACE), pay(PLACE), pay(PLACE)])
      assert.deepEqual(
        answers.map((answer) => answer.status),
        [200, 200, 200]
      )
      const channels = await shop.api.channels.list()
      assert.equal(channels.length, 1, 'one for all that wait')
      assert.equal(channels[0]?.ourBalance, pay.paid)
    })
  })
})

/*
 * A request that is sent alongside its payment, and what becomes of it when that is late, or fails.
 */

const SHOWN = { name: 'authorization', value: 'Payment x' }

describe('metering / a request alongside its payment', () => {
  let payee: FakePayee
  let gate: Gate
  /** What happens, in order. */
  let events: string[]
  /** Makes a payment; the test replaces it. */
  let pay: (request: PayRequest) => Promise<void>

  beforeEach(() => {
    payee = new FakePayee()
    events = []
    pay = async (request) => {
      payee.pay(request)
    }
  })
  afterEach(() => {
    gate.stop()
  })

  function client(patience: number, budget = 1_000n): PayingFetch {
    gate = new Gate({ node: payee.node, price: PRICE, realm: 'shop', patience })
    const node = {
      ...payee.payer,
      pay: async (request: PayRequest) => {
        events.push('pays')
        await pay(request)
        events.push('has paid')
        return {} as never
      }
    }
    const limits = { node, mostPerRequest: PRICE, budget: satoshi(budget) }
    return payingFetch({
      ...limits,
      fetch: async (input, init) => {
        const request = new Request(input, init)
        events.push('asks')
        const answer = await gate.handle(request, async () => new Response('rain'))
        events.push(`is answered ${answer.status}`)
        return answer
      }
    })
  }

  /** A payment that is made when the test lets it be. */
  function late(): () => void {
    let release = (): void => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    pay = async (request) => {
      await released
      payee.pay(request)
    }
    return release
  }

  it('waits for it at the server, once an earlier payment went through', async () => {
    const fetch = client(60_000)
    await fetch(PLACE)
    assert.deepEqual(events, [
      'asks',
      'is answered 402',
      'pays',
      'has paid',
      'asks',
      'is answered 200'
    ])
    events = []
    const release = late()
    const answered = fetch(PLACE)
    while (events.length < 2) await new Promise(setImmediate)
    assert.deepEqual(new Set(events), new Set(['pays', 'asks']))
    release()
    assert.equal((await answered).status, 200)
    assert.deepEqual([payee.paid, fetch.paid, fetch.spent], [4n, 4n, 4n])
  })

  it('is sent once more where the server does not wait, and later ones after their payments', async () => {
    const fetch = client(0)
    await fetch(PLACE)
    const release = late()
    const answered = fetch(PLACE)
    while (!events.slice(6).includes('is answered 402')) await new Promise(setImmediate)
    release()
    assert.equal((await answered).status, 200)
    events = []
    assert.equal((await fetch(PLACE)).status, 200)
    assert.deepEqual(events, ['pays', 'has paid', 'asks', 'is answered 200'])
    assert.deepEqual([payee.paid, fetch.paid, fetch.spent], [6n, 6n, 6n])
  })

  it('of many is served whichever payment comes first, where the server does not wait', async () => {
    const fetch = client(0)
    await fetch(PLACE)
    const answers = await Promise.all(Array.from({ length: 20 }, async () => await fetch(PLACE)))
    assert.ok(answers.every(({ status }) => status === 200))
    assert.deepEqual([payee.paid, fetch.spent], [42n, 42n])
  })

  it('gets nothing when that fails, and the call ends as the payment did', async () => {
    const fetch = client(1)
    await fetch(PLACE)
    pay = async () => {
      throw new PaychanError('ERR_NO_CHANNEL', 'There is none.')
    }
    assert.equal(await codeOfRejection(fetch(PLACE)), 'ERR_NO_CHANNEL')
    assert.equal(events.filter((event) => event === 'is answered 200').length, 1)
    assert.deepEqual([payee.paid, fetch.paid, fetch.spent], [2n, 2n, 2n])
  })

  it('is counted when it was served, though its payment was not heard to come', async () => {
    const fetch = client(60_000)
    await fetch(PLACE)
    pay = async (request) => {
      payee.pay(request)
      throw new PaychanError('ERR_WAIT_ENDED', 'Nobody knows.')
    }
    assert.equal((await fetch(PLACE)).status, 200)
    pay = async (request) => {
      payee.pay(request)
    }
    assert.equal((await fetch(PLACE)).status, 200)
    assert.deepEqual([payee.paid, fetch.paid, fetch.spent], [6n, 6n, 6n])
  })

  it('is not sent when the budget is not enough for all who wait', async () => {
    const fetch = client(60_000, 3n)
    await fetch(PLACE)
    events = []
    assert.equal(await codeOfRejection(fetch(PLACE)), 'ERR_BUDGET_USED_UP')
    assert.deepEqual(events, [])
  })
})

describe('metering / a request that is sent again', () => {
  const sent = async (request: RepeatableRequest): Promise<object> => {
    const [input, init] = request.once(SHOWN)
    const made = new Request(input, init)
    const { method, redirect, headers, url } = made
    const [authorization, own] = ['authorization', 'x-own'].map((name) => headers.get(name))
    return { method, redirect, url, authorization, own, body: await made.text() }
  }
  const init = (body: RequestInit['body']): RequestInit => {
    const asStream = typeof body === 'string' ? {} : { duplex: 'half' as const }
    return { method: 'POST', headers: { 'x-own': 'yes' }, ...asStream, body: body ?? null }
  }
  const expected = {
    method: 'POST',
    redirect: 'manual',
    url: PLACE,
    authorization: 'Payment x',
    own: 'yes',
    body: 'rain?'
  }

  for (const [name, make] of [
    ['a text', () => new RepeatableRequest(PLACE, init('rain?'))],
    ['a stream', () => new RepeatableRequest(PLACE, init(new Blob(['rain?']).stream()))],
    ['a Request', () => new RepeatableRequest(new Request(PLACE, init('rain?')))]
  ] as const) {
    it(`is the same each time: ${name}`, async () => {
      const request = make()
      assert.deepEqual(await sent(request), expected)
      assert.deepEqual(await sent(request), expected)
    })
  }

  it('keeps to itself what it was given, and follows no redirection', () => {
    const headers = new Headers({ 'x-own': 'yes' })
    const request = new RepeatableRequest(PLACE, { headers, redirect: 'error' })
    request.once(SHOWN)
    assert.equal(headers.has('authorization'), false)
    assert.deepEqual(
      [request.once(SHOWN)[1]?.redirect, request.once()[1]?.redirect],
      ['manual', 'error']
    )
    assert.equal(new RepeatableRequest(PLACE).once()[1]?.redirect, 'manual')
  })

  it('is refused as fetch would refuse it, before anything is paid', () => {
    assert.throws(() => new RepeatableRequest('weather'), TypeError)
    assert.throws(() => new RepeatableRequest('http://me@localhost/'), TypeError)
    assert.throws(() => new RepeatableRequest('http://:secret@localhost/'), TypeError)
    assert.throws(() => new RepeatableRequest(PLACE, { body: 'x' }), TypeError)
  })
})
