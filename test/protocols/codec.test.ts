import assert from 'node:assert/strict'
import fc from 'fast-check'
import { checkMessage } from '../../protocols/paychan/1.0/check.js'
import { Envelope } from '../../protocols/paychan/1.0/gen/paychan.js'
import {
  decode,
  encode,
  type ErrorMessage,
  isPlainText,
  MAX_AMOUNT,
  MAX_MESSAGE_BYTES,
  MAX_PAYMENTS_PER_UPDATE,
  type Message,
  type OpenChannel,
  type Payment,
  plainText,
  ProtocolError,
  textLength,
  type Update
} from '../../protocols/paychan/1.0/index.js'
import { toHex } from '../../src/types/bytes.js'
import { message } from './arbitraries.js'

const ACK: Message = { type: 'UpdateAck', turn: 1, sequence: 7 }
const UPDATE: Update = {
  type: 'Update',
  turn: 0,
  sequence: 1,
  payerBalance: 900n,
  payments: [],
  signature: new Uint8Array(64)
}
const ERROR: ErrorMessage = {
  type: 'Error',
  code: 'ERR_REFUSED',
  rule: 'OPEN-2',
  text: 'Too small.',
  fatal: true
}

/** Asserts that `action` throws a ProtocolError of a rule. */
function refuses(rule: string, action: () => unknown): void {
  assert.throws(action, (error: unknown) => {
    assert.ok(error instanceof ProtocolError, String(error))
    assert.equal(error.code, 'ERR_BAD_MESSAGE')
    assert.equal(error.rule, rule)
    return true
  })
}

/**
 * The one thing that hostile bytes may do besides meaning exactly what they say: throw a
 * ProtocolError.
 */
function isRefusedOrCanonical(bytes: Uint8Array): void {
  let decoded: Message
  try {
    decoded = decode(bytes)
  } catch (error) {
    assert.ok(error instanceof ProtocolError, `threw ${String(error)}`)
    return
  }
  assert.deepEqual(Uint8Array.from(encode(decoded)), Uint8Array.from(bytes))
}

function payment(id: number, memo = ''): Payment {
  const bytes = new Uint8Array(16)
  new DataView(bytes.buffer).setUint32(12, id)
  return { id: bytes, amount: 1n, memo }
}

