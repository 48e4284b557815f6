/** Entries of the payment log: payments, the updates that made them, and their outcomes. */
import {
  LISTED_PAYMENT_BYTES,
  MAX_LISTED_BYTES,
  packPayments,
  type Payment,
  textLength,
  unpackPayments
} from '../../protocols/paychan/1.0/index.js'
import { REQUEST_ID_BYTES } from '../../protocols/request/1.0/index.js'
import { sha256OfText } from '../bitcoin/hashes.js'
import type { PaymentLogEntry } from '../channel/effects.js'
import type { Channel } from '../channel/state.js'
import { type ChannelId, fromHex, toHex } from '../types/bytes.js'
import { corruptRecord, readRecord, recordChange, unlessDamaged } from '../types/records.js'
import { satoshi, type Satoshi } from '../types/units.js'
import type { Change, Random, Store } from './ports.js'

/*
 * The records of payments that have a name (keyed-payments.ts):
 * - `paid/<hex of a part's id>`: a part that this node has signed
 * - `paid/<PeerId>/<hex of a part's id>`: a part that it has forgotten, as the payee lists it
 *   (REEST-8)
 * - `paid-name/<hex>`: the payee of a name
 *
 * The lists of payees are kept apart: a payee can say nothing about payments to others, and
 * overwrite none.
 */

/**
 * `asked` is the whole payment; a peer that lists a forgotten payment (REEST-8) knows only the
 * part.
 */
