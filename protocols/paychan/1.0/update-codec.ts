/**
 * `Update` by hand: it is the one message whose cost counts, since it carries up to 1,000 payments.
 * Only its shape is known here. What a field may hold is said in one place, for all messages
 * (check.ts); and bytes of another shape are left to the general codec, which says what is wrong
 * with them.
 *
 *     Envelope  3a <length> Update
 *     Update    08 turn  10 sequence  18 payer_balance  (22 <length> Payment)*  2a 40 signature
 *     Payment   0a 10 id  10 amount  1a <length> memo           defaults (0 and '') are left out
 */
import { ProtocolError } from './errors.js'
import type { Payment, Update } from './messages.js'

const ID_BYTES = 16
const SIGNATURE_BYTES = 64
const MAX_UINT32 = 0xffff_ffff
/** Tag and length of an id. */
const ID_HEAD = 2
/** A payment without its memo: 18 id, 9 amount, tag and length of the memo and its own. */
const PAYMENT_ROOM = ID_HEAD + ID_BYTES + 9 + 5 + 5
/** Everything else: the two outer tags and lengths, two integers, the balance, the signature. */
const MAX_REST_BYTES = 5 + 6 + 6 + 9 + 2 + SIGNATURE_BYTES

const NO_BYTES = new Uint8Array(0)
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Bytes, and how far they are written. */
class Writer {
  at = 0
  constructor(readonly bytes: Uint8Array) {}

  /** A whole number below 2^53. */
  varint(value: number): void {
    let rest = value
    while (rest >= 0x80) {
      this.bytes[this.at++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.bytes[this.at++] = rest
  }

  /** Left out when it is 0, as every default is. */
  field(tag: number, value: number): void {
    if (value === 0) return
    this.bytes[this.at++] = tag
    this.varint(value)
  }

  put(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.at)
    this.at += bytes.length
  }
}

function varintLength(value: number): number {
  let length = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length += 1
  return length
}

/**
 * Payments as they stand in an `Update`, for a log. Those of a message that `encode` or `decode`
 * has let pass; memos may hold any character.
 */
export function packPayments(payments: readonly Payment[]): Uint8Array {
  const memos = utf8Memos(payments)
  const out = new Writer(new Uint8Array(roomFor(memos)))
  payments.forEach((payment, index) => {
    writePayment(out, payment, memos[index] ?? NO_BYTES)
  })
  return out.bytes.slice(0, out.at)
}

/** The payments that `packPayments` has packed. @throws ProtocolError `WIRE-4` for other bytes. */
export function unpackPayments(bytes: Uint8Array): Payment[] {
  const reader = new Reader(bytes)
  try {
    const payments = readPayments(reader)
    if (reader.at === reader.end) return payments
  } catch (cause) {
    throw new ProtocolError('WIRE-4', 'These are no payments.', { cause })
  }
  throw new ProtocolError('WIRE-4', 'Something follows the payments.')
}

/** The bytes of an `Update` whose fields have been checked: those of the general codec. */
export function encodeUpdate(update: Update): Uint8Array {
  const { turn, sequence, payerBalance, payments, signature } = update
  const memos = utf8Memos(payments)
  const body = new Writer(new Uint8Array(MAX_REST_BYTES + roomFor(memos)))
  body.at = 5 // room for the outer tag and length
  body.field(0x08, turn)
  body.field(0x10, sequence)
  body.field(0x18, Number(payerBalance))
  payments.forEach((payment, index) => {
    writePayment(body, payment, memos[index] ?? NO_BYTES)
  })
  body.bytes[body.at++] = 0x2a
  body.bytes[body.at++] = SIGNATURE_BYTES
  body.put(signature)
  const length = body.at - 5
  const start = 4 - varintLength(length)
  const head = new Writer(body.bytes)
  head.at = start
  head.bytes[head.at++] = 0x3a
  head.varint(length)
  return body.bytes.subarray(start, body.at)
}

/** `memo`: in UTF-8. */
function writePayment(out: Writer, { id, amount }: Payment, memo: Uint8Array): void {
  const sats = Number(amount)
  const length =
    ID_HEAD +
    ID_BYTES +
    (sats === 0 ? 0 : 1 + varintLength(sats)) +
    (memo.length === 0 ? 0 : 1 + varintLength(memo.length) + memo.length)
  out.bytes[out.at++] = 0x22
  out.varint(length)
  out.bytes[out.at++] = 0x0a
  out.bytes[out.at++] = ID_BYTES
  for (let index = 0; index < ID_BYTES; index++) out.bytes[out.at++] = id[index] ?? 0
  out.field(0x10, sats)
  out.field(0x1a, memo.length)
  if (memo.length > 0) out.put(memo)
}

/** Room for payments with these memos. */
function roomFor(memos: readonly Uint8Array[]): number {
  return memos.reduce((sum, memo) => sum + PAYMENT_ROOM + memo.length, 0)
}

function utf8Memos(payments: readonly Payment[]): Uint8Array[] {
  return payments.map(({ memo }) => (memo === '' ? NO_BYTES : encoder.encode(memo)))
}

/** Stops the reading of bytes that are not written as `encodeUpdate` would. */
class OtherShape extends Error {}
const OTHER_SHAPE = new OtherShape('left to the general codec')

/** Bytes, a place in them, and where they end. */
class Reader {
  at = 0
  constructor(
    readonly bytes: Uint8Array,
    readonly end = bytes.length
  ) {}

