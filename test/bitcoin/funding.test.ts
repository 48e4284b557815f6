import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import { closeSighash, completeClose } from '../../src/bitcoin/closing.js'
import { isSignedByBoth } from '../../src/bitcoin/funding-spend.js'
import { checkFundingTx, fundingScript, readFunding } from '../../src/bitcoin/funding.js'
import type { Ecdsa } from '../../src/bitcoin/keys.js'
import { fundingWitnessScript, p2wsh } from '../../src/bitcoin/scripts.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { txid } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { loadEcdsa } from '../../src/wallet/signer.js'
import { close, funding, K1, K2, p2wpkh, refuses, STRANGER } from './support.js'

const script = fundingScript(K1.publicKey, K2.publicKey)
const capacity = satoshi(1_000_000n)

/** A T1 with two inputs, the change first and the funding output second. */
function build(change: (tx: bitcoin.Transaction) => void = () => {}): {
  raw: Uint8Array
  expected: Parameters<typeof checkFundingTx>[1]
} {
  const tx = new bitcoin.Transaction()
  tx.version = 3
  for (const [i, byte] of [1, 2].entries()) {
    tx.addInput(new Uint8Array(32).fill(byte), byte, 0xfffffffd)
    tx.setWitness(i, [new Uint8Array(71).fill(1), K1.publicKey])
  }
  tx.addOutput(p2wpkh(), 5000n)
  tx.addOutput(script, capacity)
  change(tx)
  return {
    raw: tx.toBuffer(),
    expected: { outPoint: { txid: txid(tx.getId()), vout: 1 }, script, capacity }
  }
}

describe('funding transaction', () => {
  it('pays to the 2-of-2', () => {
    assert.deepEqual(script, p2wsh(fundingWitnessScript(K1.publicKey, K2.publicKey)))
  })

  it('is accepted when it is what the refund spends', () => {
    const { raw, expected } = build()
    const parsed = readFunding(raw)
    checkFundingTx(parsed, expected)
    assert.equal(parsed.txid, expected.outPoint.txid)
    assert.equal(parsed.outputs[1]?.value, capacity)
  })

  it('is refused when it cannot be read', () => {
    const { raw, expected } = build()
    for (const bad of [new Uint8Array(0), raw.slice(0, -1), Uint8Array.from([...raw, 1])]) {
      refuses(() => checkFundingTx(readFunding(bad), expected), 'ERR_FUNDING_MALFORMED')
    }
  })

  it('is refused when it is another transaction than the one whose refund was signed', () => {
    const { expected } = build()
    refuses(
      () =>
        checkFundingTx(
          readFunding(
            build((tx) => {
              tx.locktime = 1
            }).raw
          ),
          expected
        ),
      'ERR_FUNDING_TXID'
    )
  })

  it("is refused when the output is missing, too small, too large, or not the channel's", () => {
    const { raw, expected } = build()
    const at = (vout: number): typeof expected => ({
      ...expected,
      outPoint: { ...expected.outPoint, vout }
    })
    refuses(() => checkFundingTx(readFunding(raw), at(2)), 'ERR_FUNDING_OUTPUT', /no output 2/)
    refuses(
      () => checkFundingTx(readFunding(raw), at(0)),
      'ERR_FUNDING_OUTPUT',
      /does not pay to the keys/
    )
    refuses(
      () => checkFundingTx(readFunding(raw), { ...expected, capacity: satoshi(1_000_001n) }),
      'ERR_FUNDING_OUTPUT',
      /1000000 sat; the terms say 1000001/
    )
    refuses(
      () => checkFundingTx(readFunding(raw), { ...expected, capacity: satoshi(999_999n) }),
      'ERR_FUNDING_OUTPUT'
    )
    refuses(
      () =>
        checkFundingTx(readFunding(raw), {
          ...expected,
          script: fundingScript(K2.publicKey, K1.publicKey)
        }),
      'ERR_FUNDING_OUTPUT'
    )
  })

  it('is refused with an input whose scriptSig others could alter', () => {
    for (const change of [
      (tx: bitcoin.Transaction) => {
        tx.setWitness(1, [])
      },
      (tx: bitcoin.Transaction) => {
        tx.setInputScript(1, Uint8Array.from([22, 0, 20, ...new Uint8Array(20)]))
      },
      (tx: bitcoin.Transaction) => {
        tx.stripWitnesses()
      }
    ]) {
      const { raw, expected } = build(change)
      refuses(() => checkFundingTx(readFunding(raw), expected), 'ERR_FUNDING_NOT_SEGWIT')
    }
  })
})

const ecdsa = loadEcdsa()

const CLOSE = close('client')

const { raw } = completeClose(CLOSE, K1.sign(closeSighash(CLOSE)), K2.sign(closeSighash(CLOSE)))

/** Counts what is verified. */
function counting(): { readonly verify: Ecdsa['verify']; readonly calls: () => number } {
  let calls = 0
  return {
    verify: (...of) => {
      calls += 1
      return ecdsa.verify(...of)
    },
    calls: () => calls
  }
}

describe('the spend of a funding output that both have signed', () => {
  it('is verified once, however often it is asked about', () => {
    const tx = parseTransaction(raw)
    const { verify, calls } = counting()
    assert.ok(isSignedByBoth(tx, funding(), verify))
    assert.equal(calls(), 2, 'one signature of each side')
    // The keys are other arrays with the same bytes.
    const again = funding({ clientKey: K1.publicKey.slice(), serverKey: K2.publicKey.slice() })
    assert.ok(isSignedByBoth(tx, again, verify))
    assert.equal(calls(), 2)
  })

  it('is verified anew for any other output: that the one is spent rightly says nothing of it', () => {
    const tx = parseTransaction(raw)
    const { verify } = counting()
    const others = [
      funding({ value: satoshi(1_000_001n) }),
      funding({ outPoint: { ...funding().outPoint, vout: 2 } }),
      funding({ clientKey: STRANGER.publicKey }),
      funding({ serverKey: STRANGER.publicKey })
    ]
    for (const other of others) {
      assert.ok(isSignedByBoth(tx, funding(), verify))
      assert.ok(!isSignedByBoth(tx, other, verify))
    }
    assert.ok(isSignedByBoth(tx, funding(), verify), 'nor does a refusal say anything of this')
  })

  it('is verified anew by whoever verifies in another way', () => {
    const tx = parseTransaction(raw)
    assert.ok(isSignedByBoth(tx, funding(), ecdsa.verify))
    assert.ok(!isSignedByBoth(tx, funding(), () => false))
    assert.ok(isSignedByBoth(tx, funding(), ecdsa.verify))
  })

  it('is another one with another witness, under the same txid', () => {
    const tx = parseTransaction(raw)
    const forged = tx.withWitnesses([
      [new Uint8Array(0), ...(tx.inputs[0]?.witness ?? []).slice(1, 3).reverse()]
    ])
    assert.equal(forged.txid, tx.txid)
    assert.ok(isSignedByBoth(tx, funding(), ecdsa.verify))
    assert.ok(!isSignedByBoth(forged, funding(), ecdsa.verify))
  })
})
