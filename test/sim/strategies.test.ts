import assert from 'node:assert/strict'
import type { Results } from '../../src/sim/results.js'
import type { Adversary, Scenario, ServerGroup } from '../../src/sim/scenario/scenario.js'
import { simulate } from '../../src/sim/simulate.js'
import { blockDelta, feeRate, satoshi } from '../../src/types/units.js'
import type { PlannedOpening, PlannedPayment } from '../../src/sim/plan/traffic.js'
import { DAY, every, group, HOUR, openingOf, planOf, scenarioOf } from './fixture.js'

/**
 * Alice shows everything honestly; one of the two servers that she asks shows what adversaries make
 * up.
 */
const LIARS: readonly ServerGroup[] = [{ who: 'all', honest: 1, lying: ['shows'] }]

/**
 * Bob was paid 200,000 sat in turn 0 (lock 1,108), has paid 180,000 back in turn 1 (lock 1,096,
 * alice's), and was paid 40,000 in turn 2 (lock 1,084): the state of turn 0 is worth 140,000 sat
 * more to him than the newest.
 */
const TURNS: readonly PlannedPayment[] = [
  ...every(1_800, 40_000n, 2 * HOUR + 5 * 1_800),
  ...every(HOUR, 180_000n, 6 * HOUR, { direction: 'back' }, 5 * HOUR),
  ...every(HOUR, 40_000n, 8 * HOUR, {}, 7 * HOUR)
]
const SHARE_OF_ALICE = 440_000

interface Played {
  readonly payments?: readonly PlannedPayment[]
  readonly step?: number
  readonly blocks?: number
  readonly days?: number
  readonly servers?: readonly ServerGroup[]
  readonly rate?: bigint
  readonly then?: PlannedOpening['then']
  readonly changes?: Partial<Scenario>
}

/** Alice has a channel of 500,000 sat with bob, and a block takes 20 sat/vB. */
async function played(
  adversary: Adversary,
  {
    payments = TURNS,
    step = 12,
    blocks = 120,
    days = 1.6,
    servers = LIARS,
    rate = 20_000n,
    then = 'nothing',
    changes = {}
  }: Played = {}
): Promise<Results> {
  const scenario = scenarioOf({
    duration: days * DAY,
    nodes: [group('alice'), group('bob')],
    chain: {
      interval: { kind: 'constant', value: 600 },
      blockVsize: 1_000_000,
      fees: { kind: 'constant', rate: feeRate(rate) },
      relay: feeRate(1_000n),
      reorgs: undefined
    },
    servers,
    adversaries: [adversary],
    ...changes
  })
  return await simulate(
    scenario,
    planOf(
      scenario,
      [
        openingOf({
          step: step === 0 ? undefined : blockDelta(step),
          blocks: blockDelta(blocks),
          then
        })
      ],
      payments
    ),
    { checked: true }
  )
}

/**
 * Nothing is broken, and who is honest has its newest balance less the fees of T1 and of a normal
 * bid.
 */
function assertUnharmed(
  { broken, losses, nodes, channels }: Results,
  name: string,
  least: number
): void {
  assert.deepEqual([broken, losses.filter(({ honest }) => honest)], [[], []])
  const node = nodes.find((each) => each.name === name)
  assert.ok(
    node !== undefined && node.end >= least,
    `${name} has ${node?.end} sat, of at least ${least} sat; the channel ended by ${channels[0]?.end}`
  )
}

/** T1 at 20 sat/vB and a T3 at a quarter more, with some room. */
const FEES = 12_000
const WALLET = 2_000_000
const ALICE = WALLET - 500_000 + SHARE_OF_ALICE - FEES

