import assert from 'node:assert/strict'
import { broadcastRefused, isAlreadyThere, refusalKind } from '../../src/chain/broadcasting.js'
import { txid } from '../../src/types/bytes.js'

describe('broadcast refusal', () => {
  for (const [text, kind] of [
    ['the transaction was rejected by network rules.\n\nnon-final\n[0200]', 'non-final'],
    ['sendrawtransaction RPC error: {"code":-26,"message":"non-BIP68-final"}', 'non-final'],
    [
      'the transaction was rejected by network rules.\n\nbad-txns-inputs-missingorspent',
      'missing-inputs'
    ],
    ['Missing inputs', 'missing-inputs'],
    ['min relay fee not met, 100 < 181', 'fee-too-low'],
    ['mempool min fee not met, 100 < 181', 'fee-too-low'],
    [
      'insufficient fee, rejecting replacement 00ff; new feerate 0.00001 BTC/kvB <= old feerate',
      'insufficient-fee'
    ],
    [
      'insufficient fee, rejecting replacement 00ff, not enough additional fees to relay; 0.00 < 0.00000181',
      'insufficient-fee'
    ],
    [
      'replacement-failed, insufficient feerate: does not improve feerate diagram',
      'insufficient-fee'
    ],
    [
      'package RBF failed: package feerate is less than or equal to parent feerate',
      'insufficient-fee'
    ],
    ['package RBF failed: new transaction cannot have mempool ancestors', 'other'],
    ['mempool full', 'fee-too-low'],
    ['the transaction was rejected by network rules.\n\nmempool-full', 'fee-too-low'],
    ['mempool-min-fee-not-met', 'fee-too-low'],
    ['too-long-mempool-chain, too many descendants', 'other'],
    ['replacement-adds-unconfirmed, replacement 00ff adds unconfirmed input', 'other'],
    ['too many potential replacements, rejecting replacement 00ff', 'other'],
    ['dust, tx with dust output must be 0-fee', 'dust'],
    ['TRUC-violation, version=3 tx is too big', 'other']
  ] as const) {
    it(`reads '${text.replaceAll('\n', ' ').slice(0, 60)}' as ${kind}`, () => {
      assert.equal(refusalKind(text), kind)
      assert.equal(isAlreadyThere(text), false)
    })
  }

  for (const text of [
    'txn-already-in-mempool',
    'txn-already-known',
    'Transaction already in block chain',
    'Transaction outputs already in utxo set',
    'the transaction was rejected by network rules.\n\nTransaction already in mempool'
  ]) {
    it(`takes '${text.replaceAll('\n', ' ').slice(-40)}' for success`, () => {
      assert.equal(isAlreadyThere(text), true)
    })
  }

  it("hands on the server's words, short and without control characters", () => {
    const error = broadcastRefused(
      txid('ab'.repeat(32)),
      `bad\u001b[31m-txns\n${'00'.repeat(4000)}`
    )
    assert.equal(error.code, 'ERR_BROADCAST_REFUSED')
    assert.equal(error.facts.kind, 'other')
    assert.match(String(error.facts.reason), /^bad \[31m-txns 00/)
    assert.ok(String(error.facts.reason).length <= 300)
  })
})
