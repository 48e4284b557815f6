/** What the engine expects of a `Signer`, whichever library signs. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { KeyPath } from '../../src/bitcoin/keys.js'
import { isLowS } from '../../src/bitcoin/ecdsa.js'
import type { Signer } from '../../src/engine/ports.js'

const PATH: KeyPath = { role: 'client', high: 1, low: 2, use: 'channel' }
const digests = fc.uint8Array({ minLength: 32, maxLength: 32 })

export function signerContract(name: string, create: () => Signer): void {
  describe(`the signer port / ${name}`, () => {
    const signer = create()

    it('signs so that its own key verifies: 64 bytes, low S, the same for the same digest (RFC 6979)', () => {
      fc.assert(
        fc.property(digests, (digest) => {
          const signature = signer.sign(PATH, digest)
          assert.equal(signature.length, 64)
          assert.ok(isLowS(signature))
          assert.deepEqual(signer.sign(PATH, digest), signature)
          assert.ok(signer.verify(signer.publicKey(PATH), digest, signature))
        }),
        { numRuns: 20 }
      )
    })

    it('verifies nothing under another key, of another digest, or that was altered', () => {
      fc.assert(
        fc.property(digests, fc.nat({ max: 63 }), (digest, at) => {
          const signature = signer.sign(PATH, digest)
          assert.ok(
            !signer.verify(signer.publicKey({ ...PATH, role: 'server' }), digest, signature)
          )
          assert.ok(
            !signer.verify(
              signer.publicKey(PATH),
              digest.map((byte, i) => (i === at % 32 ? byte ^ 1 : byte)),
              signature
            )
          )
          assert.ok(
            !signer.verify(
              signer.publicKey(PATH),
              digest,
              signature.map((byte, i) => (i === at ? byte ^ 1 : byte))
            )
          )
        }),
        { numRuns: 20 }
      )
    })

    it('takes garbage for what it is, without throwing', () => {
      fc.assert(
        fc.property(
          fc.uint8Array({ maxLength: 70 }),
          fc.uint8Array({ maxLength: 40 }),
          fc.uint8Array({ maxLength: 70 }),
          (key, digest, signature) => {
            assert.equal(signer.verify(key, digest, signature), false)
          }
        ),
        { numRuns: 50 }
      )
      assert.equal(signer.isPublicKey(new Uint8Array(33).fill(2, 0, 1)), false)
      assert.equal(signer.isPublicKey(new Uint8Array(32)), false)
      assert.equal(signer.isPublicKey(signer.publicKey(PATH)), true)
    })

    it('names the implementation that signs', () => {
      assert.match(signer.implementation, /secp256k1/)
    })
  })
}
