/**
 * Values on disk. A record of layout 2, and of every later one:
 *
 *     0  layout    1 byte
 *     1  checksum  4 bytes, big-endian: CRC-32 of the key, the layout, and everything after the checksum
 *     5  value     see packing.ts
 *
 * The key is part of it, so that a record that lies where another belongs is found as well.
 *
 * Layout 1 was JSON, `{"v":1,"value":...}`, with `{"$sat":"123"}` for a bigint and
 * `{"$hex":"00ff"}` for bytes, and had no checksum. It is still read, so that a store of it can be
 * migrated.
 */
import { fromHex } from '../types/bytes.js'
import { crc32 } from '../types/checksum.js'
import { PaychanError } from '../types/errors.js'
import { pack, unpack } from './packing.js'
import type { Change } from './ports.js'

/**
 * Layout of the records of this release. A store with a higher one was written by a later release.
 */
export const RECORD_VERSION = 2

const HEADER_BYTES = 5
/** `{`, with which every record of layout 1 begins; no layout is numbered like it. */
const JSON_BEGIN = 0x7b

/** A value as bytes for the store, to lie under `key` and nowhere else. */
export function encodeRecord(key: string, value: unknown): Uint8Array {
  return sealed(key, pack(value, HEADER_BYTES), RECORD_VERSION)
}

/** What is to be written so that a value lies under `key`. */
export function recordChange(key: string, value: unknown): Change {
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

function checksumOf(key: string, layout: number, value: Uint8Array): number {
  // Keys are printable ASCII (group-commit.ts): one byte a character, and none of them is a zero.
  const head = new Uint8Array(key.length + 2)
  for (let at = 0; at < key.length; at++) head[at] = key.charCodeAt(at)
  head[key.length + 1] = layout
  return crc32(head, value)
}

/** Whether a record has the layout that came before this one. */
export function isLayout1(bytes: Uint8Array): boolean {
  return bytes[0] === JSON_BEGIN
}

/**
 * Bytes of the store as a value.
 *
 * @throws PaychanError `ERR_STORE_VERSION` when a later release wrote it, `ERR_STORE_CORRUPT`
 *   when nobody did.
 */
export function decodeRecord<T>(key: string, bytes: Uint8Array): T {
  return (isLayout1(bytes) ? decodeLayout1(key, bytes) : decodeSealed(key, bytes)) as T
}

/**
 * A record as its reader makes something of it. A checksum says that it is whole, and layout 1 has
 * none: what the reader stumbles over is damage like any other.
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

function decodeSealed(key: string, bytes: Uint8Array): unknown {
  const layout = bytes[0]
  if (bytes.length <= HEADER_BYTES || layout === undefined || layout < RECORD_VERSION) {
    throw corruptRecord(key)
  }
  const checksum = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1)
  const value = new Uint8Array(bytes.subarray(HEADER_BYTES))
  if (checksumOf(key, layout, value) !== checksum) throw corruptRecord(key)
  if (layout !== RECORD_VERSION) throw laterRecord(key, layout)
  try {
    return unpack(value)
  } catch (error) {
    throw corruptRecord(key, error)
  }
}

function decodeLayout1(key: string, bytes: Uint8Array): unknown {
  let record: unknown
  try {
    record = JSON.parse(
      new TextDecoder('utf-8', { fatal: true }).decode(bytes),
      (_key, part: unknown) => revive(part)
    )
  } catch (error) {
    throw corruptRecord(key, error)
  }
  if (typeof record !== 'object' || record === null || !('v' in record) || !('value' in record)) {
    throw corruptRecord(key)
  }
  if (record.v !== 1) throw corruptRecord(key)
  return record.value
}

function revive(part: unknown): unknown {
  if (typeof part !== 'object' || part === null) return part
  if ('$sat' in part && typeof part.$sat === 'string') return BigInt(part.$sat)
  if ('$hex' in part && typeof part.$hex === 'string') return fromHex(part.$hex)
  return part
}

/** What a record is refused with that nobody can have written. */
export function corruptRecord(key: string, cause?: unknown): PaychanError {
  return new PaychanError(
    'ERR_STORE_CORRUPT',
    `The record ${key} is damaged; restore the data directory from a backup.`,
    { key },
    { cause }
  )
}

function laterRecord(key: string, layout: number): PaychanError {
  return new PaychanError(
    'ERR_STORE_VERSION',
    `The record ${key} has layout ${layout}; this release reads up to ${RECORD_VERSION}. Use the release that wrote it, or a later one.`,
    { key, layout }
  )
}
