import assert from 'node:assert/strict'
import { crypto } from 'bitcoinjs-lib'
import fc from 'fast-check'
import { hash160, hash256, sha256, sha256OfText } from '../../src/bitcoin/hashes.js'
import { toHex } from '../../src/types/bytes.js'

describe('hashes', () => {
  it('are those of the library, as plain bytes, whatever is hashed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        assert.deepEqual(sha256(bytes), crypto.sha256(bytes))
        assert.deepEqual(hash256(bytes), crypto.hash256(bytes))
        assert.deepEqual(hash160(bytes), crypto.hash160(bytes))
      })
    )
  })

  it('keep no more memory than they have, and share it with nobody', () => {
    const [one, other] = [sha256(new Uint8Array(1)), sha256(new Uint8Array(1))]
    assert.equal(one.buffer.byteLength, 32)
    one.fill(0)
    assert.deepEqual(other, crypto.sha256(new Uint8Array(1)))
  })

  it('are of a part of an array alone, when a part is given', () => {
    const whole = Uint8Array.from({ length: 100 }, (_, i) => i)
    assert.deepEqual(hash256(whole.subarray(10, 20)), crypto.hash256(whole.slice(10, 20)))
  })

  it('are of a text in UTF-8', () => {
    // printf 'ü' | sha256sum
    assert.equal(toHex(sha256OfText('ü')), toHex(sha256(new TextEncoder().encode('ü'))))
  })
})
