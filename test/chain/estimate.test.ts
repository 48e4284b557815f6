import assert from 'node:assert/strict'
import fc from 'fast-check'
import { boundedEstimate, HIGHEST_FEE_RATE, LOWEST_FEE_RATE } from '../../src/chain/estimate.js'
import { feeRate } from '../../src/types/units.js'

const fallback = feeRate(10_000n)
const none = { relayFee: undefined, lastGood: undefined, fallback }

describe('fee estimate', () => {
  it('turns BTC/kvB into sat/kvB without the noise of floating point', () => {
    assert.deepEqual(boundedEstimate({ ...none, answer: 0.00001 }), { rate: 1_000n, source: 'server' })
    assert.deepEqual(boundedEstimate({ ...none, answer: 0.00012345 }), { rate: 12_345n, source: 'server' })
  })

  it('never goes below 1 sat/vB, nor below what the server relays', () => {
    assert.equal(boundedEstimate({ ...none, answer: 0.000001 }).rate, 1_000n)
    assert.equal(boundedEstimate({ ...none, answer: 0.00001, relayFee: 0.00005 }).rate, 5_000n)
    assert.equal(boundedEstimate({ ...none, answer: -1, relayFee: 0.0002 }).rate, 20_000n)
  })

  it('never goes above 1,000 sat/vB', () => {
    assert.equal(boundedEstimate({ ...none, answer: 0.05 }).rate, 1_000_000n)
    assert.equal(boundedEstimate({ ...none, answer: -1, relayFee: 0.09 }).rate, 1_000_000n)
  })

  for (const answer of [-1, 0, 1_000_000, Number.NaN, Number.POSITIVE_INFINITY, undefined]) {
    it(`falls back when the server says ${answer}`, () => {
      assert.deepEqual(boundedEstimate({ ...none, answer }), { rate: fallback, source: 'fallback' })
      assert.deepEqual(boundedEstimate({ ...none, answer, lastGood: feeRate(7_000n) }), { rate: 7_000n, source: 'last' })
      assert.equal(boundedEstimate({ ...none, answer: 0.00001, relayFee: answer }).rate, 1_000n)
    })
  }

  it('is within its bounds whatever a server says', () => {
    fc.assert(fc.property(fc.double(), fc.double(), (answer, relayFee) => {
      const { rate } = boundedEstimate({ answer, relayFee, lastGood: undefined, fallback })
      assert.ok(rate >= LOWEST_FEE_RATE && rate <= HIGHEST_FEE_RATE)
    }))
  })
})
