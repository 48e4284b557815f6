/** A priced proxy: what was begun for a request is charged, also when its client does not wait. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request as httpRequest, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  Gate,
  isFreePath,
  payingFetch,
  type PayingFetch,
  type PricedProxy,
  servePriced
} from '../../src/metering/index.js'
import { credentialHeader, readChallenges } from '../../src/metering/payment-auth.js'
import { memoOf } from '../../src/metering/session-terms.js'
import { satoshi } from '../../src/types/units.js'
import { FakePayee } from './fake-payee.js'

const PRICE = satoshi(100n)

describe('metering / a priced proxy', () => {
  let payee: FakePayee
  let gate: Gate
  let upstream: Server
  let proxy: PricedProxy
  /** What the server behind does with each request. */
  let serve: (response: ServerResponse) => void

  beforeEach(async () => {
    payee = new FakePayee()
    gate = new Gate({ node: payee.node, realm: 'shop', price: PRICE, patience: 0 })
    upstream = createServer((request, response) => {
      request.resume()
      serve(response)
    })
    upstream.listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    const { port } = upstream.address() as AddressInfo
    proxy = await servePriced({
      gate,
      upstream: `http://127.0.0.1:${port}`,
      host: '127.0.0.1',
      port: 0
    })
  })
  afterEach(async () => {
    await proxy.close()
    gate.stop()
    upstream.closeAllConnections()
    upstream.close()
  })

  const client = (): PayingFetch =>
    payingFetch({ node: payee.payer, mostPerRequest: PRICE, budget: satoshi(1_000n) })

  it('charges a request whose client breaks off while it is answered', async () => {
    const unpaid = await fetch(proxy.url)
    await unpaid.body?.cancel()
    const [challenge] = readChallenges(unpaid.headers.get('www-authenticate') ?? '')
    assert.ok(challenge)
    payee.pay({ amount: PRICE, memo: memoOf(challenge.id) })
    const headersOf = (number: bigint): { authorization: string } => ({
      authorization: credentialHeader({
        challenge,
        payload: { action: 'voucher', cumulativeAmount: `${number}` }
      })
    })
    const broken = new Promise<void>((resolve) => {
      serve = (response) => {
        response.once('close', resolve)
        request.destroy()
      }
    })
    const request = httpRequest(proxy.url, { headers: headersOf(100n) })
    request.on('error', () => {})
    request.end()
    await broken
    serve = (response) => response.end('done for nothing')
    const answer = await fetch(proxy.url, { headers: headersOf(200n) })
    assert.deepEqual([answer.status, /insufficient/.test(await answer.text())], [402, true])
  })

  it('charges a request that the server behind took and did not answer, and says so', async () => {
    serve = (response) => {
      response.destroy()
    }
    const pay = client()
    const answer = await pay(proxy.url)
    assert.equal(answer.status, 502)
    assert.match(await answer.text(), /has the request, and broke off .* It was charged/)
    assert.deepEqual([answer.headers.has('payment-receipt'), pay.spent], [true, PRICE])
    serve = (response) => response.end('rain')
    assert.equal(await (await pay(proxy.url)).text(), 'rain')
    assert.deepEqual([pay.spent, payee.paid], [200n, 200n])
  })

  it('charges nothing for what never reached the server behind, or what that one could not do', async () => {
    const pay = client()
    serve = (response) => {
      response.writeHead(503)
      response.end()
    }
    assert.equal((await pay(proxy.url)).status, 503)
    upstream.closeAllConnections()
    upstream.close()
    await once(upstream, 'close')
    const answer = await pay(proxy.url)
    assert.match(await answer.text(), /cannot be reached .* Nothing was charged/)
    assert.deepEqual([answer.status, pay.spent, payee.paid], [502, 0n, PRICE])
  })
})

/* Free paths of a priced server: what can be read in two ways is paid. */

const FREE = ['/health', '/static/', '/über uns']

describe('metering / free paths', () => {
  for (const path of [
    '/health',
    '/health/',
    '/health/now',
    '/heal%74h',
    '/static',
    '/static/a.css',
    '/static/a%20b.css',
    '/static/..b',
    '/%C3%BCber%20uns/team'
  ]) {
    it(`${path} is free`, () => {
      assert.equal(isFreePath(path, FREE), true)
    })
  }

  for (const path of [
    '/',
    '/paid',
    '/healthy-paid',
    '/healthy/health',
    '/paid/health',
    '/Health',
    '/health/..%2fpaid',
    '/health/..%2Fpaid',
    '/health%2f..%2fpaid',
    '/health/..%5cpaid',
    '/health/..\\paid',
    '/health/%2e%2e/paid',
    '/health/../paid',
    '/health/./paid',
    '/health/..;/paid',
    '/health/%252e%252e/paid',
    '/health/..%252fpaid',
    '/health//paid',
    '//health',
    '/health/%00/paid',
    '/health/%3f',
    '/health/%E0%A4'
  ]) {
    it(`${path} is paid`, () => {
      assert.equal(isFreePath(path, FREE), false)
    })
  }

  it('/ makes all free that can be read in one way', () => {
    assert.deepEqual(
      ['/', '/a/b', '/a//b'].map((path) => isFreePath(path, ['/'])),
      [true, true, false]
    )
  })
})
