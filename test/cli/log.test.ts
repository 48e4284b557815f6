/** The log of `paychan start`: its lines for people, and for programs. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Watching } from '../../src/cli/context.js'
import type { NodeEvent } from '../../src/node/api.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { alarmed, CHANNEL, channel, FakeNode, info, payment, PEER } from '../daemon/fake-node.js'
import { testWorld, type TestWorld } from './world.js'

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