describe('sim / strategies that gained, and do not any more', function () {
  this.slow(5_000)

  for (const input of ['unconfirmed', 'unknown'] as const) {
    for (const direct of [false, true]) {
      it(`phantom-state: a newest state with ${input === 'unknown' ? 'an input that does not exist' : 'a parent that pays too little'} takes nobody's window${direct ? ', when the old one goes to a miner as well' : ''}`, async () => {
        const results = await played({
          kind: 'phantom-state',
          who: 'bob',
          input,
          direct,
          upTo: 0.5
        })
        assert.deepEqual(
          results.attacks.map(({ kind, succeeded }) => [kind, succeeded]),
          [['phantom-state', false]]
        )
        assertUnharmed(results, 'alice', ALICE)
      })
    }
  }

  it('where 0.1 sat/vB is relayed and in every block: an old state gains nothing, and a normal bid costs next to nothing', async () => {
    const results = await played(
      { kind: 'publish-old', who: 'bob', upTo: 1 },
      {
        changes: {
          chain: {
            interval: { kind: 'constant', value: 600 },
            blockVsize: 1_000_000,
            fees: { kind: 'constant', rate: feeRate(150n) },
            relay: feeRate(100n),
            reorgs: undefined
          }
        }
      }
    )
    assertUnharmed(results, 'alice', WALLET - 500_000 + SHARE_OF_ALICE - 1_000)
  })

  it('premature-rival: a spend whose lock lies in the future raises no bid, and begins none', async () => {
    const results = await played(
      { kind: 'premature-rival', who: 'alice' },
      { step: 0, payments: every(1_800, 40_000n, 2 * HOUR + 5 * 1_800) }
    )
    assert.deepEqual(
      results.attacks.map(({ kind }) => kind),
      ['premature-rival']
    )
    assertUnharmed(results, 'bob', WALLET + 200_000 - FEES)
  })

  it('chosen-output: what was paid is not called failed, whatever output stands beside the input', async () => {
    const results = await played(
      { kind: 'chosen-output', who: 'bob' },
      {
        step: 0,
        payments: [
          ...every(1_800, 2_000n, 2 * HOUR + 1_800),
          ...every(1_800, 497_900n, 4 * HOUR + 1_800, {}, 4 * HOUR)
        ]
      }
    )
    assert.deepEqual(
      results.attacks.map(({ kind, succeeded }) => [kind, succeeded]),
      [['chosen-output', true]]
    )
    assert.deepEqual(results.broken, [])
  })

  it("bluff: an old state that is bid up at once makes nobody bid more than twice the last block's bid", async () => {
    const away = {
      kind: 'crash',
      who: 'alice',
      every: { kind: 'constant', value: 90 * 600 },
      down: { kind: 'constant', value: 19 * 600 },
      orderly: false,
      losesWrites: 0
    } as const
    const results = await played(
      { kind: 'bluff', who: 'bob', upTo: 0.9 },
      { changes: { faults: [away] } }
    )
    assert.deepEqual(
      results.attacks.map(({ kind }) => kind),
      ['bluff']
    )
    assert.deepEqual(results.broken, [])
  })

  it('fat-state: a refund does not bid against a newer state that would have paid it', async () => {
    const results = await played(
      { kind: 'fat-state', who: 'bob' },
      { step: 0, days: 2.2, payments: every(1_800, 2_000n, 2 * HOUR + 1_800) }
    )
    assert.deepEqual(
      results.attacks.map(({ kind }) => kind),
      ['fat-state']
    )
    assertUnharmed(results, 'alice', WALLET - 2_000 - FEES)
  })

  for (const rate of [7_000n, 20_000n]) {
    it(`pinning-renewal: a T1 of 10,000 vB is not signed where blocks take ${rate / 1_000n} sat/vB (RENEW-4)`, async () => {
      const results = await played(
        { kind: 'pinning-renewal', who: 'alice' },
        {
          step: 0,
          blocks: 200,
          days: 3,
          rate,
          payments: every(1_800, 20_000n, 2 * HOUR + 5 * 1_800)
        }
      )
      assert.deepEqual(
        results.attacks.map(({ kind }) => kind),
        ['pinning-renewal']
      )
      assertUnharmed(results, 'bob', WALLET + 100_000 - FEES)
    })
  }

  it('draining-renewal: a channel that renews itself is not renewed in every block until its fees have eaten it (RENEW-11)', async () => {
    const results = await played(
      { kind: 'draining-renewal', who: 'bob' },
      {
        step: 0,
        blocks: 200,
        days: 2.5,
        then: 'renew',
        payments: every(1_800, 20_000n, 2 * HOUR + 5 * 1_800)
      }
    )
    assertUnharmed(results, 'alice', WALLET - 100_000 - FEES)
    assert.equal(results.channels.find(({ number }) => number === 0)?.end, 'close')
  })

  it('free-peers: a channel opens, and is paid on, while strangers come and go; few of them are remembered (OPEN-11)', async () => {
    const nodes = [
      group('alice'),
      group('bob', {
        policy: { minFirstPayment: satoshi(0n), maxPendingInAll: 64, maxUnfundedInAll: 64 }
      })
    ]
    const results = await played(
      { kind: 'free-peers', who: 'alice', perHour: 6 },
      { step: 0, payments: every(1_800, 20_000n, 4 * HOUR), changes: { nodes } }
    )
    assert.deepEqual([results.broken, results.payments.failed, results.payments.made], [[], {}, 4])
  })

  it('direct-miner: an old state that nobody sees comes too late where the window is wide', async () => {
    assertUnharmed(await played({ kind: 'direct-miner', who: 'bob', upTo: 0.9 }), 'alice', ALICE)
  })

  /**
   * Sees nothing of the chain for some blocks, until the middle of the last one before a height.
   */
  const blindUntil = (who: string, deadline: number, blocks: number): Partial<Scenario> => {
    const down = (blocks - 0.5) * 600
    return {
      faults: [
        {
          kind: 'electrum-outage',
          who,
          every: { kind: 'constant', value: (deadline - 1_000) * 600 - 300 - down },
          down: { kind: 'constant', value: down }
        }
      ]
    }
  }

  for (const shown of ['mempools', 'server', 'blinking'] as const) {
    it(`dear-close: who is back in its last block burns nothing against a close that pays it all (EVID-10), ${shown}`, async () => {
      const results = await played(
        { kind: 'dear-close', who: 'alice', spend: 'close', shown, left: 1 },
        {
          step: 0,
          payments: every(1_800, 60_000n, 2 * HOUR + 5 * 1_800),
          // L is 1,120.
          changes: blindUntil('bob', 1_120, 40)
        }
      )
      assert.deepEqual(
        results.attacks.map(({ kind }) => kind),
        ['dear-close']
      )
      assert.equal(results.channels[0]?.end, 'close')
      // Of the 200,000 sat that alice has in it nearly all went to miners.
      assert.ok((results.nodes[0]?.end ?? 0) < WALLET - 450_000)
      assertUnharmed(results, 'bob', WALLET + 300_000 - FEES)
    })
  }

  it('dear-close: of a two-way channel, whose client is back in its last block', async () => {
    const results = await played(
      { kind: 'dear-close', who: 'bob', spend: 'close', shown: 'mempools', left: 1 },
      // The client's newest state is that of turn 1, and turn 0 follows at 1,108.
      { payments: TURNS.slice(0, -1), changes: blindUntil('alice', 1_108, 20) }
    )
    assert.deepEqual(
      results.attacks.map(({ kind }) => kind),
      ['dear-close']
    )
    assertUnharmed(results, 'alice', ALICE)
  })

  for (const shown of ['mempools', 'server', 'blinking'] as const) {
    it(`dear-close: an older state that pays nearly everything as fee comes too late, ${shown}`, async () => {
      const results = await played(
        { kind: 'dear-close', who: 'bob', spend: 'state', shown, left: 1 },
        { changes: blindUntil('alice', 1_108, 8) }
      )
      assertUnharmed(results, 'alice', ALICE)
    })
  }

  for (const lie of [
    'hides',
    'refuses',
    'refuses-fees',
    'swallows',
    'high-fees',
    'declines'
  ] as const) {
    it(`one honest server is enough beside one that ${lie}`, async () => {
      assertUnharmed(
        await played(
          { kind: 'publish-old', who: 'bob', upTo: 0.9 },
          { servers: [{ who: 'alice', honest: 1, lying: [lie] }] }
        ),
        'alice',
        ALICE
      )
    })
  }

  it('without an honest server a node loses, and the loss says so', async () => {
    const { broken, losses } = await played(
      { kind: 'publish-old', who: 'bob', upTo: 0.9 },
      { servers: [{ who: 'alice', honest: 0, lying: ['swallows'] }] }
    )
    assert.deepEqual(broken, [])
    assert.deepEqual(
      losses.filter(({ honest }) => honest),
      [
        {
          node: 'alice',
          honest: true,
          channel: 0,
          height: 1_109,
          amount: 140_000,
          why: 'lied',
          text: 'settlement of turn 0 in block 1109: none of the servers that it asks is honest'
        }
      ]
    )
  })
})