describe('codec', () => {
  describe('round trip', () => {
    it('decodes what it encodes, for any message', () => {
      fc.assert(
        fc.property(message, (sent) => {
          assert.deepEqual(decode(encode(sent)), sent)
        }),
        { numRuns: 300 }
      )
    })

    it('writes amounts of every length as Protocol Buffers have them', () => {
      const edges = Array.from({ length: 51 }, (_, bits) => 2n ** BigInt(bits)).flatMap((edge) => [
        edge - 1n,
        edge,
        edge + 1n
      ])
      for (const amount of edges.filter((edge) => edge <= MAX_AMOUNT)) {
        const message = { type: 'TurnRequest' as const, turn: 1, amount }
        assert.deepEqual(decode(encode(message)), message, String(amount))
        assert.ok(toHex(encode(message)).endsWith(amount === 0n ? '' : `10${varint(amount)}`))
      }
    })

    it('gives an empty message a body of its own', () => {
      assert.deepEqual(decode(Uint8Array.of(0x4a, 0)), { type: 'ChannelReady' })
      assert.deepEqual(decode(Uint8Array.of(0x42, 0)), { type: 'UpdateAck', turn: 0, sequence: 0 })
    })

    it('takes an Update with as many and as long payments as are allowed', () => {
      const payments = Array.from({ length: MAX_PAYMENTS_PER_UPDATE }, (_, index) =>
        payment(index, 'x'.repeat(128))
      )
      const full: Update = { ...UPDATE, payments }
      const bytes = encode(full)
      assert.ok(bytes.length < MAX_MESSAGE_BYTES)
      assert.deepEqual(decode(bytes), full)
    })

    it('keeps nothing of the bytes it was given', () => {
      const bytes = Buffer.from(encode({ ...UPDATE, payments: [payment(1)] }))
      const decoded = decode(bytes)
      bytes.fill(0xff)
      assert.deepEqual(decoded, { ...UPDATE, payments: [payment(1)] })
    })
  })

  describe('refuses bytes', () => {
    it('that are random, with nothing but a ProtocolError', () => {
      fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), isRefusedOrCanonical), {
        numRuns: 500
      })
    })

    it('that are a message with some bytes changed, or mean exactly what they say', () => {
      const mutation = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
        minLength: 1,
        maxLength: 3
      })
      fc.assert(
        fc.property(message, mutation, (sent, changes) => {
          const bytes = Uint8Array.from(encode(sent))
          for (const [at, value] of changes) bytes[at % bytes.length] = value
          isRefusedOrCanonical(bytes)
        }),
        { numRuns: 500 }
      )
    })

    it('that are a message cut short, or two in one', () => {
      fc.assert(
        fc.property(message, message, fc.nat(), (first, second, cut) => {
          const bytes = encode(first)
          isRefusedOrCanonical(bytes.subarray(0, cut % bytes.length))
          const both = Uint8Array.of(
            ...bytes.subarray(0, 5_000),
            ...encode(second).subarray(0, 5_000)
          )
          isRefusedOrCanonical(both)
          assert.throws(() => decode(both), ProtocolError)
        }),
        { numRuns: 200 }
      )
    })

    for (const [what, rule, ...bytes] of [
      ['that are none (WIRE-3)', 'WIRE-3'],
      ['with a field repeated', 'WIRE-4', 0x42, 4, 0x10, 6, 0x10, 7],
      ['with fields out of order', 'WIRE-4', 0x42, 4, 0x10, 7, 0x08, 1],
      ['with a default value spelled out', 'WIRE-4', 0x42, 4, 0x08, 0, 0x10, 7],
      ['with an unknown field inside', 'WIRE-4', 0x42, 4, 0x10, 7, 0x18, 1],
      ['with an unknown field outside', 'WIRE-4', 0x42, 2, 0x10, 7, 0x88, 1, 1],
      ['of a message that there is not', 'WIRE-4', 0xaa, 1, 0],
      ['with two bodies', 'WIRE-3', 0x42, 2, 0x10, 7, 0x4a, 0],
      ['with two bodies, out of order', 'WIRE-4', 0x4a, 0, 0x42, 2, 0x10, 7],
      ['with the same body twice', 'WIRE-4', 0x4a, 0, 0x4a, 0],
      ['with an integer longer than need be', 'WIRE-4', 0x42, 3, 0x10, 0x87, 0],
      [
        'with an integer that never ends',
        'WIRE-4',
        0x42,
        12,
        0x10,
        0x80,
        0x80,
        0x80,
        0x80,
        0x80,
        0x80,
        0x80,
        0x80,
        0x80,
        0x80,
        0x80
      ],
      [
        'with an integer of more than 32 bits',
        'WIRE-4',
        0x42,
        7,
        0x10,
        0x80,
        0x80,
        0x80,
        0x80,
        0x10,
        0x08
      ],
      ['with the wrong wire type', 'WIRE-4', 0x42, 5, 0x15, 7, 0, 0, 0],
      ['with a length beyond the end', 'WIRE-4', 0x42, 9, 0x10, 7],
      ['with groups in groups', 'WIRE-4', ...Array.from({ length: 50_000 }, () => 0x0b)],
      ['with a body of zero length and a message behind it', 'WIRE-4', 0x42, 0, 0x10, 7]
    ] as const) {
      it(what, () => {
        refuses(rule, () => decode(Uint8Array.from(bytes)))
      })
    }

    it('with a bool that is neither 0 nor 1', () => {
      const bytes = Uint8Array.from(encode(ERROR))
      assert.equal(bytes.at(-1), 1)
      bytes[bytes.length - 1] = 2
      refuses('WIRE-4', () => decode(bytes))
    })

    it('that are longer than a message may be (WIRE-2)', () => {
      refuses('WIRE-2', () => decode(new Uint8Array(MAX_MESSAGE_BYTES + 1)))
    })

    it('with more payments than an Update may have (UPD-7), before they cost memory', () => {
      const body = Uint8Array.from({ length: 2 * (MAX_PAYMENTS_PER_UPDATE + 1) }, (_, index) =>
        index % 2 === 0 ? 0x22 : 0
      )
      refuses('UPD-7', () =>
        decode(Uint8Array.of(0x3a, (body.length & 0x7f) | 0x80, body.length >> 7, ...body))
      )
    })

    for (const [what, ...text] of [
      ['an over-long encoding', 0xc1, 0x81],
      ['a surrogate', 0xed, 0xa0, 0x80],
      ['a pair of surrogates', 0xed, 0xa0, 0x80, 0xed, 0xb0, 0x80],
      ['a code point above U+10FFFF', 0xf4, 0x90, 0x80, 0x80],
      ['a byte that starts nothing', 0xff, 0x41],
      ['a sequence that is cut short', 0x41, 0xe2, 0x82]
    ] as const) {
      it(`whose text is not UTF-8: ${what} (WIRE-4 or WIRE-7)`, () => {
        const code = [0x0a, 5, 0x45, 0x52, 0x52, 0x5f, 0x41]
        const body = [...code, 0x1a, text.length, ...text]
        assert.throws(
          () => decode(Uint8Array.from([0x82, 1, body.length, ...body])),
          (error: unknown) => {
            assert.ok(error instanceof ProtocolError)
            assert.match(error.rule, /^WIRE-[47]$/)
            return true
          }
        )
      })
    }
  })

  describe('refuses to send', () => {
    const open: OpenChannel = {
      type: 'OpenChannel',
      network: 'regtest',
      channelKey: Uint8Array.of(2, ...new Uint8Array(32)),
      payoutKey: Uint8Array.of(3, ...new Uint8Array(32)),
      closeScript: new Uint8Array(22),
      capacity: 1n,
      refundHeight: 1,
      mode: 'one-way',
      step: 0,
      txVersion: 3,
      derivation: new Uint8Array(8)
    }
    const cases: ReadonlyArray<readonly [what: string, rule: string, message: Message]> = [
      [
        'a key that is not compressed',
        'WIRE-6',
        { ...open, channelKey: Uint8Array.of(4, ...new Uint8Array(32)) }
      ],
      ['a key of 32 bytes', 'WIRE-6', { ...open, payoutKey: new Uint8Array(32) }],
      ['an empty script', 'WIRE-6', { ...open, closeScript: new Uint8Array(0) }],
      ['a script of 43 bytes', 'WIRE-6', { ...open, closeScript: new Uint8Array(43) }],
      ['a negative amount', 'WIRE-5', { ...open, capacity: -1n }],
      ['more than 21 million bitcoin', 'WIRE-5', { ...open, capacity: 2_100_000_000_000_001n }],
      ['a time instead of a height', 'WIRE-5', { ...open, refundHeight: 500_000_000 }],
      ['a height that is no whole number', 'WIRE-5', { ...open, refundHeight: 1.5 }],
      ['a derivation of 7 bytes', 'WIRE-6', { ...open, derivation: new Uint8Array(7) }],
      ['a step of more than 16 bits', 'WIRE-5', { ...open, step: 65_536 }],
      [
        'a sequence of more than 32 bits',
        'WIRE-5',
        { type: 'UpdateAck', turn: 0, sequence: 2 ** 32 }
      ],
      ['a short signature', 'WIRE-6', { ...UPDATE, signature: new Uint8Array(63) }],
      [
        'a payment id of 15 bytes',
        'WIRE-6',
        { ...UPDATE, payments: [{ id: new Uint8Array(15), amount: 1n, memo: '' }] }
      ],
      [
        '1,001 payments',
        'UPD-7',
        { ...UPDATE, payments: Array.from({ length: 1_001 }, (_, index) => payment(index)) }
      ],
      [
        'a memo of 129 bytes in 43 characters',
        'UPD-8',
        { ...UPDATE, payments: [payment(1, '€'.repeat(43))] }
      ],
      ['a memo of two lines', 'WIRE-7', { ...UPDATE, payments: [payment(1, 'a\nb')] }],
      [
        'a memo that steers a terminal',
        'WIRE-7',
        { ...UPDATE, payments: [payment(1, '\u001b[2J')] }
      ],
      ['half of a surrogate pair', 'WIRE-7', { ...UPDATE, payments: [payment(1, '\ud800')] }],
      [
        'a transaction of 40,001 bytes',
        'WIRE-6',
        { type: 'Funding', fundingTx: new Uint8Array(40_001) }
      ],
      ['an empty transaction', 'WIRE-6', { type: 'RefundRequest', refundTx: new Uint8Array(0) }],
      ['a txid of 31 bytes', 'WIRE-6', { type: 'CloseDone', txid: new Uint8Array(31) }],
      ['an error text of 1,001 bytes', 'WIRE-6', { ...ERROR, text: 'x'.repeat(1_001) }],
      ['an error code that is a sentence', 'WIRE-7', { ...ERROR, code: 'no way' }],
      ['a rule id that is none', 'WIRE-7', { ...ERROR, rule: 'rule 7' }]
    ]
    for (const [what, rule, bad] of cases) {
      it(what, () => {
        refuses(rule, () => encode(bad))
      })
    }
  })

  it('accepts the edges of the ranges', () => {
    const memo = '€'.repeat(42) + 'xx'
    assert.equal(Buffer.byteLength(memo), 128)
    for (const good of [
      { ...UPDATE, payerBalance: 2_100_000_000_000_000n, payments: [payment(1, memo)] },
      { ...ACK, sequence: 0xffff_ffff },
      { ...ERROR, text: 'é'.repeat(500) },
      { type: 'Funding', fundingTx: new Uint8Array(40_000) }
    ] as const) {
      assert.deepEqual(decode(encode(good)), good)
    }
  })
})

