import assert from 'node:assert/strict'
import fc from 'fast-check'
import { crc32 } from '../../src/types/checksum.js'

describe('types / checksum', () => {
  it('is the CRC-32 of zlib: the check value of its specification', () => {
    assert.equal(crc32(new TextEncoder().encode('123456789')), 0xcbf43926)
    assert.equal(crc32(new Uint8Array(0)), 0)
  })

  it('changes with any one byte', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 100 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (bytes, at, difference) => {
          const before = crc32(bytes)
          bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ difference
          assert.notEqual(crc32(bytes), before)
        }
      )
    )
  })
})
