/** What a client loses to servers that take, and do not deliver. */
import assert from 'node:assert/strict'
import { wrapFetchWithPayment } from '@x402/fetch'
import { Gate, payingFetch, type PayingFetch, X402Buyer } from '../../src/metering/index.js'
import { codeOf } from '../../src/types/errors.js'
import {
  readPayment,
  readRequired,
  type X402Payload,
  type X402Payment,
  type X402Requirement
} from '../../src/metering/x402.js'
import { satoshi, type Satoshi } from '../../src/types/units.js'
import { codeOfRejection } from '../node/fixture.js'
import { FakePayee } from './fake-payee.js'
import { coreClient } from './x402.test.js'

const PRICE = satoshi(100n)
const PLACE = 'http://localhost/x'

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
    gate = new Gate({ node: payee.node, price: PRICE, realm: 'shop', patience: 0 })
  }

  const client = (reach: (request: Request) => Promise<Response>): PayingFetch =>
    payingFetch({
      node: payee.payer,
      mostPerRequest: PRICE,
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
      seen.push(await pay(PLACE).then(({ status }) => `${status}`, codeOf))
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
    await Promise.all(Array.from({ length: 200 }, async () => await pay(PLACE)))
    for (let n = 0; n < 3; n++) {
      gate.stop()
      start()
      const answers = await Promise.all(Array.from({ length: 20 }, async () => await pay(PLACE)))
      assert.ok(answers.every(({ status }) => status === 200))
    }
    gate.stop()
    start()
    assert.equal(await codeOfRejection(pay(PLACE)), 'ERR_PAID_NOT_DELIVERED')
  })

  it('a server that never delivers has one unit, however often it is asked', async () => {
    const pay = client(async (request) => {
      request.headers.delete('authorization')
      return await honest(request)
    })
    assert.deepEqual(new Set(await codes(pay, 20)), new Set(['ERR_PAID_NOT_DELIVERED']))
    assert.equal(payee.paid, PRICE)
    assert.equal(await codeOfRejection(pay.credential(PLACE)), 'ERR_PAID_NOT_DELIVERED')
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
    assert.equal(await codeOfRejection(pay(PLACE)), 'ERR_PAID_NOT_DELIVERED')
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
      if (request.url !== PLACE) return await honest(request)
      // It shows the request no payment, and asks for the next of the prices that it has had.
      request.headers.delete('authorization')
      prices.set(PLACE, BigInt(1 + (asks++ % 20)))
      return await honest(request)
    })
    for (let n = 1n; n <= 20n; n++) {
      prices.set(`http://localhost/${n}`, n)
      assert.equal((await pay(`http://localhost/${n}`)).status, 200)
    }
    const { paid } = pay
    assert.equal(await codeOfRejection(pay(PLACE)), 'ERR_PAID_NOT_DELIVERED')
    assert.equal(pay.paid - paid, 4n, 'at the prices 1 and 3, each asked with twice')
    assert.equal(asks, 5)
    assert.equal(await codeOfRejection(pay(PLACE)), 'ERR_PAID_NOT_DELIVERED')
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
    const limits = { node: payee.payer, mostPerRequest: PRICE, budget: satoshi(1_000n) }
    const buyer = new X402Buyer(limits)
    let names = 0
    const offered = async (): Promise<X402Requirement> => {
      gate.stop()
      gate = new Gate({ node: payee.node, price: PRICE, realm: `shop ${names++}` })
      const said = (await honest(new Request(PLACE))).headers.get('payment-required')
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
        if (request.url === PLACE) {
          return await gate.handle(request, async () => new Response('', { status: 503 }))
        }
        const payment = request.headers.get('payment-signature')
        if (payment !== null) {
          shown.push(readPayment(payment))
          return new Response('thanks')
        }
        const copied = await honest(new Request(PLACE))
        const [offer = assert.fail()] = readRequired(copied.headers.get('payment-required'))
        offered.push(offer.challenge.id)
        if (way.endsWith('there')) Object.defineProperty(copied, 'url', { value: PLACE })
        return copied
      }
      const limits = { node: payee.payer, mostPerRequest: PRICE, budget: satoshi(1_000n) }
      const buyer = new X402Buyer({ ...limits, fetch: reach })
      const pay = wrapFetchWithPayment(
        way === 'another fetch' ? reach : buyer.fetch,
        coreClient(buyer)
      )
      await pay(PLACE)
      await pay(PLACE)
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
    const answer = await pay(PLACE)
    assert.deepEqual(
      [answer.status, answer.headers.get('location')],
      [302, 'http://127.0.0.1/evil']
    )
    assert.equal(await codeOfRejection(pay.credential(PLACE)), 'ERR_NOTHING_TO_PAY')
    assert.deepEqual(asked, ['manual', 'manual'])
  })

  it('no channel is opened to a server whose first payment would be above the budget', async () => {
    const dear = new FakePayee(2_000n)
    gate.stop()
    gate = new Gate({ node: dear.node, price: PRICE, realm: 'shop', patience: 0 })
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
        mostPerRequest: PRICE,
        budget: satoshi(budget),
        open: { amount: satoshi(100_000n) },
        mostFirstPayment: satoshi(2_000n),
        fetch: async (input, init) => await honest(new Request(input, init))
      })
    assert.equal(await codeOfRejection(buy(1_000n)(PLACE)), 'ERR_BUDGET_USED_UP')
    assert.equal(opened, 0)
    assert.equal(await codeOfRejection(buy(2_000n)(PLACE)), 'ERR_NO_CHANNEL')
    assert.equal(opened, 1)
  })
})
