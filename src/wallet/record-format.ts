/**
 * How the wallet writes a record: JSON with a version, a line feed, and the first 8 hex digits of
 * SHA-256 over the key, a zero byte and that JSON. The key is part of it, so that a value that
 * stands where another belongs is found as well.
 *
 * Version 1 had no checksum. It is read, and written anew when the wallet starts. Version 2 is as
 * 3, by releases that know no chain of close scripts, and would not see what was paid to it.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { codeOf, PaychanError } from '../types/errors.js'
import type { Change, Store } from '../engine/ports.js'

/** The version of every record of the wallet. A higher one was written by a newer paychan. */
export const RECORD_VERSION = 3

/** What every key of the wallet's records begins with. */
const WALLET_RECORDS = 'wallet/'

const WITHOUT_CHECKSUM = 1
const FIRST_WITH_CHECKSUM = 2
const CHECKSUM_DIGITS = 8

export function encodeRecord(key: string, fields: Record<string, unknown>): Uint8Array {
  const json = JSON.stringify({ ...fields, v: RECORD_VERSION })
  return new TextEncoder().encode(`${json}\n${checksum(key, json)}`)
}

/** @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT` */
export function decodeRecord<T>(key: string, value: Uint8Array, schema: z.ZodType<T>): T {
  const result = schema.safeParse(read(key, value).fields)
  if (!result.success) throw corruptRecord(key, result.error)
  return result.data
}

/** The record in today's layout; undefined when it has that already. */
export function upgradeRecord(key: string, value: Uint8Array): Change | undefined {
  const { version, fields } = read(key, value)
  return version >= FIRST_WITH_CHECKSUM ? undefined : { key, value: encodeRecord(key, fields) }
}

/**
 * Writes the wallet's records of earlier versions anew, all or none. Errors: `ERR_STORE_VERSION`,
 * `ERR_STORE_CORRUPT`, `ERR_STORE_FAILED`.
 */
export async function upgradeRecords(store: Store): Promise<void> {
  const changes: Change[] = []
  for await (const [key, value] of store.entries(WALLET_RECORDS)) {
    const change = unlessCorrupt(() => upgradeRecord(key, value))
    if (change !== undefined) changes.push(change)
  }
  if (changes.length > 0) await store.commit(changes)
}

/** Damage is told by whoever needs the record. */
function unlessCorrupt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (codeOf(error) === 'ERR_STORE_CORRUPT') return undefined
    throw error
  }
}

export function corruptRecord(key: string, cause: unknown): PaychanError {
  return new PaychanError(
    'ERR_STORE_CORRUPT',
    `The record ${key} of the wallet cannot be read. Restore the data directory from a backup.`,
    { key },
    { cause }
  )
}

function read(
  key: string,
  value: Uint8Array
): { version: number; fields: Record<string, unknown> } {
  const { json, sum, content } = parse(key, value)
  const record = z.looseObject({ v: z.number() }).safeParse(content)
  if (!record.success) throw corruptRecord(key, record.error)
  const version = record.data.v
  if (version > RECORD_VERSION) {
    throw new PaychanError(
      'ERR_STORE_VERSION',
      `The record ${key} has version ${version}, and this paychan knows version ${RECORD_VERSION}. Start the newer paychan that wrote it.`,
      { key, version, known: RECORD_VERSION }
    )
  }
  const isWhole =
    version >= FIRST_WITH_CHECKSUM
      ? sum === checksum(key, json)
      : version === WITHOUT_CHECKSUM && sum === undefined
  if (!isWhole) throw corruptRecord(key, new TypeError('the checksum does not fit'))
  return { version, fields: record.data }
}

function parse(
  key: string,
  value: Uint8Array
): { json: string; sum: string | undefined; content: unknown } {
  try {
    const [json = '', sum] = new TextDecoder('utf-8', { fatal: true }).decode(value).split('\n')
    return { json, sum, content: JSON.parse(json) as unknown }
  } catch (error) {
    throw corruptRecord(key, error)
  }
}

function checksum(key: string, json: string): string {
  return createHash('sha256').update(`${key}\0${json}`).digest('hex').slice(0, CHECKSUM_DIGITS)
}
