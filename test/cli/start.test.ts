/** The log of `paychan start`: its lines for people, and for programs. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Watching } from '../../src/cli/context.js'
import { connectApi } from '../../src/daemon/client.js'
import type { NodeConfig } from '../../src/daemon/config.js'
import type { NodeEvent } from '../../src/node/api.js'
import { PaychanError } from '../../src/types/errors.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { paymentLines, type PaymentLines, paymentText } from '../../src/words/payments.js'
import { alarmed, channel, CHANNEL, FakeNode, info, payment, PEER } from '../daemon/fake-node.js'
import { testWorld, type TestWorld, type WorldOptions } from './world.js'

describe('commands that need no running node', () => {
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-start-'))
  })
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true })
  })

  describe('init', () => {
    it('makes a seed that only its owner can read, and says where', async () => {
      const world = testWorld()
      assert.equal(await world.run('init', '--data', join(dir, 'alice')), 0)
      const seed = join(dir, 'alice', 'seed')
      assert.equal((await stat(seed)).mode & 0o777, 0o600)
      const words = (await readFile(seed, 'utf8')).trim()
      assert.equal(words.split(' ').length, 24)
      assert.ok(world.out().includes(seed))
      assert.ok(!world.out().includes(words), 'the words are shown only when asked for')
    })

    it('shows the words with --words, and a warning', async () => {
      const world = testWorld()
      await world.run('init', '--data', dir, '--words')
      assert.ok(world.out().includes((await readFile(join(dir, 'seed'), 'utf8')).trim()))
      assert.match(world.err(), /Whoever reads them can take the money/)
    })

    it('prints one object with --json, the words among it only when asked for', async () => {
      const world = testWorld()
      await world.run('init', '--data', join(dir, 'a'), '--json')
      assert.deepEqual(JSON.parse(world.out()), {
        dataDir: join(dir, 'a'),
        seedFile: join(dir, 'a', 'seed'),
        encrypted: false
      })
      const asked = testWorld()
      await asked.run('init', '--data', join(dir, 'b'), '--json', '--words')
      assert.equal((JSON.parse(asked.out()) as { words: string }).words.split(' ').length, 24)
      assert.equal(asked.err(), '')
    })

    it('never overwrites a seed', async () => {
      await testWorld().run('init', '--data', dir)
      const before = await readFile(join(dir, 'seed'), 'utf8')
      const world = testWorld()
      assert.equal(await world.run('init', '--data', dir), 1)
      assert.match(world.err(), /ERR_SEED_EXISTS/)
      assert.equal(await readFile(join(dir, 'seed'), 'utf8'), before)
    })
  })

  describe('start', () => {
    it('runs the node as configured until it is interrupted, and stops it in order', async () => {
      const node = new FakeNode()
      const configs: NodeConfig[] = []
      const world = testWorld({
        env: { PAYCHAN_DATA: dir, PAYCHAN_MIN_DEPTH: '2' },
        createNode: async (given) => {
          configs.push(given)
          return node
        }
      })
      const done = world.run(
        'start',
        '--electrum',
        'tcp://127.0.0.1:1',
        '--listen',
        '/ip4/127.0.0.1/tcp/4001',
        '/ip4/127.0.0.1/tcp/4002'
      )
      await world.printed('Running.')
      const [config] = configs
      assert.ok(config)
      assert.deepEqual(config.electrum, ['tcp://127.0.0.1:1'])
      assert.deepEqual(config.listen, ['/ip4/127.0.0.1/tcp/4001', '/ip4/127.0.0.1/tcp/4002'])
      assert.equal(config.dataDir, dir)
      assert.equal(config.policy.minDepth, 2)
      assert.match(world.out(), new RegExp(PEER))
      node.emit({ type: 'chain', status: 'down', height: channel.refundHeight })
      assert.match(world.out(), /chain +down at block 1048\n/)
      node.emit({
        type: 'chain',
        status: 'down',
        height: channel.refundHeight,
        reason: 'Cannot reach the Electrum server at 127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1.'
      })
      assert.match(
        world.out(),
        /chain +down at block 1048: Cannot reach the Electrum server at 127.0.0.1:1: connect ECONNREFUSED/
      )
      node.emit({ type: 'payment', payment: { ...payment, memo: 'red \u001b[31m' } })
      assert.match(
        world.out(),
        /payment +sent 1,000 sat to …\S+ on channel 1a2b3c4d: red \ufffd\[31m\n/
      )
      assert.ok(!node.calls.some(({ verb }) => verb === 'stop'))
      world.interrupt()
      assert.equal(await done, 0)
      assert.equal(node.calls.at(-1)?.verb, 'stop')
      assert.match(world.out(), /Stopped\.\n$/)
      await assert.rejects(stat(join(dir, 'api.sock')), { code: 'ENOENT' })
    })

    it('serves a dashboard with --ui, at an address whose token is for this run alone', async () => {
      const secrets = new Set<string>()
      for (const round of [1, 2]) {
        const node = new FakeNode()
        const world = testWorld({
          env: { PAYCHAN_DATA: dir, NO_COLOR: '1' },
          isTTY: true,
          createNode: async () => node
        })
        const done = world.run('start', '--ui', '--api', '127.0.0.1:0')
        await world.printed('Running.')
        const [, url = '', token = ''] =
          /^Dashboard: (http:\/\/127\.0\.0\.1:\d+\/ui\/)#token=(\S+) /m.exec(world.out()) ?? []
        assert.match(await (await fetch(url)).text(), /<title>paychan<\/title>/)
        const asked = await fetch(new URL('/v1/info', url), {
          headers: { authorization: `Bearer ${token}` }
        })
        assert.equal(asked.status, 200)
        secrets.add(token)
        assert.equal(secrets.size, round)
        assert.equal((await node.access.list()).length, 1)
        world.interrupt()
        assert.equal(await done, 0)
      }
    })

    it('warns of a network that is about to be given up', async () => {
      const world = testWorld({
        env: { PAYCHAN_DATA: dir },
        createNode: async () => new FakeNode()
      })
      const done = world.run('start', '--network', 'testnet', '--electrum', 'tcp://127.0.0.1:1')
      await world.printed('Running.')
      world.interrupt()
      assert.equal(await done, 0)
      assert.match(
        `${world.out()}${world.err()}`,
        /testnet \(3\) is about to be given up by those who run it: use --network testnet4\./
      )
    })

    for (const [options, begun] of [
      [[], 'Running.'],
      [['--log-format', 'json'], 'started'],
      [['--json'], 'started']
    ] as const) {
      it(`has the address of the dashboard in a file for its owner alone where the output is a log: ${options.join(' ') || 'text'}`, async () => {
        const node = new FakeNode()
        const world = testWorld({ env: { PAYCHAN_DATA: dir }, createNode: async () => node })
        const done = world.run('start', '--ui', '--api', '127.0.0.1:0', ...options)
        await world.printed(begun)
        const file = join(dir, 'dashboard')
        const [, token = assert.fail()] = /#token=(\S+)\n$/.exec(await readFile(file, 'utf8')) ?? []
        assert.equal((await stat(file)).mode & 0o777, 0o600)
        world.interrupt()
        assert.equal(await done, 0)
        assert.ok(`${world.out()}${world.err()}`.includes(file))
        assert.ok(!`${world.out()}${world.err()}`.includes(token))
        await assert.rejects(stat(file), { code: 'ENOENT' })
      })
    }

    it('prints newline-delimited JSON: started first, every event, stopped last', async () => {
      const node = new FakeNode()
      const createNode = async (): Promise<FakeNode> => {
        // A node may have news before it has started.
        setImmediate(() => {
          node.emit({ type: 'chain', status: 'connecting', height: undefined })
        })
        return node
      }
      const world = testWorld({ env: { PAYCHAN_DATA: dir }, createNode })
      const done = world.run('start', '--json')
      await world.printed('connecting')
      node.emit({ type: 'payment', payment })
      node.emit({ type: 'channel', channel, news: { kind: 'open' } })
      node.emit({
        type: 'alarm',
        code: 'ERR_CHAIN_LIED',
        text: 'The server lied.',
        facts: {},
        channel: undefined
      })
      world.interrupt()
      await done
      const lines = world
        .out()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>)
      assert.deepEqual(
        lines.map(({ event }) => event),
        ['started', 'chain', 'payment', 'channel', 'alarm', 'stopped']
      )
      const [started, , paid] = lines
      assert.ok(started !== undefined && paid !== undefined)
      assert.equal(started['peerId'], info.peerId)
      assert.equal(started['apiSocket'], join(dir, 'api.sock'))
      assert.equal((paid['payment'] as { amount: unknown }).amount, 1_000)
      assert.equal(world.err(), '')
    })

    it('shows how far the histories are while reading them takes long', async () => {
      const node = new FakeNode()
      const world = testWorld({ env: { PAYCHAN_DATA: dir }, createNode: async () => node })
      const done = world.run('start')
      await world.printed('Running.')
      node.emit({ type: 'histories', known: 3_200, total: 10_000 })
      assert.match(world.out(), /chain +reading histories: 3,200 of 10,000\n/)
      world.interrupt()
      await done
      const json = testWorld({ env: { PAYCHAN_DATA: dir }, createNode: async () => node })
      const again = json.run('start', '--json')
      await json.printed('started')
      node.emit({ type: 'histories', known: 3_200, total: 10_000 })
      json.interrupt()
      await again
      assert.deepEqual(JSON.parse(json.out().split('\n')[1] ?? ''), {
        event: 'histories',
        known: 3_200,
        total: 10_000
      })
    })

    it('tells what the node found while it started, damage for one, and tells it once', async () => {
      const node = new FakeNode()
      const createNode: WorldOptions['createNode'] = async (_config, _passphrase, onEvent) => {
        onEvent({
          type: 'alarm',
          code: 'ERR_STORE_CORRUPT',
          text: 'A channel cannot be used.',
          facts: {},
          channel: undefined
        })
        return await Promise.resolve(node)
      }
      const world = testWorld({ env: { PAYCHAN_DATA: dir }, createNode })
      const done = world.run('start', '--json')
      await world.printed('ERR_STORE_CORRUPT')
      world.interrupt()
      await done
      const lines = world
        .out()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>)
      assert.deepEqual(
        lines.map(({ event }) => event),
        ['started', 'alarm', 'stopped']
      )
    })

    it('counts for Prometheus where it serves an API, and nowhere else', async () => {
      const given: Array<Watching | undefined> = []
      const node = new FakeNode()
      const createNode: WorldOptions['createNode'] = async (_config, _ask, _tell, watching) => {
        given.push(watching)
        return await Promise.resolve(node)
      }
      const world = testWorld({ env: { PAYCHAN_DATA: dir }, createNode })
      const done = world.run('start', '--json', '--api', '127.0.0.1:0')
      await world.printed('started')
      const { apiUrl } = JSON.parse(world.out()) as { apiUrl: string }
      const { token } = await node.gate().access.make({ name: 'prometheus', scopes: ['read'] })
      given[0]?.meter?.committed(7)
      const page = await fetch(`${apiUrl}/metrics`, {
        headers: { authorization: `Bearer ${token}`, connection: 'close' }
      })
      assert.match(await page.text(), /^paychan_commit_seconds_sum 0\.007$/m)
      world.interrupt()
      await done
      const quiet = testWorld({ env: { PAYCHAN_DATA: dir }, createNode })
      const over = quiet.run('start')
      await quiet.printed('Running.')
      quiet.interrupt()
      await over
      assert.deepEqual(given[1]?.meter, undefined)
    })

    it('ends when somebody says stop', async () => {
      const world = testWorld({
        env: { PAYCHAN_DATA: dir },
        createNode: async () => new FakeNode()
      })
      const done = world.run('start')
      await world.printed('Running.')
      const other = testWorld({ env: { PAYCHAN_DATA: dir } })
      assert.equal(await other.run('stop'), 0)
      assert.equal(await done, 0)
      assert.match(world.out(), /Stopped\.\n$/)
    })

    it('ends with a code of its own when the disk of the node failed, and says what happened last', async () => {
      const node = new FakeNode()
      const world = testWorld({ env: { PAYCHAN_DATA: dir }, createNode: async () => node })
      const done = world.run('start', '--json')
      await world.printed('started')
      node.emit({
        type: 'alarm',
        code: 'ERR_STORE_FAILED',
        text: 'The disk refused a write.',
        facts: {},
        channel: undefined
      })
      assert.equal(await done, 6)
      const lines = world
        .out()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>)
      assert.deepEqual(lines.slice(1), [
        {
          event: 'alarm',
          facts: {},
          code: 'ERR_STORE_FAILED',
          text: 'The disk refused a write.',
          channel: null
        },
        { error: { code: 'ERR_STORE_FAILED', message: 'The disk refused a write.', facts: {} } }
      ])
      assert.equal(node.calls.at(-1)?.verb, 'stop')
      await assert.rejects(stat(join(dir, 'api.sock')), { code: 'ENOENT' })
    })

    it('whose disk fails stops, and a program that waits for an answer over TCP still gets it', async () => {
      const node = new FakeNode()
      const failure = new PaychanError('ERR_STORE_FAILED', 'The disk refused a write.')
      let fail = (_error: Error): void => {}
      const called = new Promise<void>((resolve) => {
        node.answers.address = async () =>
          await new Promise((_resolve, reject) => {
            fail = reject
            resolve()
          })
      })
      node.answers.stop = async () => {
        fail(failure)
      }
      const world = testWorld({ env: { PAYCHAN_DATA: dir }, createNode: async () => node })
      const done = world.run('start', '--json', '--api', '127.0.0.1:0')
      await world.printed('started')
      const { apiUrl } = JSON.parse(world.out()) as { apiUrl: string }
      const { token } = await node.gate().access.make({ name: 'shop', scopes: ['receive'] })
      const headers = { authorization: `Bearer ${token}`, connection: 'close' }
      const asked = fetch(`${apiUrl}/v1/address`, { method: 'POST', headers, body: '{}' })
      await called
      node.emit({
        ...{ type: 'alarm', code: failure.code, text: failure.message, facts: {} },
        channel: undefined
      })
      const answer = await asked
      assert.equal(answer.status, 507)
      assert.equal(((await answer.json()) as { code: string }).code, 'ERR_STORE_FAILED')
      assert.equal(await done, 6)
    })

    it('does not start twice on one data directory, and lets go of the second node', async () => {
      const world = testWorld({
        env: { PAYCHAN_DATA: dir },
        createNode: async () => new FakeNode()
      })
      const done = world.run('start')
      await world.printed('Running.')
      const second = new FakeNode()
      const other = testWorld({ env: { PAYCHAN_DATA: dir }, createNode: async () => second })
      assert.equal(await other.run('start'), 1)
      assert.match(other.err(), /ERR_ALREADY_RUNNING/)
      assert.deepEqual(second.calls, [{ verb: 'stop', args: [] }])
      const client = connectApi(join(dir, 'api.sock'))
      assert.equal((await client.info()).peerId, PEER)
      client.disconnect()
      world.interrupt()
      await done
    })

    it('reports why a node could not start', async () => {
      const world = testWorld({
        env: { PAYCHAN_DATA: dir },
        createNode: async () => {
          throw new PaychanError('ERR_STORE_LOCKED', 'Another process has it.')
        }
      })
      assert.equal(await world.run('start', '--json'), 1)
      assert.deepEqual(JSON.parse(world.out()), {
        error: { code: 'ERR_STORE_LOCKED', message: 'Another process has it.', facts: {} }
      })
    })

    for (const [what, argv, code] of [
      ['mainnet without its flag', ['--network', 'mainnet'], 'ERR_MAINNET_REFUSED'],
      ['a network that there is not', ['--network', 'main'], 'ERR_NETWORK_NOT_SUPPORTED'],
      ['an address that is none', ['--electrum', 'localhost'], 'ERR_CONFIG_INVALID'],
      ['a place to listen that is none', ['--listen', '0.0.0.0:80'], 'ERR_CONFIG_INVALID']
    ] as const) {
      it(`refuses ${what} before a node exists`, async () => {
        const world = testWorld({ env: { PAYCHAN_DATA: dir } })
        assert.equal(await world.run('start', ...argv), 2)
        assert.match(world.err(), new RegExp(code))
      })
    }
  })
})

describe('the lines of payments', () => {
  let shown: string[]
  let due: (() => void) | undefined
  let lines: PaymentLines

  beforeEach(() => {
    shown = []
    due = undefined
    lines = paymentLines(
      {
        after: (_ms, callback) => {
          due = callback
          return () => {
            due = undefined
          }
        }
      },
      (payments) => shown.push(paymentText(payments))
    )
  })

  function second(): void {
    const callback = due
    due = undefined
    callback?.()
  }

  it('show the first payment at once', () => {
    lines.add(payment)
    assert.deepEqual(shown, [
      'sent 1,000 sat to …nc6iDEp on channel 1a2b3c4d: coffee'.replace(
        '…nc6iDEp',
        `…${payment.peerId.slice(-8)}`
      )
    ])
  })

  it('show those of one second together', () => {
    lines.add(payment)
    for (let n = 0; n < 1_200; n++) lines.add({ ...payment, amount: satoshi(10n) })
    lines.add({ ...payment, direction: 'received', amount: satoshi(7n) })
    assert.equal(shown.length, 1)
    second()
    assert.deepEqual(shown.slice(1), ['received 1 payment, 7 sat; sent 1,200 payments, 12,000 sat'])
    second()
    assert.equal(shown.length, 2)
    lines.add({ ...payment, direction: 'received', memo: '' })
    assert.match(shown[2] ?? '', /^received 1,000 sat from …\S+ on channel 1a2b3c4d$/)
  })

  it('show what is left at the end, and nothing later', () => {
    lines.add(payment)
    lines.add(payment)
    lines.end()
    assert.equal(shown.length, 2)
    second()
    assert.equal(shown.length, 2)
  })
})

type Line = Readonly<Record<string, unknown>>

const EVENTS: readonly NodeEvent[] = [
  { type: 'chain', status: 'synced', height: blockHeight(120) },
  { type: 'chain', status: 'down', height: blockHeight(120), reason: 'No server answers.' },
  { type: 'channel', channel, news: { kind: 'open' } },
  { type: 'risk', channel: CHANNEL, risk: 0.7, stake: satoshi(9_000n), isHigh: true },
  { type: 'server', server: 'tls://one:50002', code: 'ERR_CHAIN_LIED', text: 'It was dropped.' },
  { ...alarmed('ERR_BROADCAST_REFUSED'), facts: { fee: 200n, txid: 'ab', blocks: 3 } },
  { type: 'payment', payment }
]

describe('the log of start', () => {
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-log-'))
  })
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true })
  })

  /** Starts a node to which all of that happens, and stops it. */
  async function logged(
    options: readonly string[],
    during: (
      node: FakeNode,
      watching: Watching,
      world: TestWorld
    ) => Promise<void> | void = () => {}
  ): Promise<TestWorld> {
    const node = new FakeNode()
    let given: Watching = {}
    const world = testWorld({
      env: { PAYCHAN_DATA: dir },
      createNode: async (_config, _ask, _tell, watching = {}) => {
        given = watching
        return await Promise.resolve(node)
      }
    })
    const served = new Promise<void>((resolve) => {
      node.answers.info = async () => {
        resolve()
        return await Promise.resolve(info)
      }
    })
    const done = world.run('start', ...options)
    await served
    for (const event of EVENTS) node.emit(event)
    await during(node, given, world)
    world.interrupt()
    assert.equal(await done, 0)
    return world
  }

  function linesOf(world: TestWorld): Line[] {
    return world
      .out()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Line)
  }

  const told = (line: Line): string => `${String(line['level'])} ${String(line['event'])}`

  it('is one JSON object a line: its time and level, what happened, and values with their units', async () => {
    const world = await logged(['--log-format', 'json'])
    assert.equal(world.err(), '')
    const lines = linesOf(world)
    assert.deepEqual(lines.map(told), [
      'info started',
      'info chain',
      'warn chain',
      'info channel',
      'warn risk',
      'warn server',
      'error alarm',
      'info payment',
      'info stopping',
      'info stopped'
    ])
    for (const { time } of lines) {
      assert.equal(new Date(String(time)).toISOString(), time)
    }
    const [started, , down, open, risk, , alarm, paid] = lines
    assert.equal(started?.['peerId'], PEER)
    assert.deepEqual([down?.['height'], down?.['reason']], [120, 'No server answers.'])
    assert.deepEqual(
      [open?.['channel'], open?.['news'], open?.['ourBalanceSat']],
      [CHANNEL, 'open', 750_000]
    )
    assert.deepEqual([risk?.['riskPercent'], risk?.['stakeSat']], [70, 9_000])
    assert.equal(alarm?.['code'], 'ERR_BROADCAST_REFUSED')
    assert.deepEqual(alarm?.['facts'], { feeSat: 200, txid: 'ab', blocks: 3 })
    assert.deepEqual(
      [paid?.['sentCount'], paid?.['sentSat'], paid?.['receivedCount'], paid?.['payment']],
      [1, 1_000, 0, payment.id]
    )
  })

  it('has of many payments one line a second', async () => {
    const world = await logged(['--log-format', 'json'], (node) => {
      for (let n = 0; n < 500; n++) node.emit({ type: 'payment', payment })
    })
    const payments = linesOf(world).filter(({ event }) => event === 'payment')
    assert.deepEqual(
      payments.map(({ sentCount, sentSat }) => [sentCount, sentSat]),
      [
        [1, 1_000],
        [500, 500_000]
      ]
    )
  })

  for (const [level, lines] of [
    ['silent', []],
    ['error', ['ALARM']],
    ['warn', ['chain', 'risk', 'server', 'ALARM']]
  ] as const) {
    it(`for people, at ${level}: ${lines.join(', ') || 'nothing'}`, async () => {
      const world = await logged(['--log-level', level])
      assert.deepEqual(
        world
          .out()
          .split('\n')
          .flatMap((line) => line.split(' ')[0] ?? ''),
        [...lines, '']
      )
      assert.equal(world.err(), '')
    })
  }

  it('names the channel of an alarm that is about one, once', async () => {
    const told = await logged(['--log-level', 'error'], (node) => {
      const about = { ...alarmed('ERR_COPY_RUNNING'), text: 'It runs twice.', channel: CHANNEL }
      node.emit(about)
      node.emit({ ...about, text: 'Again, about channel 1a2b3c4d.', count: 2 })
    })
    assert.deepEqual(told.out().trimEnd().split('\n').slice(1), [
      `ALARM    Channel ${CHANNEL.slice(0, 8)}: It runs twice. (ERR_COPY_RUNNING)`,
      'ALARM    Again, about channel 1a2b3c4d. (ERR_COPY_RUNNING)'
    ])
  })

  it('has, from debug on, what libp2p and the connections to servers say, and each request to the API', async () => {
    const say: Parameters<typeof logged>[1] = async (_node, { logger, electrumLog }, world) => {
      await world.printed('started')
      const url = /"apiUrl":"(.*?)"/.exec(world.out())?.[1] ?? ''
      logger?.forComponent('libp2p:tcp')('dials %s', 'somebody')
      logger?.forComponent('libp2p:tcp').trace('every byte')
      electrumLog?.('Trying it again in 2 s.')
      await (await fetch(`${url}/v1/balance`, { headers: { connection: 'close' } })).text()
      await (await fetch(`${url}/pct_not_a_path`, { headers: { connection: 'close' } })).text()
    }
    const api = ['--api', '127.0.0.1:0', '--log-format', 'json']
    const details = linesOf(await logged([...api, '--log-level', 'debug'], say)).filter(
      ({ level }) => level === 'debug' || level === 'trace'
    )
    assert.deepEqual(
      details.map(({ event, component, text, path, status, code }) =>
        event === 'detail' ? `${String(component)} ${String(text)}` : [path, status, code]
      ),
      [
        'libp2p:tcp dials somebody',
        'electrum Trying it again in 2 s.',
        ['/v1/balance', 401, 'ERR_TOKEN_MISSING'],
        ['(unknown)', 404, 'ERR_UNKNOWN_VERB']
      ]
    )
    const traced = await logged([...api, '--log-level', 'trace'], say)
    assert.match(traced.out(), /"level":"trace","event":"detail".*"text":"every byte"/)
    const quiet = await logged(api, (_node, { logger, electrumLog }) => {
      assert.deepEqual([logger, electrumLog], [undefined, undefined])
    })
    assert.doesNotMatch(quiet.out(), /"debug"/)
  })
})
