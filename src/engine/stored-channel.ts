/**
 * Channels on disk. The part that changes with every payment is kept apart, so that a payment
 * writes little:
 *
 *     channel/<id>              all of a channel but its ledger
 *     ledger/<id>               the ledger; an update in flight has the number of its payments only,
 *     payment/<id>/<sequence>   since they are in the payment log, written in the same batch
 */
import { asCopied } from '../channel/copied.js'
import type { Ledger } from '../channel/ledger.js'
import type { Channel, Established, Stopped } from '../channel/state.js'
import type { StateRef } from '../channel/schedule.js'
import type { ChannelId } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { givenUpChanges, isGivenUpByServer } from './registry.js'
import { paymentKey, readEntry } from './payments.js'
import type { Change, Store } from './ports.js'
import {
  corruptRecord,
  decodeRecord,
  readRecord,
  recordChange,
  unlessDamaged
} from '../types/records.js'

export const CHANNEL_PREFIX = 'channel/'
export const LEDGER_PREFIX = 'ledger/'

const STAGES: ReadonlySet<unknown> = new Set<Channel['stage']>([
  'offered',
  'accepted',
  'refund-requested',
  'refund-signed',
  'established',
  'abandoned'
])

type StoredLedger = Omit<Ledger, 'inFlight'> & {
  readonly inFlight: ReadonlyArray<
    Omit<Ledger['inFlight'][number], 'payments'> & { readonly payments: number }
  >
}

/** The changes that store a channel; `before` is the state that the store holds. */
export function channelChanges(before: Channel | undefined, channel: Channel): Change[] {
  if (isGivenUpByServer(channel)) {
    return before !== undefined && isGivenUpByServer(before)
      ? []
      : [...removalOf(channel.id), ...givenUpChanges(channel)]
  }
  const changes: Change[] = []
  if (before === undefined || !differInLedgerOnly(before, channel)) {
    changes.push(recordChange(CHANNEL_PREFIX + channel.id, storedForm(channel)))
  }
  if (
    channel.stage === 'established' &&
    !(before?.stage === 'established' && before.ledger === channel.ledger)
  ) {
    changes.push(recordChange(LEDGER_PREFIX + channel.id, storedLedger(channel.ledger)))
  }
  return changes
}

/**
 * A channel as its record has it: without the ledger, and as the first release had it. A server's
 * `fundingAccepted` has the name of the client's field, a state that is on its way to the chain is
 * a turn, -1 for T2, and `mayHaveForgotten` stands in `stopped`, since such a channel has stopped.
 */
function storedForm(channel: Channel): object {
  const stored = { ...channel, ledger: undefined }
  if (channel.stage !== 'established') return stored
  const { publication, onChain, stopped, mayHaveForgotten } = channel
  return renamed(
    {
      ...stored,
      ...(mayHaveForgotten === undefined
        ? {}
        : { stopped: { ...stopped, mayHaveForgotten }, mayHaveForgotten: undefined }),
      publication: publication && storedState(publication),
      onChain: {
        ...onChain,
        spend: onChain.spend && storedState(onChain.spend),
        shown: onChain.shown.map(storedState)
      }
    },
    'fundingAccepted',
    'fundingAcknowledged'
  )
}

/** The channel of a record. */
function fromStored(stored: Channel): Channel {
  if (stored.stage !== 'established') return stored
  const { publication, onChain, role, stopped } = stored
  const { spend, shown } = onChain
  const { mayHaveForgotten, ...why } = (stopped ?? {}) as Pick<Established, 'mayHaveForgotten'>
  const channel = {
    ...stored,
    ...(mayHaveForgotten === undefined ? {} : { stopped: why as Stopped, mayHaveForgotten }),
    ...(publication === undefined ? {} : { publication: loadedState(publication) }),
    onChain: {
      ...onChain,
      ...(spend === undefined ? {} : { spend: loadedState(spend) }),
      shown: shown.map(loadedState)
    }
  }
  return role === 'client' ? channel : renamed(channel, 'fundingAcknowledged', 'fundingAccepted')
}

