/**
 * Values on disk: one form for channels, payments, the wallet and the node. (Block headers alone
 * lie there as they are: their work proves them.)
 *
 *     0  layout    1 byte
 *     1  checksum  4 bytes, big-endian: CRC-32 of the key, the layout, and everything after the checksum
 *     5  value     see "Plain values as bytes" below
 *
 * The checksum covers the key, so that a record in the place of another is found as well.
 * `test/vectors/records.json` has records byte for byte.
 */
import { Copies, crc32, fromHex, sameBytes, toHex } from './bytes.js'
import { codeOf, PaychanError } from './errors.js'

/**
 * Layout of the records of this release. A store with a higher one was written by a later release;
 * layouts 1 and 2 by versions that were never released.
 */
export const RECORD_VERSION = 3

const HEADER_BYTES = 5

/** A value as bytes for the store, to lie under `key` and nowhere else. */
export function encodeRecord(key: string, value: unknown): Uint8Array {
  return sealed(key, pack(value, HEADER_BYTES), RECORD_VERSION)
}

/** The change that stores a value under `key`. */
export function recordChange(
  key: string,
  value: unknown
): { readonly key: string; readonly value: Uint8Array } {
  return { key, value: encodeRecord(key, value) }
}

/** Puts layout and checksum in front. */
export function sealRecord(key: string, value: Uint8Array, layout: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + value.length)
  bytes.set(value, HEADER_BYTES)
  return sealed(key, bytes, layout)
}

/** Fills in layout and checksum where they have been left out. */
function sealed(key: string, bytes: Uint8Array, layout: number): Uint8Array {
  bytes[0] = layout
  const checksum = checksumOf(key, layout, bytes.subarray(HEADER_BYTES))
  for (let at = 1; at < HEADER_BYTES; at++) bytes[at] = checksum >>> (8 * (HEADER_BYTES - 1 - at))
  return bytes
}

/** Key and layout while they are summed up: to allocate them took a fifth of the time of a record. */
let head = new Uint8Array(256)

function checksumOf(key: string, layout: number, value: Uint8Array): number {
  const length = key.length + 2
  if (length > head.length) head = new Uint8Array(2 * length)
  // Keys are printable ASCII (group-commit.ts): one byte a character, and none of them is a zero.
  for (let at = 0; at < key.length; at++) head[at] = key.charCodeAt(at)
  head[key.length] = 0
  head[key.length + 1] = layout
  return crc32(head.subarray(0, length), value)
}

/**
 * Bytes of the store as a value.
 *
 * @throws PaychanError `ERR_STORE_VERSION` when another version wrote it, `ERR_STORE_CORRUPT` when
 *   nobody did.
 */
export function decodeRecord<T>(key: string, bytes: Uint8Array): T {
  const layout = bytes[0]
  if (bytes.length <= HEADER_BYTES || layout === undefined) throw corruptRecord(key)
  const checksum = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1)
  const value = new Uint8Array(bytes.subarray(HEADER_BYTES))
  if (checksumOf(key, layout, value) !== checksum) throw corruptRecord(key)
  if (layout > RECORD_VERSION) throw laterRecord(key, layout)
  if (layout < RECORD_VERSION) throw earlierRecords()
  try {
    return unpack(value) as T
  } catch (error) {
    throw corruptRecord(key, error)
  }
}

/**
 * A record as `read` interprets it: an error of the reader is damage like any other.
 *
 * @throws PaychanError as `decodeRecord`
 */
export function readRecord<T, R>(key: string, bytes: Uint8Array, read: (value: T) => R): R {
  const value = decodeRecord<T>(key, bytes)
  try {
    return read(value)
  } catch (error) {
    throw error instanceof PaychanError ? error : corruptRecord(key, error)
  }
}

/**
 * Reads what the node can do without when its record is damaged: undefined then.
 *
 * @param onDamaged - hears of the damage
 * @throws whatever else `read` throws, such as `ERR_STORE_VERSION`
 */
