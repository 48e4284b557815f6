/** The numbers of units that are spent: none is spent twice, and few runs say which they are. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { SpentNumbers } from '../../src/metering/sessions.js'

describe('metering / spent numbers', () => {
  it('are one floor as long as they come in their order, and as often as they overtake each other, runs', () => {
    const numbers = new SpentNumbers()
    for (let n = 2n; n <= 2_000n; n += 2n) numbers.add(n, 2n)
    assert.deepEqual([numbers.floor, numbers.runs], [2_000n, []])
    for (const n of [2_006n, 2_004n, 2_010n]) numbers.add(n, 2n)
    assert.deepEqual(numbers.runs, [
      [2_004n, 2_006n],
      [2_010n, 2_010n]
    ])
    numbers.add(2_008n, 2n)
    assert.deepEqual(numbers.runs, [[2_004n, 2_010n]])
    numbers.add(2_002n, 2n)
    assert.deepEqual([numbers.floor, numbers.runs], [2_010n, []])
  })

  it('are those that were added, in any order, also when they are read again', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.bigInt(1n, 60n), { maxLength: 60 }),
        fc.bigInt(1n, 5n),
        (order, step) => {
          const added = new Set<bigint>()
          let numbers = new SpentNumbers()
          for (const each of order) {
            assert.equal(numbers.has(each * step), added.has(each))
            numbers.add(each * step, step)
            added.add(each)
            numbers = new SpentNumbers(numbers.floor, numbers.runs)
            for (let n = 1n; n <= 60n; n++) assert.equal(numbers.has(n * step), added.has(n))
          }
        }
      )
    )
  })

  it('with more gaps than are kept lose the lowest one: what lies in it is taken no more', () => {
    const numbers = new SpentNumbers()
    for (let n = 2n; n <= 600n; n += 2n) numbers.add(n, 1n)
    assert.equal(numbers.runs.length, 256)
    for (let n = 2n; n <= 600n; n += 2n) assert.equal(numbers.has(n), true)
    assert.deepEqual([numbers.has(87n), numbers.has(89n)], [true, false])
  })
})
