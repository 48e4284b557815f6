/** Books are those of one seller, whatever it sells by. */
import assert from 'node:assert/strict'
import { Books } from '../../src/metering/books.js'
import { Gate, MppxSeller, payingFetch, StreamSales, X402Seller } from '../../src/metering/index.js'
import { SimDisk } from '../../src/testing/disk.js'
import { Life } from '../../src/testing/calendar.js'
import { satoshi } from '../../src/types/units.js'
import { FakePayee } from './fake-payee.js'
import { TRANSPORT, VerificationFailedError } from './small-mppx.js'

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
