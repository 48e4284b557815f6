/** What was paid for is kept by its payer alone. */
import assert from 'node:assert/strict'
import { Gate } from '../../src/metering/gate.js'
import { payingFetch } from '../../src/metering/paying-fetch.js'
import { privateCaching } from '../../src/metering/private-answers.js'
import { satoshi } from '../../src/types/units.js'
import { FakePayee } from './fake-payee.js'

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
          const caching = { 'cache-control': 'public', 'cdn-cache-control': 'max-age=60' }
          return new Response('paid', { headers: caching })
        })
    })
    const { headers } = await pay('http://localhost/')
    assert.deepEqual(
      [headers.get('cache-control'), headers.get('cdn-cache-control')],
      ['private', null]
    )
    gate.stop()
  })
})
