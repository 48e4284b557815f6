/** Two implementations, one behaviour. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { isLowS } from '../../src/bitcoin/ecdsa.js'
import { fromHex, toHex } from '../../src/types/bytes.js'
import { codeOf } from '../../src/types/errors.js'
import {
  loadEcdsa,
  nativeEcdsa,
  wasmEcdsa,
  type EcdsaWithSecrets
} from '../../src/wallet/signer.js'

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const number = (bytes: Uint8Array): bigint => BigInt(`0x${toHex(bytes)}`)
const bytes32 = (value: bigint): Uint8Array => fromHex(value.toString(16).padStart(64, '0'))

const secret = fc.bigInt({ min: 1n, max: ORDER - 1n }).map(bytes32)
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 })

function wasm(): EcdsaWithSecrets {
  return wasmEcdsa() ?? assert.fail('tiny-secp256k1 cannot be loaded')
}

/** Both where this machine has a native binary; WebAssembly alone otherwise. */
const implementations = [nativeEcdsa(), wasmEcdsa()].filter((found) => found !== undefined)

describe('ecdsa', () => {
  it('takes the native implementation where there is one, and says which it took', () => {
    const { implementation } = loadEcdsa()
    assert.equal(implementation, nativeEcdsa()?.implementation ?? wasm().implementation)
    assert.match(implementation, /secp256k1/)
  })

  it('gives the same keys and signatures whichever implementation runs (RFC 6979)', () => {
    fc.assert(
      fc.property(secret, digest, (key, hash) => {
        const [first, ...others] = implementations.map((ecdsa) => ({
          publicKey: toHex(ecdsa.publicKeyOf(key)),
          signature: toHex(ecdsa.sign(key, hash))
        }))
        for (const other of others) assert.deepEqual(other, first)
      }),
      { numRuns: 50 }
    )
  })

  it('knows the key and the signature of the secret 1', () => {
    for (const ecdsa of implementations) {
      // The generator G of secp256k1 (SEC 2, 2.4.1).
      assert.equal(
        toHex(ecdsa.publicKeyOf(bytes32(1n))),
        '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'
      )
      assert.ok(isLowS(ecdsa.sign(bytes32(1n), bytes32(2n))))
    }
  })

  for (const ecdsa of implementations) {
    describe(ecdsa.implementation, () => {
      it('verifies what it signed, and nothing else', () => {
        fc.assert(
          fc.property(
            secret,
            digest,
            fc.nat({ max: 63 }),
            fc.integer({ min: 1, max: 255 }),
            (key, hash, at, flip) => {
              const publicKey = ecdsa.publicKeyOf(key)
              const signature = ecdsa.sign(key, hash)
              assert.equal(ecdsa.verify(publicKey, hash, signature), true)
              const altered = signature.slice()
              altered[at] = (altered[at] ?? 0) ^ flip
              assert.equal(ecdsa.verify(publicKey, hash, altered), false)
              const otherHash = hash.slice()
              otherHash[at % 32] = (otherHash[at % 32] ?? 0) ^ flip
              assert.equal(ecdsa.verify(publicKey, otherHash, signature), false)
            }
          ),
          { numRuns: 30 }
        )
      })

      it('refuses the other valid form of a signature, the one with a high S (SIG-1, BIP146)', () => {
        const signature = ecdsa.sign(bytes32(7n), bytes32(9n))
        const high = Uint8Array.from([
          ...signature.subarray(0, 32),
          ...bytes32(ORDER - number(signature.subarray(32)))
        ])
        assert.equal(ecdsa.verify(ecdsa.publicKeyOf(bytes32(7n)), bytes32(9n), signature), true)
        assert.equal(ecdsa.verify(ecdsa.publicKeyOf(bytes32(7n)), bytes32(9n), high), false)
      })

      it('says no to garbage of every length, and never throws', () => {
        const garbage = fc.oneof(
          fc.uint8Array({ maxLength: 70 }),
          fc.constant(new Uint8Array(33)),
          fc.constant(new Uint8Array(64).fill(255)),
          fc.constant(new Uint8Array(64))
        )
        fc.assert(
          fc.property(garbage, garbage, garbage, (publicKey, hash, signature) => {
            assert.equal(ecdsa.verify(publicKey, hash, signature), false)
          })
        )
        const good = {
          key: ecdsa.publicKeyOf(bytes32(5n)),
          hash: bytes32(6n),
          signature: ecdsa.sign(bytes32(5n), bytes32(6n))
        }
        fc.assert(
          fc.property(garbage, (bytes) => {
            assert.equal(ecdsa.verify(bytes, good.hash, good.signature), false)
            assert.equal(ecdsa.verify(good.key, good.hash, bytes), false)
          })
        )
      })

      it('leaves its arguments as they are', () => {
        const [key, hash] = [bytes32(5n), bytes32(6n)]
        const publicKey = ecdsa.publicKeyOf(key)
        const signature = ecdsa.sign(key, hash)
        const before = [key, hash, publicKey, signature].map(toHex)
        ecdsa.verify(publicKey, hash, signature)
        ecdsa.sign(key, hash)
        assert.deepEqual([key, hash, publicKey, signature].map(toHex), before)
      })

      it('knows a compressed point when it sees one', () => {
        const point = ecdsa.publicKeyOf(bytes32(5n))
        assert.equal(ecdsa.isPublicKey(point), true)
        // No point has x = 5 (5^3 + 7 = 132 is no square modulo p); p itself is out of range.
        assert.equal(ecdsa.isPublicKey(Uint8Array.from([2, ...bytes32(5n)])), false)
        assert.equal(
          ecdsa.isPublicKey(Uint8Array.from([2, ...new Uint8Array(32).fill(255)])),
          false
        )
        for (const wrong of [
          new Uint8Array(0),
          new Uint8Array(33),
          point.subarray(1),
          Uint8Array.from([4, ...point.subarray(1)]),
          Uint8Array.from([...point, 0])
        ]) {
          assert.equal(ecdsa.isPublicKey(wrong), false)
        }
      })

      it('refuses to sign with what is no secret key, or what is no digest', () => {
        for (const wrong of [
          new Uint8Array(32),
          bytes32(ORDER),
          new Uint8Array(31).fill(1),
          new Uint8Array(33).fill(1)
        ]) {
          assert.throws(
            () => ecdsa.sign(wrong, bytes32(1n)),
            (error) => codeOf(error) === 'ERR_INVALID_SECRET_KEY'
          )
          assert.throws(
            () => ecdsa.publicKeyOf(wrong),
            (error) => codeOf(error) === 'ERR_INVALID_SECRET_KEY'
          )
        }
        assert.throws(
          () => ecdsa.sign(bytes32(1n), new Uint8Array(31)),
          (error) => codeOf(error) === 'ERR_INVALID_DIGEST'
        )
      })
    })
  }
})
