/** Answers as streams of events that are paid as they go, over a real channel. */
import '../../src/p2p/polyfill.js'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import type { Stream } from '@libp2p/interface'
import { type LengthPrefixedStream, lpStream, streamPair } from '@libp2p/utils'
import { z } from 'zod'
import { boughtEvents, soldEvents } from '../../src/metering/event-stream.js'
import {
  Gate,
  type GateOptions,
  type PaidStream,
  payingFetch,
  type PayingFetch,
  StreamSales
} from '../../src/metering/index.js'
import {
  credentialHeader,
  readChallenges,
  readCredential
} from '../../src/metering/payment-auth.js'
import { memoOf } from '../../src/metering/session-terms.js'
import { satoshi } from '../../src/types/units.js'
import type { Fixture, TestNode } from '../node/fixture.js'
import { FakePayee, startTraders } from './fake-payee.js'

const PLACE = 'http://localhost/words'
const WORDS = ['in', 'the', 'beginning', 'was']
const EVENTS = WORDS.map((word) => `data: ${word}\n\n`)

const bodyOf = (parts: readonly string[]): ReadableStream<Uint8Array> =>
  new Blob([...parts]).stream() as ReadableStream<Uint8Array>

const textOf = async (body: ReadableStream<Uint8Array>): Promise<string> =>
  await new Response(body).text()

describe('metering / events that are sold', () => {
  const vectors = JSON.parse(
    readFileSync('protocols/http/1.0/vectors/events.json', 'utf8')
  ) as Record<'needVoucher' | 'receipt', { readonly event: string; readonly data: object }>

  it('are paid for before they go, in the words of another implementation, HTTP-13', async () => {
    const { channelId = '' } = vectors.needVoucher.data as { channelId?: string }
    const sold = soldEvents(bodyOf(EVENTS.slice(0, 2)), {
      unit: 'event',
      take: async (ask) => {
        ask({ session: channelId, required: 4n, accepted: 2n })
        return true
      },
      receipt: () => vectors.receipt.data
    })
    const { needVoucher, receipt } = vectors
    assert.equal(
      await textOf(sold),
      [EVENTS[0], needVoucher.event, EVENTS[1], receipt.event].join('')
    )
  })

  it('cost an event each, or what their bytes are, at most a unit each, HTTP-13', async () => {
    const count = async (unit: 'event' | { bytes: number }, parts: string[]): Promise<number[]> => {
      const units = { sold: 0, paid: 0, back: 0 }
      const sold = soldEvents(bodyOf(parts), {
        unit,
        take: async () => {
          units.sold++
          return true
        },
        receipt: () => ({})
      })
      const bought = boughtEvents(sold, {
        unit,
        pay: async () => {
          units.paid++
        },
        giveBack: () => units.back++,
        check: () => {}
      })
      assert.equal(await textOf(bought), parts.join(''))
      assert.equal(units.paid - units.back, units.sold, 'both count the same')
      return [units.sold]
    }
    assert.deepEqual(await count('event', EVENTS), [3])
    const free = [': still there\n\n', 'retry: 5\n\n', 'event: nothing\n\n']
    assert.deepEqual(await count('event', [...free, ...EVENTS, ...free]), [3])
    assert.deepEqual(
      await count(
        'event',
        EVENTS.map((each) => each.replaceAll('\n', '\r\n'))
      ),
      [3]
    )
    // 10, 11, 17 and 11 bytes.
    assert.deepEqual(await count({ bytes: 24 }, EVENTS), [2])
    assert.deepEqual(await count({ bytes: 1_000 }, EVENTS), [0])
    assert.deepEqual(await count({ bytes: 2 }, EVENTS), [3])
  })

  it('are left at once, also while the next one is waited for', async () => {
    let isLeft = false
    const silent = new ReadableStream<Uint8Array>({
      cancel: () => {
        isLeft = true
      }
    })
    const sold = soldEvents(silent, { unit: 'event', take: async () => true, receipt: () => ({}) })
    const [pay, giveBack, check] = [async () => {}, () => {}, () => {}]
    const reader = boughtEvents(sold, { unit: 'event', pay, giveBack, check }).getReader()
    const read = reader.read()
    await reader.cancel()
    assert.equal((await read).done, true)
    assert.equal(isLeft, true)
  })

  it('are the only ones: a payment event from behind the gate goes to nobody', async () => {
    const sold = soldEvents(bodyOf([vectors.needVoucher.event, EVENTS[0] ?? '']), {
      unit: 'event',
      take: async () => true,
      receipt: () => ({})
    })
    assert.equal(await textOf(sold), `:\n\n${EVENTS[0]}event: payment-receipt\ndata: {}\n\n`)
  })
})

