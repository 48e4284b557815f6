import assert from 'node:assert/strict'
import type { ChannelInfo } from '../../../src/node/api.js'
import type { PaymentOutcome } from '../../../src/sim/measure/payments.js'
import { makePlan } from '../../../src/sim/plan.js'
import { isAtRest, isDue, isHalfDone } from '../../../src/sim/real/real-node.js'
import { ignoredBy, type RealRun, simulateReal } from '../../../src/sim/real/simulate-real.js'
import type { TransportName } from '../../../src/sim/real/transport.js'
import type { Results } from '../../../src/sim/results.js'
import { loadScenario } from '../../../src/sim/scenario/scenario-file.js'
import type { Scenario } from '../../../src/sim/scenario/scenario.js'
import { simulate } from '../../../src/sim/simulate.js'
import { blockHeight, satoshi } from '../../../src/types/units.js'
import { itInAll } from '../../size.js'
import { group, scenarioOf } from '../fixture.js'

/** A preset with other values, by their paths. */
function changed(
  preset: string,
  changes: ReadonlyArray<readonly [path: ReadonlyArray<string | number>, value: unknown]>
): Scenario {
  return loadScenario(preset, (yaml) => {
    for (const [path, value] of changes) yaml.set(path, value)
  })
}

/** What is the same in both: all but how long a message takes, and how many events that makes. */
function comparable(results: Results): object {
  const {
    scenario,
    payments: { latency, ...payments },
    chain,
    nodes,
    channels,
    losses,
    broken
  } = results
  return {
    scenario,
    payments: { ...payments, answered: latency.count },
    chain,
    nodes,
    channels: channels.map(({ firstSample, balances, ...channel }) => ({
      ...channel,
      samples: balances.length,
      firstSample
    })),
    losses,
    broken
  }
}

type Outcome = Omit<PaymentOutcome, 'seconds'>

interface Both {
  readonly virtual: Results
  readonly real: RealRun
  readonly outcomes: Record<'virtual' | 'real', Outcome[]>
}

async function both(scenario: Scenario, transport: TransportName): Promise<Both> {
  const outcomes: Both['outcomes'] = { virtual: [], real: [] }
  // Seconds are of virtual time here, and by the clock on the wall there.
  const keep =
    (list: Outcome[]) =>
    ({ seconds: _seconds, ...outcome }: PaymentOutcome) => {
      list.push(outcome)
    }
  const virtual = await simulate(scenario, makePlan(scenario), {
    onOutcome: keep(outcomes.virtual)
  })
  const real = await simulateReal(scenario, makePlan(scenario), {
    transport,
    onOutcome: keep(outcomes.real)
  })
  for (const list of Object.values(outcomes)) list.sort((a, b) => a.id - b.id)
  return { virtual, real, outcomes }
}

/**
 * Real nodes and simulated ones run the same engine on the same plan, with blocks at the same
 * times, and these scenarios leave nothing to the network or the machine. So there is no bound to
 * allow: every payment, every channel with its blocks and turns, every transaction and every
 * balance is the same.
 */
describe('sim / real: the same scenario in virtual time and with real nodes', function () {
  this.slow(40_000)

  itInAll('pair, over memory: two neighbours whose channel renews itself', async () => {
    const { virtual, real, outcomes } = await both(
      changed('pair', [
        [['days'], 2],
        [['channels', 0, 'blocks'], 72],
        [['channels', 0, 'step'], 2],
        [['traffic', 0, 'every'], '40min'],
        [['chain', 'interval'], { exponential: '25min' }]
      ]),
      'memory'
    )
    assert.equal(real.hurried, 0)
    assert.deepEqual(comparable(real.results), comparable(virtual))
    assert.deepEqual(outcomes.real, outcomes.virtual)
    assert.ok(
      virtual.payments.made > 30 && virtual.capital.turns > 4,
      'there is something to compare'
    )
    assert.ok(virtual.channels.length > 1 && virtual.channels[0]?.end === 'renewal')
  })

  itInAll(
    'hub, over TCP: customers on one-way channels that end in peace, and others after them',
    async () => {
      const { virtual, real, outcomes } = await both(
        changed('hub', [
          [['days'], 2],
          [['nodes', 'customer', 'count'], 3],
          [['channels', 0, 'blocks'], 66],
          [
            ['channels', 0, 'opens'],
            [0, '2h']
          ],
          [['traffic', 0, 'every'], '2h'],
          [['chain'], { fees: 1, interval: { exponential: '25min' } }]
        ]),
        'tcp'
      )
      assert.equal(real.hurried, 0)
      assert.deepEqual(comparable(real.results), comparable(virtual))
      assert.deepEqual(outcomes.real, outcomes.virtual)
      assert.ok(virtual.payments.made > 15, 'there is something to compare')
      assert.ok(
        virtual.chain.transactions.close >= 3 &&
          virtual.chain.transactions.funding > virtual.chain.transactions.close
      )
    }
  )

  itInAll('pair, while blocks are taken back', async () => {
    const { virtual, real, outcomes } = await both(
      changed('pair', [
        [['seed'], 2],
        [['days'], 1.5],
        [['channels', 0, 'blocks'], 72],
        [['channels', 0, 'step'], 2],
        [['traffic', 0, 'every'], '40min'],
        [
          ['chain'],
          {
            fees: 1,
            interval: { exponential: '25min' },
            reorgs: { every: { exponential: '3h' }, depth: { uniform: [1, 5] } }
          }
        ]
      ]),
      'memory'
    )
    assert.equal(real.hurried, 0)
    assert.deepEqual(comparable(real.results), comparable(virtual))
    assert.deepEqual(outcomes.real, outcomes.virtual)
    assert.ok(virtual.chain.reorgs > 10 && virtual.channels[0]?.end === 'renewal')
  })

  itInAll('pair, while both go away and come back, on what their directories have', async () => {
    const { virtual, real, outcomes } = await both(
      changed('pair', [
        [['days'], 1],
        [['channels', 0, 'blocks'], 72],
        [['traffic', 0, 'every'], '40min'],
        [['chain', 'interval'], { exponential: '25min' }],
        [
          ['faults'],
          ['alice', 'bob'].map((who) => ({
            kind: 'crash',
            who,
            every: { exponential: '8h' },
            down: { exponential: '90min' }
          }))
        ]
      ]),
      'tcp'
    )
    assert.equal(real.hurried, 0)
    assert.deepEqual(comparable(real.results), comparable(virtual))
    assert.deepEqual(outcomes.real, outcomes.virtual)
    assert.ok(
      virtual.nodes.every(({ crashes }) => crashes > 0),
      'both were away'
    )
    assert.ok(virtual.payments.off > 0, 'and were to pay then')
  })
})

