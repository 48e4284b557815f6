import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import { closeSighash, completeClose } from '../../src/bitcoin/closing.js'
import { SIGHASH } from '../../src/bitcoin/ecdsa.js'
import { fundingScript } from '../../src/bitcoin/funding.js'
import { buildSweep } from '../../src/bitcoin/owner-spend.js'
import { refundTemplate } from '../../src/bitcoin/refund.js'
import {
  completeState,
  payerOutput,
  payerSighash,
  type StateTemplate
} from '../../src/bitcoin/template.js'
import { txid } from '../../src/types/bytes.js'
import { blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import {
  channelKeys,
  CLIENT_PAYOUT,
  close,
  funding,
  judge,
  K1,
  K2,
  p2wpkh,
  SERVER_PAYOUT,
  state,
  STRANGER
} from './support.js'

const spent = { script: fundingScript(K1.publicKey, K2.publicKey), value: funding().value }
const outputs = [{ script: p2wpkh(), value: satoshi(300_000n) }]

function complete(t: StateTemplate): Uint8Array {
  const keys = channelKeys(t.payer)
  return completeState(t, keys.payer.sign(payerSighash(t)), outputs, keys.payee.sign).raw
}

/** The transaction after a change by somebody who holds no key. */
function tampered(raw: Uint8Array, change: (tx: bitcoin.Transaction) => void): Uint8Array {
  const tx = bitcoin.Transaction.fromBuffer(raw)
  change(tx)
  return tx.toBuffer()
}

describe('a strict script interpreter', () => {
  describe('accepts', () => {
    for (const payer of ['client', 'server'] as const) {
      for (const balance of [0n, 329n, 330n, 331n, 600_000n]) {
        it(`a state that leaves ${balance} sat to the ${payer}`, () => {
          assert.equal(
            judge(complete(state(balance, { payer, lock: blockHeight(700) })), 0, spent),
            undefined
          )
        })
      }
    }

    it('a state whose payee gives its whole share to the fee', () => {
      const t = state(600_000n)
      assert.equal(
        judge(completeState(t, K1.sign(payerSighash(t)), [], K2.sign).raw, 0, spent),
        undefined
      )
    })

    it('a refund', () => {
      assert.equal(
        judge(
          complete(refundTemplate(funding(), 3, blockHeight(1000), SERVER_PAYOUT.publicKey)),
          0,
          spent
        ),
        undefined
      )
    })

    for (const feePayer of ['client', 'server'] as const) {
      it(`a close that the ${feePayer} pays for`, () => {
        const c = close(feePayer)
        assert.equal(
          judge(completeClose(c, K1.sign(closeSighash(c)), K2.sign(closeSighash(c))).raw, 0, spent),
          undefined
        )
      })
    }

    it('a sweep, on every input', () => {
      const output = payerOutput(state(600_000n))
      assert.ok(output)
      const swept = [0, 1].map((vout) => ({
        outPoint: { txid: txid('ef'.repeat(32)), vout },
        value: output.value,
        key: CLIENT_PAYOUT.publicKey,
        sign: CLIENT_PAYOUT.sign
      }))
      const {
        transaction: { raw }
      } = buildSweep(swept, p2wpkh(), feeRate(1000n))
      for (const i of [0, 1]) assert.equal(judge(raw, i, output), undefined)
    })
  })

  describe('refuses', () => {
    const raw = complete(state(600_000n, { lock: blockHeight(700) }))
    const cases: Record<string, (tx: bitcoin.Transaction) => void> = {
      'a smaller output of the payer': (tx) => {
        for (const out of tx.outs.slice(0, 1)) out.value -= 1n
      },
      'an output of the payee to somebody else': (tx) => {
        for (const out of tx.outs.slice(1)) out.script = p2wpkh(0x99)
      },
      'an output that was added': (tx) => {
        tx.addOutput(p2wpkh(0x99), 1000n)
      },
      'an input that was added': (tx) => {
        tx.addInput(new Uint8Array(32).fill(9), 0)
      },
      'an earlier lock': (tx) => {
        tx.locktime = 699
      },
      'a sequence that switches the lock off': (tx) => {
        for (const input of tx.ins) input.sequence = 0xffffffff
      },
      'another version': (tx) => {
        tx.version = 2
      },
      'signatures in the wrong order': (tx) => {
        const [empty, first, second, script] = tx.ins[0]?.witness ?? []
        assert.ok(
          empty !== undefined && first !== undefined && second !== undefined && script !== undefined
        )
        tx.setWitness(0, [empty, second, first, script])
      },
      'a first item that is not empty': (tx) => {
        tx.setWitness(0, [Uint8Array.of(1), ...(tx.ins[0]?.witness.slice(1) ?? [])])
      }
    }
    for (const [name, change] of Object.entries(cases)) {
      it(name, () => assert.notEqual(judge(tampered(raw, change), 0, spent), undefined))
    }

    it('a state of another channel, even between the same keys', () => {
      assert.notEqual(judge(raw, 0, { ...spent, value: satoshi(999_999n) }), undefined)
      assert.notEqual(
        judge(raw, 0, { ...spent, script: fundingScript(K1.publicKey, STRANGER.publicKey) }),
        undefined
      )
      const elsewhere = tampered(raw, (tx) => {
        for (const input of tx.ins) input.index = 0
      })
      assert.notEqual(judge(elsewhere, 0, spent), undefined)
    })

    it('a state that one side signed alone', () => {
      const t = state(600_000n)
      assert.notEqual(
        judge(completeState(t, K1.sign(payerSighash(t)), outputs, K1.sign).raw, 0, spent),
        undefined
      )
      assert.notEqual(
        judge(completeState(t, K2.sign(payerSighash(t)), outputs, K2.sign).raw, 0, spent),
        undefined
      )
    })

    it('a sweep in the block of the output itself, or by somebody else', () => {
      const output = payerOutput(state(600_000n))
      assert.ok(output)
      const swept = (sign: (digest: Uint8Array) => Uint8Array): Uint8Array =>
        buildSweep(
          [
            {
              outPoint: { txid: txid('ef'.repeat(32)), vout: 0 },
              value: output.value,
              key: CLIENT_PAYOUT.publicKey,
              sign
            }
          ],
          p2wpkh(),
          feeRate(1000n)
        ).transaction.raw
      assert.notEqual(judge(swept(STRANGER.sign), 0, output), undefined)

      const early = bitcoin.Transaction.fromBuffer(swept(CLIENT_PAYOUT.sign))
      for (const input of early.ins) input.sequence = 0
      const [, script] = early.ins[0]?.witness ?? []
      assert.ok(script !== undefined)
      const signature = CLIENT_PAYOUT.sign(
        early.hashForWitnessV0(0, script, output.value, SIGHASH.ALL)
      )
      early.setWitness(0, [bitcoin.script.signature.encode(signature, SIGHASH.ALL), script])
      assert.equal(judge(early.toBuffer(), 0, output), 'SCRIPT_ERR_UNSATISFIED_LOCKTIME')
    })
  })
})