/** A publication or a spend, by the state that it is. */
interface OfState {
  readonly state: StateRef | undefined
}

function storedState<T extends OfState>(of: T): T {
  return renamed({ ...of, state: of.state === 'refund' ? -1 : of.state }, 'state', 'turn')
}

function loadedState<T extends OfState>(stored: T): T {
  const { turn } = stored as { readonly turn?: number }
  return renamed({ ...stored, turn: turn === -1 ? 'refund' : turn }, 'turn', 'state')
}

/** Renames a field and keeps its place, which the bytes of a record depend on. */
function renamed<T>(fields: object, from: string, to: string): T {
  const renamed: Record<string, unknown> = {}
  for (const name of Object.keys(fields) as Array<keyof typeof fields>) {
    renamed[name === from ? to : name] = fields[name]
  }
  return renamed as T
}

/**
 * The record of a channel as a backup has it (RESTORE-10); the same record for any other key, and
 * for one that is damaged: the node finds that out.
 */
export function copiedRecord(key: string, value: Uint8Array): Uint8Array {
  if (!key.startsWith(CHANNEL_PREFIX)) return value
  const terms = unlessDamaged(() => readTerms(key, value))
  return terms === undefined ? value : recordChange(key, storedForm(asCopied(terms))).value
}

/** The changes that take a channel out of the store. */
function removalOf(id: ChannelId): Change[] {
  return [CHANNEL_PREFIX, LEDGER_PREFIX].map((prefix) => ({ key: prefix + id, value: undefined }))
}

/** States are never changed in place, so a part that is the same object is equal. */
function differInLedgerOnly(before: Channel, after: Channel): boolean {
  const names = Object.keys(after) as Array<keyof Channel>
  return (
    names.every((name) => (name as string) === 'ledger' || after[name] === before[name]) &&
    Object.keys(before).every((name) => name in after)
  )
}

function storedLedger(ledger: Ledger): StoredLedger {
  return {
    ...ledger,
    inFlight: ledger.inFlight.map((update) => ({ ...update, payments: update.payments.length }))
  }
}

/**
 * Reads a channel. Checks only that the record is a channel: the checksums prove that the rest is
 * as this code has written it.
 *
 * @param now - what is known better than by the record of an established channel
 * @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION`
 */
export async function readChannel(
  store: Pick<Store, 'get'>,
  key: string,
  value: Uint8Array,
  now: Partial<Pick<Established, 'link'>> = {}
): Promise<Channel> {
  const stored = readTerms(key, value)
  try {
    return compact(
      stored.stage !== 'established'
        ? stored
        : { ...stored, ledger: await readLedger(store, stored.id), ...now }
    )
  } catch (error) {
    throw error instanceof PaychanError ? error : corruptRecord(key, error)
  }
}

/**
 * A channel without its ledger, when there is one: keys, terms and funding.
 *
 * @throws as `readChannel`
 */
export function readTerms(key: string, value: Uint8Array): Channel {
  return readRecord(key, value, (stored: Channel) => {
    if (!isChannel(stored) || key !== CHANNEL_PREFIX + stored.id) throw corruptRecord(key)
    return fromStored(stored)
  })
}

async function readLedger(
  store: Pick<Store, 'get'>,
  id: ChannelId
): Promise<Established['ledger']> {
  const key = LEDGER_PREFIX + id
  const value = await store.get(key)
  if (value === undefined) throw corruptRecord(key)
  const stored = decodeRecord<StoredLedger>(key, value)
  const inFlight: Array<Ledger['inFlight'][number]> = []
  for (const update of stored.inFlight) {
    inFlight.push({ ...update, payments: await readPaymentsOf(store, id, update) })
  }
  // What is undefined is not stored; the fields are there all the same.
  return { ...stored, held: stored.held, settledSequence: stored.settledSequence, inFlight }
}

