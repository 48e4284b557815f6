/** The API on TCP: who may ask what, what is said in which words, and what is done once. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request as httpRequest } from 'node:http'
import { createConnection } from 'node:net'
import { publishedSchema, type JsonSchema } from '../../src/daemon/dialect.js'
import { NodeMetrics } from '../../src/daemon/metrics.js'
import { openApi } from '../../src/daemon/openapi.js'
import { Counts } from '../../src/daemon/pace.js'
import { serveTcp, type TcpApi, type TcpApiOptions } from '../../src/daemon/tcp-api.js'
import { isShown, VERBS } from '../../src/daemon/verbs.js'
import type { NodeEvent, TokenOptions } from '../../src/node/api.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { alarmed, balance, channel, FakeNode, payment, PEER, terms } from './fake-node.js'

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
  /** Of a refusal: its code. */
  readonly code: string | undefined
}

interface Asked {
  readonly method?: string
  readonly token?: string | undefined
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

describe('the API on TCP', () => {
  let node: FakeNode
  let api: TcpApi
  let stop: () => void

  async function serve(options: Partial<TcpApiOptions> = {}): Promise<void> {
    api = await serveTcp(node, {
      host: '127.0.0.1',
      port: 0,
      onStop: () => {
        stop()
      },
      ...options
    })
  }

  beforeEach(async () => {
    node = new FakeNode()
    stop = () => {}
    await serve()
  })

  afterEach(async () => {
    await api.close()
  })

  async function ask(path: string, asked: Asked = {}): Promise<Answer> {
    const { token, body } = asked
    const { method = body === undefined ? 'GET' : 'POST', headers = {} } = asked
    const request = httpRequest(`${api.url}${path}`, {
      method,
      agent: false,
      headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers }
    })
    request.end(body === undefined || typeof body === 'string' ? body : JSON.stringify(body))
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    const chunks: Uint8Array[] = []
    for await (const chunk of response as AsyncIterable<Uint8Array>) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    const isProblem = response.headers['content-type'] === 'application/problem+json'
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      text,
      code: isProblem ? (JSON.parse(text) as { code: string }).code : undefined
    }
  }

  async function tokenFor(options: Partial<TokenOptions>): Promise<string> {
    const made = await node.gate().access.make({ name: 'test', scopes: ['read'], ...options })
    return made.token
  }

  /** True when the API ends the connection of a caller that would keep it. */
  async function isHungUp(headers: Readonly<Record<string, string>>): Promise<boolean> {
    const agent = new Agent({ keepAlive: true })
    const request = httpRequest(`${api.url}/v1/events`, { agent, headers })
    request.end()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    agent.destroy()
    return response.headers.connection === 'close'
  }

  const asked = (): string[] => node.calls.map(({ verb }) => verb)

