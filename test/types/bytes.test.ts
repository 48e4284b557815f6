import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Allowance } from '../../src/types/allowance.js'
import {
  channelId,
  Copies,
  crc32,
  fromHex,
  hashFromTxid,
  outPointText,
  sameBytes,
  sameOutPoint,
  toHex,
  txid,
  txidFromHash
} from '../../src/types/bytes.js'

const hex = 'ab'.repeat(31) + '01'

describe('types / bytes / txid and channel id', () => {
  it('take 64 lower-case hex digits', () => {
    assert.equal(txid(hex), hex)
    assert.equal(channelId(hex), hex)
  })

  for (const wrong of [
    '',
    'ab',
    hex.toUpperCase(),
    `${hex}0`,
    hex.slice(1),
    `${hex.slice(1)}g`,
    ` ${hex.slice(1)}`
  ]) {
    it(`refuse '${wrong}'`, () => {
      assert.throws(() => txid(wrong), { code: 'ERR_INVALID_TXID' })
      assert.throws(() => channelId(wrong), { code: 'ERR_INVALID_CHANNEL_ID' })
    })
  }

  it('a txid is written in the reversed order of its hash, and back', () => {
    const hash = Uint8Array.from({ length: 32 }, (_, i) => i)
    assert.equal(
      txidFromHash(hash),
      Array.from(hash)
        .reverse()
        .map((byte) => byte.toString(16).padStart(2, '0'))
        .join('')
    )
    assert.deepEqual(hashFromTxid(txidFromHash(hash)), hash)
    assert.deepEqual(hash[0], 0, 'and leaves its argument as it was')
  })
})

describe('types / bytes / copies', () => {
  it('have the bytes of their originals, and share them with nobody', () => {
    const copies = new Copies()
    // More than fits into one piece, with some that are too long for any.
    const originals = Array.from({ length: 40 }, (_, n) =>
      new Uint8Array(n % 10 === 9 ? 40_000 : 37 * n).fill(n + 1)
    )
    const made = originals.map((bytes) => copies.of(bytes))
    for (const bytes of originals) bytes.fill(0)
    made.forEach((copy, n) => {
      assert.equal(copy.length, originals[n]?.length)
      assert.ok(copy.every((byte) => byte === n + 1))
      copy.fill(0xff)
      assert.ok(made.slice(n + 1).every((other) => other.every((byte) => byte !== 0xff)))
    })
  })
})

describe('types / bytes / hex', () => {
  it('of a hash is its own, whatever is written next', () => {
    const [one, other] = [new Uint8Array(32).fill(0xab), new Uint8Array(32).fill(0x01)]
    const texts = [toHex(one), toHex(other), toHex(one.subarray(1)), toHex(one)]
    assert.deepEqual(texts, ['ab'.repeat(32), '01'.repeat(32), 'ab'.repeat(31), 'ab'.repeat(32)])
  })

  it('goes there and back', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        assert.deepEqual(fromHex(toHex(bytes)), bytes)
        assert.deepEqual(fromHex(toHex(bytes).toUpperCase()), bytes)
      })
    )
  })

  for (const wrong of ['a', 'zz', '0x00', 'ab ', 'a\u0301b']) {
    it(`refuses '${wrong}'`, () => {
      assert.throws(() => fromHex(wrong), { code: 'ERR_INVALID_HEX' })
    })
  }
})

describe('types / bytes / comparing', () => {
  it('byte strings: by contents and length', () => {
    assert.equal(sameBytes(Uint8Array.from([1, 2]), Uint8Array.from([1, 2])), true)
    assert.equal(sameBytes(Uint8Array.from([1, 2]), Uint8Array.from([1, 3])), false)
    assert.equal(sameBytes(Uint8Array.from([1, 2]), Uint8Array.from([1, 2, 0])), false)
  })

  it('outpoints: by txid and vout', () => {
    const one = { txid: txid(hex), vout: 1 }
    assert.equal(sameOutPoint(one, { ...one }), true)
    assert.equal(sameOutPoint(one, { ...one, vout: 0 }), false)
    assert.equal(sameOutPoint(one, { ...one, txid: txid('00'.repeat(32)) }), false)
    assert.equal(outPointText(one), `${hex}:1`)
  })
})

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
