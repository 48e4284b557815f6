import assert from 'node:assert/strict'
import { closeSighash, completeClose } from '../../src/bitcoin/closing.js'
import { isSignedByBoth } from '../../src/bitcoin/funding-spend.js'
import type { Ecdsa } from '../../src/bitcoin/keys.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { satoshi } from '../../src/types/units.js'
import { loadEcdsa } from '../../src/wallet/signer.js'
import { close, funding, K1, K2, STRANGER } from './support.js'

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
