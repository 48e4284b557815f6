import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import fc from 'fast-check'
import * as secp from 'tiny-secp256k1'
import {
  closeOutputs,
  closeSighash,
  closeTxid,
  closeVsize,
  completeClose,
  type CloseTerms
} from '../../src/bitcoin/closing.js'
import { fromDer } from '../../src/bitcoin/ecdsa.js'
import { fundingWitnessScript } from '../../src/bitcoin/scripts.js'
import { satoshi } from '../../src/types/units.js'
import { funding, K1, K2, P2PKH, P2TR, p2wpkh, refuses, sum } from './support.js'

const clientScript = p2wpkh(1)
const serverScript = p2wpkh(2)

function terms(clientBalance: bigint, fee: bigint, changes: Partial<CloseTerms> = {}): CloseTerms {
  return {
    funding: funding(),
    version: 3,
    clientBalance: satoshi(clientBalance),
    serverBalance: satoshi(1_000_000n - clientBalance),
    clientScript,
    serverScript,
    fee: satoshi(fee),
    feePayer: 'client',
    ...changes
  }
}

const complete = (c: CloseTerms): Uint8Array =>
  completeClose(c, K1.sign(closeSighash(c)), K2.sign(closeSighash(c))).raw

describe('cooperative close', () => {
  describe('outputs', () => {
    it('put the client first and charge the asker', () => {
      assert.deepEqual(closeOutputs(terms(600_000n, 500n)), {
        outputs: [
          { script: clientScript, value: 599_500n },
          { script: serverScript, value: 400_000n }
        ],
        fee: 500n
      })
      assert.deepEqual(closeOutputs(terms(600_000n, 500n, { feePayer: 'server' })), {
        outputs: [
          { script: clientScript, value: 600_000n },
          { script: serverScript, value: 399_500n }
        ],
        fee: 500n
      })
    })

    it('leave dust to the fee, of either side', () => {
      assert.deepEqual(closeOutputs(terms(999_707n, 500n)), {
        outputs: [{ script: clientScript, value: 999_207n }],
        fee: 793n
      })
      assert.equal(closeOutputs(terms(999_706n, 500n)).outputs.length, 2)
      assert.deepEqual(closeOutputs(terms(793n, 500n)), {
        outputs: [{ script: serverScript, value: 999_207n }],
        fee: 793n
      })
      assert.equal(closeOutputs(terms(794n, 500n)).outputs[0]?.value, 294n)
    })

    it('measure dust by the script that is paid', () => {
      assert.equal(closeOutputs(terms(545n, 0n, { clientScript: P2PKH })).outputs.length, 1)
      assert.equal(closeOutputs(terms(546n, 0n, { clientScript: P2PKH })).outputs.length, 2)
      assert.equal(closeOutputs(terms(329n, 0n, { clientScript: P2TR })).outputs.length, 1)
    })

    it('never pay nothing to a script without a dust limit', () => {
      assert.equal(
        closeOutputs(terms(500n, 500n, { clientScript: Uint8Array.of(0x6a) })).outputs.length,
        1
      )
    })

    it('cannot charge an asker more than it has', () => {
      refuses(() => closeOutputs(terms(499n, 500n)), 'ERR_CLOSE_TOO_POOR', /499 sat/)
      refuses(
        () => closeOutputs(terms(999_501n, 500n, { feePayer: 'server' })),
        'ERR_CLOSE_TOO_POOR'
      )
      assert.equal(closeOutputs(terms(500n, 500n)).outputs.length, 1)
    })

    it('cannot all be dust', () => {
      refuses(() => closeOutputs(terms(1_000_000n, 999_707n)), 'ERR_CLOSE_EMPTY')
      assert.equal(closeOutputs(terms(1_000_000n, 999_706n)).outputs[0]?.value, 294n)
    })

    it('share out the whole channel, no more and no less', () => {
      refuses(
        () => closeOutputs(terms(600_000n, 500n, { serverBalance: satoshi(400_001n) })),
        'ERR_CLOSE_BALANCES'
      )
      refuses(
        () => closeOutputs(terms(600_000n, 500n, { serverBalance: satoshi(399_999n) })),
        'ERR_CLOSE_BALANCES'
      )
      fc.assert(
        fc.property(
          fc.bigInt(0n, 1_000_000n),
          fc.bigInt(0n, 2_000n),
          fc.constantFrom('client' as const, 'server' as const),
          (balance, fee, feePayer) => {
            const c = terms(balance, fee, { feePayer })
            fc.pre((feePayer === 'client' ? c.clientBalance : c.serverBalance) >= fee)
            const close = closeOutputs(c)
            assert.equal(sum(close.outputs.map(({ value }) => value)) + close.fee, 1_000_000n)
            assert.ok(close.fee >= fee)
            const others = feePayer === 'client' ? serverScript : clientScript
            const untouched = feePayer === 'client' ? c.serverBalance : c.clientBalance
            const paid = close.outputs.find(({ script }) => script === others)?.value ?? 0n
            assert.ok(
              paid === untouched || (paid === 0n && untouched < 294n),
              'the other side pays nothing but dust'
            )
          }
        )
      )
    })
  })

  it('is signed by both over everything, without a lock', () => {
    const c = terms(600_000n, 500n)
    const tx = bitcoin.Transaction.fromBuffer(complete(c))
    assert.equal(tx.version, 3)
    assert.equal(tx.locktime, 0)
    assert.equal(tx.ins[0]?.sequence, 0xfffffffd)
    assert.deepEqual(tx.outs, closeOutputs(c).outputs)
    assert.equal(closeTxid(c), tx.getId())
    const script = fundingWitnessScript(K1.publicKey, K2.publicKey)
    const digest = tx.hashForWitnessV0(0, script, 1_000_000n, 1)
    assert.deepEqual(closeSighash(c), digest)
    const [, first, second, last] = tx.ins[0].witness
    assert.deepEqual(last, script)
    assert.ok(first !== undefined && second !== undefined)
    assert.ok(secp.verify(digest, K1.publicKey, fromDer(first).signature))
    assert.ok(secp.verify(digest, K2.publicKey, fromDer(second).signature))
    assert.deepEqual([fromDer(first).sighashType, fromDer(second).sighashType], [1, 1])
  })

  it('has a digest that changes with every term', () => {
    const digests = [
      terms(600_000n, 500n),
      terms(600_001n, 500n),
      terms(600_000n, 501n),
      terms(600_000n, 500n, { feePayer: 'server' }),
      terms(600_000n, 500n, { clientScript: P2TR }),
      terms(600_000n, 500n, { serverScript: P2TR }),
      terms(600_000n, 500n, { version: 2 }),
      terms(600_000n, 500n, { funding: funding({ outPoint: { ...funding().outPoint, vout: 9 } }) })
    ].map((c) => Buffer.from(closeSighash(c)).toString('hex'))
    assert.equal(new Set(digests).size, digests.length)
  })

  it('is refused with a bad signature shape', () => {
    const c = terms(600_000n, 500n)
    refuses(
      () => completeClose(c, new Uint8Array(64), K2.sign(closeSighash(c))),
      'ERR_INVALID_SIGNATURE'
    )
    refuses(
      () => completeClose(c, K1.sign(closeSighash(c)), new Uint8Array(63)),
      'ERR_INVALID_SIGNATURE'
    )
  })

  it('is sized for the worst case, within 2 vB', () => {
    fc.assert(
      fc.property(
        fc.bigInt(1_000n, 999_000n),
        fc.constantFrom(clientScript, P2TR, P2PKH),
        (balance, script) => {
          const c = terms(balance, 400n, { clientScript: script })
          const spare =
            closeVsize(script, serverScript) -
            bitcoin.Transaction.fromBuffer(complete(c)).virtualSize()
          assert.ok(spare >= 0 && spare <= 2, `${spare} vB to spare`)
        }
      )
    )
  })
})