async function readPaymentsOf(
  store: Pick<Store, 'get'>,
  id: ChannelId,
  { sequence, payments }: StoredLedger['inFlight'][number]
): Promise<Ledger['inFlight'][number]['payments']> {
  if (payments === 0) return []
  const key = paymentKey(id, sequence)
  const value = await store.get(key)
  const logged = value === undefined ? undefined : readEntry(key, value).payments
  if (logged?.length !== payments) throw corruptRecord(key)
  return logged
}

function isChannel(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    'stage' in value &&
    STAGES.has(value.stage) &&
    'keys' in value &&
    'peer' in value
  )
}

/*
 * Values that were put together field by field, in the form that takes the least memory.
 *
 * V8 keeps an object whose fields came one after another as a hash table (1.5 kB for a channel),
 * and one that was spread with a hidden class of its own (1.4 kB). What `JSON.parse` makes is as an
 * object literal in the source would be: the fields in a row, the class shared. So it makes the
 * object, and the values are put in. For what is read once and kept for months; it costs some
 * microseconds.
 *
 * A short byte string takes 200 bytes more than it has, half of them for a buffer of its own: keys
 * and signatures of one value share a buffer.
 */

/** Shapes by the names of their fields, one after another. There are as many as states have. */
interface Shape {
  readonly next: Map<string, Shape>
  /** An empty object as JSON; undefined until there was one with these names and no others. */
  json: string | undefined
  /** The last object with these names: the next one is often the same, such as the limits. */
  last: Readonly<Record<string, unknown>>
}

const FIRST: Shape = { next: new Map(), json: undefined, last: {} }
/** Limit of the names in shapes: where names are data there is no end of them. */
const MOST_NAMES = 4_096
let namesInShapes = 0

function shapeOf(names: readonly string[]): Shape {
  let shape = FIRST
  for (const name of names) {
    let next = shape.next.get(name)
    if (next === undefined) {
      next = { next: new Map(), json: undefined, last: {} }
      if (namesInShapes < MOST_NAMES) {
        namesInShapes += 1
        shape.next.set(name, next)
      }
    }
    shape = next
  }
  return shape
}

/** A new object, or the last one of its shape when that has the same values. */
function objectOf(names: readonly string[], values: readonly unknown[]): object {
  const shape = shapeOf(names)
  const { last } = shape
  if (names.every((name, n) => name in last && last[name] === values[n])) return last
  shape.json ??= `{${names.map((name) => `${JSON.stringify(name)}:null`).join()}}`
  const made = JSON.parse(shape.json) as Record<string, unknown>
  names.forEach((name, n) => {
    made[name] = values[n]
  })
  shape.last = made
  return made
}

/**
 * Longest byte string in bytes that V8 keeps inside the heap; longer ones are left alone, since
 * they are shared with others as they are (T1).
 */
const SHORT = 64

const NONE: readonly never[] = Object.freeze([])

/** The short byte strings of one value, one after another in one buffer. */
class Pool {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(length: number) {
    this.#bytes = new Uint8Array(length)
  }

  copy(bytes: Uint8Array): Uint8Array {
    const at = this.#at
    this.#at += bytes.length
    this.#bytes.set(bytes, at)
    return this.#bytes.subarray(at, this.#at)
  }
}

/**
 * Copies a value: plain objects, lists and short byte strings are new; all else is shared. Values
 * that are the same in one channel after another, and empty lists, are there once: a state is never
 * changed in place.
 *
 * @example
 * const channel = compact(unpack(record) as Channel)
 */
export function compact<T>(value: T): T {
  return compacted(value, new Pool(shortBytesIn(value))) as T
}

function shortBytesIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  if (value instanceof Uint8Array) return value.length > SHORT ? 0 : value.length
  let sum = 0
  for (const part of Object.values(value)) sum += shortBytesIn(part)
  return sum
}

function compacted(value: unknown, pool: Pool): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return value.length > SHORT ? value : pool.copy(value)
  if (Array.isArray(value)) {
    return value.length === 0 ? NONE : value.map((part) => compacted(part, pool))
  }
  return objectOf(
    Object.keys(value),
    Object.values(value).map((part) => compacted(part, pool))
  )
}
