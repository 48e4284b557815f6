/** Streams of a libp2p protocol that are paid as they go, between real nodes. */
import assert from 'node:assert/strict'
import type { Stream } from '@libp2p/interface'
import { lpStream, streamPair } from '@libp2p/utils'
import {
  buyStream,
  type PaidStream,
  type PurchaseOptions,
  type SaleOptions,
  StreamSales
} from '../../src/metering/index.js'
import { codeOf } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { startMute } from '../p2p/hosts.js'
import { codeOfRejection, type Fixture, type TestNode } from '../node/fixture.js'
import { startTraders } from './fake-payee.js'

const PRICE = satoshi(2n)
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const textOf = (data: Uint8Array): string => new TextDecoder().decode(data)

/** A stream whose other end says this, whatever it is. */
async function says(...frames: Uint8Array[]): Promise<Stream> {
  const [end, other] = await streamPair()
  const writer = lpStream(end)
  for (const frame of frames) await writer.write(frame)
  return other
}

function offerOf(terms: object = {}): Uint8Array {
  const account = { session: 'a'.repeat(24), units: 0, paidSat: 0 }
  const offer = { ...account, priceSat: 2, per: 'message', sells: 'out', ...terms }
  return Uint8Array.of(0, ...bytes(JSON.stringify(offer)))
}

/** A frame of what is sold, after which so many units are used. */
function soldFrame(units: number, data: Uint8Array): Uint8Array {
  const head = new DataView(new ArrayBuffer(9))
  head.setUint8(0, 1)
  head.setBigUint64(1, BigInt(units))
  return Uint8Array.of(...new Uint8Array(head.buffer), ...data)
}

