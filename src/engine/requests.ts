/**
 * Payment requests of this node, as the payee: which are open, and what was received for each. A
 * payment for a request begins with the request's id (REQ-8); what it adds is written in one commit
 * with the payment itself, so that no crash comes between them.
 *
 * - `request/<id>`: a request, and what was received for it in all
 * - `request-made/<time>/<id>`: the same requests by when they were made, so that the newest are found
 *   without a look at all
 * - `requested/<id of the payment>/<PeerId>`: a payment for a request
 */
import { z } from 'zod'
import type { Payment } from '../../protocols/paychan/1.0/index.js'
import { REQUEST_ID_BYTES } from '../../protocols/request/1.0/index.js'
import type { PaymentLogEntry } from '../channel/effects.js'
import type { Channel } from '../channel/state.js'
import { toHex } from '../types/bytes.js'
import { codeOf, PaychanError } from '../types/errors.js'
import { parseRecord, recordChange } from '../types/records.js'
import { addSat, satoshi, type Satoshi, ZERO_SAT } from '../types/units.js'
import { requestPartId } from './payments.js'
import type { Change, Clock, Store } from './ports.js'

/*
 * The room for payment requests: which of them give way to new ones, and in which order (REQ-13).
 */

/** When a request ends. */
interface Ending {
  readonly reusable: boolean
  readonly paidAt?: number | undefined
  readonly expires?: number | undefined
}

/** What counts of a request that has a place; it changes only while it has none. */
interface Placed {
  readonly record: Ending & { readonly id: string; readonly received: Satoshi }
}

/**
 * The requests that have a place, of one maker or of all, in the order in which they give way: at
 * the bound each new one asks for that, so no look is at all of them.
 */
export class RequestRoom<Request extends Placed> {
  readonly most: number
  #size = 0
  /** Those that nobody has begun to pay, the oldest first. */
  readonly #unpaid = new Set<Request>()
  /** Those that end, the first one to end first. */
  readonly #ending: Request[] = []

  constructor(most: number) {
    this.most = most
  }

  get isFull(): boolean {
    return this.#size >= this.most
  }

  get isEmpty(): boolean {
    return this.#size === 0
  }

  enter(open: Request): void {
    this.#size += 1
    if (isUnpaid(open.record)) this.#unpaid.add(open)
    if (endOf(open.record) < Infinity) this.#ending.splice(this.#placeOf(open), 0, open)
  }

  leave(open: Request): void {
    this.#size -= 1
    this.#unpaid.delete(open)
    if (endOf(open.record) < Infinity) this.#ending.splice(this.#placeOf(open), 1)
  }

  /**
   * One that is paid or has expired before one that nobody has paid anything for. One that is
   * reusable, or of which a part has come, stays as long as it is open.
   */
  firstToGo(now: number): Request | undefined {
    const [ending] = this.#ending
    if (ending !== undefined && endOf(ending.record) < now) return ending
    const [unpaid] = this.#unpaid
    return unpaid
  }

  /** The place of one that ends, whether it is there or to come there. */
  #placeOf({ record }: Placed): number {
    const end = endOf(record)
    let [from, to] = [0, this.#ending.length]
    while (from < to) {
      const middle = (from + to) >>> 1
      const other = this.#ending[middle]?.record ?? record
      const otherEnd = endOf(other)
      if (otherEnd < end || (otherEnd === end && other.id < record.id)) from = middle + 1
      else to = middle
    }
    return from
  }
}

/** Milliseconds since 1970 at which nobody is to begin to pay it any more. */
export function endOf({ reusable, paidAt, expires }: Ending): number {
  return Math.min((reusable ? undefined : paidAt) ?? Infinity, expires ?? Infinity)
}

/** True when it is to be paid once, and nothing has come for it. */
function isUnpaid({ reusable, received }: Placed['record']): boolean {
  return !reusable && received === 0n
}

