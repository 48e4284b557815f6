import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import fc from 'fast-check'
import * as secp from 'tiny-secp256k1'
import { fromDer, SIGHASH } from '../../src/bitcoin/ecdsa.js'
import { fundingWitnessScript, p2wsh, payoutWitnessScript } from '../../src/bitcoin/scripts.js'
import {
  completeState,
  payerOutput,
  payerSighash,
  payerSighasher,
  SEQUENCE,
  stateVsize,
  type StateTemplate
} from '../../src/bitcoin/template.js'
import { hashFromTxid, txid } from '../../src/types/bytes.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import {
  anyAmount,
  anyKey,
  anyTxid,
  channelKeys,
  CLIENT_PAYOUT,
  funding,
  K1,
  K2,
  P2PKH,
  P2TR,
  p2wpkh,
  refuses,
  SERVER_PAYOUT,
  state,
  STRANGER
} from './support.js'

const SINGLE_ACP = SIGHASH.SINGLE | SIGHASH.ANYONECANPAY
const NONE_ACP = SIGHASH.NONE | SIGHASH.ANYONECANPAY

/** The payer's digest as bitcoinjs computes it, from a transaction written down by hand. */
function reference(t: StateTemplate): Uint8Array {
  const tx = new bitcoin.Transaction()
  tx.version = t.version
  tx.locktime = t.lock
  tx.addInput(hashFromTxid(t.funding.outPoint.txid), t.funding.outPoint.vout, 0xfffffffd)
  if (t.payerBalance >= 330n) {
    tx.addOutput(p2wsh(payoutWitnessScript(t.payerPayoutKey)), t.payerBalance)
  }
  return tx.hashForWitnessV0(
    0,
    fundingWitnessScript(t.funding.clientKey, t.funding.serverKey),
    t.funding.value,
    t.payerBalance >= 330n ? SINGLE_ACP : NONE_ACP
  )
}

const anyTemplate = fc.record({
  funding: fc.record({
    outPoint: fc.record({ txid: anyTxid, vout: fc.nat(0xffffffff) }),
    value: anyAmount,
    clientKey: anyKey,
    serverKey: anyKey
  }),
  version: fc.constantFrom(2, 3),
  lock: fc.nat(499_999_999).map(blockHeight),
  payer: fc.constantFrom('client' as const, 'server' as const),
  payerBalance: fc.oneof(anyAmount, fc.bigInt(0n, 700n).map(satoshi)),
  payerPayoutKey: anyKey
})

/** Completes a state with the right keys. */
function complete(
  t: StateTemplate,
  payee: readonly { script: Uint8Array; value: bigint }[]
): Uint8Array {
  const keys = channelKeys(t.payer)
  return completeState(
    t,
    keys.payer.sign(payerSighash(t)),
    payee.map(({ script, value }) => ({ script, value: satoshi(value) })),
    keys.payee.sign
  ).raw
}

const outputSum = (raw: Uint8Array): bigint =>
  bitcoin.Transaction.fromBuffer(raw).outs.reduce((total, { value }) => total + value, 0n)

