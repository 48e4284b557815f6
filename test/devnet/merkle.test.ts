import assert from 'node:assert/strict'
import fc from 'fast-check'
import { concat } from 'uint8arrays'
import { hash256, merkleBranch, merkleRoot } from '../../src/devnet/hashes.js'

const hashes = fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), {
  minLength: 1,
  maxLength: 40
})

describe('devnet / merkle', () => {
  it('has a single hash as its own root', () => {
    const only = new Uint8Array(32).fill(1)
    assert.deepEqual(merkleRoot([only]), only)
    assert.deepEqual(merkleBranch([only], 0), [])
  })

  it('leads from every position to the root', () => {
    fc.assert(
      fc.property(hashes, (list) => {
        const root = merkleRoot(list)
        list.forEach((leaf, position) => {
          const reached = merkleBranch(list, position).reduce(
            (hash, sibling, level) =>
              hash256(concat(((position >> level) & 1) === 0 ? [hash, sibling] : [sibling, hash])),
            leaf
          )
          assert.deepEqual(Uint8Array.from(reached), Uint8Array.from(root))
        })
      }),
      { numRuns: 50 }
    )
  })
})