export const REQUEST_PREFIX = 'request/'
export const REQUEST_MADE_PREFIX = 'request-made/'
export const REQUESTED_PREFIX = 'requested/'

/** Digits of the latest time in milliseconds: as texts they are in the order of time. */
const TIME_DIGITS = 16

/** Requests that are read at a time: other work has its turn between two pages. */
const PAGE = 100

/** Requests that are taken off the disk in one commit at the start. */
const MOST_FORGOTTEN = 10_000

/** Requests for which payments are counted at a time: each takes some 500 bytes of memory. */
const MOST_OPEN = 100_000

/**
 * How many of them one maker that is limited may have: the rest of the room stays for all others,
 * whatever the visitors of one shop make it ask for.
 */
function shareOf(most: number): number {
  return Math.ceil(most / 4)
}

/**
 * REQ-7: milliseconds for which a request that is paid, or has expired, still takes late payments:
 * 60 days, and no channel lives longer than eight weeks (`maxBlocks`).
 */
const LATE_MS = 60 * 24 * 60 * 60 * 1_000

/** REQ-11: the parts of a payment that are looked for, and how many in a row may be missing. */
const MOST_PARTS = 256
const MOST_MISSING = 16

const amount = z.bigint().transform((value) => satoshi(value))

/** A request as it is on disk. */
export interface RequestRecord {
  readonly id: string
  /** The text that payers are given. */
  readonly text: string
  /** Undefined when the payer chooses. */
  readonly amount?: Satoshi | undefined
  readonly memo: string
  /** Milliseconds since 1970. */
  readonly made: number
  /** Undefined when it never expires. */
  readonly expires?: number | undefined
  readonly reusable: boolean
  /** The name of whoever made it, when that one has a share of the room and no more. */
  readonly maker?: string | undefined
  /** UPD-10, as it was when the request was made. */
  readonly leastFirstPayment: Satoshi
  readonly received: Satoshi
  /** Number of payments received; a payment that was split counts each part. */
  readonly payments: number
  /** The peer that has paid all of it, and when; never set for a reusable one. */
  readonly paidBy?: string | undefined
  readonly paidAt?: number | undefined
}

const requestRecord: z.ZodType<RequestRecord> = z.object({
  id: z.string().length(2 * REQUEST_ID_BYTES),
  text: z.string(),
  amount: amount.optional(),
  memo: z.string(),
  made: z.number(),
  expires: z.number().optional(),
  reusable: z.boolean(),
  maker: z.string().optional(),
  leastFirstPayment: amount,
  received: amount,
  payments: z.number(),
  paidBy: z.string().optional(),
  paidAt: z.number().optional()
})

const receivedRecord = z.object({
  channel: z.string(),
  sequence: z.number(),
  amount,
  /** Milliseconds since 1970. */
  time: z.number(),
  /** The nonce under which a receipt was given for it: it counts under no other one (REQ-11). */
  nonce: z.string().optional()
})

/** The sum of what one peer has paid under one name. */
export interface Paid {
  readonly amount: Satoshi
  /** Milliseconds since 1970, of the last part. */
  readonly time: number
}

interface Received extends Paid {
  /** Changes to commit before a receipt for it leaves: its parts count under this nonce then. */
  readonly binding: readonly Change[]
}

interface OpenRequest {
  record: RequestRecord
  /**
   * The sum that each peer has paid; kept until one has paid all, for a request that is paid once
   * only.
   */
  readonly byPeer: Map<string, Satoshi>
}

/** What the memo of a payment to a priced server begins with: such a one pays for no request. */
export const SESSION_MEMO = '402:'

const ONE_SAT = satoshi(1n)