export function unlessDamaged<T>(
  read: () => T,
  onDamaged: (error: unknown) => void = () => {}
): T | undefined {
  try {
    return read()
  } catch (error) {
    if (codeOf(error) !== 'ERR_STORE_CORRUPT') throw error
    onDamaged(error)
    return undefined
  }
}

/** The form of a record, such as zod's. */
interface Form<T> {
  safeParse: (
    value: unknown
  ) => { readonly success: true; readonly data: T } | { readonly success: false; error: Error }
}

/** A record of a form. @throws PaychanError as `decodeRecord` */
export function parseRecord<T>(key: string, bytes: Uint8Array, schema: Form<T>): T {
  const result = schema.safeParse(decodeRecord(key, bytes))
  if (!result.success) throw corruptRecord(key, result.error)
  return result.data
}

/** The error for a record that no release can have written. */
export function corruptRecord(key: string, cause?: unknown): PaychanError {
  return new PaychanError(
    'ERR_STORE_CORRUPT',
    `The record ${key} is damaged; restore the data directory from a backup.`,
    { key },
    { cause }
  )
}

/** The error for data of a version that was never released. */
export function earlierRecords(): PaychanError {
  return new PaychanError(
    'ERR_STORE_VERSION',
    'This data directory was written by an early version of paychan, before the first release, and this one does not read it. Close its channels with the version that wrote it, then restore the words in a new directory (`paychan restore`), which finds the coins.'
  )
}

function laterRecord(key: string, layout: number): PaychanError {
  return new PaychanError(
    'ERR_STORE_VERSION',
    `The record ${key} has layout ${layout}; this release reads up to ${RECORD_VERSION}. Use the release that wrote it, or a later one.`,
    { key, layout }
  )
}

/*
 * Plain values as bytes: objects, lists, texts, bytes, amounts, numbers, true, false, null.
 * Undefined fields are left out. New fields of a state are packed like all others.
 *
 *     one byte says what follows; counts and lengths are varints
 */

const NULL = 0
const FALSE = 1
const TRUE = 2
/** A whole number from 0 to 2^53 - 1, as a varint. */
const WHOLE = 3
/** Any other number: 8 bytes, IEEE 754. */
const NUMBER = 4
/** A bigint: its bytes, big-endian. */
const BIG = 5
const BIG_NEGATIVE = 6
const TEXT = 7
const BYTES = 8
const LIST = 9
/** A count, then names and values. */
const OBJECT = 10

/** Limit of nesting, deeper than any state; damage that looks like nesting ends here. */
const MAX_DEPTH = 64

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Encoded names of fields, with their lengths; there are some dozens: encoding them again took a
 * third of the time of a record.
 */
const names = new Map<string, Uint8Array>()
/** More than the fields of all records: where keys are data instead, they are not kept. */
const MOST_NAMES = 1_024

function nameBytes(name: string): Uint8Array {
  const known = names.get(name)
  if (known !== undefined) return known
  const bytes = withLength(encoder.encode(name))
  if (names.size < MOST_NAMES) names.set(name, bytes)
  return bytes
}

/** A name behind its length, a varint: nearly always one byte. */
function withLength(name: Uint8Array): Uint8Array {
  const length: number[] = []
  let rest = name.length
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) length.push((rest % 0x80) | 0x80)
  return Uint8Array.from([...length, rest, ...name])
}

/** Names that were read, by a number made of their bytes: to decode them took half of the time. */
const readNames = new Map<number, { readonly bytes: Uint8Array; readonly name: string }>()

/** The name of a field. Where two names have the same number, the second is decoded each time. */
function nameOf(bytes: Uint8Array): string {
  let number = bytes.length
  for (const byte of bytes) number = (Math.imul(number, 31) + byte) | 0
  const known = readNames.get(number)
  if (known !== undefined && sameBytes(known.bytes, bytes)) return known.name
  const name = decoder.decode(bytes)
  if (known === undefined && readNames.size < MOST_NAMES) {
    readNames.set(number, { bytes: bytes.slice(), name })
  }
  return name
}

