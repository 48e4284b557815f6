import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import fc from 'fast-check'
import * as secp from 'tiny-secp256k1'
import { fromDer } from '../../src/bitcoin/ecdsa.js'
import { buildSweep, sweepVsize, type SweepInput } from '../../src/bitcoin/payout.js'
import { payoutWitnessScript } from '../../src/bitcoin/scripts.js'
import { txid } from '../../src/types/bytes.js'
import { feeRate, satoshi } from '../../src/types/units.js'
import { CLIENT_PAYOUT, P2TR, p2wpkh, refuses, SERVER_PAYOUT, type KeyPair } from './support.js'

function input(value: bigint, key: KeyPair = CLIENT_PAYOUT, vout = 0): SweepInput {
  return {
    outPoint: { txid: txid('ef'.repeat(32)), vout },
    value: satoshi(value),
    key: key.publicKey,
    sign: key.sign
  }
}

const to = p2wpkh()

describe('sweep', () => {
  it('collects outputs of several keys into one, a block after they were mined', () => {
    const inputs = [input(5000n), input(7000n, SERVER_PAYOUT, 1)]
    const { transaction, fee, value } = buildSweep(inputs, to, feeRate(2000n))
    const tx = bitcoin.Transaction.fromBuffer(transaction.raw)
    assert.equal(tx.version, 2)
    assert.equal(tx.locktime, 0)
    assert.deepEqual(
      tx.ins.map(({ sequence, index }) => [sequence, index]),
      [
        [1, 0],
        [1, 1]
      ]
    )
    assert.deepEqual(tx.outs, [{ script: to, value }])
    assert.equal(value + fee, 12_000n)
    for (const [i, key] of [CLIENT_PAYOUT, SERVER_PAYOUT].entries()) {
      const script = payoutWitnessScript(key.publicKey)
      const [der, last] = tx.ins[i]?.witness ?? []
      assert.deepEqual(last, script)
      assert.ok(der !== undefined)
      const { signature, sighashType } = fromDer(der)
      assert.equal(sighashType, 1)
      assert.ok(
        secp.verify(
          tx.hashForWitnessV0(i, script, inputs[i]?.value ?? 0n, 1),
          key.publicKey,
          signature
        )
      )
    }
  })

  it('pays the rate on its real size, and at most 2 vB an input more', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.nat(1_000_000),
        fc.constantFrom(to, P2TR),
        (count, salt, script) => {
          const inputs = Array.from({ length: count }, (_, i) =>
            input(BigInt(50_000 + salt), CLIENT_PAYOUT, i)
          )
          const { transaction, fee } = buildSweep(inputs, script, feeRate(1000n))
          const { raw, vsize } = transaction
          assert.equal(vsize, bitcoin.Transaction.fromBuffer(raw).virtualSize())
          const spare = Number(fee) - vsize
          assert.ok(spare >= 0 && spare <= 2 * count, `${spare} vB to spare`)
        }
      ),
      { numRuns: 50 }
    )
    assert.equal(sweepVsize(1, to), 111)
  })

  it('is reckoned with 112 bytes of witness an input: 111 vB for one, 594 for eight', () => {
    assert.deepEqual(
      [1, 8].map((inputs) => sweepVsize(inputs, to)),
      [111, 594]
    )
  })

  it('is not made when it would leave dust, or nothing', () => {
    // 111 vB x 10 sat/vB = 1110 sat, and 294 sat have to be left.
    assert.equal(buildSweep([input(1404n)], to, feeRate(10_000n)).value, 294n)
    refuses(() => buildSweep([input(1403n)], to, feeRate(10_000n)), 'ERR_SWEEP_NOT_WORTH_IT')
    refuses(() => buildSweep([input(500n)], to, feeRate(10_000n)), 'ERR_SWEEP_NOT_WORTH_IT')
    refuses(() => buildSweep([], to, feeRate(1000n)), 'ERR_SWEEP_NOT_WORTH_IT')
  })
})
