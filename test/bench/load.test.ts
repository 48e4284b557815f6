/** What the bench says about paid calls beside unpaid ones. */
import assert from 'node:assert/strict'
import { figureLines, isReached } from '../../bench/figures.js'
import { closedLoop, percentiles } from '../../bench/load.js'
import { type Figures, overheadLines } from '../../bench/overheads.js'
import { commandLines, floorsOf, goalOf, withRatio } from '../../bench/report.js'

describe('bench', () => {
  it('takes the median and the 99th percentile, in whatever order the times come', () => {
    const values = Array.from({ length: 101 }, (_, index) => (index * 37) % 101)
    assert.deepEqual(percentiles(values), [50, 99])
    assert.deepEqual(percentiles([]), [0, 0])
  })

  it('has as many payments under way as there are callers, and counts each that was made', async () => {
    let [underWay, most, made] = [0, 0, 0]
    const load = await closedLoop(7, 5, async () => {
      underWay += 1
      most = Math.max(most, underWay)
      await new Promise<void>((resolve) => {
        setImmediate(resolve)
      })
      underWay -= 1
      made += 1
    })
    assert.deepEqual([load.callers, load.payments, most, underWay], [7, made, 7, 0])
  })

  it('fails with the first payment that fails', async () => {
    await assert.rejects(
      closedLoop(3, 1_000, async () => {
        throw new Error('refused')
      }),
      /refused/
    )
  })

  it('compares with a round trip, a signature, a verification and a commit one after another', () => {
    const floors = floorsOf({ sign: 50, verify: 50, fsync: 100, commit: 200 }, 200)
    assert.equal(floors.sum, 500)
    assert.equal(
      withRatio(
        { callers: 1, seconds: 1, payments: 1_000, perSecond: 1_000, p50: 1, p99: 1 },
        floors
      ).ratio,
      0.5
    )
  })

  it('says whether a goal is reached, by the ratio to the floor', () => {
    assert.deepEqual(
      [
        { callers: 1, ratio: 0.28 },
        { callers: 1, ratio: 0.27 },
        { callers: 1_000, ratio: 130 },
        { callers: 100, ratio: 30 }
      ].map(goalOf),
      ['reached 0.28 x', 'missed 0.28 x', 'reached 120 x', '']
    )
  })

  it('holds a command line against the start of Node.js in the same run', () => {
    assert.deepEqual(
      commandLines({ node: 100, version: 150, info: 400 })
        .trimEnd()
        .split('\n')
        .map((line) => line.trim().replace(/ +/g, ' ')),
      [
        'node -e 0 100 ms',
        'paychan --version 150 ms 1.50 x reached 2.07 x',
        'paychan info 400 ms 4.00 x missed 3.45 x'
      ]
    )
  })

  it('prints what was measured beside its floor, and says whether the goal is reached', () => {
    const most = (of: 'measured' | 'ratio', value: number) => ({ of, is: 'most', value }) as const
    const figures = [
      { name: 'a', unit: 'us', measured: 1_200, floor: 1_000, goal: most('ratio', 1.2) },
      { name: 'b', unit: 'B', measured: 1_600, goal: most('measured', 600) },
      {
        name: 'c',
        unit: '/s',
        measured: 1,
        floor: 4,
        goal: { of: 'ratio', is: 'least', value: 1 / 3 }
      } as const,
      { name: 'd', unit: 'ms', measured: 12.34 }
    ]
    assert.deepEqual(figures.map(isReached), [true, false, false, undefined])
    assert.deepEqual(
      figureLines(figures)
        .trimEnd()
        .split('\n')
        .map((line) => line.trim().replace(/ +/g, ' ')),
      [
        'figure measured floor ratio goal',
        'a 1,200 us 1,000 1.20 x reached <= 1.20 x',
        'b 1,600 B missed <= 600 B',
        'c 1.00 /s 4.00 0.25 x missed >= 0.33 x',
        'd 12.3 ms'
      ]
    )
  })
})

const figures = (perSecond: number, time: number, cpu: number): Figures => {
  const spread = (median: number): Figures['time'] => ({
    median,
    least: median / 2,
    most: median * 2
  })
  return { perSecond: spread(perSecond), time: spread(time), cpu: spread(cpu) }
}

describe('bench / overheads', () => {
  it('of one caller are what is added to the median call', () => {
    const lines = (time: number): string =>
      overheadLines({
        way: 'http',
        callers: 1,
        unpaid: figures(1_000, 1, 0.5),
        paid: figures(500, time, 1)
      })
    assert.match(lines(2.5), /0\.50 x +2\.50 x +2\.00 x +reached: 1\.50 ms added, goal 2\n$/)
    assert.match(lines(3.5), /missed: 2\.50 ms added/)
    assert.match(lines(2.5), /2\.50 \(1\.25 to 5\.00\)/)
  })

  it('of many callers are judged by the calls that are paid in a second', () => {
    const lines = (perSecond: number): string =>
      overheadLines({
        way: 'stream',
        callers: 64,
        unpaid: figures(4_000, 1, 0.5),
        paid: figures(perSecond, 2, 1)
      })
    assert.match(lines(2_000), /reached: goal 2000\/s/)
    assert.match(lines(1_999), /missed/)
  })
})
