import assert from 'node:assert/strict'
import fc from 'fast-check'
import { balanceAt, busiestSample, changesOf, strideFor } from '../../../src/sim/report/balances.js'

const balances = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 40 })

describe('balances over time', () => {
  it('are kept as changes', () => {
    assert.deepEqual(changesOf([5, 5, 3], 10, 1), [10, 5, 12, 3])
  })

  it('begin to be shown where most channels are there, the last time that they are', () => {
    const lives = (...spans: Array<readonly [from: number, samples: number]>): number =>
      busiestSample(
        spans.map(([firstSample, samples]) => ({
          firstSample,
          balances: new Array<number>(samples).fill(1)
        })),
        20
      )
    assert.equal(lives([0, 10], [4, 4], [6, 9]), 7)
    assert.equal(lives([0, 20]), 19)
    assert.equal(lives(), 19)
    assert.equal(busiestSample([], 0), 0)
  })

  it('are the same at every sample', () => {
    fc.assert(
      fc.property(balances, fc.nat(1000), (values, first) => {
        const changes = changesOf(values, first, 1)
        assert.deepEqual(
          values.map((_, at) => balanceAt(changes, first + at)),
          values
        )
      })
    )
  })

  it('are right at the first and the last sample, and where the stride falls, when they are thinned out', () => {
    fc.assert(
      fc.property(balances, fc.nat(1000), fc.constantFrom(2, 4, 8), (values, first, stride) => {
        const changes = changesOf(values, first, stride)
        for (const [at, value] of values.entries()) {
          if (at === 0 || at === values.length - 1 || (first + at) % stride === 0) {
            assert.equal(balanceAt(changes, first + at), value)
          }
        }
      })
    )
  })

  it('are thinned out no more than it takes', () => {
    const restless = { balances: Array.from({ length: 64 }, (_, at) => at), firstSample: 0 }
    assert.equal(strideFor([restless], 64), 1)
    assert.equal(strideFor([restless], 63), 2)
    assert.equal(strideFor([restless], 20), 4)
  })

  it('take what little room there is when there is none', () => {
    assert.ok(strideFor([{ balances: [1, 2, 3], firstSample: 0 }], 0) > 1)
  })
})
