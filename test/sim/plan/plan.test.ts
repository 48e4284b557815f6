import assert from 'node:assert/strict'
import fc from 'fast-check'
import { makePlan } from '../../../src/sim/plan.js'
import { type PlannedPayment } from '../../../src/sim/plan/traffic.js'
import { parseScenario } from '../../../src/sim/scenario/scenario-file.js'
import type { Scenario } from '../../../src/sim/scenario/scenario.js'

const HOUR = 3_600
const DAY = 24 * HOUR

function scenario(
  traffic: string,
  {
    nodes = 'a: { count: 50, coins: 1btc }\n  b: { coins: 1btc }',
    channels = '{ from: a, to: b, capacity: 500000, step: 6 }',
    days = 20,
    seed = 1
  } = {}
): Scenario {
  return parseScenario(
    `name: test\nseed: ${seed}\ndays: ${days}\nnodes:\n  ${nodes}\nchannels:\n  - ${channels}\ntraffic:\n  - ${traffic}\n`,
    {
      file: 'test.yaml',
      readFile: () => {
        throw new Error('no file')
      }
    }
  )
}

function paymentsOf(scenario: Scenario): PlannedPayment[] {
  return [...{ [Symbol.iterator]: makePlan(scenario).payments }]
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

function near(value: number, expected: number, part: number): void {
  assert.ok(
    Math.abs(value - expected) <= expected * part,
    `${value} is not within ${part * 100} % of ${expected}`
  )
}

describe('the payments of a scenario', () => {
  it('come in the order of their times, in whole milliseconds, within their span', () => {
    const payments = paymentsOf(
      scenario('{ from: a, to: b, every: { exponential: 2h }, amount: 1000, during: [1d, 15d] }')
    )
    for (const [i, { time }] of payments.entries()) {
      assert.ok(time >= (payments[i - 1]?.time ?? 0))
      assert.equal(Math.round(time * 1_000) / 1_000, time)
      assert.ok(time >= DAY && time < 15 * DAY)
    }
    // 50 payers, 14 days, 12 a day: 8,400, give or take three times their root.
    near(payments.length, 8_400, 0.035)
  })

  it('are the same for the same seed, and others for another one', () => {
    const text =
      '{ from: a, to: b, every: { lognormal: { median: 2h, sigma: 1 } }, amount: { uniform: [1, 900] }, back: 0.2, payee: any }'
    assert.deepEqual(paymentsOf(scenario(text)), paymentsOf(scenario(text)))
    const plan = makePlan(scenario(text))
    assert.deepEqual(
      [...{ [Symbol.iterator]: plan.payments }],
      [...{ [Symbol.iterator]: plan.payments }],
      'each call begins anew'
    )
    assert.notDeepEqual(paymentsOf(scenario(text)), paymentsOf(scenario(text, { seed: 2 })))
  })

  it('of one activity do not depend on the other ones', () => {
    const first = '{ from: a, to: b, every: { exponential: 2h }, amount: { uniform: [1, 900] } }'
    const alone = paymentsOf(scenario(first))
    const second = '{ from: b, to: a, every: { exponential: 1h }, amount: 5000, back: 0.5 }'
    const both = paymentsOf(scenario(`${first}\n  - ${second}`)).filter(
      ({ amount }) => amount !== 5_000n
    )
    assert.deepEqual(both, alone)
  })

  it('have the means that were asked for', () => {
    const drawn = (every: string, amount: string): PlannedPayment[] =>
      paymentsOf(
        scenario(`{ from: a, to: b, every: ${every}, amount: ${amount}, during: [0, 20d] }`)
      )
    // Of 50 payers over 20 days, 480 hours each.
    near(drawn('1h', '1').length, 24_000, 0.003)
    near(drawn('{ uniform: [30min, 90min] }', '1').length, 24_000, 0.01)
    near(drawn('{ exponential: 1h }', '1').length, 24_000, 0.02)
    // The mean of a lognormal is its median times e^(sigma^2/2).
    near(
      drawn('{ lognormal: { median: 1h, sigma: 0.5 } }', '1').length,
      24_000 / Math.exp(0.125),
      0.02
    )
    const amounts = (amount: string): number[] =>
      drawn('1h', amount).map(({ amount }) => Number(amount))
    near(mean(amounts('{ uniform: [1000, 3000] }')), 2_000, 0.01)
    near(mean(amounts('{ exponential: 2000 }')), 2_000, 0.03)
    const lognormal = amounts('{ lognormal: { median: 2000, sigma: 1 } }')
    near(mean(lognormal), 2_000 * Math.exp(0.5), 0.03)
    near(lognormal.filter((amount) => amount < 2_000).length, lognormal.length / 2, 0.03)
  })

  it('do not drift: a constant interval stays one, however many there are', () => {
    const payments = paymentsOf(
      scenario('{ from: b, to: a, every: 100ms, amount: 1, during: [1d, 2d] }', {
        nodes: 'a: { coins: 1btc }\n  b: { coins: 1btc }'
      })
    )
    const first = Math.round((payments[0]?.time ?? 0) * 1_000)
    assert.equal(payments.length, 864_000)
    for (const [i, { time }] of payments.entries()) {
      if (Math.round(time * 1_000) !== first + 100 * i) assert.fail(`payment ${i} is at ${time}`)
    }
  })

  it('keep to the hours of the day, by day and by night, with the rate that was asked for', () => {
    for (const [from, until, length] of [
      [8, 22, 14],
      [22, 6, 8],
      [0, 24, 24],
      [9.5, 10, 0.5]
    ] as const) {
      const payments = paymentsOf(
        scenario(
          `{ from: a, to: b, every: { exponential: 15min }, amount: 1, hours: [${from}, ${until}], during: [0, 20d] }`
        )
      )
      near(payments.length, 50 * 20 * length * 4, 0.05)
      for (const { time } of payments) {
        const hour = (time % DAY) / HOUR
        assert.ok(
          from < until ? hour >= from && hour < until : hour >= from || hour < until,
          `${hour} is not in [${from}, ${until}]`
        )
      }
    }
  })

  it('go back as often as asked for, on the channel of the partner', () => {
    const text = (back: number): string =>
      `{ from: a, to: b, every: { exponential: 1h }, amount: 1, back: ${back} }`
    const part = (back: number): number =>
      mean(paymentsOf(scenario(text(back))).map(({ direction }) => (direction === 'back' ? 1 : 0)))
    assert.equal(part(0), 0)
    assert.equal(part(1), 1)
    near(part(0.3), 0.3, 0.05)
  })

  it('go forth on a channel for its client, and back for its server', () => {
    const { openings } = makePlan(scenario('{ from: b, to: a, every: 1h, amount: 1 }'))
    for (const { opening, direction } of paymentsOf(
      scenario('{ from: b, to: a, every: 1h, amount: 1, payee: any }')
    )) {
      assert.equal(direction, 'back')
      assert.equal(openings[opening]?.server, 'b')
    }
  })

  it('go to one partner for good, or to any', () => {
    const nodes = 'a: { count: 10, coins: 1btc }\n  b: { count: 8, coins: 1btc }'
    const payees = (payee: string): Array<Set<string>> => {
      const asked = scenario(
        `{ from: a, to: b, every: 1h, amount: 1, payee: ${payee}, back: 0.5 }`,
        { nodes }
      )
      const { openings } = makePlan(asked)
      const byPayer = new Map<string, Set<string>>()
      for (const { opening } of paymentsOf(asked)) {
        const { client = '', server = '' } = openings[opening] ?? {}
        byPayer.set(client, (byPayer.get(client) ?? new Set()).add(server))
      }
      return [...byPayer.values()]
    }
    assert.deepEqual(
      payees('partner').map(({ size }) => size),
      new Array<number>(10).fill(1)
    )
    assert.ok(
      new Set(payees('partner').flatMap((set) => [...set])).size > 3,
      'not all have the same one'
    )
    assert.deepEqual(
      payees('any').map(({ size }) => size),
      new Array<number>(10).fill(8)
    )
  })

  it('are only asked of those who can pay: on one-way channels the clients', () => {
    const asked = scenario('{ from: a, to: a, every: 1h, amount: 1, payee: any }', {
      nodes: 'a: { count: 9, coins: 1btc }',
      channels: '{ from: a, to: a, shape: random, degree: 2, capacity: 20000 }'
    })
    assert.ok(paymentsOf(asked).every(({ direction }) => direction === 'forth'))
  })

  it('of 10,000 nodes are drawn one by one', () => {
    const plan = makePlan(
      scenario('{ from: a, to: a, every: { exponential: 1min }, amount: 1, payee: any }', {
        nodes: 'a: { count: 10000, coins: 1btc }',
        channels: '{ from: a, to: a, shape: ring, capacity: 20000, step: 6 }',
        days: 30
      })
    )
    const payments = plan.payments()
    // 432 million in all; nobody waits for them.
    for (let i = 0; i < 1_000; i++) assert.equal(payments.next().done, false)
  })
})

describe('the channels of a scenario', () => {
  const opened = (shape: string, count: number, seed = 1): Array<readonly [string, string]> =>
    makePlan(
      scenario('{ from: a, to: a, every: 1d, amount: 1 }', {
        nodes: `a: { count: ${count}, coins: 10btc }`,
        channels: `{ from: a, to: a, ${shape}, capacity: 20000, step: 6, opens: [0, 1d] }`,
        seed
      })
    ).openings.map(({ client, server }) => [client, server])
  const degreesOf = (edges: ReadonlyArray<readonly [string, string]>): Map<string, number> => {
    const degrees = new Map<string, number>()
    for (const end of edges.flat()) degrees.set(end, (degrees.get(end) ?? 0) + 1)
    return degrees
  }

  it('open in the order of their times, within their span', () => {
    const { openings } = makePlan(
      scenario('{ from: a, to: b, every: 1d, amount: 1 }', {
        channels:
          '{ from: a, to: b, capacity: 500000, step: 6, blocks: 2d, opens: [2h, 1d], then: renew }'
      })
    )
    assert.equal(openings.length, 50)
    for (const [i, { time, ...rest }] of openings.entries()) {
      assert.ok(time >= (openings[i - 1]?.time ?? 2 * HOUR) && time <= DAY)
      assert.deepEqual(
        { ...rest, client: '' },
        { client: '', server: 'b', capacity: 500_000n, blocks: 288, step: 6, then: 'renew' }
      )
    }
    near(mean(openings.map(({ time }) => time)), 13 * HOUR, 0.15)
  })

  it('never lead from a node to itself, nor twice from one to another, in any shape', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(
          'shape: each',
          'shape: ring',
          'shape: random, degree: 3',
          'shape: scale-free, degree: 3'
        ),
        fc.integer({ min: 4, max: 40 }),
        fc.nat(1_000),
        (shape, count, seed) => {
          const edges = opened(shape, count, seed)
          assert.ok(edges.every(([client, server]) => client !== server))
          assert.equal(new Set(edges.map((edge) => edge.join())).size, edges.length)
        }
      ),
      { numRuns: 60 }
    )
  })

  it('of a ring go once around', () => {
    assert.deepEqual(opened('shape: ring', 3).sort(), [
      ['a-1', 'a-2'],
      ['a-2', 'a-3'],
      ['a-3', 'a-1']
    ])
  })

  it('of each with each are one for a pair', () => {
    assert.equal(opened('shape: each', 10).length, 45)
  })

  it('at random are as many for each client', () => {
    const clients = opened('shape: random, degree: 4', 100).map(([client]) => client)
    assert.ok(
      [...new Set(clients)].every(
        (name) => clients.filter((client) => client === name).length === 4
      )
    )
    assert.equal(clients.length, 400)
  })

  it('of a scale-free net are many for a few and few for most (Barabási-Albert: a power of about -3)', () => {
    const edges = opened('shape: scale-free, degree: 2', 3_000)
    // Three among the first three, two for each of the others.
    assert.equal(edges.length, 3 + 2 * 2_997)
    const degrees = [...degreesOf(edges).values()].sort((a, b) => b - a)
    assert.equal(degrees.length, 3_000)
    assert.ok((degrees[0] ?? 0) > 60, `the largest has ${degrees[0]}`)
    // The share of nodes with k or more channels is m(m+1)/k(k+1): half have 2, a tenth 7 or more.
    const share = (k: number): number => degrees.filter((degree) => degree >= k).length / 3_000
    near(share(3), 6 / 12, 0.1)
    near(share(7), 6 / 56, 0.2)
  })

  it('of a scale-free net between two groups favour some servers', () => {
    const { openings } = makePlan(
      scenario('{ from: a, to: b, every: 1d, amount: 1 }', {
        nodes: 'a: { count: 1000, coins: 1btc }\n  b: { count: 50, coins: 0 }',
        channels: '{ from: a, to: b, shape: scale-free, degree: 1, capacity: 20000 }'
      })
    )
    const degrees = [...degreesOf(openings.map(({ client, server }) => [client, server])).entries()]
      .filter(([name]) => name.startsWith('b'))
      .map(([, degree]) => degree)
    assert.equal(openings.length, 1_000)
    assert.ok(Math.max(...degrees) > 3 * 20, `the largest has ${Math.max(...degrees)}`)
  })
})