  describe('says', () => {
    it('amounts as numbers, with the unit in the name', async () => {
      const token = await tokenFor({})
      assert.deepEqual(JSON.parse((await ask('/v1/balance', { token })).text), {
        confirmedSat: Number(balance.confirmed),
        pendingSat: Number(balance.pending),
        reservedSat: Number(balance.reserved),
        lockedSat: Number(balance.locked),
        inChannelsSat: Number(balance.inChannels),
        unwatchedSat: Number(balance.unwatched),
        unsweptSat: Number(balance.unswept),
        totalSat: Number(balance.total)
      })
      const fees = JSON.parse((await ask('/v1/fees', { token })).text) as Record<string, unknown>
      assert.deepEqual(Object.keys(fees), ['leastFeeRateSatPerVb', 'estimates'])
      const [first] = JSON.parse((await ask('/v1/payments?limit=1', { token })).text) as unknown[]
      assert.deepEqual(first, {
        id: payment.id,
        channel: payment.channel,
        peerId: payment.peerId,
        direction: payment.direction,
        amountSat: Number(payment.amount),
        memo: payment.memo,
        status: payment.status,
        timeMs: payment.time
      })
      assert.deepEqual(node.calls.at(-1), { verb: 'payments', args: [{ limit: 1 }] })
    })

    it('what is not known as null, and nothing where nothing is', async () => {
      const token = await tokenFor({ scopes: ['manage'] })
      const [shown] = JSON.parse((await ask('/v1/channels', { token })).text) as [
        Record<string, unknown>
      ]
      assert.equal(shown['ourBalanceSat'], Number(channel.ourBalance))
      assert.equal(shown['refundHeight'], channel.refundHeight)
      assert.ok('renewedAs' in shown)
      assert.equal(shown['renewedAs'], null)
      const labelled = await ask('/v1/label', { token, body: { of: 'x', text: 'y' } })
      assert.deepEqual([labelled.status, labelled.text], [204, ''])
    })

    it('problems by RFC 9457, with our code, and a sentence in the words of this API', async () => {
      const token = await tokenFor({ scopes: ['pay'] })
      const cases: ReadonlyArray<readonly [body: unknown, code: string, says: RegExp]> = [
        [{ to: PEER, amount: 1 }, 'ERR_UNKNOWN_FIELD', /Did you mean 'amountSat'/],
        [{ to: PEER, amountSat: '1' }, 'ERR_INVALID_REQUEST', /'amountSat' is wrong: a whole/],
        [{ to: PEER, amountSat: 1.5 }, 'ERR_INVALID_REQUEST', /'amountSat'/],
        [{ to: PEER, amountSat: -1 }, 'ERR_INVALID_AMOUNT', /./],
        [{ to: PEER, amountSat: 2_100_000_000_000_001 }, 'ERR_INVALID_AMOUNT', /./],
        [{ to: PEER }, 'ERR_INVALID_REQUEST', /'amountSat' is missing/],
        ['{"to":', 'ERR_INVALID_REQUEST', /not JSON/],
        [[], 'ERR_INVALID_REQUEST', /one JSON object/],
        ['x'.repeat(300_001), 'ERR_REQUEST_TOO_LARGE', /300000/]
      ]
      for (const [body, code, says] of cases) {
        const answer = await ask('/v1/pay', { token, body })
        const told = JSON.parse(answer.text) as Record<string, unknown>
        assert.equal(told['code'], code, JSON.stringify(body))
        assert.match(String(told['detail']), says)
        assert.equal(told['status'], answer.status)
        assert.equal(told['type'], `urn:paychan:error:${code}`)
        assert.equal(answer.headers['content-type'], 'application/problem+json')
      }
      assert.deepEqual(asked(), [])
    })

    it('how it is asked, without a token, and nothing else', async () => {
      const page = await ask('/')
      assert.match(page.text, /<h3><code>POST \/v1\/pay<\/code> <small>pay<\/small><\/h3>/)
      assert.match(String(page.headers['content-security-policy']), /default-src 'none'/)
      assert.doesNotMatch(page.text, /<script|src=|https?:/)
      assert.equal((await ask('/openapi.json')).status, 200)
      for (const path of ['/v1/info', '/v1/events', '/v1/nothing', '/v1/openapi.json']) {
        assert.equal((await ask(path)).code, 'ERR_TOKEN_MISSING', path)
      }
      assert.equal((await ask('/v2/info')).code, 'ERR_UNKNOWN_VERB')
      assert.deepEqual(asked(), [])
    })

    it('the dashboard when it is asked to, under a policy that lets it reach nobody else', async () => {
      assert.equal((await ask('/ui/')).code, 'ERR_UNKNOWN_VERB')
      await api.close()
      await serve({ ui: true })
      const page = await ask('/ui/')
      assert.equal(
        page.headers['content-security-policy'],
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:"
      )
      assert.equal(page.headers['x-content-type-options'], 'nosniff')
      assert.equal(page.headers['referrer-policy'], 'no-referrer')
      assert.doesNotMatch(page.text, /<script>| style=| on[a-z]+=|https?:/)
      assert.deepEqual(
        await Promise.all(
          ['/ui/page.js', '/ui/page.css'].map(
            async (path) => (await ask(path)).headers['content-type']
          )
        ),
        ['text/javascript; charset=utf-8', 'text/css; charset=utf-8']
      )
      assert.equal((await ask('/ui')).headers['location'], '/ui/')
      assert.match(String((await ask('/')).headers['content-security-policy']), /unsafe-inline/)
      assert.ok((await ask('/ui/page.js')).text.length < 100_000)
      assert.equal((await ask('/ui/', { headers: { host: 'evil.example' } })).code, 'ERR_API_HOST')
    })

    it('whether it answers, and whether it sees the chain, to whoever watches the process', async () => {
      assert.deepEqual(JSON.parse((await ask('/health')).text), { status: 'ok' })
      assert.deepEqual(JSON.parse((await ask('/ready')).text), { status: 'ready' })
      node.chainStatus = 'down'
      const away = await ask('/ready')
      assert.deepEqual([away.status, away.code], [503, 'ERR_CHAIN_UNAVAILABLE'])
      assert.equal((await ask('/health')).status, 200)
      assert.deepEqual(node.calls, [], 'nothing is counted for whoever needs no token')
    })

    it('each verb in its OpenAPI document, with the fields and answers of the table', () => {
      const { paths } = openApi() as { paths: Record<string, Record<string, object>> }
      assert.deepEqual(Object.keys(paths), [
        ...[...VERBS.keys()].map((name) => `/v1/${name}`),
        '/v1/events'
      ])
      assert.match(JSON.stringify(openApi()), /"webhooks":\{"event":\{"post":/)
      for (const verb of VERBS.values()) {
        const path = paths[`/v1/${verb.name}`] ?? {}
        assert.deepEqual(Object.keys(path), [isShown(verb) ? 'get' : 'post'], verb.name)
      }
    })

    it('no amount without its unit', () => {
      const bare: string[] = []
      const look = (where: string, schema: JsonSchema): void => {
        for (const [name, each] of Object.entries(schema.properties ?? {})) {
          if (/amount|fee|balance|capacity|sat$/i.test(name) && !/Sat$|PerVb$/.test(name)) {
            if (each.type === 'integer' || each.type === 'number') bare.push(`${where}.${name}`)
          }
          look(`${where}.${name}`, each)
        }
        for (const each of schema.anyOf ?? []) look(where, each)
        if (schema.items !== undefined) look(where, schema.items)
      }
      for (const verb of VERBS.values()) {
        look(verb.name, publishedSchema(verb.request))
        look(verb.name, publishedSchema(verb.answer))
      }
      assert.deepEqual(bare, [])
    })
  })

  describe('lets in', () => {
    it('nobody with a wrong, revoked or expired token', async () => {
      const [good, other] = [await tokenFor({}), await tokenFor({})]
      const id = other.split('_')[1] ?? assert.fail()
      const swapped = `paychan_${id}_${good.split('_')[2]}`
      for (const token of ['x', `${good}0`, good.slice(0, -1), swapped, good.toUpperCase()]) {
        const answer = await ask('/v1/info', { token })
        assert.deepEqual([answer.status, answer.code], [401, 'ERR_TOKEN_INVALID'], token)
        assert.equal(answer.headers['www-authenticate'], 'Bearer')
      }
      assert.equal((await ask('/v1/info', { token: other })).status, 200)
      await node.access.revoke(id)
      assert.equal((await ask('/v1/info', { token: other })).code, 'ERR_TOKEN_INVALID')
      assert.equal((await ask('/v1/info', { token: good })).status, 200)
    })

    it('each scope to its own verbs', async () => {
      const body: Readonly<Record<string, unknown>> = {
        pay: { to: PEER, amountSat: 1 },
        makeRequest: {},
        close: { channel: PEER }
      }
      const verbs = ['info', 'makeRequest', 'pay', 'close'] as const
      const reached = async (scopes: TokenOptions['scopes']): Promise<string[]> => {
        const token = await tokenFor({ scopes })
        const answers: string[] = []
        for (const verb of verbs) {
          const { status } = await ask(`/v1/${verb}`, { token, body: body[verb] })
          if (status === 200) answers.push(verb)
          else assert.equal(status, 403)
        }
        return answers
      }
      assert.deepEqual(await reached(['read']), ['info'])
      assert.deepEqual(await reached(['receive']), ['makeRequest'])
      assert.deepEqual(await reached(['pay']), ['pay'])
      assert.deepEqual(await reached(['read', 'pay']), ['info', 'pay'])
      assert.deepEqual(await reached(['manage']), [...verbs])
    })

    it('a share of the room for requests under its own name, unless it may do all', async () => {
      for (const scopes of [['receive'], ['receive', 'manage']] as const) {
        const { token, id } = await node.gate().access.make({ name: 'till', scopes })
        const body = { expiresInSeconds: 'never', memo: 'tea' }
        assert.equal((await ask('/v1/makeRequest', { token, body })).status, 200)
        assert.deepEqual(node.calls.at(-1)?.args, [
          { memo: 'tea', expiresIn: 'never', ...(scopes.length === 1 && { maker: id }) }
        ])
        const named = await ask('/v1/makeRequest', { token, body: { ...body, maker: 'other' } })
        assert.equal(named.code, 'ERR_UNKNOWN_FIELD', 'nobody says who it is')
      }
    })

    it('nothing by GET that changes something', async () => {
      const token = await tokenFor({ scopes: ['manage'] })
      for (const verb of [...VERBS.values()].filter((each) => !isShown(each))) {
        const answer = await ask(`/v1/${verb.name}`, { token })
        assert.deepEqual([answer.status, answer.code], [405, 'ERR_METHOD_NOT_ALLOWED'], verb.name)
      }
      assert.deepEqual(asked(), [])
    })

    it('no page of another site, and no name that leads here by DNS', async () => {
      const token = await tokenFor({})
      const host = new URL(api.url).host
      for (const [headers, status] of [
        [{ host: 'evil.example' }, 421],
        [{ host: `evil.example:${new URL(api.url).port}` }, 421],
        [{ origin: 'http://evil.example' }, 403],
        [{ origin: 'null' }, 403],
        [{ origin: 'http://127.0.0.1:1' }, 403],
        [{ origin: `http://${host}` }, 200],
        [{ host: 'localhost' }, 200],
        [{ host: '[::1]:9802' }, 200]
      ] as const) {
        const answer = await ask('/v1/info', { token, headers })
        assert.equal(answer.status, status, JSON.stringify(headers))
      }
      await api.close()
      await serve({ hosts: ['node.example'] })
      const answer = await ask('/v1/info', { token, headers: { host: 'node.example' } })
      assert.equal(answer.status, 200)
    })

    it('nobody from outside without TLS', async () => {
      for (const host of ['0.0.0.0', '::', '192.0.2.1']) {
        assert.equal(await codeFrom(serveTcp(node, { host, port: 0 })), 'ERR_API_TLS_NEEDED')
      }
      const tls = { cert: 'no certificate', key: 'no key' }
      assert.equal(
        await codeFrom(serveTcp(node, { host: '127.0.0.1', port: 0, tls })),
        'ERR_API_LISTEN'
      )
      const { port } = new URL(api.url)
      assert.equal(
        await codeFrom(serveTcp(node, { host: '127.0.0.1', port: Number(port) })),
        'ERR_API_LISTEN'
      )
    })

    it('nobody who tries tokens, for a while', async () => {
      const answers: number[] = []
      for (let tried = 0; tried < 25; tried++) {
        answers.push((await ask('/v1/info', { token: `x${tried}` })).status)
      }
      assert.equal(answers[0], 401)
      assert.ok(await isHungUp({}))
      const answer = await ask('/v1/info')
      assert.deepEqual([answers.at(-1), answer.status, answer.code], [429, 429, 'ERR_API_TOO_FAST'])
      assert.equal(answer.headers['retry-after'], '2')
    })

    it('whoever has a right token, however many at the same address have none', async () => {
      for (let tried = 0; tried < 25; tried++) await ask('/v1/info')
      assert.equal((await ask('/v1/info')).status, 429)
      assert.equal((await ask('/v1/info', { token: await tokenFor({}) })).status, 200)
    })
  })

  it('lists 10,000 entries at the most, whatever is asked for', async () => {
    const token = await tokenFor({})
    for (const [query, limit] of [
      ['', 10_000],
      ['?limit=20', 20],
      ['?limit=1000000', 10_000]
    ] as const) {
      assert.equal((await ask(`/v1/payments${query}`, { token })).status, 200)
      assert.deepEqual(node.calls.at(-1)?.args, [{ limit }])
    }
  })

  it('reads logs for a token eight times at once, and for others as well', async () => {
    const [token, other] = [await tokenFor({}), await tokenFor({})]
    const finish: Array<() => void> = []
    let arrived: () => void = () => {}
    const full = new Promise<void>((resolve) => {
      arrived = resolve
    })
    node.answers.payments = async (filter) => {
      await new Promise<void>((resolve) => {
        if (finish.push(resolve) === 8) arrived()
      })
      return await node.usual.payments(filter)
    }
    const calls = Array.from({ length: 8 }, async () => await ask('/v1/payments', { token }))
    await full
    assert.equal((await ask('/v1/payments', { token })).code, 'ERR_TOO_MANY_CALLS')
    assert.equal((await ask('/v1/info', { token })).status, 200)
    for (const each of finish) each()
    assert.ok((await Promise.all(calls)).every(({ status }) => status === 200))
    delete node.answers.payments
    for (const each of [token, other]) {
      assert.equal((await ask('/v1/payments', { token: each })).status, 200)
    }
  })

  it('counts all that it has once at a time, whoever asks', async () => {
    const token = await tokenFor({})
    const order: string[] = []
    let begun: () => void = assert.fail
    let finish: () => void = assert.fail
    const isCounting = new Promise<void>((resolve) => {
      begun = resolve
    })
    const mayFinish = new Promise<void>((resolve) => {
      finish = resolve
    })
    node.answers.channels = async () => {
      begun()
      await mayFinish
      order.push('channels')
      return []
    }
    node.answers.balance = async () => {
      order.push('balance')
      return await node.usual.balance()
    }
    const channels = ask('/v1/channels', { token })
    await isCounting
    const balance = ask('/v1/balance', { token })
    assert.equal((await ask('/v1/fees', { token })).status, 200)
    finish()
    assert.deepEqual([(await channels).status, (await balance).status], [200, 200])
    assert.deepEqual(order, ['channels', 'balance'])
  })

  describe('of which all is counted', () => {
    let now: number
    let rests: number[]
    let counts: Counts

    beforeEach(() => {
      now = 0
      rests = []
      counts = new Counts(
        () => now,
        async (ms) => {
          rests.push(ms)
          now += ms
        }
      )
    })

    async function count(asked: string, took: number): Promise<string> {
      const bytes = await counts.of(asked, async () => {
        now += took
        return `${asked} at ${now}`
      })
      return new TextDecoder().decode(bytes)
    }

    it('gives one answer to all who asked for it before it began, and a new one to who comes later', async () => {
      const first = await Promise.all([1, 2, 3].map(async () => await count('channels', 40)))
      assert.deepEqual(first, Array(3).fill('channels at 40'))
      assert.equal(await count('channels', 40), 'channels at 120')
    })

    it('leaves as much time to payments as it took, also when it fails', async () => {
      const failed = counts.of('coins', async () => {
        now += 7
        return await Promise.reject(new Error('no coins'))
      })
      await assert.rejects(failed, /no coins/)
      await count('channels', 40)
      await count('channels', 9_000)
      await count('info', 1)
      assert.deepEqual(rests, [7, 40, 1_000, 1])
    })
  })

  it('answers 256 calls of a token at a time, and those of others as well', async () => {
    const [token, other] = [await tokenFor({ scopes: ['pay'] }), await tokenFor({})]
    const finish: Array<() => void> = []
    let arrived: () => void = () => {}
    const full = new Promise<void>((resolve) => {
      arrived = resolve
    })
    node.answers.pay = async (request) => {
      await new Promise<void>((resolve) => {
        if (finish.push(resolve) === 256) arrived()
      })
      return await node.usual.pay(request)
    }
    const body = { to: PEER, amountSat: 1 }
    const calls = Array.from({ length: 256 }, async () => await ask('/v1/pay', { token, body }))
    await full
    assert.equal((await ask('/v1/pay', { token, body })).code, 'ERR_TOO_MANY_CALLS')
    assert.equal((await ask('/v1/info', { token: other })).status, 200)
    for (const each of finish) each()
    assert.ok((await Promise.all(calls)).every(({ status }) => status === 200))
    delete node.answers.pay
    assert.equal((await ask('/v1/pay', { token, body })).status, 200)
  })

  describe('holds a budget', () => {
    const budget = { amount: satoshi(5_000n), per: 'day' } as const
    const pay = async (token: string, amountSat: number, id?: string): Promise<Answer> =>
      await ask('/v1/pay', {
        token,
        body: { to: PEER, amountSat, ...(id === undefined ? {} : { id }) }
      })
    const spent = async (): Promise<bigint | undefined> => (await node.access.list())[0]?.spent

    it('to the satoshi, before anything is asked of the node', async () => {
      const token = await tokenFor({ scopes: ['pay'], budget })
      assert.equal((await pay(token, 3_000)).status, 200)
      const refused = await pay(token, 2_001)
      assert.deepEqual([refused.status, refused.code], [403, 'ERR_BUDGET_USED_UP'])
      assert.match(refused.text, /2,000 sat are left/)
      assert.equal((await pay(token, 2_000)).status, 200)
      assert.equal((await pay(token, 1)).status, 403)
      assert.equal(node.calls.filter(({ verb }) => verb === 'pay').length, 2)
    })

    it('also for requests, whose amount the payee has named', async () => {
      const token = await tokenFor({ scopes: ['pay'], budget })
      const request = 'paychan1x'
      node.answers.readRequest = async () => ({ ...terms, amount: satoshi(3_000n) })
      assert.equal((await ask('/v1/payRequest', { token, body: { request } })).status, 200)
      // Asked again, it is paid once, and counts once.
      assert.equal((await ask('/v1/payRequest', { token, body: { request } })).status, 200)
      assert.equal(await spent(), 3_000n)
      node.answers.readRequest = async () => ({ ...terms, id: 'other', amount: satoshi(3_000n) })
      const refused = await ask('/v1/payRequest', { token, body: { request } })
      assert.equal(refused.code, 'ERR_BUDGET_USED_UP')
    })

    it('also for reusable requests, which each call without an id pays anew', async () => {
      const token = await tokenFor({ scopes: ['pay'], budget })
      node.answers.readRequest = async () => ({ ...terms, amount: satoshi(2_000n), reusable: true })
      const payRequest = async (id?: string): Promise<Answer> =>
        await ask('/v1/payRequest', { token, body: { request: 'paychan1x', id } })
      await payRequest('monday')
      await payRequest('monday')
      assert.equal(await spent(), 2_000n, 'one that has an id counts once')
      assert.equal((await payRequest()).status, 200)
      assert.equal(await spent(), 4_000n)
      assert.equal((await payRequest()).code, 'ERR_BUDGET_USED_UP')
      assert.deepEqual(asked().filter((verb) => verb === 'payRequest').length, 3)
    })

    it('and gives back what a call without an id finds paid by the one before', async () => {
      const token = await tokenFor({ scopes: ['pay'], budget })
      node.answers.readRequest = async () => ({ ...terms, amount: satoshi(2_000n), reusable: true })
      const payRequest = async (): Promise<Answer> =>
        await ask('/v1/payRequest', { token, body: { request: 'paychan1x' } })
      node.answers.payRequest = async () => {
        throw new PaychanError('ERR_PAYMENT_UNKNOWN', 'Nobody knows.')
      }
      await payRequest()
      node.answers.payRequest = async (options) => ({
        ...(await node.usual.payRequest(options)),
        already: true
      })
      assert.equal((await payRequest()).status, 200)
      assert.equal(await spent(), 2_000n)
    })

    it('gives back what was refused, and keeps what may be paid', async () => {
      const token = await tokenFor({ scopes: ['pay'], budget })
      for (const [code, counts] of [
        ['ERR_INSUFFICIENT_BALANCE', 0n],
        ['ERR_PEER_UNREACHABLE', 0n],
        ['ERR_PAYMENT_UNKNOWN', 1_000n],
        ['ERR_PAYMENT_PARTIAL', 2_000n],
        ['ERR_PAYMENTS_FORGOTTEN', 3_000n]
      ] as const) {
        node.answers.pay = async () => {
          throw new PaychanError(code, 'No.')
        }
        await pay(token, 1_000)
        assert.equal(await spent(), counts, code)
      }
      node.answers.pay = async () => {
        throw new TypeError('a fault of ours')
      }
      assert.equal((await pay(token, 1_000)).status, 500)
      assert.equal(await spent(), 4_000n)
    })

    it('counts a payment once that is asked for again, and twice with another amount', async () => {
      const token = await tokenFor({ scopes: ['pay'], budget })
      await pay(token, 1_000, 'a')
      await pay(token, 1_000, 'a')
      assert.equal(await spent(), 1_000n)
      await pay(token, 2_000, 'a')
      assert.equal(await spent(), 3_000n)
    })

    it('counts two at a time that are one payment, of which the first is refused', async () => {
      const token = await tokenFor({ scopes: ['pay'], budget })
      let refuse: () => void = () => {}
      let seen: () => void = () => {}
      const isAsked = new Promise<void>((resolve) => {
        seen = resolve
      })
      node.answers.pay = async () => {
        seen()
        return await new Promise((_resolve, reject) => {
          refuse = () => {
            reject(new PaychanError('ERR_TOO_MANY_WAITING', 'No.'))
          }
        })
      }
      const first = pay(token, 4_000, 'a')
      await isAsked
      delete node.answers.pay
      assert.equal((await pay(token, 4_000, 'a')).status, 200)
      refuse()
      assert.equal((await first).code, 'ERR_TOO_MANY_WAITING')
      assert.equal(await spent(), 4_000n)
      assert.equal((await pay(token, 1_001)).code, 'ERR_BUDGET_USED_UP')
    })
  })

  describe('does once what has an Idempotency-Key', () => {
    const open = { peer: PEER, amountSat: 1_000 }
    const headers = { 'idempotency-key': 'a' }

    it('and gives the first answer again', async () => {
      const token = await tokenFor({ scopes: ['manage'] })
      const first = await ask('/v1/open', { token, headers, body: open })
      const second = await ask('/v1/open', { token, headers, body: open })
      assert.equal(second.text, first.text)
      assert.deepEqual(asked(), ['open'])
      const other = await ask('/v1/open', { token, headers, body: { ...open, amountSat: 2 } })
      assert.deepEqual([other.status, other.code], [422, 'ERR_IDEMPOTENCY_CONFLICT'])
      const theirs = await tokenFor({ scopes: ['manage'] })
      await ask('/v1/open', { token: theirs, headers, body: open })
      assert.deepEqual(asked(), ['open', 'open'], 'another caller has names of its own')
    })

    it('again where nothing was done, and not where something may have been', async () => {
      const token = await tokenFor({ scopes: ['manage'] })
      node.answers.open = async () => {
        throw new PaychanError('ERR_PEER_UNREACHABLE', 'No.')
      }
      await ask('/v1/open', { token, headers, body: open })
      node.answers.open = async () => {
        throw new TypeError('a fault of ours')
      }
      assert.equal((await ask('/v1/open', { token, headers, body: open })).status, 500)
      delete node.answers.open
      const unknown = await ask('/v1/open', { token, headers, body: open })
      assert.equal(unknown.code, 'ERR_IDEMPOTENCY_UNKNOWN')
      assert.deepEqual(asked(), ['open', 'open'])
    })

    it("and a payment under that name, which is the token's own", async () => {
      const [token, other] = [
        await tokenFor({ scopes: ['pay'] }),
        await tokenFor({ scopes: ['pay'] })
      ]
      const payment = { to: PEER, amountSat: 1 }
      await ask('/v1/pay', { token, headers, body: payment })
      await ask('/v1/pay', { token, body: { ...payment, id: 'a' } })
      // As the node tells it.
      await ask('/v1/pay', { token, body: { ...payment, id: `${idOf(token)} a` } })
      await ask('/v1/pay', { token: other, headers, body: payment })
      await ask('/v1/pay', { token: other, body: { ...payment, id: `${idOf(token)} a` } })
      const own = `${idOf(token)} a`
      assert.deepEqual(names(), [own, own, own, `${idOf(other)} a`, `${idOf(other)} ${own}`])
      const body = { ...payment, id: 'b' }
      assert.equal((await ask('/v1/pay', { token, headers, body })).code, 'ERR_INVALID_REQUEST')
    })

    it('and a payment under a name that is as long as names may be', async () => {
      const token = await tokenFor({ scopes: ['pay'] })
      const payment = { to: PEER, amountSat: 1 }
      for (const id of ['a', 'b'].map((letter) => letter.repeat(128))) {
        await ask('/v1/pay', { token, body: { ...payment, id } })
        await ask('/v1/pay', { token, headers: { 'idempotency-key': id }, body: payment })
      }
      const [first, again, second] = names()
      assert.ok(first !== undefined && first.length <= 128)
      assert.deepEqual([again === first, second === first], [true, false])
    })

    it('and finds a payment or a receipt by that name, and by any other', async () => {
      const token = await tokenFor({ scopes: ['read'] })
      const own = `${idOf(token)} rent`
      node.answers.payment = async (id) => {
        if (id !== own && id !== payment.id) throw new PaychanError('ERR_NO_PAYMENT', 'No.')
        return { ...payment, name: undefined, parts: [payment] }
      }
      for (const id of ['rent', own, payment.id]) {
        const { status } = await ask(`/v1/payment?id=${encodeURIComponent(id)}`, { token })
        assert.equal(status, 200, id)
      }
      assert.equal((await ask('/v1/payment?id=food', { token })).code, 'ERR_NO_PAYMENT')
      node.calls.length = 0
      await ask('/v1/receipt?request=paychan1x&id=rent', { token })
      assert.deepEqual(node.calls, [{ verb: 'receipt', args: ['paychan1x', own] }])
    })

    const idOf = (token: string): string => token.split('_')[1] ?? assert.fail()

    const names = (): Array<string | undefined> =>
      node.calls.map(({ args: [request] }) => (request as { readonly id?: string }).id)
  })

  describe('has a page of figures for Prometheus', () => {
    beforeEach(async () => {
      await api.close()
      await serve({ metrics: new NodeMetrics().of(node) })
    })

    it('for whoever may read, and for nobody else', async () => {
      const { status, headers, text } = await ask('/metrics', { token: await tokenFor({}) })
      assert.equal(status, 200)
      assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
      assert.match(text, /^paychan_channels\{status="open"\} 1$/m)
      assert.equal((await ask('/metrics')).code, 'ERR_TOKEN_MISSING')
      const payer = await tokenFor({ scopes: ['pay'] })
      assert.equal((await ask('/metrics', { token: payer })).code, 'ERR_TOKEN_SCOPE')
    })

    it('where it is served with them', async () => {
      await api.close()
      await serve()
      const token = await tokenFor({})
      assert.equal((await ask('/metrics', { token })).code, 'ERR_UNKNOWN_VERB')
    })
  })

  it('stops the node, and says so first', async () => {
    const token = await tokenFor({ scopes: ['manage'] })
    const stopped = new Promise<void>((resolve) => {
      stop = resolve
    })
    assert.equal((await ask('/v1/stop', { token, body: {} })).status, 204)
    await stopped
    assert.deepEqual(asked(), ['stop'])
  })

  describe('tells events', () => {
    const numbered = (text: string): NodeEvent => alarmed('ERR_WATCH_FAILED', text)

    /** Reads until a text has come; then leaves, and is known to have left. */
    async function read(until: string, headers: Asked['headers'] = {}): Promise<string> {
      const before = node.followers()
      const token = await tokenFor({})
      const request = httpRequest(`${api.url}/v1/events`, {
        agent: false,
        headers: { authorization: `Bearer ${token}`, ...headers }
      })
      request.end()
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      assert.equal(response.headers['content-type'], 'text/event-stream')
      let text = ''
      response.setEncoding('utf8')
      for await (const part of response as AsyncIterable<string>) {
        text += part
        if (text.includes('connected') && until === 'connected') break
        if (text.includes(until)) break
      }
      request.destroy()
      while (node.followers() > before) await ask('/')
      return text
    }

    it('from a number on, each once', async () => {
      for (const text of ['one', 'two', 'three']) node.emit(numbered(text))
      const told = await read('three', { 'last-event-id': '1' })
      assert.deepEqual(told.match(/^id: .*$/gm), ['id: 2', 'id: 3'])
      assert.match(
        told,
        /^event: alarm\ndata: \{"type":"alarm","code":"ERR_WATCH_FAILED","text":"two"/m
      )
      assert.doesNotMatch(told, /"one"/)
      const wrong = await ask('/v1/events', {
        token: await tokenFor({}),
        headers: { 'last-event-id': '-1' }
      })
      assert.equal(wrong.code, 'ERR_INVALID_REQUEST')
    })

    it('without a number where they pass', async () => {
      const reading = read('"chain"')
      while (node.followers() < 2) await ask('/')
      node.emit({ type: 'chain', status: 'synced', height: channel.refundHeight })
      const told = await reading
      assert.match(told, /\n\nevent: chain$/m)
    })

    it('and first the number that they follow, so that a reader who is cut off misses nothing', async () => {
      node.emit(numbered('before'))
      assert.match(await read('id: '), /^id: 1\n\n/m)
    })

    it('to 32 readers with one token, and to those of others as well', async () => {
      const token = await tokenFor({})
      const open = async (): Promise<() => Promise<void>> => {
        const request = httpRequest(`${api.url}/v1/events`, {
          agent: false,
          headers: { authorization: `Bearer ${token}` }
        })
        request.end()
        const [{ statusCode }] = (await once(request, 'response')) as [IncomingMessage]
        assert.equal(statusCode, 200)
        return async () => {
          const before = node.followers()
          request.destroy()
          while (node.followers() === before) await ask('/')
        }
      }
      const leave: Array<() => Promise<void>> = []
      for (let reader = 0; reader < 32; reader++) leave.push(await open())
      const refused = await ask('/v1/events', { token })
      assert.deepEqual([refused.status, refused.code], [429, 'ERR_TOO_MANY_CALLS'])
      assert.ok(await isHungUp({ authorization: `Bearer ${token}` }))
      assert.equal((await ask('/v1/info', { token })).status, 200)
      assert.match(await read('connected'), /connected/)
      await leave.pop()?.()
      leave.push(await open())
      for (const each of leave) await each()
    })

    it('to a slow reader from the disk, and keeps nothing for it in memory', async () => {
      const token = await tokenFor({})
      const { hostname, port } = new URL(api.url)
      const socket = createConnection({ host: hostname, port: Number(port) })
      socket.write(
        `GET /v1/events HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${token}\r\nLast-Event-ID: 0\r\n\r\n`
      )
      await once(socket, 'readable')
      const long = 'x'.repeat(100_000)
      for (let n = 0; n < 100; n++) node.emit(numbered(`${n} ${long}`))
      let text = ''
      socket.setEncoding('utf8')
      for await (const part of socket as AsyncIterable<string>) {
        text += part
        if (text.includes(`"99 ${long}"`)) break
      }
      assert.equal(text.match(/^id: /gm)?.length, 100)
      socket.destroy()
      while (node.followers() > 0) await ask('/')
    })
  })
})

async function codeFrom(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => 'none',
    (error: unknown) => codeOf(error)
  )
}
