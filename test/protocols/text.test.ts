import assert from 'node:assert/strict'
import fc from 'fast-check'
import { isPlainText, plainText, textLength } from '../../protocols/paychan/1.0/index.js'

describe('text of messages', () => {
  it('is counted in bytes of UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.equal(textLength(text), Buffer.byteLength(text))
      })
    )
  })

  it('is cut between two characters', () => {
    assert.equal(plainText('€€€', 8), '€€')
    assert.equal(plainText('a😀', 4), 'a')
    assert.equal(plainText('a😀', 5), 'a😀')
  })

  it('becomes one line that may be sent, whatever it was', () => {
    assert.equal(plainText('two\nlines\u2028\u0085\ud800', 100), 'two lines   ')
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(40), (text, max) => {
        const plain = plainText(text, max)
        assert.ok(isPlainText(plain))
        assert.ok(textLength(plain) <= max)
      })
    )
  })
})