/**
 * Texts that many values share, such as the stage and the network of a channel: kept once, not once
 * a channel.
 */
const words = new Map<string, string>()
const LONGEST_WORD = 16
const MOST_WORDS = 256

function oneWord(text: string): string {
  if (text.length > LONGEST_WORD) return text
  const known = words.get(text)
  if (known !== undefined) return known
  if (words.size < MOST_WORDS) words.set(text, text)
  return text
}

/**
 * Packs a value, behind `room` zero bytes that the caller fills.
 *
 * @throws TypeError for a value that no state can hold, such as a function
 */
function pack(value: unknown, room = 0): Uint8Array {
  const out = new Packer(room)
  out.value(value)
  return out.bytes()
}

/** The value of bytes that `pack` has made. @throws RangeError for all others. */
function unpack(bytes: Uint8Array): unknown {
  const input = new Unpacker(bytes)
  const value = input.value(0)
  if (!input.atEnd) throw new RangeError('bytes follow the value')
  return value
}

/** The buffer for values that are being packed: one at a time, so all share it. */
let workspace = new Uint8Array(4_096)
/** Limit in bytes: a longer workspace is not kept. */
const LONGEST_WORKSPACE = 65_536

const results = new Copies()

class Packer {
  #bytes = workspace
  #at: number

  constructor(room: number) {
    this.#at = room
    this.#bytes.fill(0, 0, room)
  }

  bytes(): Uint8Array {
    return results.of(this.#bytes.subarray(0, this.#at))
  }

  value(value: unknown): void {
    if (value === null) this.#byte(NULL)
    else if (typeof value === 'boolean') this.#byte(value ? TRUE : FALSE)
    else if (typeof value === 'number') this.#number(value)
    else if (typeof value === 'bigint') this.#big(value)
    else if (typeof value === 'string') this.#text(value)
    else if (value instanceof Uint8Array) this.#block(BYTES, value)
    else if (Array.isArray(value)) this.#list(value)
    else if (typeof value === 'object') this.#object(value as Readonly<Record<string, unknown>>)
    else throw new TypeError(`a ${typeof value} cannot be stored`)
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0)) {
      this.#byte(WHOLE)
      this.#varint(value)
      return
    }
    this.#byte(NUMBER)
    this.#room(8)
    new DataView(this.#bytes.buffer).setFloat64(this.#at, value)
    this.#at += 8
  }

  #big(value: bigint): void {
    const [kind, magnitude] = value < 0n ? [BIG_NEGATIVE, -value] : [BIG, value]
    if (magnitude <= Number.MAX_SAFE_INTEGER) {
      this.#byte(kind)
      this.#bigEndian(Number(magnitude))
      return
    }
    const hex = magnitude.toString(16)
    this.#block(kind, fromHex(hex.length % 2 === 0 ? hex : `0${hex}`))
  }

  /** All amounts of bitcoin are below 2^53, and numbers are quicker than hex. */
  #bigEndian(value: number): void {
    let length = 1
    for (let limit = 0x100; value >= limit; limit *= 0x100) length += 1
    this.#byte(length)
    this.#room(length)
    let rest = value
    for (let at = this.#at + length - 1; at >= this.#at; at--) {
      this.#bytes[at] = rest % 0x100
      rest = Math.floor(rest / 0x100)
    }
    this.#at += length
  }

  /** Nearly all are short and ASCII, for which a loop is quicker than any encoder. */
  #text(text: string): void {
    const start = this.#at
    this.#byte(TEXT)
    this.#varint(text.length)
    this.#room(text.length)
    const bytes = this.#bytes
    const begin = this.#at
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code >= 0x80) {
        this.#at = start
        this.#block(TEXT, encoder.encode(text))
        return
      }
      bytes[begin + at] = code
    }
    this.#at = begin + text.length
  }

  #list(list: readonly unknown[]): void {
    this.#byte(LIST)
    this.#varint(list.length)
    for (const part of list) this.value(part ?? null)
  }

  #object(fields: Readonly<Record<string, unknown>>): void {
    const present = Object.keys(fields).filter((name) => fields[name] !== undefined)
    this.#byte(OBJECT)
    this.#varint(present.length)
    for (const name of present) {
      this.#put(nameBytes(name))
      this.value(fields[name])
    }
  }

  #block(kind: number, bytes: Uint8Array): void {
    this.#byte(kind)
    this.#varint(bytes.length)
    this.#put(bytes)
  }

  #varint(value: number): void {
    if (value < 0x80) {
      this.#byte(value)
      return
    }
    let rest = value
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#byte((rest % 0x80) | 0x80)
    this.#byte(rest)
  }

  #byte(byte: number): void {
    this.#room(1)
    this.#bytes[this.#at++] = byte
  }

  #put(bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  #room(length: number): void {
    if (this.#at + length <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + length))
    larger.set(this.#bytes)
    this.#bytes = larger
    if (larger.length <= LONGEST_WORKSPACE) workspace = larger
  }
}

