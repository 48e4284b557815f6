/**
 * `Update` by hand: it is the one message whose cost counts, since it carries up to 1,000 payments.
 * Nothing else reads or writes one. Only its shape is known here, as canonical bytes have it
 * (WIRE-4). What a field may hold is said in one place, for all messages (check.ts).
 *
 *     Envelope  3a <length> Update
 *     Update    08 turn  10 sequence  18 payer_balance  (22 <length> Payment)*  2a 40 signature
 *     Payment   0a 10 id  10 amount  1a <length> memo           defaults (0 and '') are left out
 */
import { reader as textReader, writer as textWriter } from 'protons-runtime'
import { equals } from 'uint8arrays'
import { checkPaymentCount } from './check.js'
import { notCanonical } from './errors.js'
import type { Payment, Update } from './messages.js'

/** The first byte of an `Update`: no other message begins with it. */
export const UPDATE_TAG = 0x3a

const ID_BYTES = 16
const SIGNATURE_BYTES = 64
const MAX_UINT32 = 0xffff_ffff
const MAX_UINT64 = 2 ** 64
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
  const payments = readPayments(reader)
  if (reader.at < reader.end || payments.some(({ id }) => id.length !== ID_BYTES)) {
    throw notCanonical()
  }
  return payments
}

/** The bytes of an `Update` whose fields have been checked. */
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
  head.bytes[head.at++] = UPDATE_TAG
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

/** Bytes, a place in them, and where they end. */
class Reader {
  at = 0
  constructor(
    readonly bytes: Uint8Array,
    readonly end = bytes.length
  ) {}

  byte(): number {
    if (this.at >= this.end) throw notCanonical()
    return this.bytes[this.at++] ?? 0
  }

  /**
   * A varint in its shortest form, of at most 64 bits and up to `max`. Above 2^53 it is not exact,
   * and not an amount: what checks amounts refuses it.
   */
  varint(max: number): number {
    let value = 0
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      const isTooLong = scale >= 2 ** 63 && byte > 1
      if (isTooLong || value > max || (byte === 0 && scale > 1)) throw notCanonical()
      if (byte < 0x80) return value
    }
  }

  /** 0 when the field is not there; a 0 that is spelled out is not canonical. */
  field(tag: number, max: number): number {
    if (this.at >= this.end || this.bytes[this.at] !== tag) return 0
    this.at += 1
    const value = this.varint(max)
    if (value === 0) throw notCanonical()
    return value
  }

  /** A copy of the bytes of a field; none when it is not there. */
  bytesField(tag: number): Uint8Array {
    const length = this.field(tag, this.end)
    return length === 0 ? NO_BYTES : this.take(length)
  }

  /** A copy of what follows; not by `slice`, which copies nothing when the bytes are a Buffer. */
  take(length: number): Uint8Array {
    if (this.at + length > this.end) throw notCanonical()
    const copy = new Uint8Array(length)
    for (let index = 0; index < length; index++) copy[index] = this.bytes[this.at++] ?? 0
    return copy
  }
}

/**
 * The `Update` that bytes begin with, its fields still to be checked, and where it ends. Shares no
 * memory with `bytes`.
 *
 * @throws ProtocolError `WIRE-4` for bytes that `encodeUpdate` would not have written of anything,
 * `UPD-7` at the first payment of too many.
 */
export function decodeUpdate(bytes: Uint8Array): { readonly update: Update; readonly end: number } {
  const outer = new Reader(bytes)
  outer.at = 1 // behind the tag
  const length = outer.varint(outer.end)
  const end = outer.at + length
  if (end > bytes.length) throw notCanonical()
  const reader = new Reader(bytes, end)
  reader.at = outer.at
  const turn = reader.field(0x08, MAX_UINT32)
  const sequence = reader.field(0x10, MAX_UINT32)
  const payerBalance = BigInt(reader.field(0x18, MAX_UINT64))
  const payments = readPayments(reader, checkPaymentCount)
  const signature = reader.bytesField(0x2a)
  if (reader.at !== end) throw notCanonical()
  return { update: { type: 'Update', turn, sequence, payerBalance, payments, signature }, end }
}

/** Payments, as far as they go; `checkCount` is told of each further one before it is read. */
function readPayments(reader: Reader, checkCount?: (count: number) => void): Payment[] {
  const payments: Payment[] = []
  while (reader.at < reader.end && reader.bytes[reader.at] === 0x22) {
    checkCount?.(payments.length + 1)
    reader.at += 1
    const length = reader.varint(reader.end)
    const end = reader.at + length
    const id = reader.at < end ? reader.bytesField(0x0a) : NO_BYTES
    const amount = reader.at < end ? BigInt(reader.field(0x10, MAX_UINT64)) : 0n
    const memo = reader.at < end ? readMemo(reader) : ''
    if (reader.at !== end) throw notCanonical()
    payments.push({ id, amount, memo })
  }
  return payments
}

function readMemo(reader: Reader): string {
  const start = reader.at + 1
  const bytes = reader.bytesField(0x1a)
  if (bytes.length === 0) throw notCanonical()
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    return readBrokenText(reader.bytes.slice(start, reader.at), cause)
  }
}

/**
 * A text that is not UTF-8, behind its length. Surrogates that stand alone are written as they are
 * read, so they are left to the check of texts (WIRE-7).
 */
function readBrokenText(bytes: Uint8Array, cause: unknown): string {
  const text = textReader(bytes).string()
  if (!equals(textWriter().string(text).finish(), bytes)) throw notCanonical(cause)
  return text
}