  byte(): number {
    if (this.at >= this.end) throw OTHER_SHAPE
    return this.bytes[this.at++] ?? 0
  }

  /** A varint in its shortest form, up to `max`, which is at most 2^53 - 1. */
  varint(max: number): number {
    let value = 0
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      // Asked this way round, so that it also ends what 0 x Infinity makes of very many empty
      // bytes: NaN.
      if (!(value <= max) || (byte === 0 && scale > 1)) throw OTHER_SHAPE
      if (byte < 0x80) return value
    }
  }

  /** 0 when the field is not there; a 0 that is spelled out is not canonical. */
  field(tag: number, max: number): number {
    if (this.at >= this.end || this.bytes[this.at] !== tag) return 0
    this.at += 1
    const value = this.varint(max)
    if (value === 0) throw OTHER_SHAPE
    return value
  }

  /** A copy of what follows; not by `slice`, which copies nothing when the bytes are a Buffer. */
  take(length: number): Uint8Array {
    if (this.at + length > this.end) throw OTHER_SHAPE
    const copy = new Uint8Array(length)
    for (let index = 0; index < length; index++) copy[index] = this.bytes[this.at++] ?? 0
    return copy
  }

  expect(byte: number): void {
    if (this.byte() !== byte) throw OTHER_SHAPE
  }
}

/**
 * What the general codec would read, its fields still to be checked; undefined for bytes of another
 * shape. Shares no memory with `bytes`.
 */
export function decodeUpdate(bytes: Uint8Array): Update | undefined {
  if (bytes[0] !== 0x3a) return undefined
  try {
    return readUpdate(new Reader(bytes))
  } catch (error) {
    if (error === OTHER_SHAPE) return undefined
    throw error
  }
}

function readUpdate(reader: Reader): Update {
  reader.expect(0x3a)
  const length = reader.varint(reader.end)
  if (reader.at + length !== reader.end) throw OTHER_SHAPE
  const turn = reader.field(0x08, MAX_UINT32)
  const sequence = reader.field(0x10, MAX_UINT32)
  const payerBalance = BigInt(reader.field(0x18, Number.MAX_SAFE_INTEGER))
  const payments = readPayments(reader)
  reader.expect(0x2a)
  reader.expect(SIGNATURE_BYTES)
  const signature = reader.take(SIGNATURE_BYTES)
  if (reader.at !== reader.end) throw OTHER_SHAPE
  return { type: 'Update', turn, sequence, payerBalance, payments, signature }
}

/** Payments, as far as they go. */
function readPayments(reader: Reader): Payment[] {
  const payments: Payment[] = []
  while (reader.at < reader.end && reader.bytes[reader.at] === 0x22) {
    reader.at += 1
    const length = reader.varint(reader.end)
    const end = reader.at + length
    if (end > reader.end) throw OTHER_SHAPE
    reader.expect(0x0a)
    reader.expect(ID_BYTES)
    const id = reader.take(ID_BYTES)
    const amount = BigInt(reader.field(0x10, Number.MAX_SAFE_INTEGER))
    const memo = reader.at < end ? readMemo(reader) : ''
    if (reader.at !== end) throw OTHER_SHAPE
    payments.push({ id, amount, memo })
  }
  return payments
}

function readMemo(reader: Reader): string {
  const length = reader.field(0x1a, reader.end)
  const bytes = reader.take(length)
  if (length === 0) throw OTHER_SHAPE
  try {
    return decoder.decode(bytes)
  } catch {
    throw OTHER_SHAPE // not UTF-8
  }
}
