import assert from 'node:assert/strict'
import {
  count,
  duration,
  moment,
  money,
  percent,
  plural,
  sat
} from '../../../src/sim/report/format.js'

describe('numbers for people', () => {
  it('have their unit, and separators', () => {
    assert.deepEqual(
      [sat(1_234_567), sat(13.634), sat(-1_207), money(250_000_000), money(9_999_999)],
      ['1,234,567 sat', '13.63 sat', '-1,207 sat', '2.5 BTC', '9,999,999 sat']
    )
    assert.deepEqual(
      [count(-0.001), plural(1, 'node'), plural(2_000, 'loss', 'losses')],
      ['0', '1 node', '2,000 losses']
    )
  })

  it('never call almost everything all, nor almost nothing nothing', () => {
    assert.deepEqual(
      [
        percent(1),
        percent(0.999999),
        percent(0.9955),
        percent(0.5),
        percent(0.0123),
        percent(0.00042),
        percent(1e-7),
        percent(0)
      ],
      ['100 %', '> 99.99 %', '99.55 %', '50 %', '1.23 %', '0.042 %', '< 0.001 %', '0 %']
    )
  })

  it('tell durations in the unit that fits, and times by day, hour and minute', () => {
    assert.deepEqual(
      [
        duration(0.0021),
        duration(0.35),
        duration(4.25),
        duration(600),
        duration(20_000),
        duration(400_000)
      ],
      ['2.1 ms', '350 ms', '4.25 s', '10 min', '5.6 h', '4.6 days']
    )
    assert.equal(moment(3 * 86_400 + 14 * 3600 + 5 * 60 + 59), '3 d 14:05')
  })
})