describe('metering / a stream of events', () => {
  let fixture: Fixture
  let payer: TestNode
  let payee: TestNode
  let gate: Gate
  let made: string[] = []
  let isLeft = false

  before(async () => {
    ;({ fixture, payer, payee } = await startTraders())
  })
  after(async () => {
    await fixture.end()
  })
  beforeEach(() => {
    ;[made, isLeft] = [[], false]
    start()
  })
  afterEach(() => {
    gate.stop()
  })

  function start(options: Partial<GateOptions> = {}): void {
    const [node, price] = [payee.api, satoshi(2n)]
    gate = new Gate({ node, price, realm: 'localhost', streamed: 'event', ...options })
  }

  /** Says its words one by one, as they are asked for. */
  async function* words(): AsyncGenerator<Uint8Array> {
    try {
      for (const event of EVENTS) {
        made.push(event)
        yield new TextEncoder().encode(event)
      }
    } finally {
      isLeft = made.length < EVENTS.length
    }
  }

  const ask = async (input: string | URL | Request, init?: RequestInit): Promise<Response> =>
    await gate.handle(new Request(input, init), async () => {
      const headers = { 'content-type': 'text/event-stream; charset=utf-8' }
      const all = words()
      const body = new ReadableStream<Uint8Array>(
        {
          async pull(controller) {
            const step = await all.next()
            if (step.done === true) controller.close()
            else controller.enqueue(step.value)
          },
          async cancel() {
            await all.return(undefined)
          }
        },
        { highWaterMark: 0 }
      )
      return new Response(body, { headers })
    })

  const client = (budget = 1_000n, fetch: typeof ask = ask): PayingFetch =>
    payingFetch({ node: payer.api, mostPerRequest: satoshi(2n), budget: satoshi(budget), fetch })

  /** What a client reads that pays for the first event, and then does nothing by itself. */
  async function bare(): Promise<{ next: () => Promise<string>; session: string }> {
    const authorization = await client().credential(PLACE)
    const { body } = await ask(PLACE, { headers: { authorization } })
    const reader = body?.getReader() ?? assert.fail()
    const next = async (): Promise<string> => {
      const step = await reader.read()
      return new TextDecoder().decode(step.value as Uint8Array | undefined)
    }
    return { next, session: readCredential(authorization).challenge.id }
  }

  it('is paid by the event, and what is left is for the next request, HTTP-14', async () => {
    const pay = client()
    const answer = await pay(PLACE)
    assert.equal(await answer.text(), EVENTS.join(''), 'the reader sees no payments')
    assert.deepEqual([pay.paid, pay.spent], [10n, 8n], 'one ahead')
    assert.equal(await (await pay(PLACE)).text(), EVENTS.join(''))
    assert.deepEqual([pay.paid, pay.spent], [18n, 16n])
    const many = await Promise.all([1, 2, 3].map(async () => await (await pay(PLACE)).text()))
    assert.deepEqual(many, Array(3).fill(EVENTS.join('')))
    assert.equal(pay.spent, 40n)
  })

  it('stops one event ahead of its payment, asks for it, and goes on, HTTP-13', async () => {
    const { next, session } = await bare()
    assert.equal(await next(), EVENTS[0])
    const asked = await next()
    assert.match(asked, /^event: payment-need-voucher\n/)
    assert.match(asked, new RegExp(`"channelId":"${session}","requiredCumulative":"4"`))
    assert.ok(made.length <= 2)
    const to = (await payee.api.info()).peerId
    await payer.api.pay({ to, amount: satoshi(4n), memo: memoOf(session) })
    assert.deepEqual([await next(), await next()], EVENTS.slice(1, 3))
    assert.match(await next(), /"requiredCumulative":"8","acceptedCumulative":"6"/)
  })

  it('is broken off when an event is not paid in time, HTTP-13', async () => {
    gate.stop()
    start({ streamPatience: 0 })
    const { next } = await bare()
    assert.equal(await next(), EVENTS[0])
    await assert.rejects(async () => {
      await next()
      await next()
    })
    assert.ok(made.length <= 2 && isLeft)
  })

  it('ends within a budget, with all that was paid', async () => {
    const pay = client(6n)
    const reader = (await pay(PLACE)).body?.getReader() ?? assert.fail()
    const got: string[] = []
    await assert.rejects(
      async () => {
        for (;;) got.push(new TextDecoder().decode((await reader.read()).value as Uint8Array))
      },
      { code: 'ERR_BUDGET_USED_UP' }
    )
    assert.deepEqual([got, pay.paid], [EVENTS.slice(0, 3), 6n])
  })

  it('is paid no more by a client that is asked for more than it owes, HTTP-15', async () => {
    let reads = 0
    const pay = client(1_000n, async (input, init) => {
      const answer = await ask(input, init)
      if (answer.status !== 200) return answer
      await answer.body?.cancel()
      const need = (sat: number): string =>
        `event: payment-need-voucher\ndata: {"channelId":"x","requiredCumulative":"${sat}","acceptedCumulative":"2","deposit":"2"}\n\n`
      reads++
      const { headers } = answer
      return new Response([EVENTS[0], need(4), need(4), need(6)].join(''), { headers })
    })
    await assert.rejects(async () => await (await pay(PLACE)).text(), {
      code: 'ERR_PAID_NOT_DELIVERED'
    })
    assert.deepEqual([pay.paid, reads], [4n, 1])
  })

  it('ends for the server, too, when its client leaves', async () => {
    const pay = client()
    const { body } = await pay(PLACE)
    const reader = body?.getReader() ?? assert.fail()
    await reader.read()
    await reader.cancel()
    assert.ok(isLeft)
    assert.equal(await (await pay(PLACE)).text(), EVENTS.join(''))
  })

  it('is one unit where nothing else is said, and is not sold by Express, which writes past the gate', async () => {
    assert.throws(() => gate.express(), /writes? past the gate/)
    gate.stop()
    gate = new Gate({ node: payee.api, price: satoshi(2n), realm: 'localhost' })
    const pay = client()
    assert.equal(await (await pay(PLACE)).text(), EVENTS.join(''))
    assert.deepEqual([pay.paid, pay.spent], [2n, 2n])
    const [asked] = readChallenges((await ask(PLACE)).headers.get('www-authenticate') ?? '')
    assert.ok(asked)
  })
})

/*
 * What waits for its payment on a stream that is over takes nothing of what is paid for the next
 * one.
 */

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
