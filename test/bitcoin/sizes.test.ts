/** Sizes that fees are reckoned by, against transactions with the longest signatures. */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import {
  FUNDING_INPUT_VSIZE,
  FUNDING_WITNESS_BYTES,
  fundingSpend,
  fundingSpendVsize,
  withSignatures
} from '../../src/bitcoin/funding-spend.js'
import { MAX_SIGNATURE_BYTES } from '../../src/bitcoin/sizes.js'
import { satoshi } from '../../src/types/units.js'
import { funding, P2WSH, p2wpkh } from './support.js'

describe('bitcoin / sizes', () => {
  const longest = new Uint8Array(MAX_SIGNATURE_BYTES)

  it('a spend of a funding output: 220 bytes of witness, 96 vB beside other inputs', () => {
    assert.deepEqual([FUNDING_WITNESS_BYTES, FUNDING_INPUT_VSIZE], [220, 96])
  })

  it('are those of the transaction that is sent', () => {
    for (const scripts of [[p2wpkh()], [P2WSH], [p2wpkh(), P2WSH]]) {
      const tx = fundingSpend(
        funding(),
        3,
        0,
        scripts.map((script) => ({ script, value: satoshi(1_000n) }))
      )
      const raw = withSignatures(tx, funding(), longest, longest)
      assert.equal(fundingSpendVsize(scripts), Transaction.fromBuffer(raw.raw).virtualSize())
    }
  })
})
