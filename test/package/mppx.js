/**
 * Buyers and sellers of this package and of mppx, each with the other, over a real channel. It runs in
 * the project of `npm run check:package`, since mppx brings a hundred megabytes of packages with it.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { Challenge, Credential, Errors, Receipt } from 'mppx'
import { Mppx as Client } from 'mppx/client'
import { Mppx as Server, Transport } from 'mppx/server'
import { createNode, satoshi } from 'paychan'
import { startDevnet } from 'paychan/devnet'
import { Gate, MppxBuyer, MppxSeller, payingFetch } from 'paychan/metering'

const PLACE = 'http://localhost/weather'
const DEAR = 'http://localhost/dear'
const SECRET = 'a key of 32 bytes, or even longer'
const PRICE = { [PLACE]: '2', [DEAR]: '3' }

let devnet, home, payer, payee
/** What has a `stop`, of the story that runs. */
let open = []
let served = 0
/** The answer of the shop. */
let shop = () => new Response('rain')

before(async () => {
  devnet = await startDevnet({ autoMine: true })
  home = await mkdtemp(join(tmpdir(), 'mppx-'))
  const start = async (name) =>
    await createNode({
      network: 'regtest',
      electrum: devnet.url,
      dataDir: join(home, name),
      create: true
    })
  ;[payer, payee] = [await start('payer'), await start('payee')]
  await devnet.fund(await payer.wallet.address(), 1_000_000n)
  await payer.chain.untilHeight(devnet.height)
  const { peerId, multiaddrs } = await payee.info()
  await payer.channels.open({ peer: multiaddrs[0], amount: satoshi(500_000n) })
  // Whatever is paid later needs not be a first payment.
  await payer.pay({ to: peerId, amount: satoshi(10_000n) })
})
after(async () => {
  await Promise.all([payer.stop(), payee.stop()])
  await devnet.stop()
  await rm(home, { recursive: true })
})
beforeEach(() => {
  served = 0
  shop = () => new Response('rain')
})
afterEach(() => {
  for (const each of open) each.stop()
  open = []
})

function serve(request) {
  served++
  return shop(request)
}

/** A server by mppx's own class, as a `fetch`. */
function mppxServer(options = {}, secretKey = SECRET) {
  const seller = new MppxSeller({
    node: payee,
    secretKey,
    Errors,
    transport: Transport.http(),
    patience: 200,
    ...options
  })
  open.push(seller)
  const mppx = Server.create({ methods: [seller], secretKey })
  const ask = async (input, init) => {
    const request = new Request(input, init)
    const result = await mppx.session({ amount: PRICE[request.url] })(request)
    return result.status === 402 ? result.challenge : result.withReceipt(await serve(request))
  }
  return { ask, mppx }
}

function gate(options = {}) {
  const made = new Gate({
    node: payee,
    price: ({ url }) => satoshi(BigInt(PRICE[url])),
    realm: 'localhost',
    patience: 200,
    ...options
  })
  open.push(made)
  return async (input, init) => {
    const request = new Request(input, init)
    return await made.handle(request, async () => serve(request))
  }
}

const limits = (ask, budget = 1_000n) => ({
  node: payer,
  mostPerRequest: satoshi(5n),
  budget: satoshi(budget),
  fetch: ask
})

/** mppx's client with our method, over what answers. */
function mppxClient(ask, budget) {
  const buyer = new MppxBuyer(limits(ask, budget))
  const mppx = Client.create({ methods: [buyer], fetch: buyer.fetch, polyfill: false })
  return { buyer, mppx, pay: mppx.fetch }
}

const typeOf = async (answer) => (await answer.json()).type.split('/problems/')[1]

