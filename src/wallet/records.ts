/**
 * What the wallet keeps in the `Store`: JSON with a version, amounts as decimal strings, bytes as hex.
 *
 *     wallet/branch/receive, wallet/branch/change   the next index that nobody was given yet
 *     wallet/reservation/<channel>                  the coins set aside for a T1
 *     wallet/claim/<txid>:<vout>                    a payout output that is ours to sweep
 */
import { z } from 'zod'
import { channelId, fromHex, outPointText, toHex, txid, type ChannelId, type OutPoint } from '../types/bytes.js'
import { messageOf, PaychanError } from '../types/errors.js'
import { satoshi } from '../types/units.js'
import type { Change, CsvOutput } from '../engine/ports.js'

/** The version of every record below. A higher one was written by a newer paychan. */
export const RECORD_VERSION = 1

export const BRANCHES = ['receive', 'change'] as const
export type Branch = typeof BRANCHES[number]

/** Coins set aside for a channel. */
export interface Reservation { readonly channel: ChannelId, readonly inputs: readonly OutPoint[] }

/** A payout output in our charge, and the transaction that sweeps it once there is one. */
export interface ClaimRecord { readonly output: CsvOutput, readonly sweep: Uint8Array | undefined }

export const RESERVATIONS = 'wallet/reservation/'
export const CLAIMS = 'wallet/claim/'

const MAX_INDEX = 0x7fffffff
const hex = z.string().transform((value, context) => parsed(value, fromHex, context))
const index = z.number().int().min(0).max(MAX_INDEX)
const outPoint = z.string().transform((value, context) => parsed(value, outPointFromText, context))
const branchRecord = z.object({ next: index })
const reservationRecord = z.object({ inputs: z.array(outPoint) })
const claimRecord = z.object({
  value: z.string().regex(/^[0-9]{1,16}$/).transform((value, context) => parsed(value, (text) => satoshi(BigInt(text)), context)),
  scriptPubKey: hex,
  key: z.object({ role: z.enum(['client', 'server']), high: index, low: index, use: z.enum(['channel', 'payout']) }),
  sweep: hex.optional()
})

export function branchKey (branch: Branch): string {
  return `wallet/branch/${branch}`
}

/** The change that makes `next` the next index of a branch. */
export function branchChange (branch: Branch, next: number): Change {
  return { key: branchKey(branch), value: encode({ next }) }
}

/** @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT` */
export function readBranch (branch: Branch, value: Uint8Array): number {
  return decode(branchKey(branch), value, branchRecord).next
}

export function reservationChange ({ channel, inputs }: Reservation): Change {
  return { key: RESERVATIONS + channel, value: encode({ inputs: inputs.map(outPointText) }) }
}

export function reservationRemoval (channel: ChannelId): Change {
  return { key: RESERVATIONS + channel, value: undefined }
}

/** @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT` */
export function readReservation (key: string, value: Uint8Array): Reservation {
  const { inputs } = decode(key, value, reservationRecord)
  return { channel: named(key, () => channelId(key.slice(RESERVATIONS.length))), inputs }
}

export function claimChange ({ output, sweep }: ClaimRecord): Change {
  const { outPoint, value, scriptPubKey, key } = output
  return {
    key: CLAIMS + outPointText(outPoint),
    value: encode({
      value: value.toString(),
      scriptPubKey: toHex(scriptPubKey),
      key: { role: key.role, high: key.high, low: key.low, use: key.use },
      ...(sweep === undefined ? {} : { sweep: toHex(sweep) })
    })
  }
}

export function claimRemoval (outPoint: OutPoint): Change {
  return { key: CLAIMS + outPointText(outPoint), value: undefined }
}

/** @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT` */
export function readClaim (key: string, value: Uint8Array): ClaimRecord {
  const { sweep, ...rest } = decode(key, value, claimRecord)
  return { output: { outPoint: named(key, () => outPointFromText(key.slice(CLAIMS.length))), ...rest }, sweep }
}

function encode (fields: Record<string, unknown>): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ v: RECORD_VERSION, ...fields }))
}

function decode<T> (key: string, value: Uint8Array, schema: z.ZodType<T>): T {
  const json = named(key, () => JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(value)) as unknown)
  const version = z.object({ v: z.number() }).safeParse(json).data?.v
  if (version !== undefined && version !== RECORD_VERSION) {
    throw new PaychanError('ERR_STORE_VERSION',
      `The record ${key} has version ${version}, and this paychan knows version ${RECORD_VERSION}. Start the newer paychan that wrote it.`,
      { key, version, known: RECORD_VERSION })
  }
  if (version === undefined) throw corrupt(key, new TypeError('the record has no version'))
  const result = schema.safeParse(json)
  if (!result.success) throw corrupt(key, result.error)
  return result.data
}

function named<T> (key: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw corrupt(key, error)
  }
}

function corrupt (key: string, cause: unknown): PaychanError {
  return new PaychanError('ERR_STORE_CORRUPT', `The record ${key} of the wallet cannot be read. Restore the data directory from a backup.`, { key }, { cause })
}

function outPointFromText (text: string): OutPoint {
  const match = /^([0-9a-f]{64}):([0-9]{1,10})$/.exec(text)
  if (match?.[1] === undefined || match[2] === undefined) throw new TypeError('not an outpoint')
  return { txid: txid(match[1]), vout: Number(match[2]) }
}

function parsed<T> (value: string, parse: (value: string) => T, context: z.RefinementCtx): T {
  try {
    return parse(value)
  } catch (error) {
    context.addIssue({ code: 'custom', message: messageOf(error) })
    return z.NEVER
  }
}
