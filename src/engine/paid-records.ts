/** `paid/<hex of a part's id>`: the records of payments that have a name (keyed-payments.ts). */
import type { ChannelId } from '../types/bytes.js'
import type { Satoshi } from '../types/units.js'
import { corruptRecord, decodeRecord } from './records.js'

/** `asked` is the whole payment; a peer that lists what we have forgotten (REEST-8) knows only the part. */
export interface PaidRecord { readonly channel: ChannelId, readonly sequence: number, readonly amount: Satoshi, readonly asked?: Satoshi, readonly time: number }

export const PAID_PREFIX = 'paid/'

/** @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION` */
export function readPaid (key: string, value: Uint8Array): PaidRecord {
  const record = decodeRecord<PaidRecord>(key, value)
  if (typeof record !== 'object' || !('channel' in record) || !('sequence' in record) || !('amount' in record)) throw corruptRecord(key)
  return record
}
