import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decodeRecord, encodeRecord } from '../../src/engine/records.js'

/** Everything that states are made of. */
const { state } = fc.letrec<{ state: unknown, leaf: unknown }>((tie) => ({
  leaf: fc.oneof(
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
    fc.uint8Array({ maxLength: 80 }),
    fc.string({ unit: 'binary' }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null)
  ),
  state: fc.oneof({ maxDepth: 4 },
    tie('leaf'),
    fc.array(tie('state'), { maxLength: 5 }),
    fc.dictionary(fc.string({ minLength: 1, maxLength: 10 }).filter((key) => !key.startsWith('$') && key !== '__proto__'), fc.oneof(tie('state'), fc.constant(undefined)), { maxKeys: 5 }))
}))

/** What is undefined is not there. */
function withoutUndefined (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined).map(([key, part]) => [key, withoutUndefined(part)]))
}

function plain (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plain(part)]))
}

describe('engine / records', () => {
  it('come back as they were: amounts, bytes, texts, and what is undefined', () => {
    fc.assert(fc.property(state, (value) => {
      assert.deepEqual(plain(decodeRecord('key', encodeRecord(value))), withoutUndefined(value))
    }))
  })

  it('keep bytes that come as a Buffer', () => {
    const value = decodeRecord<{ bytes: Uint8Array }>('key', encodeRecord({ bytes: Buffer.from('00ff', 'hex') }))
    assert.deepEqual(value.bytes, Uint8Array.of(0, 255))
  })

  it('are one line of JSON that people can read', () => {
    assert.equal(new TextDecoder().decode(encodeRecord({ amount: 5n, key: Uint8Array.of(1, 2) })), '{"v":1,"value":{"amount":{"$sat":"5"},"key":{"$hex":"0102"}}}')
  })

  it('of any bytes are refused with a code, and the key', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      assert.throws(() => decodeRecord('channel/1', bytes), (error: Error) => 'code' in error && error.code === 'ERR_STORE_CORRUPT' && error.message.includes('channel/1'))
    }))
  })

  it('that were damaged in one place are refused or differ, but never end the process', () => {
    const good = encodeRecord({ amount: 5n, key: Uint8Array.of(1, 2), text: 'abc', list: [1, 2] })
    fc.assert(fc.property(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 }), (at, byte) => {
      const bad = good.slice()
      bad[at] = byte
      try {
        decodeRecord('key', bad)
      } catch (error) {
        assert.ok(error instanceof Error && 'code' in error && (error.code === 'ERR_STORE_CORRUPT' || error.code === 'ERR_STORE_VERSION'), String(error))
      }
    }))
  })
})
