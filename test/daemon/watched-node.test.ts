/** Two whole nodes, and the pages of figures about them. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { NodeMetrics } from '../../src/daemon/metrics.js'
import { codeOf } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { Fixture, type TestNode } from '../node/fixture.js'

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
