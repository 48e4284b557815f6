/** What the bench says about paid calls beside unpaid ones. */
import assert from 'node:assert/strict'
import { overheadLines, type Figures } from '../../bench/overheads.js'

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
