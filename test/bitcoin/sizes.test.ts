import assert from 'node:assert/strict'
import { outputSize, witnessItemSize } from '../../src/bitcoin/sizes.js'

describe('sizes', () => {
  it('a length takes 1 byte up to 252, 3 up to 65,535, 5 up to 4,294,967,295, and 9 from there on', () => {
    const bytes = [0xfc, 0xfd, 0xffff, 0x10000, 0xffffffff, 0x100000000].map(
      (length) => witnessItemSize(length) - length
    )
    assert.deepEqual(bytes, [1, 3, 3, 5, 5, 9])
  })

  it('an output is 8 bytes of value, and its script with its length', () => {
    assert.deepEqual(
      [22, 253].map((length) => outputSize(new Uint8Array(length))),
      [31, 264]
    )
  })
})
