import fc from 'fast-check'
import assert from 'node:assert/strict'
import type { PaymentInfo } from '../../src/engine/payments.js'
import { planPayment } from '../../src/node/plan-payment.js'
import { codeOf } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { sized } from '../size.js'
import { SCENARIOS } from './scenarios.js'
import { type Accident, type Fault, type Scenario, tell } from './stage.js'
import { Storm, weather } from './storm.js'
import { type Node, quiet, twoNodes, type World } from './world.js'

/** A storm takes some 50 ms: half as many as of other properties. */
const RUNS = Math.ceil((fc.readConfigureGlobal().numRuns ?? 100) / 2)

describe('engine / storm', function () {
  // Some 40 ms each; a run that does not end is one that fails.
  this.timeout(180_000 + 5_000 * RUNS)

  it('payments by name, deaths, full disks, broken streams, blocks and reorganisations in any order: what callers were told is true, the channels go on, and the chain pays', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(weather, { minLength: 5, maxLength: 40 }), async (events) => {
        const storm = await Storm.create()
        for (const event of events) await storm.endure(event)
        await storm.calm()
        await storm.end()
      }),
      { numRuns: RUNS }
    )
  })
})

/*
 * Payments with ids, in whatever order streams break, nodes die, blocks come and callers ask again.
 */

/** Together more than one channel holds, so that some are split. */
const AMOUNTS = [150_000n, 3_000n, 220_000n, 90_000n, 1_000n, 60_000n]

const STORMS = sized({ small: 15, all: 60 })

/** Numbers from 0 to 1, the same for the same seed (Park and Miller 1988). */
function dice(seed: number): () => number {
  let state = (seed * 48_271) % 2_147_483_647
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}

function idOf(n: number): string {
  return `payment ${n}`
}

async function pay({ engine }: Node, n: number): Promise<PaymentInfo[]> {
  const amount = satoshi(AMOUNTS[n] ?? 0n)
  return await engine.payOnce({
    id: idOf(n),
    peer: 'bob',
    amount,
    memo: '',
    plan: (rest) => planPayment(engine.payable(), 'bob', rest)
  })
}

/** What a caller may be told in a storm; a conflict, or anything unexpected, fails the test. */
const PASSING = new Set([
  'ERR_PAYMENT_UNKNOWN',
  'ERR_PAYMENT_PARTIAL',
  'ERR_PEER_UNREACHABLE',
  'ERR_CHANNEL_NOT_OPEN',
  'ERR_NODE_STOPPED',
  'ERR_CHAIN_UNAVAILABLE'
])

async function storm(
  seed: number
): Promise<{ world: World; alice: Node; bob: Node; unexpected: string[] }> {
  const roll = dice(seed)
  const { world, alice, bob } = await twoNodes({ coin: 3_000_000n })
  await world.open(alice, bob)
  await world.open(alice, bob)
  const unexpected: string[] = []
  let blocks = 0
  let isCut = false
  for (let turn = 0; turn < 40; turn++) {
    const what = roll()
    if (what < 0.45) {
      pay(alice, Math.floor(roll() * AMOUNTS.length)).catch((error: unknown) => {
        if (!PASSING.has(codeOf(error))) unexpected.push(String(error))
      })
      // The next accident comes in the middle of it.
      for (let steps = Math.floor(roll() * 40); steps > 0; steps--) await Promise.resolve()
    } else if (what < 0.6) {
      await (roll() < 0.5 ? alice : bob).restart()
    } else if (what < 0.75) {
      if (isCut) world.mend(alice, bob)
      else await world.cut(alice, bob)
      isCut = !isCut
    } else if (what < 0.8 && blocks < 5) {
      blocks += 1
      await world.mine()
    } else {
      await world.pass(Math.floor(roll() * 8_000))
    }
  }
  if (isCut) world.mend(alice, bob)
  await quiet()
  return { world, alice, bob, unexpected }
}

/** Asks for a payment until it is made. */
async function untilMade(world: World, alice: Node, n: number): Promise<void> {
  for (let tries = 0; tries < 10; tries++) {
    const paying = pay(alice, n).then(
      () => true,
      (error: unknown) => {
        assert.ok(PASSING.has(codeOf(error)), String(error))
        return false
      }
    )
    await world.pass(60_000)
    if (await paying) return
  }
  assert.fail(`${idOf(n)} is never made`)
}

describe('engine / payments with an id in a storm', () => {
  it(`of ${STORMS} random ones, each is made once, in both books, whatever happened`, async () => {
    const total = AMOUNTS.reduce((a, b) => a + b, 0n)
    for (let seed = 1; seed <= STORMS; seed++) {
      const { world, alice, bob, unexpected } = await storm(seed)
      assert.deepEqual(unexpected, [], `seed ${seed}`)
      for (const n of AMOUNTS.keys()) await untilMade(world, alice, n)
      const sum = async (node: Node): Promise<bigint> =>
        (await node.payments())
          .filter(({ status }) => status === 'acknowledged')
          .reduce((all, { amount }) => all + amount, 0n)
      assert.deepEqual([await sum(alice), await sum(bob)], [total, total], `seed ${seed}`)
      assert.equal(
        bob.engine.channels().reduce((all, { ourBalance }) => all + ourBalance, 0n),
        total,
        `seed ${seed}`
      )
    }
  })
})

/*
 * Every story of `scenarios.ts` is told once for every write of either side, with an accident at
 * that write. How many writes there are is counted in a telling without an accident, so that no
 * write can be added that is not covered.
 */

const EACH: readonly Accident[] = ['dies before', 'dies after', 'has a disk that fails at']
/** Both at once: a sample, every third write. */
const SAMPLE = 3

/** Of all accidents to a story: every thirteenth, which is each kind in turn, or every one. */
const EVERY = sized({ small: 13, all: 1 })

/** The accidents that happen to a story with so many writes. */
function accidents(writes: Readonly<Record<'alice' | 'bob', number>>): Fault[] {
  const faults: Fault[] = []
  for (const victim of ['alice', 'bob'] as const) {
    for (let write = 1; write <= writes[victim]; write++) {
      for (const accident of EACH) faults.push({ victim, accident, write })
      if (write % SAMPLE === 0) faults.push({ victim, accident: 'dies with its peer after', write })
    }
  }
  return faults.filter((_, n) => n % EVERY === 0)
}

async function tellWith(scenario: Scenario, fault: Fault): Promise<void> {
  try {
    await tell(scenario, fault)
  } catch (error) {
    throw new Error(
      `${fault.victim} ${fault.accident} write ${fault.write}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error }
    )
  }
}

describe('engine / crash', () => {
  for (const scenario of SCENARIOS) {
    it(`${scenario.name}: the same outcome with an accident at each write of either side`, async () => {
      const writes = await tell(scenario)
      assert.ok(writes.alice >= 5 && writes.bob >= 5, `${writes.alice} and ${writes.bob} writes`)
      for (const fault of accidents(writes)) await tellWith(scenario, fault)
    })
  }
})
