/**
 * Values on disk: JSON, so that people can read them, with the two kinds of value that JSON lacks
 * in tagged form: `{"$sat":"123"}` for a bigint and `{"$hex":"00ff"}` for bytes. Every record
 * carries the version of its layout.
 */
import { fromHex, toHex } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'

/** Layout of the records of this release. A store with a higher one was written by a later release. */
export const RECORD_VERSION = 1

/** A value as bytes for the store. */
export function encodeRecord (value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ v: RECORD_VERSION, value }, function (this: Readonly<Record<string, unknown>>, key, part: unknown) {
    if (typeof part === 'bigint') return { $sat: part.toString() }
    // Not `part`: a Buffer, which is a Uint8Array too, has been through its `toJSON` by now.
    const bytes = this[key]
    if (bytes instanceof Uint8Array) return { $hex: toHex(bytes) }
    return part
  }))
}

/**
 * Bytes of the store as a value.
 *
 * @throws PaychanError `ERR_STORE_VERSION` when a later release wrote it, `ERR_STORE_CORRUPT` when nobody did.
 */
export function decodeRecord<T> (key: string, bytes: Uint8Array): T {
  let record: unknown
  try {
    record = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes), (_key, part: unknown) => revive(part))
  } catch (error) {
    throw corruptRecord(key, error)
  }
  if (typeof record !== 'object' || record === null || !('v' in record) || !('value' in record)) throw corruptRecord(key)
  if (record.v !== RECORD_VERSION) {
    throw new PaychanError('ERR_STORE_VERSION', `The record ${key} has layout ${String(record.v)}; this release reads ${RECORD_VERSION}. Use the release that wrote it, or a later one.`, { key })
  }
  return record.value as T
}

function revive (part: unknown): unknown {
  if (typeof part !== 'object' || part === null) return part
  if ('$sat' in part && typeof part.$sat === 'string') return BigInt(part.$sat)
  if ('$hex' in part && typeof part.$hex === 'string') return fromHex(part.$hex)
  return part
}

/** What a record is refused with that nobody can have written. */
export function corruptRecord (key: string, cause?: unknown): PaychanError {
  return new PaychanError('ERR_STORE_CORRUPT', `The record ${key} is damaged; restore the data directory from a backup.`, { key }, { cause })
}
