import assert from 'node:assert/strict'
import fc from 'fast-check'
import { LineSplitter } from '../../../src/chain/electrum/rpc.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('line splitter', () => {
  it('finds the same lines however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme' }).map((line) => line.replaceAll('\n', ''))),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        (lines, cuts) => {
          const splitter = new LineSplitter()
          const all = bytes(lines.map((line) => line + '\n').join(''))
          const found: string[] = []
          for (let at = 0, turn = 0; at < all.length; turn++) {
            const size = cuts[turn % cuts.length] ?? 1
            found.push(...splitter.push(all.slice(at, at + size)))
            at += size
          }
          assert.deepEqual(found, lines)
        }
      )
    )
  })

  it('refuses a line past the bound, whether or not it has ended', () => {
    assert.deepEqual(new LineSplitter(5).push(bytes('12345\n12345\n')), ['12345', '12345'])
    assert.throws(() => new LineSplitter(5).push(bytes('123456')), {
      code: 'ERR_ELECTRUM_PROTOCOL'
    })
    const splitter = new LineSplitter(5)
    splitter.push(bytes('123'))
    assert.throws(() => splitter.push(bytes('456\n')), { code: 'ERR_ELECTRUM_PROTOCOL' })
  })
})
