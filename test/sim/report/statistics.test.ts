import assert from 'node:assert/strict'
import fc from 'fast-check'
import { wilson } from '../../../src/sim/report/format.js'

function rounded(seen: number, of: number): [number, number] {
  const { low, high } = wilson(seen, of)
  return [Math.round(low * 1e4) / 1e4, Math.round(high * 1e4) / 1e4]
}

describe('the interval of Wilson', () => {
  it('is the one of the textbooks', () => {
    // Each by hand from (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n) with z = 1.95996.
    assert.deepEqual(rounded(5, 10), [0.2366, 0.7634])
    assert.deepEqual(rounded(0, 100), [0, 0.037])
    assert.deepEqual(rounded(100, 100), [0.963, 1])
    assert.deepEqual(rounded(1, 10), [0.0179, 0.4042])
  })

  it('says nothing without a trial', () => {
    assert.deepEqual(wilson(0, 0), { low: 0, high: 1 })
  })

  it('contains what was seen, stays between 0 and 1, and gets narrower with more trials', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (of, part) => {
          const seen = Math.round(part * of)
          const { low, high } = wilson(seen, of)
          assert.ok(low >= 0 && low <= seen / of && seen / of <= high && high <= 1)
          const more = wilson(seen * 10, of * 10)
          assert.ok(more.high - more.low < high - low)
        }
      )
    )
  })
})
