import assert from 'node:assert/strict'
import fc from 'fast-check'
import { allDifferent } from '../../src/channel/ledger.js'
import { toHex } from '../../src/types/bytes.js'

const payment = (id: Uint8Array): { id: Uint8Array; amount: bigint; memo: string } => ({
  id,
  amount: 1n,
  memo: ''
})

describe('channel / payment ids', () => {
  it('are all different or not, as comparing them one by one says (UPD-14)', () => {
    const id = fc
      .tuple(fc.nat({ max: 2 }), fc.nat({ max: 2 }))
      .map(([head, tail]) =>
        Uint8Array.from({ length: 16 }, (_, at) => (at === 0 ? head : at === 15 ? tail : 0))
      )
    fc.assert(
      fc.property(fc.array(id, { maxLength: 5 }), (ids) => {
        assert.equal(allDifferent(ids.map(payment)), new Set(ids.map(toHex)).size === ids.length)
      }),
      { numRuns: 300 }
    )
  })
})
