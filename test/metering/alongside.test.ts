/**
 * A request that is sent alongside its payment, and what becomes of it when that is late, or fails.
 */
import assert from 'node:assert/strict'
import { Gate, payingFetch, type PayingFetch } from '../../src/metering/index.js'
import { RepeatableRequest } from '../../src/metering/purchases.js'
import type { PayRequest } from '../../src/node/api.js'
import { PaychanError } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { codeOfRejection } from '../node/fixture.js'
import { FakePayee } from './fake-payee.js'

const PRICE = satoshi(2n)
const PLACE = 'http://localhost/weather'
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