describe('metering / paid streams', () => {
  let fixture: Fixture
  let payer: TestNode
  let payee: TestNode
  let seller: string
  let sales: StreamSales
  const buyer = 'the buyer'

  before(async () => {
    ;({ fixture, payer, payee, seller } = await startTraders())
  })
  after(async () => {
    await fixture.end()
  })
  afterEach(() => {
    sales.stop()
  })

  function sell(options: Partial<SaleOptions> = {}): void {
    sales = new StreamSales({ node: payee.api, price: PRICE, per: 'message', ...options })
  }

  /** A stream, sold at one end and bought at the other. */
  async function open(
    options: Partial<PurchaseOptions> = {}
  ): Promise<{ sold: PaidStream; bought: PaidStream; ends: [Stream, Stream] }> {
    const ends = await streamPair()
    const [sold, bought] = await Promise.all([
      sales.sell(ends[0], buyer),
      buyStream(ends[1], limitsOf(options))
    ])
    return { sold, bought, ends }
  }

  function limitsOf(options: Partial<PurchaseOptions>): PurchaseOptions {
    const limits = { per: 'message' as const, mostPerUnit: PRICE, budget: satoshi(1_000n) }
    return { node: payer.api, seller, ...limits, ...options }
  }

  async function paymentsFor(session: string): Promise<number> {
    return (await payer.api.payments.list({ memo: `402:${session}` })).length
  }

  async function read(stream: PaidStream, count: number): Promise<string[]> {
    const texts: string[] = []
    while (texts.length < count) {
      const next = await stream.received.next()
      if (next.done === true) break
      texts.push(textOf(next.value))
    }
    return texts
  }

  it('are paid by the message, one ahead, and the bill is the same on both sides', async () => {
    sell()
    const { sold, bought } = await open()
    const sending = (async () => {
      for (let n = 0; n < 20; n++) await sold.send(bytes(`message ${n}`))
    })()
    assert.equal((await read(bought, 20)).at(-1), 'message 19')
    await sending
    const { units, paid } = bought.bill()
    assert.deepEqual([units, sold.bill().units], [20, 20])
    assert.ok(paid === 40n || paid === 42n, `${paid} sat: 20 units, and one ahead`)
    await sold.close()
    assert.deepEqual(await read(bought, 1), [])
  })

  it('carry what is not sold for nothing, the other way', async () => {
    sell()
    const { sold, bought } = await open()
    await bought.send(bytes('a question'))
    assert.deepEqual(await read(sold, 1), ['a question'])
    await sold.send(bytes('an answer'))
    assert.deepEqual(await read(bought, 1), ['an answer'])
    assert.equal(bought.bill().units, 1)
  })

  it('go on with the account of the two after the connection broke', async () => {
    sell()
    const first = await open()
    await first.sold.send(bytes('one'))
    await read(first.bought, 1)
    // The unit ahead is paid, and not used.
    await payee.events.when(
      (event) =>
        event.type === 'payment' && event.payment.memo.endsWith(first.bought.bill().session)
    )
    first.ends[1].abort(new Error('the line is cut'))
    const second = await open()
    assert.equal(second.bought.bill().session, first.bought.bill().session)
    await second.sold.send(bytes('two'))
    assert.deepEqual(await read(second.bought, 1), ['two'])
    assert.deepEqual([second.bought.bill().units, second.sold.bill().units], [2, 2])
    assert.ok(second.sold.bill().paid <= 6n, 'two units, and one ahead')
  })

  it('of one buyer at once have an account each, and both bills are exact', async () => {
    sell()
    const both = [await open(), await open()]
    const texts = await Promise.all(
      both.map(async ({ sold, bought }) => {
        const sending = (async () => {
          for (let n = 0; n < 5; n++) await sold.send(bytes(`${n}`))
        })()
        const read5 = await read(bought, 5)
        await sending
        return read5.join('')
      })
    )
    assert.deepEqual(texts, ['01234', '01234'])
    assert.deepEqual(
      both.map(({ bought, sold }) => [bought.bill().units, sold.bill().units]),
      [
        [5, 5],
        [5, 5]
      ]
    )
  })

  it('are paid by so many bytes, however they come', async () => {
    sell({ per: { bytes: 10 } })
    const { sold, bought } = await open({ per: { bytes: 10 } })
    const sending = (async () => {
      await sold.send(bytes('0123'))
      await sold.send(bytes('456789abcdefghijklmno'))
    })()
    let text = ''
    while (text.length < 25) text += (await read(bought, 1)).join('')
    await sending
    assert.deepEqual([text, bought.bill().units], ['0123456789abcdefghijklmno', 3])
  })

  it('are paid by the second in which something is sold', async () => {
    let now = 1_000_000
    const seconds = { per: 'second', clock: () => now } as const
    sell(seconds)
    const { sold, bought } = await open(seconds)
    for (const pass of [0, 400, 500, 200, 5_000]) {
      now += pass
      await sold.send(bytes('x'))
      await read(bought, 1)
    }
    assert.equal(bought.bill().units, 3, 'at 0 s, 1.1 s and 6.1 s')
  })

  it('are paid by who sends, when the seller sells that it takes data', async () => {
    sell({ sells: 'in' })
    const { sold, bought } = await open({ sells: 'in' })
    for (let n = 0; n < 3; n++) {
      await bought.send(bytes(`record ${n}`))
      assert.deepEqual(await read(sold, 1), [`record ${n}`])
    }
    await sold.send(bytes('stored'))
    assert.deepEqual(await read(bought, 1), ['stored'])
    assert.deepEqual([bought.bill().units, bought.bill().paid, sold.bill().units], [3, 6n, 3])
  })

  it('end when nothing is paid', async () => {
    sell({ patience: 0 })
    const [end, other] = await streamPair()
    const frames = lpStream(other)
    const sold = await sales.sell(end, buyer)
    await frames.read()
    assert.equal(await codeOfRejection(sold.send(bytes('free?'))), 'ERR_NOT_PAID')
    assert.equal(sold.bill().units, 0)
  })

  it('end at the budget, once what is paid is used', async () => {
    sell({ patience: 1_000 })
    const { sold, bought } = await open({ budget: satoshi(6n) })
    const sending = (async () => {
      for (let n = 0; n < 5; n++) await sold.send(bytes(`${n}`))
    })().catch(codeOf)
    const texts: string[] = []
    const reading = (async () => {
      for await (const data of bought.received) texts.push(textOf(data))
    })()
    assert.equal(await codeOfRejection(reading), 'ERR_BUDGET_USED_UP')
    assert.deepEqual([texts, bought.bill().paid], [['0', '1', '2'], 6n])
    await sending
  })

  it('paid further ahead than the budget goes come as far as it goes', async () => {
    sell({ patience: 1_000 })
    const { sold, bought } = await open({ budget: satoshi(7n), ahead: 5 })
    const sending = (async () => {
      for (let n = 0; n < 5; n++) await sold.send(bytes(`${n}`))
    })().catch(codeOf)
    const texts: string[] = []
    const reading = (async () => {
      for await (const data of bought.received) texts.push(textOf(data))
    })()
    assert.equal(await codeOfRejection(reading), 'ERR_BUDGET_USED_UP')
    assert.deepEqual([texts, bought.bill().paid], [['0', '1', '2'], 6n])
    await sending
  })

  it('are not bought above their price, nor from a seller that counts too many, nor one that speaks otherwise', async () => {
    sell({ price: satoshi(3n) })
    assert.equal(await codeOfRejection(open()), 'ERR_PRICE_TOO_HIGH')
    const options = limitsOf({ budget: satoshi(100n) })
    for (const frame of [
      bytes(''),
      Uint8Array.of(9),
      Uint8Array.of(0, 1, 2),
      Uint8Array.of(2, 65)
    ]) {
      assert.equal(await codeOfRejection(buyStream(await says(frame), options)), 'ERR_BAD_FRAME')
    }
    const bought = await buyStream(await says(offerOf(), soldFrame(2, bytes('A'))), options)
    assert.equal(await codeOfRejection(read(bought, 1)), 'ERR_BILL_WRONG')
  })

  it('are not bought by another unit, or the other way, than the buyer named', async () => {
    sell()
    const session = 'b'.repeat(24)
    for (const other of [
      { per: { bytes: 1 } },
      { per: { bytes: 11 } },
      { per: 'second' },
      { sells: 'in' }
    ]) {
      const limits = limitsOf({ per: { bytes: 10 } })
      const offer = offerOf({ session, per: { bytes: 10 }, ...other })
      assert.equal(await codeOfRejection(buyStream(await says(offer), limits)), 'ERR_OTHER_OFFER')
    }
    const takesIn = buyStream(await says(offerOf({ session })), limitsOf({ sells: 'in' }))
    assert.equal(await codeOfRejection(takesIn), 'ERR_OTHER_OFFER')
    assert.equal(await paymentsFor(session), 0)
  })

  it('pay for one unit a part: a part of many bytes is not a bill for all of them', async () => {
    sell()
    const per = { bytes: 1 }
    const junk = soldFrame(999, new Uint8Array(999))
    const bought = await buyStream(await says(offerOf({ per }), junk), limitsOf({ per }))
    assert.equal(await codeOfRejection(read(bought, 1)), 'ERR_BILL_WRONG')
    assert.equal(bought.bill().paid, PRICE, 'the unit ahead')
    const three = await says(offerOf({ per }), soldFrame(3, bytes('abc')))
    const further = await buyStream(three, limitsOf({ per, ahead: 3 }))
    assert.equal(await codeOfRejection(read(further, 1)), 'ERR_BILL_WRONG')
  })

  it('do not pay for seconds in which nothing was sold, nor for those of a clock that was set', async () => {
    sell()
    let now = 0
    const limits = limitsOf({ per: 'second', clock: () => now })
    const [end, other] = await streamPair()
    const hostile = lpStream(end)
    await hostile.write(offerOf({ per: 'second' }))
    const bought = await buyStream(other, limits)
    await hostile.write(soldFrame(1, bytes('a')))
    await read(bought, 1)
    now += 3_600_000
    const [hour, more] = [soldFrame(3_600, bytes('b')), soldFrame(2, bytes('b'))]
    await hostile.write(more)
    assert.deepEqual(await read(bought, 1), ['b'])
    // As many at once as a delay may bring: those that were paid ahead.
    for (const n of [3, 4]) await hostile.write(soldFrame(n, bytes('c')))
    await read(bought, 2)
    await hostile.write(soldFrame(5, bytes('d')))
    assert.equal(await codeOfRejection(read(bought, 1)), 'ERR_BILL_WRONG')
    assert.ok(bought.bill().paid <= 5n * PRICE)
    const [end2, other2] = await streamPair()
    const again = lpStream(end2)
    await again.write(offerOf({ per: 'second' }))
    const bought2 = await buyStream(other2, limits)
    now += 3_600_000
    await again.write(hour)
    assert.equal(await codeOfRejection(read(bought2, 1)), 'ERR_BILL_WRONG')
    assert.equal(bought2.bill().paid, PRICE)
  })

  it('begin a second when it is paid, so a payment that was waited for costs the buyer none', async () => {
    let now = 0
    sell({ per: 'second', clock: () => now, patience: 5_000 })
    const [end, other] = await streamPair()
    const frames = lpStream(other)
    const sold = await sales.sell(end, buyer)
    await frames.read()
    const sending = sold.send(bytes('a'))
    now += 3_000
    const memo = `402:${sold.bill().session}`
    await payer.api.pay({ to: seller, amount: PRICE, memo })
    await sending
    await sold.send(bytes('b'))
    assert.equal(sold.bill().units, 1)
  })

  it('are those of any protocol of libp2p', async () => {
    sell()
    const [shop, customer] = await Promise.all([startMute(), startMute()])
    for (const host of [shop, customer]) {
      fixture.onEnd(async () => {
        await host.stop()
      })
    }
    await shop.handle('/answers/1.0', async (stream, connection) => {
      const paid = await sales.sell(stream, connection.remotePeer.toString())
      for await (const question of paid.received) await paid.send(bytes(`${textOf(question)}!`))
      await paid.close()
    })
    const stream = await customer.dialProtocol(shop.getMultiaddrs(), '/answers/1.0')
    const bought = await buyStream(stream, {
      node: payer.api,
      seller,
      per: 'message',
      mostPerUnit: PRICE,
      budget: satoshi(100n)
    })
    await bought.send(bytes('hello'))
    assert.deepEqual(await read(bought, 1), ['hello!'])
    await bought.close()
  })
})
