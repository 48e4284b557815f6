import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import fc from 'fast-check'
import * as secp from 'tiny-secp256k1'
import { fromDer } from '../../src/bitcoin/ecdsa.js'
import { buildSweep, type SweepInput, sweepVsize } from '../../src/bitcoin/owner-spend.js'
import { parseRefundRequest, refundTemplate, unsignedRefund } from '../../src/bitcoin/refund.js'
import { fundingWitnessScript, payoutWitnessScript } from '../../src/bitcoin/scripts.js'
import { completeState, payerOutput, payerSighash } from '../../src/bitcoin/template.js'
import { txid } from '../../src/types/bytes.js'
import { blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import {
  CLIENT_PAYOUT,
  funding,
  K1,
  K2,
  type KeyPair,
  P2TR,
  p2wpkh,
  refuses,
  SERVER_PAYOUT
} from './support.js'

const L = blockHeight(1000)
const terms = { version: 3, refundHeight: L }
const template = refundTemplate(funding(), 3, L, SERVER_PAYOUT.publicKey)
const output = { script: p2wpkh(), value: satoshi(999_000n) }

/** The refund request, altered. */
function altered(change: (tx: bitcoin.Transaction) => void): Uint8Array {
  const tx = bitcoin.Transaction.fromBuffer(unsignedRefund(template, output))
  change(tx)
  return tx.toBuffer()
}

describe('refund', () => {
  it('is a state in which the server pays nothing and keeps nothing', () => {
    assert.deepEqual(template, {
      funding: funding(),
      version: 3,
      lock: 1000,
      payer: 'server',
      payerBalance: 0n,
      payerPayoutKey: SERVER_PAYOUT.publicKey
    })
  })

  it('is signed by the server over the input and the lock, and nothing else', () => {
    const signed = payerSighash(template)
    const script = fundingWitnessScript(K1.publicKey, K2.publicKey)
    const digest = (raw: Uint8Array): Uint8Array =>
      bitcoin.Transaction.fromBuffer(raw).hashForWitnessV0(0, script, 1_000_000n, 0x82)
    assert.deepEqual(digest(unsignedRefund(template, output)), signed)
    assert.deepEqual(
      digest(unsignedRefund(template, { script: p2wpkh(1), value: satoshi(1n) })),
      signed,
      'the output may change'
    )
    assert.notDeepEqual(
      digest(
        altered((tx) => {
          tx.locktime = 999
        })
      ),
      signed
    )
  })

  it('leaves a server what it has brought into a renewal: its output stands first, beside its input (RENEW-2)', () => {
    const renewal = refundTemplate(funding(), 3, L, SERVER_PAYOUT.publicKey, satoshi(40_000n))
    const { outs } = bitcoin.Transaction.fromBuffer(unsignedRefund(renewal, output))
    assert.deepEqual(
      outs.map(({ value }) => value),
      [40_000n, output.value]
    )
    assert.deepEqual(Uint8Array.from(outs[0]?.script ?? []), payerOutput(renewal)?.script)
  })

  it('is completed by the client, with an output and a fee of its choice', () => {
    const signature = K2.sign(payerSighash(template))
    const tx = bitcoin.Transaction.fromBuffer(
      completeState(template, signature, [output], K1.sign).raw
    )
    assert.equal(tx.locktime, 1000)
    assert.deepEqual(tx.outs, [output])
    assert.ok(secp.verify(payerSighash(template), K2.publicKey, signature))
  })

  describe('request', () => {
    it('is unsigned and names the funding output', () => {
      assert.deepEqual(
        parseRefundRequest(unsignedRefund(template, output), terms),
        funding().outPoint
      )
    })

    it('may have several outputs, which the server does not sign', () => {
      assert.deepEqual(
        parseRefundRequest(
          altered((tx) => tx.addOutput(p2wpkh(2), 5n)),
          terms
        ),
        funding().outPoint
      )
    })

    it('is refused when it is no transaction', () => {
      const raw = unsignedRefund(template, output)
      for (const bad of [
        new Uint8Array(0),
        raw.slice(0, -1),
        Uint8Array.from([...raw, 0]),
        new Uint8Array(1000).fill(0xff)
      ]) {
        refuses(() => parseRefundRequest(bad, terms), 'ERR_REFUND_MALFORMED')
      }
    })

    it('is refused when it is signed', () => {
      refuses(
        () =>
          parseRefundRequest(
            altered((tx) => tx.setWitness(0, [Uint8Array.of(1)])),
            terms
          ),
        'ERR_REFUND_MALFORMED'
      )
      refuses(
        () =>
          parseRefundRequest(
            altered((tx) => tx.setInputScript(0, Uint8Array.of(0))),
            terms
          ),
        'ERR_REFUND_MALFORMED'
      )
    })

    it('is refused with another number of inputs', () => {
      refuses(
        () =>
          parseRefundRequest(
            altered((tx) => tx.addInput(new Uint8Array(32), 0)),
            terms
          ),
        'ERR_REFUND_INPUTS'
      )
      refuses(
        () =>
          parseRefundRequest(
            altered((tx) => {
              tx.ins = []
              tx.addOutput(p2wpkh(), 5n)
            }),
            terms
          ),
        'ERR_REFUND_INPUTS'
      )
      // Without inputs and with one output the bytes read like the marker of a witness part
      // (BIP144).
      refuses(
        () =>
          parseRefundRequest(
            altered((tx) => {
              tx.ins = []
            }),
            terms
          ),
        'ERR_REFUND_MALFORMED'
      )
    })

    it('is refused with another lock, earlier or later, or a time', () => {
      for (const lock of [0, 999, 1001, 500_000_000, 0xffffffff]) {
        refuses(
          () =>
            parseRefundRequest(
              altered((tx) => {
                tx.locktime = lock
              }),
              terms
            ),
          'ERR_REFUND_LOCK',
          /height 1000/
        )
      }
    })

    it('is refused with another sequence, above all one that switches the lock off', () => {
      for (const sequence of [0xffffffff, 0xfffffffe, 0xfffffffc, 0, 1]) {
        refuses(
          () =>
            parseRefundRequest(
              altered((tx) => {
                for (const input of tx.ins) input.sequence = sequence
              }),
              terms
            ),
          'ERR_REFUND_SEQUENCE'
        )
      }
    })

    it('is refused with another version than the terms', () => {
      for (const version of [0, 1, 2, 4, 0xffffffff]) {
        refuses(
          () =>
            parseRefundRequest(
              altered((tx) => {
                tx.version = version
              }),
              terms
            ),
          'ERR_REFUND_VERSION'
        )
      }
      refuses(
        () => parseRefundRequest(unsignedRefund(template, output), { ...terms, version: 2 }),
        'ERR_REFUND_VERSION'
      )
    })

    it('is refused without an output', () => {
      refuses(
        () =>
          parseRefundRequest(
            altered((tx) => {
              tx.outs = []
            }),
            terms
          ),
        'ERR_REFUND_OUTPUTS'
      )
    })
  })
})

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
