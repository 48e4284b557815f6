/**
 * Payment requests of this node, as the payee: which are open, and what was received for each. A
 * payment for a request begins with the request's id (REQ-8); what it adds is written in one commit
 * with the payment itself, so that no crash comes between them.
 *
 * - `request/<id>`: a request, and what was received for it in all
 * - `requested/<id of the payment>/<PeerId>`: a payment for a request
 */
import { z } from 'zod'
import { REQUEST_ID_BYTES } from '../../protocols/request/1.0/index.js'
import type { Payment } from '../../protocols/paychan/1.0/index.js'
import type { PaymentLogEntry } from '../channel/effects.js'
import type { Channel } from '../channel/state.js'
import { toHex } from '../types/bytes.js'
import { codeOf, PaychanError } from '../types/errors.js'
import { parseRecord, recordChange } from '../types/records.js'
import { addSat, satoshi, type Satoshi, ZERO_SAT } from '../types/units.js'
import { requestPartId } from './paid-records.js'
import type { Change, Clock, Store } from './ports.js'

export const REQUEST_PREFIX = 'request/'
export const REQUESTED_PREFIX = 'requested/'

/** Requests that may be open at once: each takes some 500 bytes of memory. */
const MOST_OPEN = 100_000

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
interface Received {
  readonly amount: Satoshi
  /** Milliseconds since 1970, of the last part. */
  readonly time: number
  /** Changes to commit before a receipt for it leaves: its parts count under this nonce then. */
  readonly binding: readonly Change[]
}

interface OpenRequest {
  record: RequestRecord
  /** What each peer has paid; kept until one has paid all, for a request that is paid once only. */
  readonly byPeer: Map<string, Satoshi>
}

export class Requests {
  readonly #open = new Map<string, OpenRequest>()

  constructor(
    private readonly context: {
      readonly store: Store
      readonly clock: Pick<Clock, 'now'>
      /** The PeerId of this node. */
      readonly self: string
    }
  ) {}

  /**
   * To be called before the first payment may come. A record that is damaged is left out, and told:
   * payments for it are payments all the same.
   */
  async load(onDamaged: (error: unknown) => void): Promise<void> {
    for await (const [key, value] of this.context.store.entries(REQUEST_PREFIX)) {
      try {
        await this.#loadOne(readRequestRecord(key, value))
      } catch (error) {
        if (codeOf(error) !== 'ERR_STORE_CORRUPT') throw error
        onDamaged(error)
      }
    }
  }

  async #loadOne(record: RequestRecord): Promise<void> {
    if (this.#isOver(record)) return
    const { store } = this.context
    const byPeer = new Map<string, Satoshi>()
    // Only whether one peer has paid all of it is still to be found out.
    if (!record.reusable && record.paidBy === undefined && record.received > 0n) {
      for await (const [paid, part] of store.entries(`${REQUESTED_PREFIX}${record.id}`)) {
        const peer = paid.slice(paid.lastIndexOf('/') + 1)
        add(byPeer, peer, readReceived(paid, part).amount)
      }
    }
    this.#open.set(record.id, { record, byPeer })
  }

  /** @throws PaychanError `ERR_TOO_MANY_REQUESTS` */
  async make(record: Omit<RequestRecord, 'received' | 'payments'>): Promise<RequestRecord> {
    if (this.#open.size >= MOST_OPEN) this.#forgetOver()
    if (this.#open.size >= MOST_OPEN) {
      throw new PaychanError(
        'ERR_TOO_MANY_REQUESTS',
        `${MOST_OPEN} payment requests are open already. Let some expire (--expires), or use one that is --reusable.`,
        { most: MOST_OPEN }
      )
    }
    const made = { ...record, received: ZERO_SAT, payments: 0 }
    await this.context.store.commit([recordChange(REQUEST_PREFIX + made.id, made)])
    this.#open.set(made.id, { record: made, byPeer: new Map() })
    return made
  }

  /** Reads a request of this node; undefined when it has made none with that id. */
  async find(id: string): Promise<RequestRecord | undefined> {
    const open = this.#open.get(id)
    if (open !== undefined) return open.record
    const key = REQUEST_PREFIX + id
    const value = await this.context.store.get(key)
    return value === undefined ? undefined : readRequestRecord(key, value)
  }

  /** All requests of this node, in no order. */
  async *all(): AsyncGenerator<RequestRecord> {
    for await (const [key, value] of this.context.store.entries(REQUEST_PREFIX)) {
      yield readRequestRecord(key, value)
    }
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
    const { store, self } = this.context
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
      open.record = next
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

  /** The request that a payment is for; undefined for any other payment. */
  openFor(payment: Payment): OpenRequest | undefined {
    if (this.#open.size === 0) return undefined
    return this.#open.get(toHex(payment.id.subarray(0, REQUEST_ID_BYTES)))
  }

  #isOver({ reusable, paidAt, expires }: RequestRecord): boolean {
    const ended = Math.min((reusable ? undefined : paidAt) ?? Infinity, expires ?? Infinity)
    return this.context.clock.now() > ended + LATE_MS
  }

  #forgetOver(): void {
    for (const [id, { record }] of this.#open) if (this.#isOver(record)) this.#open.delete(id)
  }
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
