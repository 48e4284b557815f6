/** Replays the vectors of T2, T3, closes and renewals by bitcoinjs, and our functions on them. */
import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import * as secp from 'tiny-secp256k1'
import {
  closeOutputs,
  closeSighash,
  type CloseTerms,
  closeTxid,
  closeVsize,
  completeClose
} from '../../../src/bitcoin/closing.js'
import { isLowS } from '../../../src/bitcoin/ecdsa.js'
import { checkFundingTx, readFunding } from '../../../src/bitcoin/funding.js'
import { otherRole } from '../../../src/bitcoin/keys.js'
import { parseRefundRequest, refundTemplate, unsignedRefund } from '../../../src/bitcoin/refund.js'
import { checkRenewalTx, completeRenewal, renewalSighash } from '../../../src/bitcoin/renewal.js'
import {
  completeState,
  payerOutput,
  payerSighash,
  payerSighasher,
  type StateTemplate,
  stateVsize
} from '../../../src/bitcoin/template.js'
import { parseTransaction } from '../../../src/bitcoin/transaction.js'
import { fromHex, toHex, txid } from '../../../src/types/bytes.js'
import { blockHeight, feeRate, satoshi } from '../../../src/types/units.js'
import { judge } from '../../bitcoin/support.js'
import {
  assertRefused,
  assertSigned,
  assertWitness,
  channelKey,
  digestOf,
  fundingOutput,
  fundingSpent,
  keys,
  output
} from './replay.js'
import { read, type Vectors } from './schema.js'

const accepts = (role: 'client' | 'server', digest: Uint8Array, signature: Uint8Array): boolean =>
  isLowS(signature) && secp.verify(digest, channelKey(role).publicKey, signature, true)
const signer =
  (role: 'client' | 'server') =>
  (digest: Uint8Array): Uint8Array =>
    secp.sign(digest, channelKey(role).privateKey)

/** The size as section 2 of spec.md reckons it. */
function vsizeBySpec(scripts: readonly Uint8Array[]): number {
  return Math.ceil((4 * scripts.reduce((sum, { length }) => sum + 9 + length, 51) + 222) / 4)
}

/** Asserts what holds for every spend of the funding output. */
function assertSpend(
  funding: Vectors<'state.json'>['funding'],
  expected: { raw: string; txid: string; vsize: number; worstVsize: number },
  lock: number
): void {
  const tx = bitcoin.Transaction.fromHex(expected.raw)
  assert.equal(tx.getId(), expected.txid)
  assert.equal(tx.virtualSize(), expected.vsize)
  assert.ok(expected.vsize <= expected.worstVsize)
  assert.equal(tx.version, 3)
  assert.equal(tx.locktime, lock)
  assert.deepEqual(
    tx.ins.map(({ hash, index, sequence }) => [
      toHex(Uint8Array.from(hash).reverse()),
      index,
      sequence
    ]),
    [[funding.outPoint.txid, funding.outPoint.vout, 0xfffffffd]]
  )
  assert.equal(judge(fromHex(expected.raw), 0, fundingSpent(funding)), undefined)
}

describe('vectors of T2', () => {
  const vectors = read.refund()
  const { funding, terms, server, complete } = vectors
  const t = refundTemplate(
    fundingOutput(funding),
    terms.version,
    blockHeight(terms.refundHeight),
    fromHex(keys.serverPayout.publicKey)
  )

  it('the request is what the client sends', () => {
    assert.equal(toHex(unsignedRefund(t, output(complete.output))), vectors.unsigned)
  })

  it('the server accepts the request, and signs input and lock', () => {
    const expected = { version: terms.version, refundHeight: blockHeight(terms.refundHeight) }
    assert.deepEqual(parseRefundRequest(fromHex(vectors.unsigned), expected), funding.outPoint)
    assert.equal(server.sighashType, 0x82)
    assert.equal(toHex(digestOf(vectors.unsigned, funding, server.sighashType)), server.sighash)
    assert.equal(toHex(payerSighash(t)), server.sighash)
    assertSigned('server', fromHex(server.sighash), server.signature)
  })

  it('the client completes it', () => {
    assert.equal(complete.client.sighashType, 1)
    assert.equal(toHex(digestOf(complete.raw, funding, 1)), complete.client.sighash)
    assertSigned('client', fromHex(complete.client.sighash), complete.client.signature)
    assertWitness(complete.raw, funding, [complete.client.signature, 1], [server.signature, 0x82])
    assertSpend(funding, complete, terms.refundHeight)
    assert.equal(
      toHex(
        completeState(t, fromHex(server.signature), [output(complete.output)], signer('client')).raw
      ),
      complete.raw
    )
    assert.equal(stateVsize(t, [fromHex(complete.output.scriptPubKey)]), complete.worstVsize)
  })

  for (const { name, code, raw } of vectors.refuse) {
    it(`the server refuses: ${name}`, () => {
      assertRefused(
        () =>
          parseRefundRequest(fromHex(raw), {
            version: terms.version,
            refundHeight: blockHeight(terms.refundHeight)
          }),
        code
      )
    })
  }

  for (const { name, signature } of vectors.refuseSignatures) {
    it(`the client refuses a signature: ${name}`, () =>
      assert.ok(!accepts('server', payerSighash(t), fromHex(signature))))
  }
})