describe('sim / real: what real nodes cannot have', () => {
  it('is said, a sentence for each', () => {
    const ignored = (scenario: Scenario): string[] =>
      ignoredBy(scenario, makePlan(scenario)).map(
        (sentence) => sentence.split(/[:(]/)[0]?.trim() ?? ''
      )
    assert.deepEqual(ignored(loadScenario('pair')), ['network.latency'])
    assert.deepEqual(ignored(loadScenario('hub')), ['chain.fees', 'network.latency'])
    assert.deepEqual(
      ignored(loadScenario('hostile')).filter((name) => name === 'adversaries'),
      ['adversaries']
    )
    assert.deepEqual(
      ignored(loadScenario('outage')).filter((name) => name !== 'chain.fees'),
      ['network.latency', 'network.loss', 'network.partitions', 'faults', 'faults']
    )
    assert.deepEqual(
      ignoredBy(loadScenario('outage'), makePlan(loadScenario('outage'))).filter((sentence) =>
        sentence.startsWith('faults')
      ),
      [
        'faults (crash): a node that crashes stops in order, between two payments, and loses no writes.',
        'faults (disk-full, electrum-outage, electrum-hides, clock-skew): none of these happens.'
      ]
    )
  })

  it('is refused when it is more than 50 nodes', () => {
    const scenario = scenarioOf({ nodes: [group('member', { count: 51 })] })
    assert.throws(() => ignoredBy(scenario, makePlan(scenario)), {
      code: 'ERR_TOO_MANY_NODES',
      message: /51 nodes, and at most 50 real ones/
    })
  })
})

/** What is looked at of an open one-way channel of a client. */
const OPEN = {
  role: 'client',
  status: 'open',
  mode: 'one-way',
  ourBalance: satoshi(1_000n),
  lastPaymentHeight: blockHeight(1_100),
  confirmations: 9,
  minDepth: 1
}

const channel = (change: object = {}): ChannelInfo =>
  ({ ...OPEN, ...change }) as unknown as ChannelInfo

describe('sim / real: what a channel still does by itself', () => {
  it('is nothing in an empty block, as long as it takes payments', () => {
    assert.equal(isAtRest(channel(), 1_099), true)
    assert.equal(isAtRest(channel(), 1_100), false)
    assert.equal(isAtRest(channel({ renewFor: 144 }), 1_099), false, 'it renews itself before')
    assert.equal(isAtRest(channel({ mode: 'two-way' }), 1_050), false, 'a turn may be given up')
    for (const status of [
      'opening',
      'confirming',
      'offline',
      'stopped',
      'closing',
      'settling',
      'refunding'
    ]) {
      assert.equal(isAtRest(channel({ status }), 1_050), false, status)
    }
  })

  it('is nothing after a close, and a sweep after all that pays out with a lock', () => {
    assert.equal(isAtRest(channel({ status: 'closed', spend: { kind: 'close' } }), 1_200), true)
    for (const kind of ['settlement', 'refund']) {
      assert.equal(isAtRest(channel({ status: 'closed', spend: { kind } }), 1_200), false, kind)
    }
  })

  it('is a close, some blocks after the last payment, by whoever has something in it', () => {
    assert.deepEqual(
      [1_105, 1_106, 1_107].map((height) => isDue(channel({ status: 'stopped' }), height)),
      [false, true, false]
    )
    assert.equal(isDue(channel({ role: 'server', status: 'stopped' }), 1_103), true)
    assert.equal(isDue(channel({ status: 'stopped', ourBalance: satoshi(0n) }), 1_106), false)
  })

  it('is half done while it needs no block', () => {
    assert.deepEqual(
      ['opening', 'offline', 'open', 'closed'].map((status) => isHalfDone(channel({ status }))),
      [true, true, false, false]
    )
    assert.equal(isHalfDone(channel({ status: 'confirming', confirmations: 0 })), false)
    assert.equal(isHalfDone(channel({ status: 'confirming' })), true)
    assert.deepEqual(
      [undefined, { kind: 'close' }].map((spend) =>
        isHalfDone(channel({ status: 'closing', spend }))
      ),
      [true, false]
    )
  })
})
