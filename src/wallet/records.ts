/** The wallet's records in the `Store`, and their form. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { parseTransaction, type Transaction } from '../bitcoin/transaction.js'
import type { Change, CsvOutput, Store } from '../engine/ports.js'
import {
  channelId,
  type ChannelId,
  fromHex,
  type OutPoint,
  outPointFromText,
  outPointText,
  toHex
} from '../types/bytes.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { satoshi, type Satoshi } from '../types/units.js'

/*
 * The form of the wallet's records: JSON with a version, a line feed, and the first 8 hex digits of
 * SHA-256 over the key, a zero byte and that JSON. The hash covers the key, so that a value in the
 * place of another is found as well.
 *
 * Version 1 had no checksum. It is read, and written anew when the wallet starts. Version 2 has the
 * form of 3, by releases that know no chain of close scripts, and would miss payments to it.
 */

/** The version of every record of the wallet. A higher one was written by a newer paychan. */
const RECORD_VERSION = 3

/** The prefix of all keys of the wallet's records. */
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

/** The record in today's layout; undefined when it already has that layout. */
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

/** Undefined for a damaged record; the reader that needs it reports the damage. */
function unlessCorrupt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (codeOf(error) === 'ERR_STORE_CORRUPT') return undefined
    throw error
  }
}

function corruptRecord(key: string, cause: unknown): PaychanError {
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

/*
 * The wallet's records in the `Store`: amounts are decimal strings, bytes hex. Those of sent
 * transactions are in `outgoing.ts`, those of people's notes in `notes.ts`.
 *
 *     wallet/branch/receive, wallet/branch/change   the next index that nobody was given yet
 *     wallet/branch/close                           the index after the highest of a channel that was funded
 *     wallet/gap                                    number of unused addresses watched in a row, when not as usual
 *     wallet/reservation/<channel>                  the coins set aside for a T1
 *     wallet/claim/<txid>:<vout>                    a payout output that is ours to sweep
 */

export const BRANCHES = ['receive', 'change', 'close'] as const
export type Branch = (typeof BRANCHES)[number]

/** Coins set aside for a channel. */
export interface Reservation {
  readonly channel: ChannelId
  readonly inputs: readonly OutPoint[]
}

/** A payout output in our charge, and the transaction that sweeps it once there is one. */
export interface ClaimRecord {
  readonly output: CsvOutput
  readonly sweep: Transaction | undefined
}

export const RESERVATIONS = 'wallet/reservation/'
export const CLAIMS = 'wallet/claim/'

const MAX_INDEX = 0x7fffffff

/** Bound of the gap: each address beyond the last used one is a subscription on the server. */
export const MAX_GAP = 10_000

export const GAP_KEY = 'wallet/gap'
export const hex = z.string().transform((value, context) => parsed(value, fromHex, context))
export const transaction = z
  .string()
  .transform((value, context) => parsed(value, (text) => parseTransaction(fromHex(text)), context))
const index = z.number().int().min(0).max(MAX_INDEX)
export const outPoint = z
  .string()
  .transform((value, context) => parsed(value, outPointFromText, context))
export const amount: z.ZodType<Satoshi> = z
  .string()
  .regex(/^[0-9]{1,16}$/)
  .transform((value, context) => parsed(value, (text) => satoshi(BigInt(text)), context))
const branchRecord = z.object({ next: index })
const gapRecord = z.object({ gap: z.number().int().min(1).max(MAX_GAP) })
const reservationRecord = z.object({ inputs: z.array(outPoint) })
const claimRecord = z.object({
  value: amount,
  scriptPubKey: hex,
  key: z.object({
    role: z.enum(['client', 'server']),
    high: index,
    low: index,
    use: z.enum(['channel', 'payout'])
  }),
  sweep: transaction.optional()
})

export function branchKey(branch: Branch): string {
  return `wallet/branch/${branch}`
}

/** The change that makes `next` the next index of a branch. */
export function branchChange(branch: Branch, next: number): Change {
  return { key: branchKey(branch), value: encodeRecord(branchKey(branch), { next }) }
}

/** @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT` */
export function readBranch(branch: Branch, value: Uint8Array): number {
  return decodeRecord(branchKey(branch), value, branchRecord).next
}

/** The change that sets the gap: `gap` addresses beyond the last used one are watched. */
export function gapChange(gap: number): Change {
  return { key: GAP_KEY, value: encodeRecord(GAP_KEY, { gap }) }
}

/** @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT` */
export function readGap(value: Uint8Array): number {
  return decodeRecord(GAP_KEY, value, gapRecord).gap
}

export function reservationChange({ channel, inputs }: Reservation): Change {
  const key = RESERVATIONS + channel
  return { key, value: encodeRecord(key, { inputs: inputs.map(outPointText) }) }
}

export function reservationRemoval(channel: ChannelId): Change {
  return { key: RESERVATIONS + channel, value: undefined }
}

/** @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT` */
export function readReservation(key: string, value: Uint8Array): Reservation {
  const { inputs } = decodeRecord(key, value, reservationRecord)
  return { channel: named(key, () => channelId(key.slice(RESERVATIONS.length))), inputs }
}

export function claimChange({ output, sweep }: ClaimRecord): Change {
  const { outPoint, value, scriptPubKey, key } = output
  const name = CLAIMS + outPointText(outPoint)
  return {
    key: name,
    value: encodeRecord(name, {
      value: value.toString(),
      scriptPubKey: toHex(scriptPubKey),
      key: { role: key.role, high: key.high, low: key.low, use: key.use },
      ...(sweep === undefined ? {} : { sweep: toHex(sweep.raw) })
    })
  }
}

export function claimRemoval(outPoint: OutPoint): Change {
  return { key: CLAIMS + outPointText(outPoint), value: undefined }
}

/** @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT` */
export function readClaim(key: string, value: Uint8Array): ClaimRecord {
  const { sweep, ...rest } = decodeRecord(key, value, claimRecord)
  return {
    output: { outPoint: named(key, () => outPointFromText(key.slice(CLAIMS.length))), ...rest },
    sweep
  }
}

/** Reads the part of a record that its key tells. */
export function named<T>(key: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw corruptRecord(key, error)
  }
}

function parsed<T>(value: string, parse: (value: string) => T, context: z.RefinementCtx): T {
  try {
    return parse(value)
  } catch (error) {
    context.addIssue({ code: 'custom', message: messageOf(error) })
    return z.NEVER
  }
}
