import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import fc from 'fast-check'
import * as secp from 'tiny-secp256k1'
import { fromBlock, fromDer, isLowS, SIGHASH, toDer } from '../../src/bitcoin/ecdsa.js'
import { MAX_SIGNATURE_BYTES } from '../../src/bitcoin/sizes.js'
import { fromHex, toHex } from '../../src/types/bytes.js'
import { K1, refuses } from './support.js'

const digest = bitcoin.crypto.sha256(Uint8Array.from([1, 2, 3]))
const HALF = fromHex('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0')
const HALF_PLUS_1 = fromHex('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1')
const ORDER = fromHex('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141')
const ONE = Uint8Array.from([...new Uint8Array(31), 1])
const compact = (r: Uint8Array, s: Uint8Array): Uint8Array => Uint8Array.from([...r, ...s])

/** The other valid signature of the same digest: (r, n - s). */
function highS(signature: Uint8Array): Uint8Array {
  const negated = secp.privateNegate(signature.slice(32))
  return compact(signature.slice(0, 32), negated)
}

describe('signatures', () => {
  const types = [
    SIGHASH.ALL,
    SIGHASH.SINGLE | SIGHASH.ANYONECANPAY,
    SIGHASH.NONE | SIGHASH.ANYONECANPAY
  ]

  it('have the sighash types of BIP143', () => {
    assert.deepEqual(types, [0x01, 0x83, 0x82])
  })

  it('survive the way to DER and back', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.constantFrom(...types),
        (message, type) => {
          const signature = K1.sign(message)
          const der = toDer(signature, type)
          assert.ok(der.length <= MAX_SIGNATURE_BYTES)
          assert.deepEqual(fromDer(der), { signature, sighashType: type })
        }
      )
    )
  })

  it('are as long as the worst case says when R is high and S as high as allowed', () => {
    assert.equal(
      toDer(compact(new Uint8Array(32).fill(0xee), HALF), SIGHASH.ALL).length,
      MAX_SIGNATURE_BYTES
    )
  })

  describe('as a block may have them', () => {
    const NUMBER = 'ab'.repeat(32)
    /** Strict DER, with any sighash byte. */
    const der = (r: Uint8Array, s: Uint8Array, type = 0x42): Uint8Array =>
      bitcoin.script.signature
        .encode(compact(r, s), SIGHASH.ALL)
        .map((byte, i, { length }) => (i === length - 1 ? type : byte))
    const refusedRange = (r: Uint8Array, s: Uint8Array): void => {
      refuses(() => fromBlock(der(r, s)), 'ERR_INVALID_SIGNATURE', /out of range/)
    }

    it('have any sighash byte, and of the two that are valid the one with the low S is taken', () => {
      const signature = K1.sign(digest)
      const [r, s] = [signature.slice(0, 32), signature.slice(32)]
      for (const each of [s, highS(signature).slice(32)]) {
        assert.deepEqual(fromBlock(der(r, each)), { signature, sighashType: 0x42 })
      }
      assert.deepEqual(fromBlock(der(fromHex(NUMBER), HALF_PLUS_1)).signature.slice(32), HALF)
    })

    it('are in range: nothing else can be in a block, and nothing else is handed to whoever verifies', () => {
      const zero = new Uint8Array(32)
      const one = fromHex(NUMBER)
      for (const [r, s] of [
        [one, zero],
        [one, ORDER],
        [one, new Uint8Array(32).fill(255)],
        [zero, one],
        [zero, ONE],
        [ORDER, ONE],
        [ORDER, HALF_PLUS_1]
      ] as const) {
        refusedRange(r, s)
      }
      assert.deepEqual(fromBlock(der(ONE, ONE)).signature, compact(ONE, ONE))
    })

    it('are not empty, and in strict DER', () => {
      refuses(() => fromBlock(new Uint8Array(0)), 'ERR_INVALID_SIGNATURE', /is empty/)
      refuses(() => fromBlock(Uint8Array.of(1, 2, 3)), 'ERR_INVALID_SIGNATURE', /strict DER/)
    })
  })

  describe('low S', () => {
    it('is what signing gives, and its negation is not', () => {
      const signature = K1.sign(digest)
      assert.ok(isLowS(signature))
      assert.ok(secp.verify(digest, K1.publicKey, highS(signature)), 'mathematically valid')
      assert.ok(!isLowS(highS(signature)))
      refuses(() => toDer(highS(signature), SIGHASH.ALL), 'ERR_INVALID_SIGNATURE')
    })

    it('ends at half of the order', () => {
      assert.ok(isLowS(compact(ONE, HALF)))
      assert.ok(!isLowS(compact(ONE, HALF_PLUS_1)))
    })

    it('is what the numbers say, at every edge', () => {
      const number = (bytes: Uint8Array): bigint => BigInt(`0x${toHex(bytes)}`)
      const last = ORDER.map((byte, at) => (at === 31 ? byte - 1 : byte))
      const edge = fc.oneof(
        fc.constantFrom(new Uint8Array(32), ONE, HALF, HALF_PLUS_1, last, ORDER),
        fc.uint8Array({ minLength: 32, maxLength: 32 })
      )
      fc.assert(
        fc.property(edge, edge, (r, s) => {
          const isInRange = number(r) > 0n && number(r) < number(ORDER) && number(s) > 0n
          assert.equal(isLowS(compact(r, s)), isInRange && number(s) <= number(HALF))
        })
      )
    })

    it('leaves out what is out of range', () => {
      const zero = new Uint8Array(32)
      for (const bad of [
        compact(zero, ONE),
        compact(ONE, zero),
        compact(ORDER, ONE),
        compact(ONE, ORDER),
        new Uint8Array(63),
        new Uint8Array(65),
        new Uint8Array(0)
      ]) {
        assert.ok(!isLowS(bad))
        refuses(() => toDer(bad, SIGHASH.ALL), 'ERR_INVALID_SIGNATURE')
      }
    })
  })

  it('need a defined sighash type', () => {
    for (const type of [0, 4, 0x80, 0x84, 0x101]) {
      refuses(() => toDer(K1.sign(digest), type), 'ERR_INVALID_SIGNATURE')
    }
  })

  it('are refused in a witness unless they are strict DER with a low S', () => {
    const der = toDer(K1.sign(digest), SIGHASH.ALL)
    const high = bitcoin.script.signature.encode(highS(K1.sign(digest)), SIGHASH.ALL)
    const r40 = Uint8Array.from([0x30, 45, 2, 40, ...new Uint8Array(40).fill(1), 2, 1, 1, 1])
    for (const bad of [
      new Uint8Array(0),
      new Uint8Array(72),
      der.slice(1),
      der.slice(0, -1),
      Uint8Array.from([...der, 1]),
      high,
      r40
    ]) {
      refuses(() => fromDer(bad), 'ERR_INVALID_SIGNATURE')
    }
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Uint8Array.from(der)
        changed[at] = (changed[at] ?? 0) ^ flip
        try {
          assert.deepEqual(
            toDer(fromDer(changed).signature, fromDer(changed).sighashType),
            changed,
            'only one encoding for a signature'
          )
        } catch (error) {
          if (error instanceof assert.AssertionError) throw error
          refuses(() => fromDer(changed), 'ERR_INVALID_SIGNATURE')
        }
      })
    )
  })
})
