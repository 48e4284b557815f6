import assert from 'node:assert/strict'
import { chanceAxis, numberAxis, wordAxis } from '../../../src/sim/report/axes.js'

describe('the axes of the drawings', () => {
  it('are logarithmic when values are far apart, and name what was tried', () => {
    const axis = numberAxis([1, 12, 144], 0, 100)
    assert.equal(axis.log, true)
    assert.deepEqual([axis.at(1), axis.at(12), axis.at(144)], [0, 50, 100])
    assert.deepEqual(
      axis.ticks.map(({ label }) => label),
      ['1', '12', '144']
    )
  })

  it('leave out numbers that would be written over others', () => {
    assert.deepEqual(
      numberAxis([1, 1.01, 1.02, 100], 0, 200).ticks.map(({ label }) => label),
      ['1', '100']
    )
  })

  it('are linear otherwise, and with a zero among the values', () => {
    assert.equal(numberAxis([4, 5, 6], 0, 100).log, false)
    const axis = numberAxis([0, 1000], 0, 100)
    assert.deepEqual([axis.log, axis.at(0), axis.at(500), axis.at(1000)], [false, 0, 50, 100])
    assert.ok(Number.isFinite(numberAxis([0, 0], 0, 100, true).at(0)))
    assert.ok(Number.isFinite(numberAxis([7], 0, 100).at(7)))
  })

  it('have a place for chances of 0 below the smallest power of ten', () => {
    const axis = chanceAxis([0, 0.004, 0.8], 300, 0)
    assert.equal(axis.log, true)
    assert.equal(axis.at(0), 300)
    assert.ok(axis.at(0.001) < 300 && axis.at(0.001) > axis.at(0.004))
    assert.equal(axis.at(0.00001), axis.at(0.001))
    assert.deepEqual(
      axis.ticks.map(({ label }) => label),
      ['0', '0.1 %', '1 %', '10 %', '100 %']
    )
  })

  it('are linear for chances that differ little, and when nothing was seen', () => {
    assert.equal(chanceAxis([0.4, 0.5], 300, 0).log, false)
    assert.equal(chanceAxis([0, 0], 300, 0).at(0), 300)
    assert.equal(chanceAxis([], 300, 0).at(1), 0)
  })

  it('space words evenly', () => {
    const axis = wordAxis(['eager', 'patient'], 0, 100)
    assert.deepEqual([axis.of('eager'), axis.of('patient')], [25, 75])
  })
})
