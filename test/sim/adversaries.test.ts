import assert from 'node:assert/strict'
import type { Results } from '../../src/sim/results.js'
import { simulate } from '../../src/sim/simulate.js'
import type { Adversary, Fault, Scenario } from '../../src/sim/scenario/scenario.js'
import { blockDelta, feeRate } from '../../src/types/units.js'
import { DAY, every, HOUR, openingOf, planOf, scenarioOf } from './fixture.js'

/**
 * The first block is 1,000, and there is one every 600 s. The channel is offered at height 1,000.
 */
const timeOf = (height: number): number => (height - 1_000) * 600

/** Bob, who was paid 200,000 sat, is away for two hours just when his newest state matures. */
function withBobAway(step: number, blocks: number): { scenario: Scenario; away: Fault } {
  const away: Fault = {
    kind: 'crash',
    who: 'bob',
    every: { kind: 'constant', value: timeOf(1_000 + blocks - step) - HOUR / 2 },
    down: { kind: 'constant', value: 2 * HOUR },
    orderly: false,
    losesWrites: 0
  }
  const scenario = scenarioOf({
    duration: timeOf(1_000 + blocks + 30),
    chain: {
      interval: { kind: 'constant', value: 600 },
      blockVsize: 1_000_000,
      fees: { kind: 'constant', rate: feeRate(100_000n) },
      relay: feeRate(1_000n),
      reorgs: undefined
    },
    faults: [away],
    adversaries: [{ kind: 'publish-old', who: 'alice', upTo: 0.5 }]
  })
  return { scenario, away }
}

async function cheated(step: number, blocks: number): Promise<Results> {
  const { scenario } = withBobAway(step, blocks)
  return await simulate(
    scenario,
    planOf(
      scenario,
      [openingOf({ blocks: blockDelta(blocks), step: blockDelta(step) })],
      every(1_800, 10_000n, 2 * HOUR + 20 * 1_800)
    )
  )
}

describe('sim / adversaries', function () {
  this.slow(4_000)

  it('a cheat that publishes its oldest state wins where the locks lie a block apart, and a payee is away for two hours', async () => {
    const { attacks, losses, broken } = await cheated(1, 100)
    assert.deepEqual(broken, [])
    assert.deepEqual(
      attacks.map(({ node, succeeded }) => [node, succeeded]),
      [['alice', true]]
    )
    assert.deepEqual(
      losses.map(({ node, amount, why }) => [node, amount, why]),
      [['bob', 200_000, 'absence']]
    )
  })

  it('and never comes to it where they lie a day apart', async () => {
    const { attacks, losses, broken, channels } = await cheated(144, 300)
    assert.deepEqual([broken, losses, attacks], [[], [], []])
    assert.equal(channels[0]?.end, 'settlement')
  })

  it('one that is awake outbids a cheat that bids half of its gain', async () => {
    const { scenario } = withBobAway(1, 100)
    const awake = { ...scenario, faults: [] }
    const { losses, broken, channels } = await simulate(
      awake,
      planOf(
        awake,
        [openingOf({ step: blockDelta(1) })],
        every(1_800, 10_000n, 2 * HOUR + 20 * 1_800)
      )
    )
    assert.deepEqual([broken, losses], [[], []])
    assert.equal(channels[0]?.end, 'settlement')
  })

  describe('what a cheat loses by holding its newest state back', () => {
    // Bob was paid 100,000 sat in turn 0, has paid 60,000 sat back in turn 1, and was paid 20,000
    // sat in turn 2. He waits for turn 0, which is the best for him, and alice publishes turn 1.
    const payments = [
      ...every(1_800, 20_000n, 2 * HOUR + 5 * 1_800),
      ...every(HOUR, 60_000n, 6 * HOUR, { direction: 'back' }, 5 * HOUR),
      ...every(HOUR, 20_000n, 8 * HOUR, {}, 7 * HOUR)
    ]
    const text = 'an adversary plays it, one that publishes old states'
    const outcome = async (faults: readonly Fault[]): Promise<Results> => {
      const scenario = scenarioOf({
        duration: timeOf(1_130),
        faults,
        adversaries: [{ kind: 'publish-old', who: 'bob', upTo: 0.01 }]
      })
      return await simulate(
        scenario,
        planOf(scenario, [openingOf({ step: blockDelta(6) })], payments)
      )
    }

    it('is its own affair, and no bug', async () => {
      const {
        broken,
        losses,
        attacks,
        payments: { made }
      } = await outcome([])
      assert.deepEqual([broken, attacks, made], [[], [], 7])
      assert.deepEqual(losses, [
        {
          node: 'bob',
          honest: false,
          channel: 0,
          height: 1_089,
          amount: 20_000,
          why: 'dishonest',
          text: `settlement of turn 1 in block 1089: ${text}: it could have had 20000 sat by a block between 1082 and 1089, and did not`
        }
      ])
    })

    it('also when it came to publishing its old state, and was outbid by one that came back in the last block', async () => {
      const { broken, losses, attacks } = await outcome([
        {
          kind: 'crash',
          who: 'alice',
          every: { kind: 'constant', value: timeOf(1_080) },
          down: { kind: 'constant', value: timeOf(1_014) + 300 },
          orderly: false,
          losesWrites: 0
        }
      ])
      assert.deepEqual(
        [broken, attacks.map(({ node, succeeded }) => [node, succeeded])],
        [[], [['bob', false]]]
      )
      assert.deepEqual(losses, [
        {
          node: 'bob',
          honest: false,
          channel: 0,
          height: 1_095,
          amount: 20_000,
          why: 'dishonest',
          text: `settlement of turn 1 in block 1095: ${text}; here it published an old state: it could have had 20000 sat by a block between 1082 and 1095, and did not`
        }
      ])
    })
  })

  for (const adversary of [
    { kind: 'refuse-acks', who: 'bob' },
    { kind: 'silent', who: 'bob', from: 6 * HOUR },
    { kind: 'flood', who: 'bob', perSecond: 5 },
    { kind: 'refuse-turns', who: 'alice' }
  ] satisfies Adversary[]) {
    it(`${adversary.kind}: the honest side loses nothing`, async () => {
      const scenario = scenarioOf({ duration: 2 * DAY, adversaries: [adversary] })
      const payments = [
        ...every(900, 5_000n, 12 * HOUR),
        ...every(3_600, 3_000n, 12 * HOUR, { direction: 'back' }, 3 * HOUR)
      ]
      const {
        broken,
        losses,
        payments: totals,
        nodes
      } = await simulate(
        scenario,
        planOf(scenario, [openingOf({ step: blockDelta(12) })], payments)
      )
      assert.deepEqual(broken, [])
      assert.deepEqual(
        losses.filter(({ honest }) => honest),
        []
      )
      assert.ok(totals.made > 0 || adversary.kind === 'refuse-acks', JSON.stringify(totals.failed))
      assert.deepEqual(
        nodes.map(({ honest }) => honest),
        [adversary.who !== 'alice', adversary.who !== 'bob']
      )
    })
  }
})
