/** Selling and buying by the request on the command line, with real nodes behind their sockets. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EXIT } from '../../src/cli/output.js'
import { dataPaths } from '../../src/daemon/paths.js'
import { type ApiServer, serveApi } from '../../src/daemon/server.js'
import { satoshi } from '../../src/types/units.js'
import { FakeNode, webhook } from '../daemon/fake-node.js'
import { Fixture, type TestNode } from '../node/fixture.js'
import { testWorld, type TestWorld, type WorldOptions } from './world.js'

describe('commands about metering', () => {
  let fixture: Fixture
  let upstream: Server
  let sold: string
  let status = 200
  let gate: { world: TestWorld; ended: Promise<number>; url: string }

  before(async () => {
    fixture = await Fixture.create()
    const [alice, bob] = [await fixture.rich('alice'), await fixture.node('bob')]
    await serve(alice, 'alice')
    await serve(bob, 'bob')
    await alice.api.channels.open({ peer: await bob.address(), amount: satoshi(500_000n) })
    upstream = createServer((request, response) => {
      if (request.url === '/words') {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.end('data: one\n\ndata: two\n\ndata: three\n\n')
        return
      }
      response.writeHead(status, { 'x-upstream': 'yes' })
      response.end(
        `${request.method} ${request.url} ${request.headers.authorization ?? 'no authorization'}`
      )
    })
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
    sold = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
    gate = await open(['--free', '/health'])
  })
  after(async () => {
    gate.world.interrupt()
    assert.equal(await gate.ended, 0)
    upstream.close()
    await fixture.end()
  })
  beforeEach(() => {
    status = 200
  })

  async function serve({ api }: TestNode, name: string): Promise<void> {
    const server = await serveApi(api, dataPaths(fixture.path(name)).socket)
    fixture.onEnd(async () => {
      await server.close()
    })
  }

  async function open(more: readonly string[]): Promise<typeof gate> {
    const world = testWorld({ env: { PAYCHAN_DATA: fixture.path('bob'), NO_COLOR: '1' } })
    const line = [
      'gate',
      '--upstream',
      sold,
      '--price',
      '2sat',
      '--listen',
      '127.0.0.1:0',
      '--json'
    ]
    const ended = world.run(...line, ...more)
    await world.printed('"url"')
    const { url } = JSON.parse(world.out()) as { url: string }
    return { world, ended, url }
  }

  async function alice(...argv: string[]): Promise<TestWorld & { code: number }> {
    const world = testWorld({ env: { PAYCHAN_DATA: fixture.path('alice'), NO_COLOR: '1' } })
    return { ...world, code: await world.run(...argv) }
  }

  it('fetch pays, prints the page alone, and says what it cost; later it uses what is left', async () => {
    const first = await alice('fetch', `${gate.url}/a?b=c`)
    assert.deepEqual([first.code, first.out()], [0, 'GET /a?b=c no authorization'])
    assert.match(first.err(), /^Paid \d+ sat, and it cost 2 sat: the rest is left/m)
    const second = await alice('fetch', `${gate.url}/a`, '-d', 'x', '-i')
    assert.match(second.out(), /^200 OK\n[^]*x-upstream: yes\n[^]*\nPOST \/a no authorization$/)
    assert.match(second.err(), /^It cost 2 sat, of what was paid before\.$/m)
  })

  it('two at once use two numbers of one session', async () => {
    const both = await Promise.all([alice('fetch', gate.url), alice('fetch', gate.url)])
    assert.deepEqual(
      both.map(({ code }) => code),
      [0, 0]
    )
  })

  it('credential pays for a page that another client gets, once', async () => {
    const { out, code } = await alice('credential', `${gate.url}/b`)
    assert.equal(code, 0)
    const headers = { authorization: out().trim() }
    assert.equal((await fetch(`${gate.url}/b`, { headers })).status, 200)
    assert.equal((await fetch(`${gate.url}/b`, { headers })).status, 402)
  })

  it('what the server behind it cannot answer costs nothing, and so does what is free', async () => {
    status = 500
    const failed = await alice('fetch', gate.url, '--json')
    const result = JSON.parse(failed.out()) as Record<string, unknown>
    assert.deepEqual([result['status'], result['spentSat']], [500, 0])
    status = 200
    const free = await alice('fetch', `${gate.url}/health`)
    assert.match(free.err(), /It cost nothing \(status 200\)\./)
  })

  it('a gate that is restarted goes on with what was paid before, and there is one of a name', async () => {
    const name = ['--realm', 'the shop']
    const first = await open(name)
    const { code, err } = await alice('fetch', `${first.url}/a`)
    assert.deepEqual([code, /^Paid 2 sat\.$/m.test(err())], [0, true])
    // The server could not deliver what is paid for the second request.
    status = 503
    await alice('fetch', `${first.url}/a`)
    status = 200
    const second = testWorld({ env: { PAYCHAN_DATA: fixture.path('bob'), NO_COLOR: '1' } })
    const line = ['gate', '--upstream', sold, '--price', '2sat', ...name, '--json']
    assert.notEqual(await second.run(...line), 0)
    assert.match(second.out(), /ERR_GATE_RUNNING/)
    first.world.interrupt()
    assert.equal(await first.ended, 0)
    const again = await open([...name, '--listen', first.url.slice('http://'.length)])
    assert.match(
      (await alice('fetch', `${again.url}/a`)).err(),
      /^It cost 2 sat, of what was paid/m
    )
    again.world.interrupt()
    assert.equal(await again.ended, 0)
  })

  it('a stream of events is sold whole, by the event, or by so many bytes', async () => {
    for (const [per, cost] of [
      [[], 2],
      [['--per', 'event'], 6],
      // Events of 11, 11 and 13 bytes.
      [['--per', '20'], 4]
    ] as const) {
      const shop = await open(['--realm', `words ${per.join(' ')}`, ...per])
      const { code, out } = await alice('fetch', `${shop.url}/words`, '--json')
      const { body, spentSat } = JSON.parse(out()) as Record<string, unknown>
      assert.deepEqual(
        [code, body, spentSat],
        [0, 'data: one\n\ndata: two\n\ndata: three\n\n', cost]
      )
      shop.world.interrupt()
      assert.equal(await shop.ended, 0)
    }
  })

  it('damaged notes about sessions are done without', async () => {
    const file = join(fixture.path('alice'), 'paid-sessions.json')
    assert.match(await readFile(file, 'utf8'), /"spentSat"/)
    await writeFile(file, '[{')
    const { code, err } = await alice('fetch', gate.url)
    assert.deepEqual([code, /^Paid 2 sat\.$/m.test(err())], [0, true])
  })

  it('bad input gets its sentence', async () => {
    for (const [argv, code] of [
      [['fetch', 'ftp://x'], 'ERR_USAGE'],
      [['fetch', gate.url, '--most', '1sat'], 'ERR_PRICE_TOO_HIGH'],
      [['fetch', gate.url, '-H', 'nonsense'], 'ERR_USAGE'],
      [['fetch', 'http://127.0.0.1:1/'], 'ERR_SERVER_UNREACHABLE'],
      [['credential', `${gate.url}/health`], 'ERR_NOTHING_TO_PAY'],
      [['gate', '--upstream', sold, '--price', '0'], 'ERR_INVALID_AMOUNT'],
      [['gate', '--upstream', sold, '--price', '2sat', '--per', 'word'], 'ERR_USAGE'],
      [['gate', '--upstream', sold, '--price', '2', '--cert', 'x'], 'ERR_USAGE'],
      [['gate', '--upstream', sold, '--price', '2', '--listen', 'x'], 'ERR_USAGE'],
      [
        ['gate', '--upstream', sold, '--price', '2', '--listen', gate.url.slice(7)],
        'ERR_GATE_LISTEN'
      ]
    ] as const) {
      const { out, code: exit } = await alice(...argv, '--json')
      assert.notEqual(exit, 0)
      assert.equal(
        (JSON.parse(out()) as { error: { code: string } }).error.code,
        code,
        argv.join(' ')
      )
    }
  })
})

/* `paychan webhook` against a node that answers from a script. */

