import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import * as secp from 'tiny-secp256k1'
import { fundingWitnessScript } from '../../src/bitcoin/scripts.js'
import { parseRefundRequest, refundTemplate, unsignedRefund } from '../../src/bitcoin/refund.js'
import { completeState, payerOutput, payerSighash } from '../../src/bitcoin/template.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { funding, K1, K2, p2wpkh, refuses, SERVER_PAYOUT } from './support.js'

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
