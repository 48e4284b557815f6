import assert from 'node:assert/strict'
import { backoffDelay } from '../../src/chain/waiting.js'
import { seededRandom } from './helpers.js'

const backoff = { firstMs: 500, mostMs: 30_000 }
const lowest = { bytes: (length: number) => new Uint8Array(length) }
const highest = { bytes: (length: number) => new Uint8Array(length).fill(255) }

describe('backoff', () => {
  it('doubles from the first delay up to the longest', () => {
    assert.deepEqual(
      [0, 1, 2, 5, 6, 1000].map((failures) => backoffDelay(backoff, failures, highest)),
      [500, 1000, 2000, 16_000, 30_000, 30_000]
    )
  })

  it('takes off up to a half at random', () => {
    assert.equal(backoffDelay(backoff, 1, lowest), 500)
    const random = seededRandom()
    const delays = new Set(Array.from({ length: 20 }, () => backoffDelay(backoff, 1, random)))
    assert.ok(delays.size > 10)
    for (const delay of delays) assert.ok(delay >= 500 && delay <= 1000)
  })
})