describe('state template', () => {
  it('signals replacement and lets nLockTime count', () => {
    assert.equal(SEQUENCE, 0xfffffffd)
  })

  describe('output 0 (SIG-2)', () => {
    it('pays the payer, one block delayed', () => {
      assert.deepEqual(payerOutput(state(1000n)), {
        script: p2wsh(payoutWitnessScript(CLIENT_PAYOUT.publicKey)),
        value: 1000n
      })
    })

    it('is left out below 330 sat', () => {
      assert.equal(payerOutput(state(0n)), undefined)
      assert.equal(payerOutput(state(329n)), undefined)
      assert.equal(payerOutput(state(330n))?.value, 330n)
    })
  })

  describe('digest of the payer', () => {
    it('is that of bitcoinjs, for any channel and balance', () => {
      fc.assert(fc.property(anyTemplate, (t) => assert.deepEqual(payerSighash(t), reference(t))))
    })

    it('is the same from a sighasher that is used for many balances in any order', () => {
      const sighash = payerSighasher(state(0n))
      fc.assert(
        fc.property(
          fc.array(fc.oneof(anyAmount, fc.bigInt(0n, 700n).map(satoshi)), { maxLength: 20 }),
          (balances) => {
            const digests = balances.map((balance) => sighash(balance))
            assert.deepEqual(
              digests,
              balances.map((balance) => reference(state(balance)))
            )
          }
        ),
        { numRuns: 50 }
      )
    })

    it('is a copy that the caller may keep or change', () => {
      const sighash = payerSighasher(state(0n))
      for (const balance of [satoshi(0n), satoshi(5000n)]) {
        const digest = sighash(balance)
        const copy = Uint8Array.from(digest)
        digest.fill(0)
        assert.deepEqual(sighash(balance), copy)
      }
    })

    it('is one for all balances below dust, and one for each above', () => {
      assert.deepEqual(payerSighash(state(0n)), payerSighash(state(329n)))
      assert.notDeepEqual(payerSighash(state(329n)), payerSighash(state(330n)))
      assert.notDeepEqual(payerSighash(state(330n)), payerSighash(state(331n)))
    })

    for (const balance of [0n, 5000n]) {
      it(`changes with everything that makes a channel another one (balance ${balance} sat)`, () => {
        const { outPoint } = funding()
        const others = [
          state(balance, { funding: funding({ outPoint: { ...outPoint, vout: 0 } }) }),
          state(balance, {
            funding: funding({ outPoint: { ...outPoint, txid: txid('cd'.repeat(32)) } })
          }),
          state(balance, { funding: funding({ value: satoshi(1_000_001n) }) }),
          state(balance, { funding: funding({ clientKey: STRANGER.publicKey }) }),
          state(balance, { funding: funding({ serverKey: STRANGER.publicKey }) }),
          state(balance, {
            funding: funding({ clientKey: K2.publicKey, serverKey: K1.publicKey })
          }),
          state(balance, { lock: blockHeight(1) }),
          state(balance, { version: 2 })
        ]
        const signature = K1.sign(payerSighash(state(balance)))
        assert.ok(secp.verify(payerSighash(state(balance)), K1.publicKey, signature))
        for (const other of others) {
          assert.ok(!secp.verify(payerSighash(other), K1.publicKey, signature))
        }
      })
    }

    it("changes with the payer's key as long as the payer has an output", () => {
      const other = { payerPayoutKey: SERVER_PAYOUT.publicKey }
      assert.notDeepEqual(payerSighash(state(330n, other)), payerSighash(state(330n)))
      assert.deepEqual(payerSighash(state(329n, other)), payerSighash(state(329n)))
    })
  })

  describe('completed state', () => {
    const payee = [{ script: p2wpkh(), value: 300_000n }]

    for (const payer of ['client', 'server'] as const) {
      it(`carries the signatures in the order of the keys when the ${payer} is the payer`, () => {
        const t = state(600_000n, { payer, lock: blockHeight(500) })
        const tx = bitcoin.Transaction.fromBuffer(complete(t, payee))
        assert.equal(tx.version, 3)
        assert.equal(tx.locktime, 500)
        assert.equal(tx.ins.length, 1)
        assert.equal(tx.ins[0]?.sequence, 0xfffffffd)
        assert.deepEqual(
          tx.outs.map((out) => out.value),
          [600_000n, 300_000n]
        )
        assert.deepEqual(tx.outs[0]?.script, payerOutput(t)?.script)

        const script = fundingWitnessScript(K1.publicKey, K2.publicKey)
        const [empty, first, second, last, ...more] = tx.ins[0].witness
        assert.ok(empty !== undefined && first !== undefined && second !== undefined)
        assert.equal(empty.length, 0)
        assert.deepEqual(last, script)
        assert.deepEqual(more, [])
        for (const [der, key, type] of [
          [first, K1, payer === 'client' ? SINGLE_ACP : SIGHASH.ALL],
          [second, K2, payer === 'client' ? SIGHASH.ALL : SINGLE_ACP]
        ] as const) {
          const { signature, sighashType } = fromDer(der)
          assert.equal(sighashType, type)
          assert.ok(
            secp.verify(
              tx.hashForWitnessV0(0, script, t.funding.value, type),
              key.publicKey,
              signature
            )
          )
        }
      })
    }

    it('says NONE for the payer when output 0 is left out', () => {
      const tx = bitcoin.Transaction.fromBuffer(complete(state(329n), payee))
      assert.deepEqual(
        tx.outs.map((out) => out.value),
        [300_000n]
      )
      assert.equal(fromDer(tx.ins[0]?.witness[1] ?? new Uint8Array()).sighashType, NONE_ACP)
      assert.equal(
        bitcoin.Transaction.fromBuffer(complete(state(330n), payee)).outs[0]?.value,
        330n
      )
    })

    it('may give all that output 0 leaves to the payee, and not a satoshi more', () => {
      assert.equal(
        outputSum(complete(state(600_000n), [{ script: p2wpkh(), value: 400_000n }])),
        1_000_000n
      )
      refuses(
        () => complete(state(600_000n), [{ script: p2wpkh(), value: 400_001n }]),
        'ERR_STATE_INVALID',
        /more than the 1000000 sat/
      )
      refuses(
        () =>
          complete(state(600_000n), [
            { script: p2wpkh(), value: 200_000n },
            { script: P2TR, value: 200_001n }
          ]),
        'ERR_STATE_INVALID'
      )
      refuses(() => complete(state(1_000_001n), []), 'ERR_STATE_INVALID')
    })

    it("counts a balance below dust as the payee's", () => {
      assert.equal(
        outputSum(complete(state(329n), [{ script: p2wpkh(), value: 1_000_000n }])),
        1_000_000n
      )
      refuses(
        () => complete(state(330n), [{ script: p2wpkh(), value: 1_000_000n }]),
        'ERR_STATE_INVALID'
      )
    })

    it('is refused with an output of the payee that is dust', () => {
      assert.equal(
        outputSum(complete(state(600_000n), [{ script: p2wpkh(), value: 294n }])),
        600_294n
      )
      refuses(
        () => complete(state(600_000n), [{ script: p2wpkh(), value: 293n }]),
        'ERR_STATE_INVALID',
        /dust/
      )
      refuses(
        () =>
          complete(state(0n), [
            { script: p2wpkh(), value: 5000n },
            { script: P2PKH, value: 545n }
          ]),
        'ERR_STATE_INVALID',
        /dust/
      )
    })

    it('is refused without any output, but the payee may give its whole share to the fee', () => {
      refuses(() => complete(state(0n), []), 'ERR_STATE_INVALID', /needs an output/)
      assert.equal(bitcoin.Transaction.fromBuffer(complete(state(600_000n), [])).outs.length, 1)
    })

    it('is refused with a signature that no mempool would take', () => {
      const t = state(600_000n)
      const outputs = [{ script: p2wpkh(), value: satoshi(300_000n) }]
      const good = K1.sign(payerSighash(t))
      const high = Uint8Array.from([...good.slice(0, 32), ...secp.privateNegate(good.slice(32))])
      refuses(() => completeState(t, high, outputs, K2.sign), 'ERR_INVALID_SIGNATURE')
      refuses(() => completeState(t, good.slice(1), outputs, K2.sign), 'ERR_INVALID_SIGNATURE')
      refuses(() => completeState(t, good, outputs, () => high), 'ERR_INVALID_SIGNATURE')
    })

    it('can be completed again with another fee by the payee alone', () => {
      const t = state(600_000n)
      const signature = K1.sign(payerSighash(t))
      const digests: string[] = []
      for (const value of [399_000n, 398_000n]) {
        const raw = completeState(
          t,
          signature,
          [{ script: p2wpkh(), value: satoshi(value) }],
          (digest) => {
            digests.push(Buffer.from(digest).toString('hex'))
            return K2.sign(digest)
          }
        )
        assert.equal(bitcoin.Transaction.fromBuffer(raw.raw).outs[1]?.value, value)
      }
      assert.equal(new Set(digests).size, 2)
    })
  })

  describe('virtual size', () => {
    it('is 181 with both outputs and 138 with one, at worst', () => {
      assert.equal(stateVsize(state(330n), [p2wpkh()]), 181)
      assert.equal(stateVsize(state(329n), [p2wpkh()]), 138)
    })

    it('is never below that of the real transaction, and at most 2 above', () => {
      let largest = 0
      const scripts = fc.constantFrom([p2wpkh()], [P2TR], [P2PKH], [p2wpkh(), P2TR])
      fc.assert(
        fc.property(fc.bigInt(0n, 700n), fc.nat(1_000_000), scripts, (balance, lock, payee) => {
          const t = state(balance, { lock: blockHeight(lock) })
          const real = bitcoin.Transaction.fromBuffer(
            complete(
              t,
              payee.map((script) => ({ script, value: 1000n }))
            )
          ).virtualSize()
          const spare = stateVsize(t, payee) - real
          assert.ok(spare >= 0 && spare <= 2, `${spare} vB to spare`)
          largest = Math.max(largest, real)
        })
      )
      assert.ok(largest > 0)
    })

    it('is reached by signatures of the greatest length', () => {
      const longest = Uint8Array.from([
        ...new Uint8Array(32).fill(0xee),
        0x7f,
        ...new Uint8Array(31)
      ])
      for (const balance of [330n, 329n]) {
        const raw = completeState(
          state(balance),
          longest,
          [{ script: p2wpkh(), value: satoshi(1000n) }],
          () => longest
        )
        assert.equal(
          bitcoin.Transaction.fromBuffer(raw.raw).virtualSize(),
          stateVsize(state(balance), [p2wpkh()])
        )
      }
    })

    it('counts many outputs', () => {
      const many = Array.from({ length: 300 }, () => p2wpkh())
      const raw = complete(
        state(0n),
        many.map((script) => ({ script, value: 1000n }))
      )
      assert.ok(
        stateVsize(state(0n), many) - bitcoin.Transaction.fromBuffer(raw).virtualSize() <= 2
      )
    })
  })
})
