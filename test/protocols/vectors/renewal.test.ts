/** Replays renewal.json with bitcoinjs and tiny-secp256k1, and our own functions against it. */
import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import * as secp from 'tiny-secp256k1'
import { parseTransaction } from '../../../src/bitcoin/transaction.js'
import { readFunding, checkFundingTx } from '../../../src/bitcoin/funding.js'
import { parseRefundRequest } from '../../../src/bitcoin/refund.js'
import { checkRenewalTx, completeRenewal, renewalSighash } from '../../../src/bitcoin/renewal.js'
import { fromHex, toHex, txid } from '../../../src/types/bytes.js'
import { blockHeight, feeRate, satoshi } from '../../../src/types/units.js'
import { judge } from '../../bitcoin/support.js'
import { assertRefused, assertSigned, fundingOutput, fundingSpent } from './replay.js'
import { read } from './schema.js'

describe('vectors of a renewal', () => {
  const { old, keys, cases, refund, initial, refuse, bounds } = read.renewal()
  const oldFunding = fundingOutput(old)
  const limits = {
    height: blockHeight(bounds.height),
    lastPaymentHeight: blockHeight(bounds.lastPaymentHeight),
    leastRate: feeRate(BigInt(bounds.leastRate)),
    mostRate: feeRate(BigInt(bounds.mostRate))
  }

  for (const vector of cases) {
    it(vector.name, () => {
      const tx = bitcoin.Transaction.fromHex(vector.unsigned)
      assert.equal(tx.version, 3)
      const input = tx.ins.findIndex(
        ({ hash }) => toHex(Uint8Array.from(hash).reverse()) === old.outPoint.txid
      )
      assert.equal(
        toHex(tx.hashForWitnessV0(input, fromHex(old.witnessScript), BigInt(old.sat), 1)),
        vector.sighash
      )
      assertSigned('client', fromHex(vector.sighash), vector.clientSignature)
      assertSigned('server', fromHex(vector.sighash), vector.serverSignature)
      assert.equal(tx.getId(), vector.txid, 'the witness changes no txid')
      assert.deepEqual(
        bitcoin.Transaction.fromHex(vector.raw).ins[input]?.witness.map((item) =>
          Buffer.from(item).toString('hex')
        ),
        [
          '',
          ...[vector.clientSignature, vector.serverSignature].map((signature) =>
            Buffer.from(bitcoin.script.signature.encode(fromHex(signature), 1)).toString('hex')
          ),
          old.witnessScript
        ]
      )
      assert.ok(vector.vsize <= vector.worstVsize)
      if (tx.ins.length === 1) {
        assert.equal(judge(fromHex(vector.raw), 0, fundingSpent(old)), undefined)
      }

      const raw = fromHex(vector.unsigned)
      assert.equal(toHex(renewalSighash(parseTransaction(raw), oldFunding)), vector.sighash)
      checkRenewalTx(parseTransaction(raw), oldFunding, vector.previous.map(fromHex), limits)
      assert.equal(
        toHex(
          completeRenewal(
            parseTransaction(raw),
            oldFunding,
            fromHex(vector.clientSignature),
            fromHex(vector.serverSignature)
          ).raw
        ),
        vector.raw
      )
      checkFundingTx(readFunding(fromHex(vector.raw)), {
        outPoint: { ...vector.outPoint, txid: txid(vector.outPoint.txid) },
        script: fromHex(vector.scriptPubKey),
        capacity: satoshi(BigInt(vector.capacity))
      })
    })
  }

  it('the server has its own output in T2, and signs it with SINGLE (RENEW-2)', () => {
    const tx = bitcoin.Transaction.fromHex(refund.unsigned)
    const [first] = cases
    assert.ok(first !== undefined && refund.output0 !== null)
    assert.deepEqual(tx.outs[0], { script: fromHex(refund.output0.scriptPubKey), value: 400_000n })
    assert.deepEqual(
      parseRefundRequest(fromHex(refund.unsigned), {
        version: 3,
        refundHeight: blockHeight(refund.refundHeight)
      }),
      first.outPoint
    )
    const witnessScript = bitcoin.script.compile([
      0x52,
      fromHex(keys.clientChannel.publicKey),
      fromHex(keys.serverChannel.publicKey),
      0x52,
      0xae
    ])
    assert.equal(
      toHex(tx.hashForWitnessV0(0, witnessScript, BigInt(first.capacity), 0x83)),
      refund.server.sighash
    )
    assert.ok(
      secp.verify(
        fromHex(refund.server.sighash),
        fromHex(keys.serverChannel.publicKey),
        fromHex(refund.server.signature),
        true
      )
    )
    assert.equal(initial.payerBalance, first.capacity - refund.serverBalance)
    assert.ok(
      secp.verify(
        fromHex(initial.sighash),
        fromHex(keys.clientChannel.publicKey),
        fromHex(initial.signature),
        true
      )
    )
  })

  it('previous has no witnesses (RENEW-4)', () => {
    for (const { previous } of [...cases, ...refuse]) {
      for (const each of previous) assert.ok(!bitcoin.Transaction.fromHex(each).hasWitnesses())
    }
  })

  for (const { name, code, height, raw, previous } of refuse) {
    it(`the server refuses: ${name}`, () => {
      const judged = { ...limits, height: blockHeight(height ?? bounds.height) }
      assertRefused(() => {
        checkRenewalTx(parseTransaction(fromHex(raw)), oldFunding, previous.map(fromHex), judged)
      }, code)
    })
  }
})
