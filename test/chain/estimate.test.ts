import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  boundedEstimate,
  boundedRelayRates,
  histogramRate,
  HIGHEST_FEE_RATE
} from '../../src/chain/estimate.js'
import { LOWEST_RELAY_RATE } from '../../src/bitcoin/relay.js'
import { feeRate } from '../../src/types/units.js'

const fallback = feeRate(10_000n)
const none = { relayFee: undefined, lastGood: undefined, fallback }

describe('fee estimate', () => {
  it('turns BTC/kvB into sat/kvB without the noise of floating point', () => {
    assert.deepEqual(boundedEstimate({ ...none, answer: 0.00001 }), {
      rate: 1_000n,
      source: 'server'
    })
    assert.deepEqual(boundedEstimate({ ...none, answer: 0.00012345 }), {
      rate: 12_345n,
      source: 'server'
    })
  })

  it('never goes below what the server relays, which is 0.1 sat/vB at least, and 1 sat/vB where it does not say', () => {
    assert.equal(boundedEstimate({ ...none, answer: 0.000001 }).rate, 1_000n)
    assert.equal(boundedEstimate({ ...none, answer: 0.0000025, relayFee: 0.000001 }).rate, 250n)
    assert.equal(boundedEstimate({ ...none, answer: 0.000001, relayFee: 0.000003 }).rate, 300n)
    assert.equal(boundedEstimate({ ...none, answer: 0.00000001, relayFee: 0.00000001 }).rate, 100n)
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
      assert.deepEqual(boundedEstimate({ ...none, answer, lastGood: feeRate(7_000n) }), {
        rate: 7_000n,
        source: 'last'
      })
      assert.equal(boundedEstimate({ ...none, answer: 0.00001, relayFee: answer }).rate, 1_000n)
    })
  }

  it('is not below what already waits for the same blocks, and is that when the server cannot tell', () => {
    assert.deepEqual(boundedEstimate({ ...none, answer: 0.00005, mempool: feeRate(80_000n) }), {
      rate: 80_000n,
      source: 'server'
    })
    assert.deepEqual(boundedEstimate({ ...none, answer: 0.0009, mempool: feeRate(80_000n) }), {
      rate: 90_000n,
      source: 'server'
    })
    assert.deepEqual(boundedEstimate({ ...none, answer: -1, mempool: feeRate(80_000n) }), {
      rate: 80_000n,
      source: 'mempool'
    })
    assert.deepEqual(
      boundedEstimate({ ...none, answer: -1, mempool: feeRate(8_000n), lastGood: feeRate(9_000n) })
        .rate,
      9_000n
    )
    assert.deepEqual(
      boundedEstimate({ ...none, answer: -1, mempool: feeRate(9_000_000_000n) }).rate,
      HIGHEST_FEE_RATE
    )
  })

  it('of the mempool: the rate at the end of so many blocks of a million vB; nothing while all of it fits, or for nonsense', () => {
    const histogram = [
      [50, 600_000],
      [20, 700_000],
      [3.5, 4_000_000]
    ] as const
    assert.deepEqual(
      [1, 2, 5, 6].map((blocks) => histogramRate(histogram, blocks)),
      [20_000n, 3_500n, 3_500n, undefined]
    )
    assert.equal(histogramRate([...histogram].reverse(), 1), 20_000n, 'in whatever order')
    for (const nonsense of [
      [[-1, 2_000_000]],
      [[Number.NaN, 2_000_000]],
      [[5, -3]],
      [[1e12, 2_000_000]]
    ] as const) {
      assert.equal(histogramRate(nonsense, 1), undefined)
    }
    assert.equal(histogramRate([], 1), undefined)
  })

  it('is within its bounds whatever a server says', () => {
    fc.assert(
      fc.property(fc.double(), fc.double(), (answer, relayFee) => {
        const { rate } = boundedEstimate({ answer, relayFee, lastGood: undefined, fallback })
        assert.ok(rate >= LOWEST_RELAY_RATE && rate <= HIGHEST_FEE_RATE)
      })
    )
  })

  it('what a mempool asks for: what the server says, 0.1 sat/vB at least, 1 sat/vB where it says nothing, and an increment of 10 sat/vB at most', () => {
    assert.deepEqual(boundedRelayRates({ minimum: 0.00003, incremental: 0.00002 }), {
      minimum: 3_000n,
      incremental: 2_000n
    })
    assert.deepEqual(boundedRelayRates({ minimum: 0.000002, incremental: 0.000001 }), {
      minimum: 200n,
      incremental: 100n
    })
    assert.deepEqual(boundedRelayRates({ minimum: 0.0000001, incremental: 0.0000001 }), {
      minimum: 100n,
      incremental: 100n
    })
    assert.deepEqual(boundedRelayRates({ minimum: 0.05, incremental: 0.05 }), {
      minimum: HIGHEST_FEE_RATE,
      incremental: 10_000n
    })
    for (const nonsense of [undefined, -1, 0, Number.NaN, 1_000_000]) {
      assert.deepEqual(boundedRelayRates({ minimum: nonsense, incremental: nonsense }), {
        minimum: 1_000n,
        incremental: 1_000n
      })
    }
  })
})
