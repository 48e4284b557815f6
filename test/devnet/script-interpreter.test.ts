import assert from 'node:assert/strict'
import { Rejected } from '../../src/devnet/rules.js'
import { scriptErrorSentence, ScriptVerifier } from '../../src/devnet/script-interpreter.js'
import { decodeTransaction } from '../../src/devnet/transaction.js'
import { txid } from '../../src/types/bytes.js'
import { alice, bob, signed } from './support.js'

describe('devnet / script interpreter', () => {
  const coin = { outPoint: { txid: txid('11'.repeat(32)), vout: 0 }, value: 50_000n }
  const tx = decodeTransaction(
    signed({ from: [{ ...coin, owner: alice }], to: [[bob.script, 49_000n]] }).toBuffer()
  )
  const right = [{ value: 50_000n, script: alice.script }]
  const wrong = [{ value: 50_001n, script: alice.script }]

  it('keeps a success by wtxid and does not run the scripts again', () => {
    const verifier = new ScriptVerifier()
    verifier.verify(tx, right, 'mempool')
    // Had they run again, they would have failed.
    verifier.verify(tx, wrong, 'block')
    assert.throws(() => {
      new ScriptVerifier().verify(tx, wrong, 'block')
    }, Rejected)
  })

  it('keeps no failure', () => {
    const verifier = new ScriptVerifier()
    assert.throws(
      () => {
        verifier.verify(tx, wrong, 'mempool')
      },
      {
        reason:
          'mempool-script-verify-flag-failed (Signature must be zero for failed CHECK(MULTI)SIG operation)'
      }
    )
    verifier.verify(tx, right, 'mempool')
  })

  it('refuses a script that cannot be decoded, and more inputs than outputs are known', () => {
    assert.throws(() => {
      new ScriptVerifier().verify(tx, [{ value: 50_000n, script: Uint8Array.of(0x4c) }], 'mempool')
    }, Rejected)
    assert.throws(() => {
      new ScriptVerifier().verify(tx, [], 'mempool')
    }, Rejected)
  })

  it('has a sentence for every code, and one for those it does not know', () => {
    assert.equal(
      scriptErrorSentence('SCRIPT_ERR_EVAL_FALSE_IN_STACK'),
      scriptErrorSentence('SCRIPT_ERR_EVAL_FALSE')
    )
    assert.equal(scriptErrorSentence('SCRIPT_ERR_UNKNOWN_ERROR: Error'), 'unknown error')
  })
})
