import assert from 'node:assert/strict'
import type { Results } from '../../src/sim/results.js'
import { simulate } from '../../src/sim/simulate.js'
import type { Adversary, Fault, Scenario } from '../../src/sim/scenario/scenario.js'
import { blockDelta, feeRate } from '../../src/types/units.js'
import { DAY, every, HOUR, openingOf, planOf, scenarioOf } from './fixture.js'

/** The first block is 1,000, and there is one every 600 s. The channel is offered at height 1,000. */
const timeOf = (height: number): number => (height - 1_000) * 600

/** Bob, who was paid 200,000 sat, is away for two hours just when his newest state matures. */
function withBobAway (step: number, blocks: number): { scenario: Scenario, away: Fault } {
  const away: Fault = { kind: 'crash', who: 'bob', every: { kind: 'constant', value: timeOf(1_000 + blocks - step) - HOUR / 2 }, down: { kind: 'constant', value: 2 * HOUR }, orderly: false, losesWrites: 0 }
  const scenario = scenarioOf({
    duration: timeOf(1_000 + blocks + 30),
    chain: { interval: { kind: 'constant', value: 600 }, blockVsize: 1_000_000, fees: { kind: 'constant', rate: feeRate(100_000n) }, reorgs: undefined },
    faults: [away],
    adversaries: [{ kind: 'publish-old', who: 'alice', upTo: 0.5 }]
  })
  return { scenario, away }
}

async function cheated (step: number, blocks: number): Promise<Results> {
  const { scenario } = withBobAway(step, blocks)
  return await simulate(scenario, planOf(scenario, [openingOf({ blocks: blockDelta(blocks), step: blockDelta(step) })], every(1_800, 10_000n, 2 * HOUR + 20 * 1_800)))
}

describe('sim / adversaries', function () {
  this.slow(4_000)

  it('a cheat that publishes its oldest state wins where the locks lie a block apart, and a payee is away for two hours', async () => {
    const { attacks, losses, broken } = await cheated(1, 100)
    assert.deepEqual(broken, [])
    assert.deepEqual(attacks.map(({ node, succeeded }) => [node, succeeded]), [['alice', true]])
    assert.deepEqual(losses.map(({ node, amount, why }) => [node, amount, why]), [['bob', 200_000, 'absence']])
  })

  it('and never comes to it where they lie a day apart', async () => {
    const { attacks, losses, broken, channels } = await cheated(144, 300)
    assert.deepEqual([broken, losses, attacks], [[], [], []])
    assert.equal(channels[0]?.end, 'settlement')
  })

  it('one that is awake outbids a cheat that bids half of its gain', async () => {
    const { scenario } = withBobAway(1, 100)
    const awake = { ...scenario, faults: [] }
    const { losses, broken, channels } = await simulate(awake, planOf(awake, [openingOf({ step: blockDelta(1) })], every(1_800, 10_000n, 2 * HOUR + 20 * 1_800)))
    assert.deepEqual([broken, losses], [[], []])
    assert.equal(channels[0]?.end, 'settlement')
  })

  for (const adversary of [{ kind: 'refuse-acks', who: 'bob' }, { kind: 'silent', who: 'bob', from: 6 * HOUR }, { kind: 'flood', who: 'bob', perSecond: 5 }, { kind: 'refuse-turns', who: 'alice' }] satisfies Adversary[]) {
    it(`${adversary.kind}: the honest side loses nothing`, async () => {
      const scenario = scenarioOf({ duration: 2 * DAY, adversaries: [adversary] })
      const payments = [...every(900, 5_000n, 12 * HOUR), ...every(3_600, 3_000n, 12 * HOUR, { direction: 'back' }, 3 * HOUR)]
      const { broken, losses, payments: totals, nodes } = await simulate(scenario, planOf(scenario, [openingOf({ step: blockDelta(12) })], payments))
      assert.deepEqual(broken, [])
      assert.deepEqual(losses.filter(({ honest }) => honest), [])
      assert.ok(totals.made > 0 || adversary.kind === 'refuse-acks', JSON.stringify(totals.failed))
      assert.deepEqual(nodes.map(({ honest }) => honest), [adversary.who !== 'alice', adversary.who !== 'bob'])
    })
  }
})