describe("mppx's client with our method", () => {
  for (const [seller, start] of [
    ['a gate', () => gate()],
    ["mppx's server", () => mppxServer().ask]
  ]) {
    it(`pays ${seller} for each call, and not more`, async () => {
      const { buyer, pay } = mppxClient(start())
      for (let n = 1n; n <= 3n; n++) {
        const answer = await pay(PLACE)
        assert.equal(await answer.text(), 'rain')
        const { method, spent } = Receipt.fromResponse(answer)
        assert.deepEqual([method, spent], ['paychan', (2n * n).toString()], 'one session')
      }
      assert.deepEqual([served, buyer.paid, buyer.spent], [3, 6n, 6n])
      assert.equal((await pay(DEAR)).status, 200)
      assert.equal(buyer.paid, 9n)
    })

    it(`tells ${seller} what it accepts`, async () => {
      const accepted = []
      const ask = start()
      const { pay } = mppxClient(async (request) => {
        accepted.push(request.headers.get('accept-payment'))
        return await ask(request)
      })
      await pay(PLACE)
      assert.equal(accepted[0], 'paychan/session')
    })

    it(`pays ${seller} nothing above its limits`, async () => {
      const { buyer, pay } = mppxClient(start(), 3n)
      assert.equal((await pay(PLACE)).status, 200)
      await assert.rejects(pay(PLACE), { code: 'ERR_BUDGET_USED_UP' })
      assert.deepEqual([served, buyer.paid], [1, 2n])
    })

    it(`pays a unit of ${seller} once, when that could not be delivered`, async () => {
      const { buyer, pay } = mppxClient(start())
      shop = () => new Response('', { status: 503 })
      assert.equal((await pay(PLACE)).status, 503)
      shop = () => new Response('rain')
      assert.equal((await pay(PLACE)).status, 200)
      assert.deepEqual([served, buyer.paid, buyer.spent], [2, 2n, 2n])
    })

    it(`costs one unit at the most when ${seller} forgets its sessions`, async () => {
      let ask = start()
      const { buyer, pay } = mppxClient(async (request) => await ask(request))
      assert.equal((await pay(PLACE)).status, 200)
      ask = seller === 'a gate' ? gate() : mppxServer({}, `${SECRET}, another`).ask
      assert.equal((await pay(PLACE)).status, 200)
      assert.equal((await pay(PLACE)).status, 200)
      assert.deepEqual([served, buyer.paid], [3, 8n], 'three units, and a lost one')
    })
  }

  it('stops after one unit when a server takes and does not deliver, HTTP-6', async () => {
    const honest = gate()
    const { buyer, pay } = mppxClient(async ({ url }) => await honest(url))
    await assert.rejects(pay(PLACE), { code: 'ERR_PAID_NOT_DELIVERED' })
    await assert.rejects(pay(PLACE), { code: 'ERR_PAID_NOT_DELIVERED' })
    assert.deepEqual([buyer.paid, served], [2n, 0])
  })

  it('pays for no offer that it has not seen, and none that others can read', async () => {
    const ask = gate()
    const buyer = new MppxBuyer(limits(ask))
    const blind = Client.create({ methods: [buyer], fetch: ask, polyfill: false })
    await assert.rejects(blind.fetch(PLACE), { code: 'ERR_INVALID_REQUEST' })
    const far = mppxClient(async () => await ask(PLACE))
    await assert.rejects(far.pay('http://api.example.com/'), { code: 'ERR_INSECURE_PAYMENT' })
    assert.deepEqual([buyer.paid, far.buyer.paid, served], [0n, 0n, 0])
  })
})

