import assert from 'node:assert/strict'
import { PaymentIds } from '../../src/engine/payments.js'
import { toHex } from '../../src/types/bytes.js'
import { seededRandom } from '../chain/helpers.js'

describe('engine / payment ids', () => {
  it('are 16 random bytes each, none of them given twice, drawn many at a time', () => {
    let calls = 0
    const random = seededRandom(3)
    const ids = new PaymentIds({
      bytes: (length) => {
        calls += 1
        return random.bytes(length)
      }
    })
    const drawn = Array.from({ length: 600 }, () => ids.draw())
    assert.ok(drawn.every(({ length }) => length === 16))
    assert.equal(new Set(drawn.map(toHex)).size, 600)
    assert.equal(calls, 3)
  })

  it('share no memory: who changes one changes no other', () => {
    const ids = new PaymentIds({ bytes: (length) => new Uint8Array(length) })
    const [first, second] = [ids.draw(), ids.draw()]
    first.fill(9)
    assert.deepEqual(second, new Uint8Array(16))
    assert.equal(first.buffer.byteLength, 16)
  })
})
