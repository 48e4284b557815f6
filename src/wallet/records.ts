/** The wallet's records in the `Store`. */
import { z } from 'zod'
import { parseTransaction, type Transaction } from '../bitcoin/transaction.js'
import type { Change, CsvOutput } from '../engine/ports.js'
import {
  channelId,
  type ChannelId,
  type OutPoint,
  outPointFromText,
  outPointText,
  txid,
  type Txid
} from '../types/bytes.js'
import { messageOf } from '../types/errors.js'
import { blockHeight, satoshi, type BlockHeight, type Satoshi } from '../types/units.js'
import { corruptRecord, parseRecord, recordChange } from '../types/records.js'

/*
 * Those of sent transactions are in `outgoing.ts`, those of abandoned T1s in
 * `funding.ts`, those of people's notes in `notes.ts`.
 *
 *     wallet/branch/receive, wallet/branch/change   the next index that nobody was given yet
 *     wallet/branch/close                           the index after the highest of a channel that was funded
 *     wallet/gap                                    number of unused addresses watched in a row, when not as usual
 *     wallet/reservation/<channel>                  the coins set aside for a T1
 *     wallet/claim/<txid>:<vout>                    a payout output that is ours to sweep
 */

export const BRANCHES = ['receive', 'change', 'close'] as const
export type Branch = (typeof BRANCHES)[number]

/** Coins set aside for a channel. Older records lack all but the coins. */
export interface Reservation {
  readonly channel: ChannelId
  readonly inputs: readonly OutPoint[]
  /** The T1 that spends them. */
  readonly funding?: Txid
  /** True when T1 spends the funding output of another channel beside them. */
  readonly beside?: true
  /**
   * That output, so that a T1 which its server has not signed is known from one that it has. Left
   * out in records of earlier versions.
   */
  readonly old?: OldOutput
  /** L of the channel. */
  readonly refundHeight?: BlockHeight
  /** The fee of T1. */
  readonly fee?: Satoshi
  /** The index of the change that T1 pays, if it pays any. */
  readonly change?: number
}

/** The funding output of a channel that a T1 renews. */
interface OldOutput {
  readonly outPoint: OutPoint
  readonly value: Satoshi
  readonly script: Uint8Array
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
export const bytes = z.instanceof(Uint8Array)
export const transaction = bytes.transform((value, context) =>
  parsed(value, parseTransaction, context)
)
const index = z.number().int().min(0).max(MAX_INDEX)
export const outPoint = z
  .string()
  .transform((value, context) => parsed(value, outPointFromText, context))
export const amount: z.ZodType<Satoshi> = z
  .bigint()
  .transform((value, context) => parsed(value, satoshi, context))
const branchRecord = z.object({ next: index })
const gapRecord = z.object({ gap: z.number().int().min(1).max(MAX_GAP) })
const id = z.string().transform((value, context) => parsed(value, txid, context))
const height = z
  .number()
  .int()
  .min(0)
  .transform((value, context) => parsed(value, blockHeight, context))
const reservationRecord = z.object({
  inputs: z.array(outPoint),
  funding: id.optional(),
  beside: z.literal(true).optional(),
  old: z.object({ outPoint, value: amount, script: bytes }).optional(),
  refundHeight: height.optional(),
  fee: amount.optional(),
  change: index.optional()
})
const claimRecord = z.object({
  value: amount,
  scriptPubKey: bytes,
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
  return recordChange(branchKey(branch), { next })
}

/** @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT` */
export function readBranch(branch: Branch, value: Uint8Array): number {
  return parseRecord(branchKey(branch), value, branchRecord).next
}

/** The change that sets the gap: `gap` addresses beyond the last used one are watched. */
export function gapChange(gap: number): Change {
  return recordChange(GAP_KEY, { gap })
}

/** @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT` */
export function readGap(value: Uint8Array): number {
  return parseRecord(GAP_KEY, value, gapRecord).gap
}

export function reservationChange({ channel, inputs, old, ...rest }: Reservation): Change {
  return recordChange(RESERVATIONS + channel, {
    inputs: inputs.map(outPointText),
    ...rest,
    ...(old === undefined ? {} : { old: { ...old, outPoint: outPointText(old.outPoint) } })
  })
}

export function reservationRemoval(channel: ChannelId): Change {
  return { key: RESERVATIONS + channel, value: undefined }
}

/** @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT` */
export function readReservation(key: string, value: Uint8Array): Reservation {
  const { inputs, funding, beside, old, refundHeight, fee, change } = parseRecord(
    key,
    value,
    reservationRecord
  )
  return {
    channel: named(key, () => channelId(key.slice(RESERVATIONS.length))),
    inputs,
    ...(funding === undefined ? {} : { funding }),
    ...(beside === undefined ? {} : { beside }),
    ...(old === undefined ? {} : { old }),
    ...(refundHeight === undefined ? {} : { refundHeight }),
    ...(fee === undefined ? {} : { fee }),
    ...(change === undefined ? {} : { change })
  }
}

export function claimChange({ output, sweep }: ClaimRecord): Change {
  const { outPoint, value, scriptPubKey, key } = output
  return recordChange(CLAIMS + outPointText(outPoint), {
    value,
    scriptPubKey,
    key: { role: key.role, high: key.high, low: key.low, use: key.use },
    sweep: sweep?.raw
  })
}

export function claimRemoval(outPoint: OutPoint): Change {
  return { key: CLAIMS + outPointText(outPoint), value: undefined }
}

/** @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT` */
export function readClaim(key: string, value: Uint8Array): ClaimRecord {
  const { sweep, ...rest } = parseRecord(key, value, claimRecord)
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

function parsed<V, T>(value: V, parse: (value: V) => T, context: z.RefinementCtx): T {
  try {
    return parse(value)
  } catch (error) {
    context.addIssue({ code: 'custom', message: messageOf(error) })
    return z.NEVER
  }
}
