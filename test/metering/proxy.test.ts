/** A priced proxy: what was begun for a request is charged, also when its client does not wait. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  type ClientRequest,
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type RequestListener,
  type Server,
  type ServerResponse
} from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import {
  Gate,
  isFreePath,
  payingFetch,
  type PayingFetch,
  type PricedProxy,
  receiptOf,
  servePriced
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

/* A gate before the handlers of the real Express, and of a bare server. */

describe('metering / a gate for Express', () => {
  let fixture: Fixture
  let payer: TestNode
  let payee: TestNode
  let gate: Gate
  let server: Server | undefined
  let served: string[] = []

  before(async () => {
    ;({ fixture, payer, payee } = await startTraders())
  })
  after(async () => {
    await fixture.end()
  })
  beforeEach(() => {
    served = []
    gate = new Gate({
      node: payee.api,
      price: ({ url }) => satoshi(url.endsWith('/free') ? 0n : 2n),
      realm: 'localhost',
      patience: 200
    })
  })
  afterEach(async () => {
    gate.stop()
    server?.closeAllConnections()
    if (server !== undefined) await once(server.close(), 'close')
    server = undefined
  })

  async function listen(handler: RequestListener): Promise<string> {
    server = createServer(handler).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  async function start(): Promise<string> {
    const app = express()
    app.set('env', 'test')
    app.use('/paid', gate.express())
    app.all('/paid/:name', express.text({ type: '*/*' }), (request, response) => {
      served.push(request.params.name)
      if (request.params.name === 'gone') response.status(404).json({})
      else if (request.params.name === 'busy') response.sendStatus(503)
      else if (request.params.name === 'bug') throw new Error('a fault of the handler')
      else if (request.params.name === 'slowly') {
        response.writeHead(200, { 'x-own': 'yes' })
        response.write('one ')
        response.end('two')
      } else response.send(`hello ${request.params.name} ${String(request.body ?? '')}`)
    })
    return await listen(app)
  }

  const client = (): PayingFetch =>
    payingFetch({ node: payer.api, mostPerRequest: satoshi(2n), budget: satoshi(100n) })

  it('asks for money before a handler is reached, and lets through what is paid', async () => {
    const url = await start()
    const refused = await fetch(`${url}/paid/x?a=b`)
    assert.deepEqual(
      [refused.status, refused.headers.get('content-type'), served],
      [402, 'application/problem+json', []]
    )
    const said = Buffer.from(refused.headers.get('payment-required') ?? '', 'base64').toString()
    assert.match(said, new RegExp(`"resource":{"url":"${url}/paid/x\\?a=b"}`))
    const pay = client()
    const answer = await pay(`${url}/paid/x`, { method: 'POST', body: 'again' })
    assert.equal(await answer.text(), 'hello x again')
    assert.deepEqual(
      [receiptOf(answer)?.units, answer.headers.get('cache-control')],
      [1, 'private']
    )
    assert.equal(await (await pay(`${url}/paid/slowly`)).text(), 'one two')
    assert.equal(receiptOf(await pay(`${url}/paid/gone`))?.units, 3, 'a 404 costs')
    assert.equal(receiptOf(await pay(`${url}/paid/free`)), undefined)
    assert.deepEqual([served.length, pay.paid, pay.spent], [4, 6n, 6n])
  })

  it('charges nothing for what a handler could not deliver', async () => {
    const url = await start()
    const pay = client()
    for (const name of ['busy', 'bug', 'busy']) {
      const answer = await pay(`${url}/paid/${name}`)
      assert.deepEqual([answer.status >= 500, receiptOf(answer)], [true, undefined])
    }
    assert.equal((await pay(`${url}/paid/x`)).status, 200)
    assert.deepEqual([pay.paid, pay.spent], [2n, 2n])
  })

  it('charges a request whose client has gone before its answer', async () => {
    const paid = gate.express()
    const leaving: ClientRequest[] = []
    let isAnswered: () => void = () => {}
    const answered = new Promise<void>((resolve) => {
      isAnswered = resolve
    })
    const url = await listen((incoming, response) => {
      paid(incoming, response, () => {
        response.once('close', () => {
          response.writeHead(500)
          isAnswered()
        })
        leaving[0]?.destroy()
        if (leaving.shift() === undefined) response.end('for nothing')
      })
    })
    const pay = client()
    const headers = { authorization: await pay.credential(url) }
    leaving.push(httpRequest(url, { headers }).on('error', () => {}))
    leaving[0]?.end()
    await answered
    const { challenge } = readCredential(headers.authorization)
    const payload = { action: 'voucher', cumulativeAmount: '9' }
    const authorization = credentialHeader({ challenge, payload })
    assert.equal((await fetch(url, { headers: { authorization } })).status, 402)
  })

  it('gives a unit back once for a request, and none whose answer is under way', async () => {
    const paid = gate.express()
    const url = await listen((request, response) => {
      paid(request, response, () => {
        if (request.url === '/late') response.writeHead(200).write('the goods')
        // A head that cannot be sent, as of a handler of errors that fails itself.
        for (const name of ['no name', 'no name', 'x-right']) {
          try {
            response.writeHead(500, { [name]: 'x' })
          } catch {
            continue
          }
        }
        response.end()
      })
    })
    const pay = client()
    const late = await pay(`${url}/late`)
    assert.deepEqual([late.status, await late.text()], [200, 'the goods'])
    for (let n = 0; n < 2; n++) assert.equal((await pay(`${url}/broken`)).status, 500)
    assert.deepEqual([pay.paid, pay.spent], [4n, 2n])
    assert.equal(receiptOf(await pay(`${url}/late`))?.spent, '4', 'as the server counts, too')
  })

  it('takes a payment once', async () => {
    const url = await start()
    const headers = { authorization: await client().credential(`${url}/paid/x`) }
    const all = await Promise.all(
      [1, 2, 3].map(async () => await fetch(`${url}/paid/x`, { headers }))
    )
    assert.deepEqual(all.map(({ status }) => status).sort(), [200, 402, 402])
    assert.equal(served.length, 1)
  })

  it('hands the troubles of its node to the handlers of errors', async () => {
    const broken = new Error('the node is gone')
    const { events, payments, channels } = payee.api
    gate.stop()
    gate = new Gate({
      node: { events, payments, channels, info: async () => await Promise.reject(broken) },
      price: satoshi(2n),
      realm: 'localhost'
    })
    const app = express()
    app.use(gate.express())
    const caught: unknown[] = []
    app.use(((error, _request, response, _next) => {
      caught.push(error)
      response.sendStatus(500)
    }) as express.ErrorRequestHandler)
    assert.equal((await fetch(`${await listen(app)}/`)).status, 500)
    assert.deepEqual(caught, [broken])
  })

  it('asks for the price of the path that is served, whatever the path and the headers say', async () => {
    const app = express()
    app.set('env', 'test')
    const asked: string[] = []
    gate.stop()
    gate = new Gate({
      node: payee.api,
      price: ({ url }) => {
        asked.push(url)
        return satoshi(new URL(url).pathname.startsWith('/free') ? 0n : 2n)
      },
      realm: 'localhost',
      patience: 200
    })
    app.set('trust proxy', true)
    app.use(gate.express(), (request, response) => {
      served.push(request.path)
      response.end()
    })
    const place = await listen(app)
    const status = async (
      path: string,
      host: string,
      scheme = 'http'
    ): Promise<number | undefined> => {
      const { port } = new URL(place)
      const headers = { host, 'x-forwarded-proto': scheme }
      const request = httpRequest({ host: '127.0.0.1', port, path, headers })
      request.end()
      const [answer] = (await once(request, 'response')) as [IncomingMessage]
      answer.resume()
      return answer.statusCode
    }
    for (const host of ['x/free?', 'x/free/', 'x\\free', 'x#', 'user@x', 'x?']) {
      assert.equal(await status('/dear', host), 402, host)
    }
    for (const path of [
      '/dear/../free',
      '/free/../dear',
      '/dear/%2e%2E/free',
      '/free\\..\\dear',
      'http://x/free/../dear',
      'http://x/dear',
      '/free#/../dear',
      '/dear/..#/free',
      '/free?a#b',
      '/dear\u00a0',
      '/dear/.\u00ad./free'
    ]) {
      assert.equal(await status(path, 'x'), 400, path)
    }
    assert.equal(await status('//free/dear', 'x'), 402)
    for (const scheme of ['http://x/free?', 'https://x/free/', 'x:/free#', 'https:']) {
      assert.equal(await status('/dear', 'x', scheme), 402, scheme)
      assert.equal(asked.at(-1), 'http://x/dear')
    }
    assert.deepEqual(served, [])
    assert.equal(await status('/dear', 'x', 'https'), 402)
    assert.equal(asked.at(-1), 'https://x/dear')
    assert.equal(await status('/free', 'shop.example:8080'), 200)
    assert.deepEqual([served, asked.at(-1)], [['/free'], 'http://shop.example:8080/free'])
  })

  it('fits before a bare server, too', async () => {
    const paid = gate.express()
    const url = await listen((request, response) => {
      paid(request, response, () => {
        response.end('rain')
      })
    })
    assert.equal((await fetch(url)).status, 402)
    const answer = await client()(url)
    assert.deepEqual([await answer.text(), receiptOf(answer)?.units], ['rain', 1])
  })
})
