/** The page of figures: what is counted, what is read, and how it is written for Prometheus. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type Metric, METRICS } from '../../src/daemon/metrics-table.js'
import { NodeMetrics } from '../../src/daemon/metrics.js'
import type { NodeEvent } from '../../src/node/api.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { Fixture, type TestNode } from '../node/fixture.js'
import { alarmed, CHANNEL, channel, FakeNode, info, payment } from './fake-node.js'

describe('the metrics of a node', () => {
  let node: FakeNode
  let now: number
  let metrics: NodeMetrics

  beforeEach(() => {
    node = new FakeNode()
    now = 0
    metrics = new NodeMetrics(() => now)
  })

  /** The samples of a metric, by what stands between its braces. */
  async function samples(name: string): Promise<Record<string, number>> {
    const lines = (await metrics.of(node).text()).split('\n')
    return Object.fromEntries(
      lines.flatMap((line) => {
        const [, found, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
        return found === name ? [[labels, Number(value)]] : []
      })
    )
  }

  const sample = async (name: string): Promise<number | undefined> => (await samples(name))['']

  it('are in the format of Prometheus, each with its sentence and its type', async () => {
    const page = metrics.of(node)
    assert.equal(page.contentType, 'text/plain; version=0.0.4; charset=utf-8')
    const text = await page.text()
    for (const [name, { help, type }] of Object.entries<Metric>(METRICS)) {
      assert.ok(text.includes(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`), name)
    }
    assert.match(text, /^process_resident_memory_bytes \d+$/m)
    assert.match(text, /^nodejs_eventloop_lag_p99_seconds /m)
  })

  it('have names that end with the unit, and totals with _total', () => {
    for (const [name, { type, unit, help }] of Object.entries<Metric>(METRICS)) {
      const ending = `${unit === undefined ? '' : `_${unit}`}${type === 'counter' ? '_total' : ''}`
      assert.ok(name.endsWith(ending), name)
      assert.match(help, /^[A-Z\d].*[.]$/)
    }
  })

  it('have labels with few values: none names a peer, a channel or a payment', async () => {
    metrics.count({ type: 'payment', payment })
    metrics.count({ type: 'risk', channel: CHANNEL, risk: 0.7, stake: satoshi(5n), isHigh: true })
    metrics.count(alarmed('ERR_FROM_A_SERVER'))
    const text = await metrics.of(node).text()
    for (const secret of [CHANNEL, channel.peerId, payment.id, 'ERR_FROM_A_SERVER']) {
      assert.ok(!text.includes(secret), secret)
    }
    assert.deepEqual(await samples('paychan_alarms_total'), { 'code="other"': 1 })
  })

  it('count payments and their amounts, by direction and outcome', async () => {
    const { meter } = metrics.forNode
    metrics.count({ type: 'payment', payment: { ...payment, amount: satoshi(1_000n) } })
    metrics.count({ type: 'payment', payment: { ...payment, amount: satoshi(500n) } })
    const direction = 'received'
    metrics.count({ type: 'payment', payment: { ...payment, direction, amount: satoshi(7n) } })
    meter?.failed(satoshi(20n), new PaychanError('ERR_INSUFFICIENT_BALANCE', 'No.'))
    meter?.failed(satoshi(30n), new PaychanError('ERR_PAYMENT_UNKNOWN', 'Who knows.'))
    const parted = { asked: 100n, paid: 60n, unknown: 40n }
    meter?.failed(satoshi(100n), new PaychanError('ERR_PAYMENT_PARTIAL', 'Some.', parted))
    const kinds = (sent: number[], received: number): Record<string, number> => ({
      'direction="sent",outcome="acknowledged"': sent[0] ?? 0,
      'direction="sent",outcome="unknown"': sent[1] ?? 0,
      'direction="sent",outcome="refused"': sent[2] ?? 0,
      'direction="received",outcome="acknowledged"': received
    })
    assert.deepEqual(await samples('paychan_payments_total'), kinds([2, 2, 1], 1))
    const amounts = kinds([1_500, 70, 20], 7)
    assert.deepEqual(await samples('paychan_payments_satoshis_total'), amounts)
    assert.deepEqual(await samples('paychan_payments_satoshis_total'), amounts, 'read again')
  })

  it('time commits and acknowledgements', async () => {
    metrics.forNode.meter?.committed(2)
    metrics.forNode.meter?.committed(20)
    metrics.forNode.meter?.acknowledged(300)
    assert.equal(await sample('paychan_commit_seconds_count'), 2)
    assert.equal(await sample('paychan_commit_seconds_sum'), 0.022)
    const commits = await samples('paychan_commit_seconds_bucket')
    assert.deepEqual(
      [commits['le="0.001"'], commits['le="0.0025"'], commits['le="+Inf"']],
      [0, 1, 2]
    )
    assert.equal(await sample('paychan_payment_acknowledgement_seconds_sum'), 0.3)
  })

  it('show channels by status, also the words that none has, and what they hold', async () => {
    const [open] = node.outlines
    assert.ok(open !== undefined)
    const inFlight = satoshi(40n)
    node.outlines = [
      { ...open, inFlight },
      { ...open, status: 'offline', watched: false, atRisk: satoshi(9n) },
      { ...open, status: 'closed' }
    ]
    const byStatus = await samples('paychan_channels')
    assert.deepEqual(
      [byStatus['status="open"'], byStatus['status="closed"'], byStatus['status="opening"']],
      [1, 1, 0]
    )
    assert.equal(Object.keys(byStatus).length, 10)
    assert.equal(await sample('paychan_channels_unwatched'), 1)
    assert.deepEqual(await samples('paychan_channel_balance_satoshis'), {
      'side="ours"': 1_500_000,
      'side="theirs"': 500_000
    })
    assert.equal(await sample('paychan_in_flight_satoshis'), 40)
    assert.equal(await sample('paychan_too_small_to_settle_satoshis'), 9)
  })

  it('show what is at stake, what of it at a high risk, and the blocks that are left', async () => {
    const [open] = node.outlines
    assert.ok(open !== undefined)
    assert.equal(await sample('paychan_nearest_deadline_blocks'), undefined, 'nothing is at stake')
    node.outlines = [
      { ...open, stake: satoshi(30_000n), deadline: blockHeight(200) },
      { ...open, stake: satoshi(500n), deadline: blockHeight(150) },
      { ...open, alone: { by: 'refund', from: blockHeight(1_048) } }
    ]
    assert.equal(await sample('paychan_stake_satoshis'), 30_500)
    assert.equal(await sample('paychan_nearest_deadline_blocks'), 30, 'the tip is at 120')
    assert.equal(await sample('paychan_next_publication_blocks'), 928)
    const risk = { type: 'risk' as const, channel: CHANNEL, risk: 0.7, stake: satoshi(30_000n) }
    metrics.count({ ...risk, isHigh: true })
    assert.equal(await sample('paychan_high_risk_stake_satoshis'), 30_000)
    assert.equal(await sample('paychan_high_risk_channels'), 1)
    metrics.count({ ...risk, isHigh: false })
    assert.equal(await sample('paychan_high_risk_stake_satoshis'), 0)
    node.outlines = []
    assert.equal(await sample('paychan_nearest_deadline_blocks'), undefined, 'it is gone')
  })

  it('show the wallet, and the fees that it has paid, by what they were for', async () => {
    assert.deepEqual(await samples('paychan_wallet_satoshis'), {
      'state="confirmed"': 1_000_000,
      'state="unconfirmed"': 0,
      'state="unswept"': 330
    })
    assert.deepEqual(await samples('paychan_wallet_kept_satoshis'), {
      'state="reserved"': 70_000,
      'state="locked"': 5_000
    })
    const [one] = await node.wallet.transactions()
    assert.ok(one !== undefined)
    node.answers.transactions = async () => [
      { ...one, kind: 'funding', fee: satoshi(200n) },
      { ...one, kind: 'funding', fee: satoshi(50n) },
      { ...one, kind: 'receive', fee: undefined }
    ]
    assert.deepEqual(await samples('paychan_onchain_fees_satoshis'), { 'kind="funding"': 250 })
  })

  it('show the chain, each server, and how long the newest block is known', async () => {
    const used = { url: 'tls://one:50002', state: 'used', height: blockHeight(120) } as const
    const down = { url: 'tls://two:50002', state: 'down', height: undefined } as const
    const servers = [used, down].map((server) => ({ ...server, problem: undefined }))
    node.answers.info = async () => ({ ...info, chain: { ...info.chain, servers } })
    assert.equal(await sample('paychan_chain_synced'), 1)
    assert.equal(await sample('paychan_chain_height_blocks'), 120)
    assert.equal(await sample('paychan_chain_tip_age_seconds'), undefined, 'none was seen yet')
    assert.deepEqual(await samples('paychan_electrum_servers'), {
      'state="used"': 1,
      'state="connecting"': 0,
      'state="down"': 1,
      'state="dropped"': 0
    })
    assert.deepEqual(await samples('paychan_electrum_server_height_blocks'), {
      'server="tls://one:50002"': 120
    })
    const seen: NodeEvent = { type: 'chain', status: 'synced', height: blockHeight(120) }
    now = 1_000
    metrics.count(seen)
    now = 61_000
    metrics.count({ ...seen, status: 'down' })
    assert.equal(await sample('paychan_chain_tip_age_seconds'), 60)
    metrics.count({ ...seen, height: blockHeight(121) })
    assert.equal(await sample('paychan_chain_tip_age_seconds'), 0)
  })

  it('count alarms by code, and those that were told together', async () => {
    metrics.count(alarmed('ERR_WATCH_FAILED'))
    metrics.count({ ...alarmed('ERR_WATCH_FAILED'), count: 7 })
    metrics.count(alarmed('ERR_STORE_CORRUPT'))
    assert.deepEqual(await samples('paychan_alarms_total'), {
      'code="ERR_WATCH_FAILED"': 8,
      'code="ERR_STORE_CORRUPT"': 1
    })
  })
})

/* Two whole nodes, and the pages of figures about them. */

const dashboard = readFileSync('deploy/grafana-dashboard.json', 'utf8')

describe('the metrics of two whole nodes', () => {
  let fixture: Fixture
  beforeEach(async () => {
    fixture = await Fixture.create()
  })
  afterEach(async () => {
    await fixture.end()
  })

  interface Watched {
    readonly node: TestNode
    readonly page: () => Promise<string>
  }

  async function watched(name: string, coins?: bigint): Promise<Watched> {
    const metrics = new NodeMetrics()
    const options = { ...metrics.forNode, keepsEvents: true }
    const node =
      coins === undefined
        ? await fixture.node(name, options)
        : await fixture.rich(name, coins, options)
    node.api.events.on(metrics.count)
    return { node, page: async () => await metrics.of(node.api).text() }
  }

  const value = (page: string, sample: string): number =>
    Number(
      page
        .split('\n')
        .find((line) => line.startsWith(`${sample} `))
        ?.split(' ')
        .at(-1)
    )

  it('count what they pay each other and how long it takes, and name neither', async () => {
    const [alice, bob] = [await watched('alice', 2_000_000n), await watched('bob')]
    const [{ api }, to] = [alice.node, (await bob.node.api.info()).peerId]
    const peer = await bob.node.address()
    const { id } = await api.channels.open({ peer, amount: satoshi(100_000n) })
    for (const sat of [2_000n, 10n, 30n]) await api.pay({ to, amount: satoshi(sat) })
    await assert.rejects(
      api.pay({ to, amount: satoshi(900_000n) }),
      (error) => codeOf(error) === 'ERR_INSUFFICIENT_BALANCE'
    )
    const [ours, theirs] = [await alice.page(), await bob.page()]
    const sent = 'direction="sent",outcome="acknowledged"'
    const received = 'direction="received",outcome="acknowledged"'
    assert.equal(value(ours, `paychan_payments_total{${sent}}`), 3)
    assert.equal(value(ours, `paychan_payments_satoshis_total{${sent}}`), 2_040)
    assert.equal(value(ours, 'paychan_payments_total{direction="sent",outcome="refused"}'), 1)
    assert.equal(value(ours, 'paychan_payment_acknowledgement_seconds_count'), 3)
    assert.ok(value(ours, 'paychan_commit_seconds_count') >= 3)
    assert.equal(value(theirs, `paychan_payments_total{${received}}`), 3)
    assert.equal(value(theirs, `paychan_payments_satoshis_total{${received}}`), 2_040)

    const { refundHeight } = (await api.channels.list())[0] ?? assert.fail()
    const left = refundHeight - fixture.devnet.height
    assert.equal(value(theirs, 'paychan_nearest_deadline_blocks'), left)
    assert.ok(value(theirs, 'paychan_stake_satoshis') > 1_000)
    assert.doesNotMatch(ours, /^paychan_nearest_deadline/m, 'a payer has nothing at stake')
    assert.ok(value(ours, 'paychan_onchain_fees_satoshis{kind="funding"}') > 0)

    for (const page of [ours, theirs]) {
      const types = [...page.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name)
      assert.deepEqual(types, [...new Set(types)], 'each name stands once')
      assert.equal(value(page, 'paychan_channels{status="open"}'), 1)
      assert.equal(value(page, 'paychan_chain_height_blocks'), fixture.devnet.height)
      assert.equal(value(page, 'paychan_electrum_servers{state="used"}'), 1)
      assert.match(page, /^libp2p_connection_manager_connections\{.*\} 1$/m)
      for (const [name] of dashboard.matchAll(/libp2p_\w+(?=\{)/g)) {
        assert.ok(page.includes(`# TYPE ${name} `), name)
      }
      for (const secret of [id, to, (await api.info()).peerId]) assert.ok(!page.includes(secret))
    }
  })
})
