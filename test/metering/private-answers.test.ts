/** What was paid for is kept by its payer alone. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type OutgoingHttpHeader, type OutgoingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Gate, payingFetch } from '../../src/metering/index.js'
import { privateCaching } from '../../src/metering/answers.js'
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

  const SHARED = {
    'CDN-Cache-Control': 'max-age=60',
    'cloudflare-cdn-cache-control': 'max-age=60',
    'vercel-cdn-cache-control': 'max-age=60',
    'netlify-cdn-cache-control': 'public',
    'surrogate-control': 'max-age=60',
    'x-accel-expires': '60'
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
          const caching = { 'cache-control': 'public', ...SHARED }
          return new Response('paid', { headers: caching })
        })
    })
    const { headers } = await pay('http://localhost/')
    assert.equal(headers.get('cache-control'), 'private')
    for (const name of Object.keys(SHARED)) assert.equal(headers.get(name), null, name)
    gate.stop()
  })

  const inObject: OutgoingHttpHeaders = {
    'Cache-Control': 'public, max-age=9',
    'Set-Cookie': ['a=1', 'b=2'],
    ...SHARED
  }
  const inList: OutgoingHttpHeader[] = [
    ...['Cache-Control', 'public, max-age=9', 'set-cookie', 'a=1', 'Set-Cookie', 'b=2'],
    ...Object.entries(SHARED).flat()
  ]
  for (const [form, caching] of Object.entries({ 'an object': inObject, 'a list': inList })) {
    it(`are those of a gate for Express, whatever writeHead is told in ${form}`, async () => {
      const payee = new FakePayee()
      const price = satoshi(2n)
      const gate = new Gate({ node: payee.node, realm: 'shop', price })
      const guard = gate.express()
      const server = createServer((request, response) => {
        guard(request, response, () => {
          response.setHeader('vercel-cdn-cache-control', 'public')
          response.writeHead(201, 'Made', caching).end('paid')
        })
      }).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const pay = payingFetch({ node: payee.payer, mostPerRequest: price, budget: price })
      const answer = await pay(`http://127.0.0.1:${port}/`)
      gate.stop()
      server.closeAllConnections()
      await once(server.close(), 'close')
      const { status, statusText, headers } = answer
      assert.deepEqual(
        [status, statusText, headers.get('cache-control'), headers.getSetCookie()],
        [201, 'Made', 'private, max-age=9', ['a=1', 'b=2']]
      )
      for (const name of Object.keys(SHARED)) assert.equal(headers.get(name), null, name)
    })
  }
})
