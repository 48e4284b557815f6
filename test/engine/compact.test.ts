import assert from 'node:assert/strict'
import fc from 'fast-check'
import { compact } from '../../src/engine/stored-channel.js'

/** What a state is made of, and names of fields that mean something to JavaScript or to JSON. */
const values = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, undefined, true, false),
    fc.double(),
    fc.bigInt(),
    fc.string(),
    fc.uint8Array(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.oneof(fc.string(), fc.constantFrom('constructor', '"', '1', 'toString')),
      tie('value'),
      { noNullPrototype: true, maxKeys: 30 }
    )
  )
})).value

describe('compact values', () => {
  it('are what they were', () => {
    fc.assert(
      fc.property(values, (value) => {
        assert.deepStrictEqual(compact(value), value)
      })
    )
  })

  it('hold the very same long byte strings, which others may keep as well, and leave what they were made of as it was', () => {
    const raw = new Uint8Array(65)
    const key = new Uint8Array(33)
    const before = { list: [{ raw, key }], none: undefined }
    const [held] = compact(before).list
    assert.equal(held?.raw, raw)
    assert.notEqual(held.key, key)
    assert.deepEqual(before, { list: [{ raw, key }], none: undefined })
  })

  it('have their short byte strings in one buffer, which is no longer than they are, and each is its own part', () => {
    const { a, b, c } = compact({
      a: new Uint8Array(33).fill(1),
      b: new Uint8Array(0),
      c: [new Uint8Array(64).fill(2)]
    })
    assert.equal(a.buffer, c[0]?.buffer)
    assert.equal(a.buffer.byteLength, 97)
    a.fill(9)
    assert.deepEqual([b, c], [new Uint8Array(0), [new Uint8Array(64).fill(2)]])
  })

  it('of which each is an object of its own', () => {
    const [one, other] = [compact({ a: { b: 1 } }), compact({ a: { b: 2 } })]
    assert.deepEqual([one, other], [{ a: { b: 1 } }, { a: { b: 2 } }])
  })
})
