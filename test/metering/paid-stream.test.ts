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
} from '../../src/metering/paid-stream.js'
import { codeOf } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { startMute } from '../p2p/hosts.js'
import { codeOfRejection, Fixture, type TestNode } from '../node/fixture.js'

const PRICE = satoshi(2n)
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const textOf = (data: Uint8Array): string => new TextDecoder().decode(data)

describe('metering / paid streams', () => {
  let fixture: Fixture
  let payer: TestNode
  let payee: TestNode
  let seller: string
  let sales: StreamSales
  const buyer = 'the buyer'

  before(async () => {
    fixture = await Fixture.create()
    payer = await fixture.rich('payer')
    payee = await fixture.node('payee')
    await payer.api.channels.open({ peer: await payee.address(), amount: satoshi(500_000n) })
    seller = (await payee.api.info()).peerId
    await payer.api.pay({ to: seller, amount: satoshi(10_000n) })
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
    const limits = { mostPerUnit: PRICE, budget: satoshi(1_000n) }
    const [sold, bought] = await Promise.all([
      sales.sell(ends[0], buyer),
      buyStream(ends[1], { node: payer.api, seller, ...limits, ...options })
    ])
    return { sold, bought, ends }
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
    const { sold, bought } = await open()
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
    sell({ per: 'second', now: () => now })
    const { sold, bought } = await open({ now: () => now })
    for (const pass of [0, 400, 500, 200, 5_000]) {
      now += pass
      await sold.send(bytes('x'))
      await read(bought, 1)
    }
    assert.equal(bought.bill().units, 3, 'at 0 s, 1.1 s and 6.1 s')
  })

  it('are paid by who sends, when the seller sells that it takes data', async () => {
    sell({ sells: 'in' })
    const { sold, bought } = await open()
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
    const says = async (...frames: Uint8Array[]): Promise<Stream> => {
      const [end, other] = await streamPair()
      const writer = lpStream(end)
      for (const frame of frames) await writer.write(frame)
      return other
    }
    const options = { node: payer.api, seller, mostPerUnit: PRICE, budget: satoshi(100n) }
    const offer = {
      session: 'a'.repeat(24),
      priceSat: 2,
      per: 'message',
      sells: 'out',
      units: 0,
      paidSat: 0
    }
    const offered = Uint8Array.of(0, ...bytes(JSON.stringify(offer)))
    for (const frame of [
      bytes(''),
      Uint8Array.of(9),
      Uint8Array.of(0, 1, 2),
      Uint8Array.of(2, 65)
    ]) {
      assert.equal(await codeOfRejection(buyStream(await says(frame), options)), 'ERR_BAD_FRAME')
    }
    const twoUnits = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 2, 65)
    const bought = await buyStream(await says(offered, twoUnits), options)
    assert.equal(await codeOfRejection(read(bought, 1)), 'ERR_BILL_WRONG')
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
      mostPerUnit: PRICE,
      budget: satoshi(100n)
    })
    await bought.send(bytes('hello'))
    assert.deepEqual(await read(bought, 1), ['hello!'])
    await bought.close()
  })
})