export interface PaidRecord {
  /** The channel that carried it. */
  readonly channel: ChannelId
  /** Its number on the channel. */
  readonly sequence: number
  /** Satoshis of this part. */
  readonly amount: Satoshi
  /** Satoshis of the whole payment. */
  readonly asked?: Satoshi
  /** Milliseconds since 1970. */
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

/** A payment, the update that made it, and its outcome. */
export interface PaymentInfo {
  /** 32 hex digits. */
  readonly id: string
  /** The channel that carried it. */
  readonly channel: ChannelId
  /** The other side of that channel. */
  readonly peerId: string
  /** As this node sees it. */
  readonly direction: 'sent' | 'received'
  /** In satoshis. */
  readonly amount: Satoshi
  /** One line by the payer, at most 128 bytes; empty for none. */
  readonly memo: string
  /** `unknown`: signed and sent, not yet acknowledged; the outcome is open. */
  readonly status: 'acknowledged' | 'unknown' | 'failed'
  /** Milliseconds since 1970. */
  readonly time: number
}

/** An entry as it is on disk; a newer one has a higher number (`LogOrder`). */
export type StoredEntry = PaymentLogEntry & { readonly order: number }

export const PAYMENT_PREFIX = 'payment/'

export function paymentKey(channel: ChannelId, sequence: number): string {
  return paymentsPrefix(channel) + sequence.toString().padStart(10, '0')
}

/** The prefix of the keys of a channel's entries. */
export function paymentsPrefix(channel: ChannelId): string {
  return `${PAYMENT_PREFIX}${channel}/`
}

/** All payments of an update are one packed value: a key for each would be the bottleneck. */
export function paymentChange(channel: ChannelId, { payments, ...entry }: StoredEntry): Change {
  return recordChange(paymentKey(channel, entry.sequence), {
    ...entry,
    payments: packPayments(payments)
  })
}

/** An entry of the log. @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION` */
export function readEntry(key: string, value: Uint8Array): StoredEntry {
  return readRecord(
    key,
    value,
    (stored: Omit<StoredEntry, 'payments'> & { readonly payments: Uint8Array }) => ({
      ...stored,
      payments: unpackPayments(stored.payments)
    })
  )
}

/** The sequence of the update that a key of the log stands for. */
export function sequenceOf(key: string): number {
  return Number(key.slice(key.lastIndexOf('/') + 1))
}

/** Undefined for an entry that is damaged. */
export function entryUnlessDamaged(key: string, value: Uint8Array): StoredEntry | undefined {
  return unlessDamaged(() => readEntry(key, value))
}

/**
 * REEST-8: the payments of the updates after `after`, oldest first, as far as one message takes
 * them; the oldest updates are left out first. Returns them with the sequence after which they are
 * complete, for example behind an entry that is damaged or gone.
 *
 * Reads from the newest back, and no more than the message takes (261,120 bytes are at most 7,912
 * payments), whatever the length of the log and the claims of the payer.
 */
export async function listPayments(
  store: Store,
  channel: ChannelId,
  after: number,
  upTo: number
): Promise<{ payments: Payment[]; paymentsAfter: number }> {
  const listed: Array<readonly Payment[]> = []
  let bytes = 0
  for (let sequence = upTo; sequence > after; sequence--) {
    const payments = await paymentsOf(store, channel, sequence)
    bytes += (payments ?? []).reduce(
      (sum, { memo }) => sum + LISTED_PAYMENT_BYTES + textLength(memo),
      0
    )
    if (payments === undefined || bytes > MAX_LISTED_BYTES) {
      return { payments: listed.reverse().flat(), paymentsAfter: sequence }
    }
    listed.push(payments)
  }
  return { payments: listed.reverse().flat(), paymentsAfter: after }
}

/** Undefined when the entry is damaged or gone. Update 0 pays nothing, and has no entry (UPD-9). */
async function paymentsOf(
  store: Store,
  channel: ChannelId,
  sequence: number
): Promise<readonly Payment[] | undefined> {
  if (sequence === 0) return []
  const key = paymentKey(channel, sequence)
  const value = await store.get(key)
  return value === undefined ? undefined : entryUnlessDamaged(key, value)?.payments
}

/** The payments of one entry of the log; none when it is damaged or gone. */
export async function paymentsAt(
  store: Store,
  channel: Channel,
  sequence: number
): Promise<PaymentInfo[]> {
  const key = paymentKey(channel.id, sequence)
  const value = await store.get(key)
  const entry = value === undefined ? undefined : entryUnlessDamaged(key, value)
  if (entry === undefined) return []
  return entry.payments.map((payment) => paymentInfo(channel, entry, payment))
}

/** The newest `count` payments that were sent up to an entry of the log, the oldest first. */
export async function sentUpTo(
  store: Store,
  channel: Channel,
  upTo: number,
  count: number
): Promise<PaymentInfo[]> {
  const found: PaymentInfo[] = []
  for (let sequence = upTo; sequence > 0 && found.length < count; sequence--) {
    const payments = await paymentsAt(store, channel, sequence)
    found.unshift(...payments.filter(({ direction }) => direction === 'sent'))
  }
  return found.slice(-count)
}

/**
 * What was paid under a name, part by part, as far as the log has it; nothing for a name that is
 * not known.
 */
export async function paymentsUnder(
  store: Store,
  channels: ReadonlyMap<ChannelId, Channel>,
  name: string
): Promise<PaymentInfo[]> {
  const found: PaymentInfo[] = []
  const payee = await payeeOf(store, name)
  if (payee === undefined) return found
  for (let index = 0; ; index++) {
    const part = await findPart(store, payee.peer, name, index)
    if (part === undefined) return found
    const { channel: id, sequence } = part.record
    const key = paymentKey(id, sequence)
    const [channel, value] = [channels.get(id), await store.get(key)]
    const entry = value === undefined ? undefined : entryUnlessDamaged(key, value)
    const payment = entry?.payments.find((each) => toHex(each.id) === part.id)
    if (channel !== undefined && entry !== undefined && payment !== undefined) {
      found.push(paymentInfo(channel, entry, payment))
    }
  }
}

/** One payment, with the outcome of its update in the channel. */
export function paymentInfo(
  channel: Channel,
  entry: Omit<PaymentLogEntry, 'payments'>,
  payment: Payment
): PaymentInfo {
  return {
    id: toHex(payment.id),
    channel: channel.id,
    peerId: channel.peer,
    direction: entry.direction,
    amount: satoshi(payment.amount),
    memo: payment.memo,
    status: statusOfUpdate(channel, entry.sequence),
    time: entry.time
  }
}

/** A payment that its payee has just acknowledged. */
export function sentInfo(
  { id, peer }: Pick<Channel, 'id' | 'peer'>,
  payment: Payment,
  time: number
): PaymentInfo {
  return {
    id: toHex(payment.id),
    channel: id,
    peerId: peer,
    direction: 'sent',
    amount: satoshi(payment.amount),
    memo: payment.memo,
    status: 'acknowledged',
    time
  }
}

/**
 * The status of an update: known once it is acknowledged, or the chain has settled on a state that
 * includes it or not.
 */
export function statusOfUpdate(channel: Channel, sequence: number): PaymentInfo['status'] {
  if (channel.stage !== 'established') return 'failed'
  const {
    ledger: { held, settledSequence },
    doubted
  } = channel
  if (doubted !== undefined && sequence > doubted.after && sequence <= doubted.upTo) {
    return 'unknown'
  }
  if (held !== undefined && sequence <= held.sequence) return 'acknowledged'
  if (settledSequence === undefined) return 'unknown'
  return sequence <= settledSequence ? 'acknowledged' : 'failed'
}

/*
 * Random ids for payments, drawn many at a time: a call of the system for each would cost more than
 * the payment.
 */

const ID_BYTES = 16
const BLOCK_IDS = 256

export class PaymentIds {
  #block: Uint8Array = new Uint8Array(0)
  #at = 0
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  /** Draws 16 bytes that were given to nobody before. */
  draw(): Uint8Array {
    if (this.#at === this.#block.length) {
      this.#block = this.#random.bytes(ID_BYTES * BLOCK_IDS)
      this.#at = 0
    }
    this.#at += ID_BYTES
    return this.#block.slice(this.#at - ID_BYTES, this.#at)
  }
}
