import assert from 'node:assert/strict'
import { Curves, type Point } from '../../../src/sim/measure/samples.js'
import { PaymentCounts } from '../../../src/sim/measure/channels.js'

const point = (change: Partial<Point>): Point => ({
  time: 0,
  height: 1_000,
  feeRate: 1,
  locked: 0,
  openChannels: 0,
  nodesUp: 2,
  fees: 0,
  risks: [],
  ...change
})

describe('sim / curves', () => {
  it('count payments from one point to the next', () => {
    const counts = new PaymentCounts()
    const curves = new Curves(counts)
    counts.succeeded(700, 0.1)
    curves.add(point({}))
    counts.succeeded(300, 0.1)
    counts.refused('ERR_NODE_DOWN')
    curves.add(point({ time: 600, risks: [0.1, 0.3] }))
    const { times, made, failed, volume, riskMax, riskMean } = curves.series
    assert.deepEqual(
      { times, made, failed, volume, riskMax, riskMean },
      {
        times: [0, 600],
        made: [1, 1],
        failed: [0, 1],
        volume: [700, 300],
        riskMax: [0, 0.3],
        riskMean: [0, 0.2]
      }
    )
  })

  it('tell the capital that nothing was paid with for a day from the rest', () => {
    const curves = new Curves(new PaymentCounts())
    const [busy, idle] = [600, 200].map((capacity) => ({
      capacity,
      firstSample: -1,
      balances: [] as number[]
    }))
    assert.ok(busy !== undefined && idle !== undefined)
    for (const time of [0, 86_401]) {
      curves.add(point({ time, locked: 800 }))
      curves.addIdle(busy, 60)
      curves.addIdle(idle, time)
    }
    curves.addBalance(busy, 450)
    assert.deepEqual(curves.capital, { locked: 800, idle: 200 / 1_600 })
    assert.deepEqual([busy.firstSample, busy.balances], [1, [450]])
    assert.deepEqual(
      new Curves(new PaymentCounts()).capital,
      { locked: 0, idle: 0 },
      'of no point there is none'
    )
  })
})