export class Requests {
  readonly #open = new Map<string, OpenRequest>()
  /** The receipt that was asked for last is on its way. */
  #lastBinding: Promise<unknown> = Promise.resolve()
  readonly #context: {
    readonly store: Store
    readonly clock: Pick<Clock, 'now'>
    /** The PeerId of this node. */
    readonly self: string
  }
  readonly #most: number
  readonly #room: RequestRoom<OpenRequest>
  /** By maker, of those that are limited. */
  readonly #shares = new Map<string, RequestRoom<OpenRequest>>()

  constructor(
    context: {
      readonly store: Store
      readonly clock: Pick<Clock, 'now'>
      /** The PeerId of this node. */
      readonly self: string
    },
    most = MOST_OPEN
  ) {
    this.#context = context
    this.#most = most
    this.#room = new RequestRoom(most)
  }

  /**
   * Called before the first payment may come. A record that is damaged is left out, and told:
   * payments for it are payments all the same.
   */
  async load(onDamaged: (error: unknown) => void): Promise<void> {
    let found: OpenRequest[] = []
    let past: RequestRecord[] = []
    for await (const [key, value] of this.#context.store.entries(REQUEST_PREFIX)) {
      try {
        const record = readRequestRecord(key, value)
        if (this.#isOver(record)) past.push(record)
        else found.push(await this.#loadOne(record))
      } catch (error) {
        if (codeOf(error) !== 'ERR_STORE_CORRUPT') throw error
        onDamaged(error)
      }
      // What was paid is on disk for good: all of it at once could be more than memory holds.
      if (found.length >= 2 * this.#most) found = this.#newest(found, past)
      if (past.length >= MOST_FORGOTTEN) past = await this.#forget(past)
    }
    for (const open of this.#newest(found, past)) this.#enter(open)
    await this.#forget(past)
  }

  /**
   * As they were made, the oldest first; without the oldest that have ended, where these are too
   * many: they are past.
   */
  #newest(found: readonly OpenRequest[], past: RequestRecord[]): OpenRequest[] {
    const now = this.#context.clock.now()
    let excess = found.length - this.#most
    const kept: OpenRequest[] = []
    for (const open of found.toSorted((a, b) => a.record.made - b.record.made)) {
      if (excess <= 0 || endOf(open.record) >= now) kept.push(open)
      else {
        excess -= 1
        past.push(open.record)
      }
    }
    return kept
  }

  /** Takes off the disk what nothing was ever paid for (REQ-13). */
  async #forget(past: readonly RequestRecord[]): Promise<RequestRecord[]> {
    const changes = past.flatMap(forgetting)
    if (changes.length > 0) await this.#context.store.commit(changes)
    return []
  }

  async #loadOne(record: RequestRecord): Promise<OpenRequest> {
    const { store } = this.#context
    const byPeer = new Map<string, Satoshi>()
    // Only whether one peer has paid all of it is still to be found out.
    if (!record.reusable && record.paidBy === undefined && record.received > 0n) {
      for await (const [paid, part] of store.entries(`${REQUESTED_PREFIX}${record.id}`)) {
        const peer = paid.slice(paid.lastIndexOf('/') + 1)
        add(byPeer, peer, readReceived(paid, part).amount)
      }
    }
    return { record, byPeer }
  }

  /**
   * Writes a request. Where there is no room for one more, in the share of its maker or at all, an
   * older one gives way, which is forgotten unless something was paid for it (REQ-13).
   *
   * @throws PaychanError `ERR_TOO_MANY_REQUESTS`
   */
  async make(record: Omit<RequestRecord, 'received' | 'payments'>): Promise<RequestRecord> {
    const made = { ...record, received: ZERO_SAT, payments: 0 }
    const left = this.#makeRoom(made.maker)
    const open = { record: made, byPeer: new Map<string, Satoshi>() }
    this.#enter(open)
    try {
      await this.#context.store.commit([
        ...left.flatMap(({ record: old }) => forgetting(old)),
        recordChange(REQUEST_PREFIX + made.id, made),
        { key: madeKey(made), value: new Uint8Array() }
      ])
    } catch (error) {
      this.#leave(open)
      for (const old of left) this.#enter(old)
      throw error
    }
    return made
  }

  /**
   * Takes out of the room what gives way to one more request of a maker, in its share first.
   *
   * @throws PaychanError `ERR_TOO_MANY_REQUESTS`
   */
  #makeRoom(maker: string | undefined): readonly OpenRequest[] {
    const now = this.#context.clock.now()
    const left: OpenRequest[] = []
    for (const room of this.#roomsOf(maker)) {
      while (room.isFull) {
        const open = room.firstToGo(now)
        if (open === undefined) {
          for (const old of left) this.#enter(old)
          throw new PaychanError(
            'ERR_TOO_MANY_REQUESTS',
            `There is room for ${room.most} payment requests here, and as many are open that are reusable or paid in part. Wait until some expire, and give the next ones a time (--expires).`,
            { most: room.most }
          )
        }
        this.#leave(open)
        left.push(open)
      }
    }
    return left
  }

  #enter(open: OpenRequest): void {
    const { id, maker } = open.record
    this.#open.set(id, open)
    if (maker !== undefined && !this.#shares.has(maker)) {
      this.#shares.set(maker, new RequestRoom(shareOf(this.#most)))
    }
    for (const room of this.#roomsOf(maker)) room.enter(open)
  }

  #leave(open: OpenRequest): void {
    const { id, maker } = open.record
    this.#open.delete(id)
    for (const room of this.#roomsOf(maker)) room.leave(open)
    if (maker !== undefined && this.#shares.get(maker)?.isEmpty === true) this.#shares.delete(maker)
  }

  /** The rooms in which a request of a maker has a place: its share, and the whole. */
  #roomsOf(maker: string | undefined): readonly RequestRoom<OpenRequest>[] {
    const share = maker === undefined ? undefined : this.#shares.get(maker)
    return share === undefined ? [this.#room] : [share, this.#room]
  }

  /** Reads a request of this node; undefined when it has made none with that id. */
  async find(id: string): Promise<RequestRecord | undefined> {
    const open = this.#open.get(id)
    if (open !== undefined) return open.record
    const key = REQUEST_PREFIX + id
    const value = await this.#context.store.get(key)
    return value === undefined ? undefined : readRequestRecord(key, value)
  }

  /** The requests of this node, the newest first: whoever wants a few reads no more. */
  async *newest(): AsyncGenerator<RequestRecord> {
    let before: string | undefined
    for (;;) {
      const page = await this.#context.store.last(REQUEST_MADE_PREFIX, PAGE, before)
      for (const [key] of page) {
        before = key
        const record = await this.find(key.slice(key.lastIndexOf('/') + 1))
        if (record !== undefined) yield record
      }
      if (page.length < PAGE) return
    }
  }

  /**
   * What a peer has paid for a request, when that is all of it: a receipt may leave then. Its parts
   * count under this nonce alone from then on (REQ-11), so one is looked at after the other.
   *
   * @throws PaychanError `ERR_STORE_FAILED`
   */
  async paidBy(
    peer: string,
    { id, amount = ONE_SAT }: Pick<RequestRecord, 'id' | 'amount'>,
    nonce: string | undefined
  ): Promise<Paid | undefined> {
    const paid = this.#lastBinding.then(async () => {
      const received = await this.receivedFrom(peer, id, nonce)
      if (received === undefined || received.amount < amount) return undefined
      if (received.binding.length > 0) await this.#context.store.commit(received.binding)
      return received
    })
    if (nonce !== undefined) this.#lastBinding = paid.catch(() => {})
    return await paid
  }

  /**
   * What a peer has paid for a request: under its one name, or under the nonce of one that is
   * reusable (REQ-8).
   */
  async receivedFrom(
    peer: string,
    id: string,
    nonce: string | undefined
  ): Promise<Received | undefined> {
    const { store, self } = this.#context
    let sum: Received | undefined
    let missing = 0
    // A part that failed on the chain leaves a gap.
    for (let index = 0; index < MOST_PARTS && missing < MOST_MISSING; index++) {
      const key = receivedKey(toHex(requestPartId(self, { id, nonce }, index)), peer)
      const value = await store.get(key)
      missing = value === undefined ? missing + 1 : 0
      if (value === undefined) continue
      const part = readReceived(key, value)
      // Of 8 bytes of a hash two nonces can be found that have a part in common.
      if (part.nonce !== undefined && part.nonce !== nonce) continue
      const binds = nonce !== undefined && part.nonce === undefined
      sum = {
        amount: addSat(sum?.amount ?? ZERO_SAT, part.amount),
        time: Math.max(sum?.time ?? 0, part.time),
        binding: [
          ...(sum?.binding ?? []),
          ...(binds ? [recordChange(key, { ...part, nonce })] : [])
        ]
      }
    }
    return sum
  }

  /** The changes to commit beside a log entry. */
  changes({ id: channel, peer }: Channel, entry: PaymentLogEntry): readonly Change[] {
    if (this.#open.size === 0 || entry.direction !== 'received') return []
    return entry.payments.flatMap((payment): Change[] => {
      const open = this.openFor(payment)
      if (open === undefined) return []
      const { record, byPeer } = open
      const value = satoshi(payment.amount)
      const paid = record.reusable ? undefined : add(byPeer, peer, value)
      const isPaidNow =
        paid !== undefined && record.paidBy === undefined && paid >= (record.amount ?? 1n)
      const next: RequestRecord = {
        ...record,
        received: addSat(record.received, value),
        payments: record.payments + 1,
        ...(isPaidNow ? { paidBy: peer, paidAt: entry.time } : {})
      }
      this.#leave(open)
      open.record = next
      this.#enter(open)
      const { sequence, time } = entry
      return [
        recordChange(receivedKey(toHex(payment.id), peer), {
          channel,
          sequence,
          amount: value,
          time
        }),
        recordChange(REQUEST_PREFIX + record.id, next)
      ]
    })
  }

  /**
   * The request that a payment is for, by its id and by its memo (REQ-8); undefined for any other
   * payment. One with another memo could be for something else as well, as for a priced server.
   */
  openFor({ id, memo }: Payment): OpenRequest | undefined {
    if (this.#open.size === 0) return undefined
    const open = this.#open.get(toHex(id.subarray(0, REQUEST_ID_BYTES)))
    return open?.record.memo === memo ? open : undefined
  }

  #isOver(record: RequestRecord): boolean {
    return this.#context.clock.now() > endOf(record) + LATE_MS
  }
}

/** What takes a request off the disk; nothing, where something was paid for it. */
function forgetting(record: RequestRecord): Change[] {
  if (record.received > 0n) return []
  return [
    { key: REQUEST_PREFIX + record.id, value: undefined },
    { key: madeKey(record), value: undefined }
  ]
}

function madeKey({ id, made }: Pick<RequestRecord, 'id' | 'made'>): string {
  return `${REQUEST_MADE_PREFIX}${String(made).padStart(TIME_DIGITS, '0')}/${id}`
}

function receivedKey(payment: string, peer: string): string {
  return `${REQUESTED_PREFIX}${payment}/${peer}`
}

function add(sums: Map<string, Satoshi>, peer: string, value: Satoshi): Satoshi {
  const sum = addSat(sums.get(peer) ?? ZERO_SAT, value)
  sums.set(peer, sum)
  return sum
}

/** @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION` */
export function readRequestRecord(key: string, value: Uint8Array): RequestRecord {
  return parseRecord(key, value, requestRecord)
}

/** @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION` */
export function readReceived(key: string, value: Uint8Array): z.output<typeof receivedRecord> {
  return parseRecord(key, value, receivedRecord)
}