const URL = 'https://shop.example/paid'

describe('paychan webhook', () => {
  let dir: string
  let node: FakeNode
  let server: ApiServer

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-cli-'))
    node = new FakeNode()
    server = await serveApi(node, join(dir, 'api.sock'))
  })

  afterEach(async () => {
    await server.close()
    await rm(dir, { recursive: true, force: true })
  })

  async function run(argv: readonly string[], options: WorldOptions = {}): Promise<TestWorld> {
    const world = testWorld({ env: { PAYCHAN_DATA: dir }, ...options })
    assert.equal(await world.run('webhook', ...argv), EXIT.ok, world.err())
    return world
  }

  it('add prints the secret alone, for a script, and says to a person what to do with it', async () => {
    const options = ['--events', 'payment,request', '--events', 'payment', '--from', '17']
    assert.equal((await run(['add', URL, ...options])).out(), 'whsec_c2VjcmV0\n')
    assert.deepEqual(node.calls, [
      { verb: 'addWebhook', args: [{ url: URL, events: ['payment', 'request'], from: 17 }] }
    ])
    const shown = (await run(['add', URL], { isTTY: true })).out()
    assert.match(shown, /whsec_c2VjcmV0/)
    assert.match(shown, /signs all events for https:\/\/shop\.example\/paid/)
    assert.match(shown, /paychan webhook remove 5f0c9a135f0c9a13/)
    assert.deepEqual(node.calls.at(-1), { verb: 'addWebhook', args: [{ url: URL }] })
  })

  it('list shows how far each has come, and why one is failing', async () => {
    const out = (await run(['list'], { columns: 200 })).out()
    assert.match(out, /5f0c9a135f0c9a13 +17 +failing: 2 tries, HTTP 503, next 2027-01-15/)
    assert.match(out, /payment request +https:\/\/shop\.example\/paid/)
    node.answers.webhooks = async () => [
      { ...webhook, lastStatus: undefined, lastProblem: 'connect ECONNREFUSED\u001b[2J' },
      { ...webhook, id: 'x', status: 'stopped', failures: 1, events: undefined }
    ]
    const other = (await run(['list'], { columns: 200 })).out()
    assert.match(other, /2 tries, connect ECONNREFUSED/)
    assert.ok(!other.includes('\u001b'), 'what a receiver made of it drives no terminal')
    assert.match(other, /stopped +all/)
    node.answers.webhooks = async () => []
    assert.match((await run(['list'])).out(), /no webhooks. Add one/)
  })

  it('remove and replay name one by its id', async () => {
    assert.match((await run(['remove', webhook.id])).out(), /gets no more events/)
    assert.match((await run(['replay', webhook.id, '--from', '3'])).out(), /events from 3 on/)
    assert.deepEqual(node.calls, [
      { verb: 'removeWebhook', args: [webhook.id] },
      { verb: 'replayWebhook', args: [webhook.id, 3] }
    ])
  })

  it('refuses kinds and numbers that are none before the node hears of it', async () => {
    for (const argv of [
      ['add', URL, '--events', 'payment,chain'],
      ['add', URL, '--from', '0'],
      ['add', URL, '--from', '1.5'],
      ['add'],
      ['replay', webhook.id],
      ['replay', webhook.id, '--from', 'one']
    ]) {
      const world = testWorld({ env: { PAYCHAN_DATA: dir } })
      assert.equal(await world.run('webhook', ...argv), EXIT.usage, argv.join(' '))
    }
    assert.deepEqual(node.calls, [])
  })
})
