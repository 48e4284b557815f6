import assert from 'node:assert/strict'
import { dustLimit } from '../../src/bitcoin/sizes.js'
import { P2PKH, P2SH, P2TR, P2WSH, p2wpkh } from './support.js'

describe('dust limits', () => {
  it('are those of Bitcoin Core', () => {
    assert.equal(dustLimit(p2wpkh()), 294n)
    assert.equal(dustLimit(P2WSH), 330n)
    assert.equal(dustLimit(P2TR), 330n)
    assert.equal(dustLimit(P2PKH), 546n)
    assert.equal(dustLimit(P2SH), 540n)
  })

  it('count every witness program as cheap to spend', () => {
    // Pay-to-anchor, 51024e73: (8 + 1 + 4 + 67) x 3
    assert.equal(dustLimit(Uint8Array.from([0x51, 2, 0x4e, 0x73])), 240n)
    // 40 bytes of version 16: (8 + 1 + 42 + 67) x 3
    assert.equal(dustLimit(Uint8Array.from([0x60, 40, ...new Uint8Array(40)])), 354n)
  })

  it('count the bytes of a long script and of its length', () => {
    // 252 bytes: (8 + 1 + 252 + 148) x 3; 253 bytes: (8 + 3 + 253 + 148) x 3
    assert.equal(dustLimit(new Uint8Array(252).fill(0x61)), 1227n)
    assert.equal(dustLimit(new Uint8Array(253).fill(0x61)), 1236n)
  })

  it('do not exist for what nobody can spend', () => {
    assert.equal(dustLimit(Uint8Array.from([0x6a, 1, 1])), 0n)
    assert.equal(dustLimit(new Uint8Array(10_001)), 0n)
    assert.ok(dustLimit(new Uint8Array(10_000)) > 0n)
  })
})