describe("mppx's server with our method", () => {
  it('is paid by payingFetch, ahead from the second call on', async () => {
    const { ask } = mppxServer()
    const statuses = []
    const pay = payingFetch(
      limits(async (input, init) => {
        const answer = await ask(input, init)
        statuses.push(answer.status)
        return answer
      })
    )
    for (let n = 0; n < 3; n++) assert.equal(await (await pay(PLACE)).text(), 'rain')
    assert.deepEqual([statuses, pay.paid, served], [[402, 200, 200, 200], 6n, 3])
  })

  it('gives each route that has a scope sessions of its own', async () => {
    const { mppx } = mppxServer()
    const pay = payingFetch(
      limits(async (input, init) => {
        const request = new Request(input, init)
        const { pathname: scope } = new URL(request.url)
        const result = await mppx.session({ amount: '2', scope })(request)
        return result.status === 402 ? result.challenge : result.withReceipt(serve(request))
      })
    )
    for (const place of [PLACE, DEAR, PLACE, DEAR]) assert.equal((await pay(place)).status, 200)
    assert.deepEqual([pay.paid, served], [8n, 4])
  })

  it('refuses what nobody paid, and says what is missing', async () => {
    const { ask } = mppxServer()
    const challenge = Challenge.fromResponse(await ask(PLACE))
    const payload = { action: 'voucher', cumulativeAmount: '2' }
    const authorization = Credential.serialize({ challenge, payload })
    const answer = await ask(PLACE, { headers: { authorization } })
    const { type, missing, challengeId } = await answer.json()
    assert.match(answer.headers.get('content-type'), /problem\+json/)
    assert.match(type, /session\/insufficient-balance$/)
    assert.deepEqual([answer.status, missing, served], [402, '2', 0])
    assert.equal(challengeId, Challenge.fromResponse(answer).id)
  })

  it('refuses a credential that comes again, HTTP-5', async () => {
    const { ask } = mppxServer()
    const authorization = await payingFetch(limits(ask)).credential(PLACE)
    assert.equal((await ask(PLACE, { headers: { authorization } })).status, 200)
    const [again, once] = [
      await ask(PLACE, { headers: { authorization } }),
      await Promise.all([1, 2].map(async () => await ask(PLACE, { headers: { authorization } })))
    ]
    assert.equal(await typeOf(again), 'session/delta-too-small')
    assert.deepEqual([again.status, ...once.map(({ status }) => status)], [402, 402, 402])
    assert.equal(served, 1)
  })

  it('refuses a credential for another price, server or session, HTTP-1', async () => {
    const { ask } = mppxServer()
    const authorization = await payingFetch(limits(ask)).credential(PLACE)
    const crossed = await ask(DEAR, { headers: { authorization } })
    const other = mppxServer({}, `${SECRET}, another`)
    const foreign = await other.ask(PLACE, { headers: { authorization } })
    const paid = Credential.deserialize(authorization)
    const changed = { ...paid.challenge, request: { ...paid.challenge.request, amount: '1' } }
    const cheap = Credential.serialize({ ...paid, challenge: changed })
    const forged = await ask(PLACE, { headers: { authorization: cheap } })
    const unpaid = Challenge.fromResponse(await ask(PLACE))
    const moved = Credential.serialize({ ...paid, challenge: unpaid })
    const answers = [crossed, foreign, forged]
    answers.push(await ask(PLACE, { headers: { authorization: moved } }))
    assert.deepEqual(
      answers.map(({ status }) => status),
      [402, 402, 402, 402]
    )
    assert.equal(served, 0)
  })

  it('takes nothing whose key is not that of its method', async () => {
    const seller = new MppxSeller({
      node: payee,
      secretKey: 'another key',
      Errors,
      transport: Transport.http(),
      patience: 0
    })
    open.push(seller)
    const mppx = Server.create({ methods: [seller], secretKey: SECRET })
    const ask = async (request) => {
      const result = await mppx.session({ amount: '2' })(request)
      return result.status === 402 ? result.challenge : result.withReceipt(serve(request))
    }
    const { buyer, pay } = mppxClient(ask)
    await assert.rejects(pay(PLACE), { code: 'ERR_PAID_NOT_DELIVERED' })
    assert.deepEqual([served, buyer.paid], [0, 2n])
  })

  it('says if a credential is good before it is taken', async () => {
    const { ask, mppx } = mppxServer()
    const authorization = await payingFetch(limits(ask)).credential(PLACE)
    assert.equal((await mppx.validateCredential(authorization)).method, 'paychan')
    assert.equal((await ask(PLACE, { headers: { authorization } })).status, 200)
  })

  it('asks nobody to pay while its node does not see the chain', async () => {
    const info = await payee.info()
    const node = Object.assign(Object.create(payee), {
      info: async () => ({ ...info, chain: { ...info.chain, status: 'offline' } })
    })
    const { buyer, pay } = mppxClient(mppxServer({ node }).ask)
    assert.equal((await pay(PLACE)).status, 503)
    assert.deepEqual([buyer.paid, served], [0n, 0])
  })
})

describe('an answer that comes token by token', () => {
  const tokens = (count) => () =>
    new Response(Array.from({ length: count }, (_, n) => `data: ${n}\n\n`).join(''), {
      headers: { 'content-type': 'text/event-stream' }
    })

  for (const [seller, start] of [
    ['a gate', () => gate({ streamed: 'event', streamPatience: 200 })],
    ["mppx's server", () => mppxServer({ streamed: 'event', streamPatience: 200 }).ask]
  ]) {
    it(`is sold by ${seller} by the event, to both clients`, async () => {
      shop = tokens(4)
      const ask = start()
      const { buyer, pay } = mppxClient(ask)
      const own = payingFetch(limits(ask))
      for (const each of [pay, own]) {
        const text = await (await each(PLACE)).text()
        assert.equal(text, 'data: 0\n\ndata: 1\n\ndata: 2\n\ndata: 3\n\n')
      }
      assert.deepEqual([buyer.spent, own.spent], [8n, 8n])
    })

    it(`stops at ${seller} before the first event that is not paid`, async () => {
      shop = tokens(4)
      const ask = start()
      const authorization = await payingFetch(limits(ask)).credential(PLACE)
      const answer = await ask(PLACE, { headers: { authorization } })
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
      let text = ''
      await assert.rejects(async () => {
        for (;;) text += (await reader.read()).value
      })
      assert.match(text, /data: 0\n\nevent: payment-need-voucher\n/)
      assert.doesNotMatch(text, /data: 1/)
    })
  }
})
