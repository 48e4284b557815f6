/**
 * `Update` by hand is the general codec, only faster: the same bytes, the same values, nothing more
 * let in.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decode, encode, ProtocolError } from '../../protocols/paychan/1.0/index.js'
import type { Message, Update } from '../../protocols/paychan/1.0/index.js'
import { decodeAny, encodeAny } from '../../protocols/paychan/1.0/codec.js'
import { decodeUpdate, encodeUpdate } from '../../protocols/paychan/1.0/update-codec.js'

const RUNS = 1_000
const uint32 = fc.oneof(fc.constantFrom(0, 1, 127, 128, 0xffff_ffff), fc.nat())
const amount = fc.oneof(
  fc.constantFrom(0n, 1n, 127n, 128n, 2_100_000_000_000_000n),
  fc.bigInt({ min: 0n, max: 2_100_000_000_000_000n })
)
const memo = fc.oneof(
  fc.constant(''),
  fc.string({ maxLength: 128 }),
  fc.string({ unit: fc.constantFrom('a', 'é', '😀', '\u2028', '\u007f'), maxLength: 140 })
)
const id = fc.uint8Array({ minLength: 16, maxLength: 16 })
const update: fc.Arbitrary<Update> = fc.record(
  {
    type: fc.constant('Update' as const),
    turn: uint32,
    sequence: uint32,
    payerBalance: amount,
    payments: fc.array(fc.record({ id, amount, memo }, { noNullPrototype: true }), {
      maxLength: 6
    }),
    signature: fc.uint8Array({ minLength: 64, maxLength: 64 })
  },
  { noNullPrototype: true }
)

/** What an action comes to: its value, or the rule that it names. */
function outcome<T>(action: () => T): { value: T } | { rule: string } {
  try {
    return { value: action() }
  } catch (error) {
    assert.ok(error instanceof ProtocolError, String(error))
    return { rule: error.rule }
  }
}

/** The length of bytes that are fewer than 2^14, as a varint. */
const length = (bytes: readonly number[]): number[] =>
  bytes.length < 0x80
    ? [bytes.length]
    : [(bytes.length % 0x80) + 0x80, Math.floor(bytes.length / 0x80)]

const bytesOf = (message: Update): Uint8Array => Uint8Array.from(encode(message))

describe('codec / Update by hand', () => {
  it('writes the bytes of the general codec, and refuses by the same rule', () => {
    fc.assert(
      fc.property(update, (message) => {
        const ours = outcome(() => Uint8Array.from(encode(message)))
        assert.deepEqual(
          ours,
          outcome(() => Uint8Array.from(encodeAny(message)))
        )
      }),
      { numRuns: RUNS }
    )
  })

  it('reads what the general codec reads, also from bytes that were tampered with', () => {
    const change = fc.tuple(
      fc.nat({ max: 400 }),
      fc.integer({ min: 0, max: 255 }),
      fc.constantFrom('replace', 'insert', 'remove')
    )
    fc.assert(
      fc.property(update, fc.array(change, { maxLength: 2 }), (message, changes) => {
        const encoded = outcome(() => bytesOf(message))
        if ('rule' in encoded) return
        const bytes = [...encoded.value]
        for (const [at, byte, how] of changes) {
          bytes.splice(
            at % bytes.length,
            how === 'insert' ? 0 : 1,
            ...(how === 'remove' ? [] : [byte])
          )
        }
        const tampered = Uint8Array.from(bytes)
        assert.deepEqual(
          outcome<Message>(() => decode(tampered)),
          outcome<Message>(() => decodeAny(tampered))
        )
      }),
      { numRuns: RUNS * 3 }
    )
  })

  it('refuses integers of any length that are not in their shortest form (WIRE-4)', () => {
    const signature = [0x2a, 64, ...new Uint8Array(64)]
    const inPayment = [0x0a, 16, ...new Uint8Array(16)]
    for (let zeros = 1; zeros <= 200; zeros++) {
      const long = [...new Uint8Array(zeros).fill(0x80), 1]
      const bodies = [
        [0x08, ...long],
        [0x10, ...long],
        [0x18, ...long],
        [0x22, ...length([...inPayment, 0x10, ...long]), ...inPayment, 0x10, ...long],
        [0x22, ...length([...inPayment, 0x1a, ...long]), ...inPayment, 0x1a, ...long]
      ]
      for (const body of bodies) {
        const whole = Uint8Array.from([
          0x3a,
          ...length([...body, ...signature]),
          ...body,
          ...signature
        ])
        assert.deepEqual(
          outcome<Message>(() => decode(whole)),
          outcome<Message>(() => decodeAny(whole)),
          `${zeros} zeros`
        )
      }
    }
  })

  it('takes the short way for ordinary payments, and not for a memo beyond ASCII', () => {
    const plain: Update = {
      type: 'Update',
      turn: 0,
      sequence: 1,
      payerBalance: 5n,
      payments: [{ id: new Uint8Array(16), amount: 1n, memo: 'tea' }],
      signature: new Uint8Array(64)
    }
    assert.deepEqual(decodeUpdate(bytesOf(plain)), plain)
    const foreign: Update = {
      ...plain,
      payments: [{ id: new Uint8Array(16), amount: 1n, memo: 'Tee für zwei' }]
    }
    assert.equal(encodeUpdate(foreign), undefined)
    assert.deepEqual(decode(bytesOf(foreign)), foreign)
  })

  it('shares no memory with the bytes that were received', () => {
    const sent: Update = {
      type: 'Update',
      turn: 0,
      sequence: 1,
      payerBalance: 5n,
      payments: [{ id: new Uint8Array(16).fill(3), amount: 1n, memo: '' }],
      signature: new Uint8Array(64).fill(4)
    }
    for (const bytes of [bytesOf(sent), Buffer.from(bytesOf(sent))]) {
      const read = decode(bytes)
      bytes.fill(0)
      assert.deepEqual(read, sent)
    }
  })
})
