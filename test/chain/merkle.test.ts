import assert from 'node:assert/strict'
import { crypto } from 'bitcoinjs-lib'
import fc from 'fast-check'
import { checkMerkleProof, merkleRootOf, readsAsTransaction } from '../../src/chain/header.js'
import { hashFromTxid, toHex, txid, txidFromHash, type Txid } from '../../src/types/bytes.js'
import { merkleProof, merkleRootOfIds } from './fake-chain.js'

function ids(count: number): Txid[] {
  return Array.from({ length: count }, (_, n) =>
    txid(toHex(crypto.sha256(new Uint8Array([n & 0xff, n >> 8]))))
  )
}

const lied = { code: 'ERR_CHAIN_LIED' }

describe('merkle proof', () => {
  it('of every transaction in blocks of every size leads to the root', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70 }), fc.nat(), (count, pick) => {
        const all = ids(count)
        const pos = pick % count
        checkMerkleProof(all[pos] ?? txid(''), 250, merkleProof(all, pos), merkleRootOfIds(all))
      })
    )
  })

  it('fails for another transaction, another place or another branch', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 70 }), fc.nat(), fc.nat(), (count, pick, other) => {
        const all = ids(count + 1)
        const stranger = all.pop() ?? txid('')
        const root = merkleRootOfIds(all)
        const pos = pick % count
        const id = all[pos] ?? txid('')
        const proof = merkleProof(all, pos)
        assert.throws(() => {
          checkMerkleProof(stranger, 250, proof, root)
        }, lied)
        const level = other % proof.merkle.length
        assert.throws(() => {
          checkMerkleProof(
            id,
            250,
            { ...proof, merkle: proof.merkle.map((hash, at) => (at === level ? stranger : hash)) },
            root
          )
        }, lied)
        assert.throws(() => {
          checkMerkleProof(id, 250, { ...proof, pos: proof.pos ^ (1 << level) }, root)
        }, lied)
        assert.throws(() => {
          checkMerkleProof(id, 250, { ...proof, merkle: proof.merkle.slice(1) }, root)
        }, lied)
      })
    )
  })

  it('is refused when the position is not in the tree', () => {
    const all = ids(4)
    const [id = txid('')] = all
    for (const pos of [4, -1, 0.5, 2 ** 40, Number.NaN]) {
      assert.throws(() => merkleRootOf(id, { ...merkleProof(all, 0), pos }), lied)
    }
    assert.throws(() => merkleRootOf(id, { merkle: new Array<Txid>(33).fill(id), pos: 0 }), lied)
  })

  it('may have 32 levels, more than any block, and no more', () => {
    const [id = txid(''), ...siblings] = ids(34)
    const at = (depth: number): Uint8Array =>
      merkleRootOf(id, { merkle: siblings.slice(0, depth), pos: 2 ** depth - 1 })
    assert.equal(at(32).length, 32)
    assert.throws(() => at(33), lied)
  })

  it('is refused for the doubled last transaction of an odd row (CVE-2012-2459)', () => {
    const all = ids(3)
    const root = merkleRootOfIds(all)
    checkMerkleProof(all[2] ?? txid(''), 250, merkleProof(all, 2), root)
    assert.throws(() => {
      checkMerkleProof(all[2] ?? txid(''), 250, { ...merkleProof(all, 2), pos: 3 }, root)
    }, lied)
  })

  it('is refused for a transaction of 64 bytes, which could be an inner node (CVE-2017-12842)', () => {
    const all = ids(2)
    assert.throws(() => {
      checkMerkleProof(all[0] ?? txid(''), 64, merkleProof(all, 0), merkleRootOfIds(all))
    }, lied)
  })

  it('is refused when an inner node is really a transaction in the block (CVE-2017-12842)', () => {
    // A transaction of 64 bytes of which the last 32 are a made-up id: "one level deeper" that id
    // would be proved, though no block has it.
    const small = new Uint8Array(64)
    const view = new DataView(small.buffer)
    view.setInt32(0, 1, true)
    small[4] = 1 // one input, 36 bytes of outpoint, no script
    small[46] = 1 // one output
    view.setBigUint64(47, 1000n, true)
    small[55] = 4 // with a script of 4 bytes
    const forged = txidFromHash(small.slice(32))
    const block = [txidFromHash(crypto.hash256(small)), ...ids(1)]
    assert.equal(readsAsTransaction(small), true)
    const proof = {
      merkle: [txidFromHash(small.slice(0, 32)), ...merkleProof(block, 0).merkle],
      pos: 1
    }
    assert.throws(() => {
      checkMerkleProof(forged, 250, proof, merkleRootOfIds(block))
    }, lied)
  })

  describe('64 bytes read as a transaction', () => {
    /** One input whose script has `first` bytes, and one output whose script has `second`. */
    function small(first: number, second: number): Uint8Array {
      const bytes = new Uint8Array(64)
      bytes[4] = 1
      bytes[41] = first
      bytes[46 + first] = 1
      new DataView(bytes.buffer).setBigUint64(47 + first, 2_100_000_000_000_000n, true)
      bytes[55 + first] = second
      return bytes
    }
    const changed = (bytes: Uint8Array, at: number, byte: number): Uint8Array =>
      bytes.map((old, i) => (i === at ? byte : old))

    for (let first = 0; first <= 4; first++) {
      it(`with ${first} bytes of script in the input and ${4 - first} in the output, and with no other number`, () => {
        const bytes = small(first, 4 - first)
        assert.equal(readsAsTransaction(bytes), true)
        for (const second of [3 - first, 5 - first]) {
          if (second >= 0) {
            assert.equal(readsAsTransaction(changed(bytes, 55 + first, second)), false)
          }
        }
        for (const count of [0, 2]) {
          assert.equal(readsAsTransaction(changed(bytes, 4, count)), false, 'inputs')
          assert.equal(readsAsTransaction(changed(bytes, 46 + first, count)), false, 'outputs')
        }
        const rich = Uint8Array.from(bytes)
        new DataView(rich.buffer).setBigUint64(47 + first, 2_100_000_000_000_001n, true)
        assert.equal(readsAsTransaction(rich), false, 'more than there is')
      })
    }

    it('not with more: nothing would be left for the output', () => {
      assert.equal(readsAsTransaction(changed(small(5, 0), 60, 255)), false)
    })
  })

  it('takes two hashes side by side for no transaction', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), (seed) => {
        assert.equal(
          readsAsTransaction(
            Uint8Array.from([
              ...hashFromTxid(txidFromHash(crypto.sha256(seed))),
              ...crypto.hash256(seed)
            ])
          ),
          false
        )
      })
    )
  })
})
