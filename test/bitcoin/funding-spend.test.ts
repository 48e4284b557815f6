import assert from 'node:assert/strict'
import { closeSighash, completeClose, type CloseTerms } from '../../src/bitcoin/closing.js'
import { isSignedByBoth } from '../../src/bitcoin/funding-spend.js'
import type { Ecdsa } from '../../src/bitcoin/keys.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { satoshi } from '../../src/types/units.js'
import { loadEcdsa } from '../../src/wallet/signer.js'
import { funding, K1, K2, p2wpkh, STRANGER } from './support.js'

const ecdsa = loadEcdsa()

const CLOSE: CloseTerms = {
  funding: funding(),
  version: 3,
  clientBalance: satoshi(600_000n),
  serverBalance: satoshi(400_000n),
  clientScript: p2wpkh(1),
  serverScript: p2wpkh(2),
  fee: satoshi(500n),
  feePayer: 'client'
}

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
    const close = parseTransaction(raw)
    const { verify, calls } = counting()
    assert.ok(isSignedByBoth(close, funding(), verify))
    assert.equal(calls(), 2, 'one signature of each side')
    // The keys are other arrays with the same bytes.
    const again = funding({ clientKey: K1.publicKey.slice(), serverKey: K2.publicKey.slice() })
    assert.ok(isSignedByBoth(close, again, verify))
    assert.equal(calls(), 2)
  })

  it('is verified anew for any other output: that the one is spent rightly says nothing of it', () => {
    const close = parseTransaction(raw)
    const { verify } = counting()
    const others = [
      funding({ value: satoshi(1_000_001n) }),
      funding({ outPoint: { ...funding().outPoint, vout: 2 } }),
      funding({ clientKey: STRANGER.publicKey }),
      funding({ serverKey: STRANGER.publicKey })
    ]
    for (const other of others) {
      assert.ok(isSignedByBoth(close, funding(), verify))
      assert.ok(!isSignedByBoth(close, other, verify))
    }
    assert.ok(isSignedByBoth(close, funding(), verify), 'nor does a refusal say anything of this')
  })

  it('is verified anew by whoever verifies in another way', () => {
    const close = parseTransaction(raw)
    assert.ok(isSignedByBoth(close, funding(), ecdsa.verify))
    assert.ok(!isSignedByBoth(close, funding(), () => false))
    assert.ok(isSignedByBoth(close, funding(), ecdsa.verify))
  })

  it('is another one with another witness, under the same txid', () => {
    const close = parseTransaction(raw)
    const forged = close.withWitnesses([
      [new Uint8Array(0), ...(close.inputs[0]?.witness ?? []).slice(1, 3).reverse()]
    ])
    assert.equal(forged.txid, close.txid)
    assert.ok(isSignedByBoth(close, funding(), ecdsa.verify))
    assert.ok(!isSignedByBoth(forged, funding(), ecdsa.verify))
  })
})
