/**
 * The records of payments that have a name (keyed-payments.ts):
 * - `paid/<hex of a part's id>`: a part that this node has signed
 * - `paid/<PeerId>/<hex of a part's id>`: a part that it has forgotten, as the payee lists it
 *   (REEST-8)
 * - `paid-name/<hex>`: the payee of a name
 *
 * The lists of payees are kept apart: a payee can say nothing about payments to others, and
 * overwrite none.
 */
import { sha256OfText } from '../bitcoin/hashes.js'
import { REQUEST_ID_BYTES } from '../../protocols/request/1.0/index.js'
import type { Payment } from '../../protocols/paychan/1.0/index.js'
import type { PaymentLogEntry } from '../channel/effects.js'
import type { Channel } from '../channel/state.js'
import { fromHex, toHex, type ChannelId } from '../types/bytes.js'
import type { Satoshi } from '../types/units.js'
import type { Change, Store } from './ports.js'
import { corruptRecord, readRecord, recordChange } from '../types/records.js'

/**
 * `asked` is the whole payment; a peer that lists a forgotten payment (REEST-8) knows only the
 * part.
 */
export interface PaidRecord {
  readonly channel: ChannelId
  readonly sequence: number
  readonly amount: Satoshi
  readonly asked?: Satoshi
  readonly time: number
}

/** `asked` is the whole payment. */
interface NameRecord {
  readonly peer: string
  readonly asked: Satoshi
}

export const PAID_PREFIX = 'paid/'
export const NAME_PREFIX = 'paid-name/'

/**
 * The payment id of part `index` of a payment: 16 bytes. Ids of one peer say nothing about those of
 * another.
 */
export function partId(peer: string, id: string, index: number): Uint8Array {
  const request = requestOfName(id)
  return request?.payee === peer
    ? requestPartId(peer, request, index)
    : hash(`paychan/payment-to/${peer}/${id}/${index}`)
}

/** A payment for a request; the nonce tells those for a reusable one apart. */
interface RequestPayment {
  /** 16 hex digits. */
  readonly id: string
  readonly nonce: string | undefined
}

/**
 * The name of the payment for a request: whoever asks for it again does not pay twice (REQ-9). It
 * has the payee, since two payees can make requests of the same id.
 */
export function nameOfRequest(payee: string, { id, nonce }: RequestPayment): string {
  return `request:${payee}:${id}${nonce === undefined ? '' : `:${nonce}`}`
}

const REQUEST_NAME = /^request:([0-9A-Za-z]+):([0-9a-f]{16})(?::([0-9a-f]{16}))?$/

function requestOfName(name: string): (RequestPayment & { readonly payee: string }) | undefined {
  const [, payee, id, nonce] = REQUEST_NAME.exec(name) ?? []
  return payee === undefined || id === undefined ? undefined : { payee, id, nonce }
}

/** True for the name of a payment for a request. */
export function isRequestName(name: string): boolean {
  return REQUEST_NAME.test(name)
}

/**
 * REQ-8: the id of a part of the payment for a request: the request's id, by which the payee knows
 * it, and 8 bytes of a hash.
 */
export function requestPartId(
  payee: string,
  { id, nonce }: RequestPayment,
  index: number
): Uint8Array {
  const name = `request:${id}${nonce === undefined ? '' : `:${nonce}`}`
  const rest = hash(`paychan/payment-for/${payee}/${name}/${index}`)
  return Uint8Array.from([...fromHex(id), ...rest.subarray(0, 16 - REQUEST_ID_BYTES)])
}

function hash(text: string): Uint8Array {
  return sha256OfText(text).slice(0, 16)
}

function nameKey(id: string): string {
  return NAME_PREFIX + toHex(hash(`paychan/name/${id}`))
}

function listedKey(peer: string, id: string): string {
  return `${PAID_PREFIX}${peer}/${id}`
}

/** The changes to write with a signed part. */
export function signedChanges(
  payment: Payment,
  name: string,
  { peer, asked }: NameRecord,
  record: PaidRecord
): readonly Change[] {
  return [
    recordChange(PAID_PREFIX + toHex(payment.id), { ...record, asked }),
    recordChange(nameKey(name), { peer, asked })
  ]
}

/** The change to write for a payment that the payee lists. */
export function listedChange(payment: Payment, peer: string, record: PaidRecord): Change {
  return recordChange(listedKey(peer, toHex(payment.id)), record)
}

/** True when the record under a key belongs to the payment with that id. */
export function isKeyOf(key: string, id: Uint8Array): boolean {
  return key.slice(key.lastIndexOf('/') + 1) === toHex(id)
}

/** @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION` */
export function readPaid(key: string, value: Uint8Array): PaidRecord {
  return readRecord(key, value, (record: PaidRecord) => {
    if (!('channel' in record) || !('sequence' in record) || !('amount' in record)) {
      throw corruptRecord(key)
    }
    return record
  })
}

/** @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION` */
export function readName(key: string, value: Uint8Array): NameRecord {
  return readRecord(key, value, (record: NameRecord) => {
    if (!('peer' in record) || !('asked' in record)) throw corruptRecord(key)
    return record
  })
}

/** The payee of a name; undefined also when it is forgotten. */
export async function payeeOf(store: Store, name: string): Promise<NameRecord | undefined> {
  const value = await store.get(nameKey(name))
  return value === undefined ? undefined : readName(nameKey(name), value)
}

/** Finds a signed part of a payment, in the records of this node or from the payee's list. */
export async function findPart(
  store: Store,
  peer: string,
  name: string,
  index: number
): Promise<{ readonly id: string; readonly record: PaidRecord } | undefined> {
  const id = toHex(partId(peer, name, index))
  for (const key of [PAID_PREFIX + id, listedKey(peer, id)]) {
    const value = await store.get(key)
    if (value !== undefined) return { id, record: readPaid(key, value) }
  }
  return undefined
}

/**
 * The id that makes a list false (REEST-8): it is listed twice, or is known to be made otherwise.
 * One that is known to be made by an update that was forgotten, on this channel and with this
 * amount, is just what the list has to name: a record may outlive the balances.
 */
export async function contradiction(
  store: Store,
  { id: channel, peer }: Pick<Channel, 'id' | 'peer'>,
  { payments, sequence, forgottenAfter = sequence }: PaymentLogEntry
): Promise<string | undefined> {
  const seen = new Set<string>()
  for (const payment of payments) {
    const id = toHex(payment.id)
    if (seen.has(id)) return id
    seen.add(id)
    for (const key of [listedKey(peer, id), PAID_PREFIX + id]) {
      const value = await store.get(key)
      if (value === undefined) continue
      const known = readPaid(key, value)
      const isTheSame =
        known.channel === channel &&
        known.amount === payment.amount &&
        known.sequence > forgottenAfter &&
        known.sequence <= sequence
      if (!isTheSame) return id
    }
  }
  return undefined
}
