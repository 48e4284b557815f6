import assert from 'node:assert/strict'
import fc from 'fast-check'
import { readName, readPaid } from '../../src/engine/paid-records.js'
import { readEntry } from '../../src/engine/payments.js'
import { readTerms } from '../../src/engine/stored-channel.js'
import { decodeRecord, encodeRecord, RECORD_VERSION, sealRecord } from '../../src/engine/records.js'

/** Everything that states are made of. */
const { state } = fc.letrec<{ state: unknown; leaf: unknown }>((tie) => ({
  leaf: fc.oneof(
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
    fc.uint8Array({ maxLength: 80 }),
    fc.string({ unit: 'binary' }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null)
  ),
  state: fc.oneof(
    { maxDepth: 4 },
    tie('leaf'),
    fc.array(tie('state'), { maxLength: 5 }),
    fc.dictionary(
      fc
        .string({ minLength: 1, maxLength: 10 })
        .filter((key) => !key.startsWith('$') && key !== '__proto__'),
      fc.oneof(tie('state'), fc.constant(undefined)),
      { maxKeys: 5 }
    )
  )
}))

/** What is undefined is not there. */
function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, part]) => part !== undefined)
      .map(([key, part]) => [key, withoutUndefined(part)])
  )
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plain(part)]))
}

describe('engine / records', () => {
  it('come back as they were: amounts, bytes, texts, and what is undefined', () => {
    fc.assert(
      fc.property(state, (value) => {
        assert.deepEqual(
          plain(decodeRecord('key', encodeRecord('key', value))),
          withoutUndefined(value)
        )
      })
    )
  })

  it('keep bytes that come as a Buffer', () => {
    const value = decodeRecord<{ bytes: Uint8Array }>(
      'key',
      encodeRecord('key', { bytes: Buffer.from('00ff', 'hex') })
    )
    assert.deepEqual(value.bytes, Uint8Array.of(0, 255))
  })

  it('that lie under the key of another are refused', () => {
    fc.assert(
      fc.property(
        state,
        fc.string({ unit: 'grapheme-ascii' }),
        fc.string({ unit: 'grapheme-ascii' }),
        (value, key, other) => {
          fc.pre(key !== other)
          assert.equal(
            codeOf(() => decodeRecord(other, encodeRecord(key, value))),
            'ERR_STORE_CORRUPT'
          )
        }
      )
    )
  })

  it('are small: a field costs its name and its value', () => {
    assert.equal(
      encodeRecord('key', { amount: 5n, key: Uint8Array.of(1, 2) }).length,
      5 + 2 + (1 + 6 + 3) + (1 + 3 + 4)
    )
  })

  it('of any bytes are refused with a code, and the key', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        assert.throws(
          () => decodeRecord('channel/1', bytes),
          (error: Error) =>
            'code' in error &&
            error.code === 'ERR_STORE_CORRUPT' &&
            error.message.includes('channel/1')
        )
      })
    )
  })

  it('are refused when any one of their bytes is another one', () => {
    fc.assert(
      fc.property(state, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, difference) => {
        const bad = encodeRecord('key', value)
        bad[at % bad.length] = (bad[at % bad.length] ?? 0) ^ difference
        assert.equal(
          codeOf(() => decodeRecord('key', bad)),
          'ERR_STORE_CORRUPT'
        )
      }),
      { numRuns: 1_000 }
    )
  })

  it('are refused when they are cut short, or when something follows', () => {
    const good = encodeRecord('key', { amount: 5n, list: [1, 2], text: 'abc' })
    for (let length = 0; length < good.length; length++) {
      assert.equal(
        codeOf(() => decodeRecord('key', good.slice(0, length))),
        'ERR_STORE_CORRUPT'
      )
    }
    assert.equal(
      codeOf(() => decodeRecord('key', Uint8Array.of(...good, 0))),
      'ERR_STORE_CORRUPT'
    )
  })

  it('of a later release are told from damage', () => {
    const later = sealRecord('key', Uint8Array.of(1, 2, 3), RECORD_VERSION + 1)
    assert.equal(
      codeOf(() => decodeRecord('key', later)),
      'ERR_STORE_VERSION'
    )
    later[later.length - 1] = 0
    assert.equal(
      codeOf(() => decodeRecord('key', later)),
      'ERR_STORE_CORRUPT'
    )
  })

  it('whose checksum is right and whose value is none are refused all the same', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (value) => {
        const code = codeOf(() => decodeRecord('key', sealRecord('key', value, RECORD_VERSION)))
        assert.ok(code === undefined || code === 'ERR_STORE_CORRUPT', String(code))
      }),
      { numRuns: 1_000 }
    )
    assert.equal(
      codeOf(() =>
        decodeRecord('key', sealRecord('key', new Uint8Array(100_000).fill(9), RECORD_VERSION))
      ),
      'ERR_STORE_CORRUPT'
    )
  })

  it('of layout 1, which has no checksum, are damaged when their reader stumbles over them', () => {
    const json = new TextEncoder().encode('{"v":1,"value":null}')
    for (const [key, read] of [
      ['payment/ab/1', readEntry],
      ['paid/ab', readPaid],
      ['paid-name/ab', readName],
      ['channel/ab', readTerms]
    ] as const) {
      assert.throws(() => read(key, json), { code: 'ERR_STORE_CORRUPT', facts: { key } })
    }
  })

  it('of layout 1 are still read', () => {
    const json = new TextEncoder().encode(
      '{"v":1,"value":{"amount":{"$sat":"5"},"key":{"$hex":"0102"}}}'
    )
    assert.deepEqual(decodeRecord('key', json), { amount: 5n, key: Uint8Array.of(1, 2) })
  })
})

/** The code that an action throws; undefined when it does not. */
function codeOf(action: () => unknown): unknown {
  try {
    action()
    return undefined
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error
  }
}
