import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  addSat,
  blockDelta,
  blockHeight,
  feeFor,
  feeRate,
  heightMinus,
  heightPlus,
  LOCKTIME_THRESHOLD,
  max,
  MAX_MONEY,
  min,
  satoshi,
  subSat,
  ZERO_SAT
} from '../../src/types/units.js'

const invalid = (call: () => unknown, code: string): void => {
  assert.throws(call, { name: 'PaychanError', code })
}

describe('types / units / satoshi', () => {
  it('takes 0 to 21 million bitcoin', () => {
    assert.equal(satoshi(0n), 0n)
    assert.equal(satoshi(MAX_MONEY), 2_100_000_000_000_000n)
  })

  it('refuses 1 sat less, and 1 sat more', () => {
    invalid(() => satoshi(-1n), 'ERR_INVALID_AMOUNT')
    invalid(() => satoshi(MAX_MONEY + 1n), 'ERR_INVALID_AMOUNT')
  })

  it('adds, and refuses a sum above all money', () => {
    assert.equal(addSat(), ZERO_SAT)
    assert.equal(addSat(satoshi(1n), satoshi(2n), satoshi(3n)), 6n)
    invalid(() => addSat(satoshi(MAX_MONEY), satoshi(1n)), 'ERR_INVALID_AMOUNT')
  })

  it('subtracts, and refuses a negative difference', () => {
    assert.equal(subSat(satoshi(5n), satoshi(5n)), 0n)
    invalid(() => subSat(satoshi(5n), satoshi(6n)), 'ERR_INVALID_AMOUNT')
  })
})

describe('types / units / fee rates and fees', () => {
  it('refuses a negative rate; 0 is one', () => {
    assert.equal(feeRate(0n), 0n)
    invalid(() => feeRate(-1n), 'ERR_INVALID_FEERATE')
  })

  it('rounds up, as Bitcoin Core does: 181 vB x 1.5 sat/vB = 271.5', () => {
    assert.equal(feeFor(feeRate(1500n), 181), 272n)
    assert.equal(feeFor(feeRate(1000n), 181), 181n)
    assert.equal(feeFor(feeRate(1n), 1), 1n)
    assert.equal(feeFor(feeRate(0n), 181), 0n)
  })

  it('is never below the rate, and never a satoshi above it', () => {
    fc.assert(
      fc.property(
        fc.bigInt(0n, 1_000_000n),
        fc.integer({ min: 0, max: 100_000 }),
        (rate, vsize) => {
          const fee = feeFor(feeRate(rate), vsize)
          const exact = rate * BigInt(vsize)
          assert.ok(fee * 1000n >= exact && (fee - 1n) * 1000n < exact)
        }
      )
    )
  })
})

describe('types / units / heights', () => {
  it('takes 0 up to the last value that nLockTime reads as a height', () => {
    assert.equal(blockHeight(0), 0)
    assert.equal(blockHeight(LOCKTIME_THRESHOLD - 1), 499_999_999)
  })

  for (const value of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, LOCKTIME_THRESHOLD]) {
    it(`refuses ${value}`, () => {
      invalid(() => blockHeight(value), 'ERR_INVALID_HEIGHT')
    })
  }

  it('a number of blocks may be negative, and is whole', () => {
    assert.equal(blockDelta(-3), -3)
    invalid(() => blockDelta(0.5), 'ERR_INVALID_HEIGHT')
  })

  it('adds and subtracts blocks, and refuses what is no height any more', () => {
    assert.equal(heightPlus(blockHeight(10), blockDelta(5)), 15)
    assert.equal(heightMinus(blockHeight(10), blockDelta(10)), 0)
    invalid(() => heightMinus(blockHeight(10), blockDelta(11)), 'ERR_INVALID_HEIGHT')
    invalid(
      () => heightPlus(blockHeight(LOCKTIME_THRESHOLD - 1), blockDelta(1)),
      'ERR_INVALID_HEIGHT'
    )
  })
})

describe('types / units / min and max', () => {
  it('pick from amounts and from heights', () => {
    assert.deepEqual(
      [min(1n, 2n), max(1n, 2n), min(2, 1), max(2, 1), min(3, 3), max(3, 3)],
      [1n, 2n, 1, 2, 3, 3]
    )
  })
})