describe('vectors of states', () => {
  const { funding, cases, refuse, refuseSignatures } = read.state()
  const template = (
    terms: Pick<
      (typeof cases)[number],
      'payer' | 'version' | 'lock' | 'payerBalance' | 'payerPayoutKey'
    >
  ): StateTemplate => ({
    funding: fundingOutput(funding),
    version: terms.version,
    lock: blockHeight(terms.lock),
    payer: terms.payer,
    payerBalance: satoshi(BigInt(terms.payerBalance)),
    payerPayoutKey: fromHex(terms.payerPayoutKey)
  })

  for (const vector of cases) {
    it(vector.name, () => {
      const { payer, payerSigned, payeeSigned, raw } = vector
      const payee = otherRole(payer)
      const outputs = bitcoin.Transaction.fromHex(raw).outs
      assert.deepEqual(
        outputs,
        [...(vector.output0 === null ? [] : [vector.output0]), ...vector.payeeOutputs].map(output)
      )
      assert.equal(vector.output0 !== null, vector.payerBalance >= 330)
      assert.equal(payerSigned.sighashType, vector.output0 === null ? 0x82 : 0x83)
      assert.equal(toHex(digestOf(raw, funding, payerSigned.sighashType)), payerSigned.sighash)
      assert.equal(toHex(digestOf(raw, funding, 1)), payeeSigned.sighash)
      assert.equal(payeeSigned.sighashType, 1)
      assertSigned(payer, fromHex(payerSigned.sighash), payerSigned.signature)
      assertSigned(payee, fromHex(payeeSigned.sighash), payeeSigned.signature)
      const [client, server] =
        payer === 'client' ? [payerSigned, payeeSigned] : [payeeSigned, payerSigned]
      assertWitness(
        raw,
        funding,
        [client.signature, client.sighashType],
        [server.signature, server.sighashType]
      )
      assertSpend(funding, vector, vector.lock)

      const t = template(vector)
      assert.deepEqual(payerOutput(t), vector.output0 === null ? undefined : output(vector.output0))
      assert.equal(toHex(payerSighash(t)), payerSigned.sighash)
      assert.equal(toHex(payerSighasher(t)(t.payerBalance)), payerSigned.sighash)
      assert.equal(
        toHex(
          completeState(
            t,
            fromHex(payerSigned.signature),
            vector.payeeOutputs.map(output),
            signer(payee)
          ).raw
        ),
        raw
      )
      assert.equal(
        stateVsize(
          t,
          vector.payeeOutputs.map(({ scriptPubKey }) => fromHex(scriptPubKey))
        ),
        vector.worstVsize
      )
    })
  }

  for (const vector of refuse) {
    it(`the payee does not publish: ${vector.name}`, () => {
      const t = template(vector)
      assertRefused(
        () =>
          completeState(
            t,
            signer(vector.payer)(payerSighash(t)),
            vector.payeeOutputs.map(output),
            signer(otherRole(vector.payer))
          ),
        vector.code
      )
    })
  }

  for (const vector of refuseSignatures) {
    it(`the payee refuses a signature: ${vector.name}`, () => {
      const digest = payerSighash(template(vector))
      assert.ok(
        accepts(vector.payer, digest, signer(vector.payer)(digest)),
        'the right one would do'
      )
      assert.ok(!accepts(vector.payer, digest, fromHex(vector.signature)))
    })
  }
})

describe('vectors of the cooperative close', () => {
  const { funding, cases, refuse, refuseSignatures } = read.close()
  const template = (terms: Omit<(typeof refuse)[number], 'name' | 'code'>): CloseTerms => ({
    funding: fundingOutput(funding),
    version: terms.version,
    clientBalance: satoshi(BigInt(terms.clientBalance)),
    serverBalance: satoshi(BigInt(terms.serverBalance)),
    clientScript: fromHex(terms.clientScript),
    serverScript: fromHex(terms.serverScript),
    fee: satoshi(BigInt(terms.fee)),
    feePayer: terms.feePayer
  })

  for (const vector of cases) {
    it(vector.name, () => {
      const outputs = bitcoin.Transaction.fromHex(vector.raw).outs
      assert.deepEqual(outputs, vector.outputs.map(output))
      assert.equal(
        outputs.reduce((left, { value }) => left - value, BigInt(funding.sat)),
        BigInt(vector.paidFee)
      )
      assert.equal(toHex(digestOf(vector.raw, funding, 1)), vector.sighash)
      assertSigned('client', fromHex(vector.sighash), vector.clientSignature)
      assertSigned('server', fromHex(vector.sighash), vector.serverSignature)
      assertWitness(vector.raw, funding, [vector.clientSignature, 1], [vector.serverSignature, 1])
      assertSpend(funding, vector, 0)

      const terms = template(vector)
      assert.deepEqual(closeOutputs(terms), {
        outputs: vector.outputs.map(output),
        fee: BigInt(vector.paidFee)
      })
      assert.equal(toHex(closeSighash(terms)), vector.sighash)
      assert.equal(closeTxid(terms), vector.txid)
      assert.equal(
        toHex(
          completeClose(terms, fromHex(vector.clientSignature), fromHex(vector.serverSignature)).raw
        ),
        vector.raw
      )
      assert.equal(vsizeBySpec(outputs.map(({ script }) => script)), vector.worstVsize)
      assert.equal(vsizeBySpec([terms.clientScript, terms.serverScript]), vector.feeVsize)
      assert.equal(closeVsize(terms.clientScript, terms.serverScript), vector.feeVsize)
    })
  }

  for (const vector of refuse) {
    it(`nobody signs: ${vector.name}`, () =>
      assertRefused(() => closeSighash(template(vector)), vector.code))
  }

  for (const vector of refuseSignatures) {
    it(`the other side refuses a signature: ${vector.name}`, () => {
      const digest = closeSighash(template(vector))
      assert.ok(
        accepts(vector.signer, digest, signer(vector.signer)(digest)),
        'the right one would do'
      )
      assert.ok(!accepts(vector.signer, digest, fromHex(vector.signature)))
    })
  }
})

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
