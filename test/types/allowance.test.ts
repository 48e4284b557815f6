import assert from 'node:assert/strict'
import { Allowance } from '../../src/types/allowance.js'

describe('types / an allowance', () => {
  it('is so much at once, and so much a second from then on', () => {
    let now = 5_000
    const bucket = new Allowance({ burst: 10, perSecond: 2 }, now)
    const take = (amount: number): number => bucket.take(now, amount)
    assert.deepEqual([take(4), take(4), take(4)], [0, 0, 0])
    assert.equal(take(1), 1_500, 'two are owed, and one is asked for')
    now += 1_500
    assert.equal(take(1), 0)
    now += 1_000_000
    assert.deepEqual([take(10), take(1)], [0, 500], 'no more than 10 are saved')
  })

  it('is not spent by a clock that is set back', () => {
    let now = 10_000
    const bucket = new Allowance({ burst: 1, perSecond: 1 }, now)
    const take = (amount: number): number => bucket.take(now, amount)
    assert.equal(take(1), 0)
    now = 0
    assert.equal(take(1), 1_000)
    now = 1_000
    assert.equal(take(1), 0)
  })
})