/*
 * `Update` by hand is the generated codec, only faster: the same bytes, the same values, nothing
 * more let in.
 */

const RUNS = 1_000
const uint32 = fc.oneof(fc.constantFrom(0, 1, 127, 128, 0xffff_ffff), fc.nat())
const amount = fc.oneof(
  fc.constantFrom(0n, 1n, 127n, 128n, 2_100_000_000_000_000n),
  fc.bigInt({ min: 0n, max: 2_100_000_000_000_000n })
)
const memo = fc.oneof(
  fc.constant(''),
  fc.string({ maxLength: 128 }),
  fc.string({
    unit: fc.constantFrom('a', 'é', '😀', '\ufeff', '\u2028', '\u007f', '\ud800'),
    maxLength: 140
  })
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

/** The generated codec alone. */
function writtenByAny(update: Update): Uint8Array {
  checkMessage(update)
  return writtenUnchecked(update)
}

function writtenUnchecked(update: Update): Uint8Array {
  const own = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => Uint8Array.from(bytes)
  const payments = update.payments.map((payment) => ({ ...payment, id: own(payment.id) }))
  return Envelope.encode({ update: { ...update, payments, signature: own(update.signature) } })
}

/** What the generated code reads, when it writes the same bytes again; then the fields. */
function readByAny(bytes: Uint8Array): Message {
  let envelope: Envelope
  try {
    envelope = Envelope.decode(bytes)
  } catch (cause) {
    throw new ProtocolError('WIRE-4', 'unreadable', { cause })
  }
  if (!Buffer.from(Envelope.encode(envelope)).equals(bytes)) {
    throw new ProtocolError('WIRE-4', 'written otherwise')
  }
  if (Object.keys(envelope).length !== 1) throw new ProtocolError('WIRE-3', 'bodies')
  if (envelope.update == null) return decode(bytes)
  const read: Message = { type: 'Update', ...envelope.update }
  checkMessage(read)
  return read
}

describe('codec / Update by hand', () => {
  it('writes the bytes of the generated codec, and refuses by the same rule', () => {
    fc.assert(
      fc.property(update, (message) => {
        const ours = outcome(() => Uint8Array.from(encode(message)))
        assert.deepEqual(
          ours,
          outcome(() => Uint8Array.from(writtenByAny(message)))
        )
      }),
      { numRuns: RUNS }
    )
  })

  it('reads what the generated codec reads, also from bytes that were tampered with', () => {
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
          outcome<Message>(() => readByAny(tampered))
        )
      }),
      { numRuns: RUNS * 3 }
    )
  })

  it('names the rule that the generated codec names where a field is out of range', () => {
    const large = fc.oneof(amount, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
    const wild = fc.record(
      {
        id: fc.oneof({ weight: 9, arbitrary: id }, fc.uint8Array({ maxLength: 20 })),
        amount: large,
        memo: fc.oneof(memo, fc.string({ unit: 'binary', maxLength: 200 }))
      },
      { noNullPrototype: true }
    )
    fc.assert(
      fc.property(
        update,
        large,
        fc.array(wild, { maxLength: 3 }),
        fc.constantFrom(0, 1, 997, 1_000),
        fc.oneof({ weight: 9, arbitrary: fc.constant(64) }, fc.nat({ max: 70 })),
        (message, payerBalance, payments, more, length) => {
          const bytes = writtenUnchecked({
            ...message,
            payerBalance,
            payments: [
              ...payments,
              ...Array.from({ length: more }, () => ({
                id: new Uint8Array(16),
                amount: 1n,
                memo: ''
              }))
            ],
            signature: new Uint8Array(length)
          })
          assert.deepEqual(
            outcome<Message>(() => decode(bytes)),
            outcome<Message>(() => readByAny(bytes))
          )
        }
      ),
      { numRuns: RUNS / 5 }
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
          outcome<Message>(() => readByAny(whole)),
          `${zeros} zeros`
        )
      }
    }
  })

  it('takes a body behind an Update for a second one, or for disorder', () => {
    const sent = bytesOf({ ...UPDATE, payments: [payment(1, 'tea')] })
    for (const behind of [
      [0x42, 2, 0x10, 7], // an UpdateAck: in order, and one body too many
      [0x82, 1, 0], // an Error
      [0x42, 2, 0x10, 7, 0x4a, 0],
      [0x0a, 0], // an OpenChannel, whose number is smaller
      [...sent],
      [0x42, 3, 0x10, 0x87, 0], // not canonical by itself
      [0x42],
      [0x00],
      [0xaa, 1, 0]
    ]) {
      const both = Uint8Array.from([...sent, ...behind])
      assert.deepEqual(
        outcome<Message>(() => decode(both)),
        outcome<Message>(() => readByAny(both)),
        String(behind)
      )
    }
    refuses('WIRE-3', () => decode(Uint8Array.of(...sent, 0x4a, 0)))
    refuses('WIRE-4', () => decode(Uint8Array.of(...sent, ...sent)))
  })

  it('reads no payment after the first of too many', () => {
    // What would be the 1,001st is cut short: whoever read it would name another rule.
    const one = [0x22, 0x14, 0x0a, 16, ...new Uint8Array(16), 0x10, 1]
    const payments = Array.from({ length: MAX_PAYMENTS_PER_UPDATE }, () => one).flat()
    const body = [...payments, 0x22]
    const size = [
      (body.length & 0x7f) | 0x80,
      ((body.length >> 7) & 0x7f) | 0x80,
      body.length >> 14
    ]
    refuses('UPD-7', () => decode(Uint8Array.of(0x3a, ...size, ...body)))
  })

  it('reads integers of up to 64 bits, and refuses larger ones as what nobody writes', () => {
    const balance = (...bytes: number[]): Uint8Array => {
      const body = [0x18, ...bytes, 0x2a, 64, ...new Uint8Array(64)]
      return Uint8Array.of(0x3a, ...length(body), ...body)
    }
    const nine = Array.from({ length: 9 }, () => 0xff)
    refuses('WIRE-5', () => decode(balance(...nine, 1)))
    refuses('WIRE-4', () => decode(balance(...nine, 2)))
    refuses('WIRE-4', () => decode(balance(...nine, 0x81, 1)))
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

/**
 * The hex of a varint: seven bits a byte, the lowest first, the highest bit set on all but the
 * last.
 */
function varint(value: bigint): string {
  const byte = (bits: bigint): string => bits.toString(16).padStart(2, '0')
  return value < 128n ? byte(value) : byte((value & 127n) | 128n) + varint(value >> 7n)
}