/** Bytes of the longest number that is exact. */
const EXACT_BYTES = 6

const PLAIN_FIELD = { writable: true, enumerable: true, configurable: true } as const

class Unpacker {
  #at = 0
  /** The last long text: the address of a peer is often its name. */
  #text = ''
  readonly #bytes: Uint8Array
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  value(depth: number): unknown {
    if (depth > MAX_DEPTH) throw new RangeError('the value is nested too deep')
    const kind = this.#byte()
    switch (kind) {
      case NULL:
        return null
      case FALSE:
        return false
      case TRUE:
        return true
      case WHOLE:
        return this.#varint()
      case NUMBER:
        return new DataView(this.#take(8).slice().buffer).getFloat64(0)
      case BIG:
        return this.#big()
      case BIG_NEGATIVE:
        return -this.#big()
      case TEXT:
        return this.#shared()
      // A copy in an array of its own: the bytes may come as a Buffer.
      case BYTES:
        return new Uint8Array(this.#take(this.#varint()))
      case LIST:
        return this.#list(depth)
      case OBJECT:
        return this.#object(depth)
      default:
        throw new RangeError(`there is no kind ${kind}`)
    }
  }

  #list(depth: number): unknown[] {
    const count = this.#count()
    const list: unknown[] = []
    for (let n = 0; n < count; n++) list.push(this.value(depth + 1))
    return list
  }

  #object(depth: number): object {
    const count = this.#count()
    const fields: Record<string, unknown> = {}
    for (let n = 0; n < count; n++) {
      const name = this.#name()
      const part = this.value(depth + 1)
      // As an own field, which it would not become otherwise.
      if (name === '__proto__') Object.defineProperty(fields, name, { ...PLAIN_FIELD, value: part })
      else fields[name] = part
    }
    return fields
  }

  /** Numbers are quicker than hex as long as they are exact. */
  #big(): bigint {
    const bytes = this.#take(this.#varint())
    if (bytes.length === 0 || bytes.length > EXACT_BYTES) return BigInt(`0x${toHex(bytes)}`)
    let value = 0
    for (const byte of bytes) value = value * 0x100 + byte
    return BigInt(value)
  }

  #name(): string {
    return nameOf(this.#take(this.#varint()))
  }

  #shared(): string {
    const text = oneWord(decoder.decode(this.#take(this.#varint())))
    if (text.length <= LONGEST_WORD) return text
    if (text !== this.#text) this.#text = text
    return this.#text
  }

  /** Reads a number of items, each of which takes at least a byte. */
  #count(): number {
    const count = this.#varint()
    if (count > this.#bytes.length - this.#at) throw new RangeError('the value is cut short')
    return count
  }

  #varint(): number {
    let value = 0
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.#byte()
      value += (byte & 0x7f) * scale
      if (!Number.isSafeInteger(value)) throw new RangeError('a number is too large')
      if (byte < 0x80) return value
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw new RangeError('the value is cut short')
    return byte
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw new RangeError('the value is cut short')
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }
}
