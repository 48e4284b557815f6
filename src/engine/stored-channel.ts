/**
 * Channels on disk. The part that changes with every payment is kept apart, so that a payment
 * writes little:
 *
 *     channel/<id>              all of a channel but its ledger
 *     ledger/<id>               the ledger; an update in flight has the number of its payments only,
 *     payment/<id>/<sequence>   since they are in the payment log, written in the same batch
 */
import { asCopied } from '../channel/handed-back.js'
import { type Ledger, NEW_LEDGER } from '../channel/ledger.js'
import type { StateRef } from '../channel/schedule.js'
import type { Channel, Established, Stopped } from '../channel/state.js'
import type { ChannelId } from '../types/bytes.js'
import { codeOf, PaychanError, STORE_FAILED } from '../types/errors.js'
import {
  corruptRecord,
  decodeRecord,
  readRecord,
  recordChange,
  unlessDamaged
} from '../types/records.js'
import { paymentKey, readEntry } from './payments.js'
import type { Change, Store } from './ports.js'
import { givenUpChanges, isGivenUpByServer } from './registry.js'

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
export function removalOf(id: ChannelId): Change[] {
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

/*
 * Loads what a node has on its disk when it starts: its channels, records of an earlier layout, and
 * damage.
 */

/**
 * No stream outlives its process. A start that changes nothing else in a channel writes nothing.
 */
const AFTER_START = { link: 'down' } as const

/** A channel that cannot be served. `terms` is the part that can still be read. */
interface DamagedChannel {
  readonly id: ChannelId
  readonly terms: Channel | undefined
  readonly error: Error
}

/**
 * A client's channel that has lost its ledger: it pays nothing any more, and its money comes back
 * by a close or by T2.
 */
interface RefundOnly {
  readonly id: ChannelId
  readonly error: Error
}

/** `refundOnly` are among the `channels`. */
interface Loaded {
  readonly channels: readonly Channel[]
  readonly damaged: readonly DamagedChannel[]
  readonly refundOnly: readonly RefundOnly[]
}

/**
 * Loads all channels. A damaged channel does not keep the others from being loaded.
 *
 * @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_FAILED`
 */
export async function loadChannels(store: Store): Promise<Loaded> {
  const channels: Channel[] = []
  const damaged: DamagedChannel[] = []
  const refundOnly: RefundOnly[] = []
  const ledgers = await readAll(store, LEDGER_PREFIX)
  const fromThese = {
    get: async (key: string) => ledgers.get(key) ?? (await store.get(key))
  }
  for await (const [key, value] of store.entries(CHANNEL_PREFIX)) {
    const found = await unlessCorrupt(() => readChannel(fromThese, key, value, AFTER_START))
    if (!('error' in found)) {
      channels.push(found.value)
      continue
    }
    const terms = await unlessCorrupt(async () => readTerms(key, value))
    const rest = 'error' in terms ? undefined : refundOnlyOf(terms.value)
    if (rest !== undefined) {
      channels.push(rest)
      refundOnly.push({ id: rest.id, error: found.error })
      continue
    }
    damaged.push({
      id: idOf(key, CHANNEL_PREFIX),
      terms: 'error' in terms ? undefined : terms.value,
      error: found.error
    })
  }
  return {
    channels,
    refundOnly,
    damaged: [
      ...damaged,
      ...orphans(ledgers.keys(), new Set([...channels, ...damaged].map(({ id }) => id)))
    ]
  }
}

/** The listeners that must hear of damage. */
interface DamageListeners {
  readonly reserve: (id: ChannelId) => void
  readonly learn: (channel: Channel) => void
  readonly alarm: (error: PaychanError, id: ChannelId) => void
}

/**
 * KEY-3: keeps the keys of a damaged channel from being used again, whatever became of its record,
 * and tells somebody.
 */
export function tellDamage(
  { damaged, refundOnly }: Loaded,
  { reserve, learn, alarm }: DamageListeners
): void {
  for (const { id, terms, error } of damaged) {
    reserve(id)
    if (terms !== undefined) learn(terms)
    alarm(
      new PaychanError(
        'ERR_STORE_CORRUPT',
        `A channel cannot be used: ${error.message} The other channels go on.`,
        { cause: 'channel' }
      ),
      id
    )
  }
  for (const { id, error } of refundOnly) {
    alarm(
      new PaychanError(
        'ERR_STORE_CORRUPT',
        `A channel takes no payments any more: ${error.message} If the peer is there, it brings back the balances and the channel can be closed; if not, the refund T2 is published by itself.`,
        { cause: 'ledger' }
      ),
      id
    )
  }
}

/**
 * TIME-2: a client without its ledger can still have the refund at L, since the channel's record
 * holds everything that T2 needs. The refund is always safe for the client: T2 pays it everything,
 * and is void once the server has settled. The payments are not known, so nothing is signed any
 * more but a close, on the state that the server brings back (REEST-8, REEST-9); until then, and on
 * a channel that is over for good, nobody can say what became of them (`hasLostLedger`). A server
 * has nothing without its newest state.
 */
function refundOnlyOf(terms: Channel): Established | undefined {
  if (terms.stage !== 'established' || terms.role !== 'client') return undefined
  const stopped = {
    code: 'ERR_STORE_CORRUPT',
    reason: 'The record of its balances is damaged.',
    rule: 'REEST-4',
    settleNow: false
  }
  return {
    ...terms,
    ledger: NEW_LEDGER,
    stopped: terms.stopped ?? stopped,
    mayHaveForgotten: true
  }
}

/** All records under a prefix: one pass over them costs a tenth of a question for each. */
async function readAll(store: Store, prefix: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const records = new Map<string, Uint8Array>()
  for await (const [key, value] of store.entries(prefix)) records.set(key, value)
  return records
}

/** Ledgers without a channel: the other record is lost. */
function orphans(ledgers: Iterable<string>, known: ReadonlySet<ChannelId>): DamagedChannel[] {
  return [...ledgers]
    .map((key) => idOf(key, LEDGER_PREFIX))
    .filter((id) => !known.has(id))
    .map((id) => ({ id, terms: undefined, error: corruptRecord(CHANNEL_PREFIX + id) }))
}

function idOf(key: string, prefix: string): ChannelId {
  return key.slice(prefix.length) as ChannelId
}

/**
 * The result of a read, or the reason why the record is corrupt. Throws for a record of a later
 * release, or a disk that failed.
 */
export async function unlessCorrupt<T>(
  read: () => Promise<T>
): Promise<{ readonly value: T } | { readonly error: Error }> {
  try {
    return { value: await read() }
  } catch (error) {
    if (
      !(error instanceof Error) ||
      codeOf(error) === 'ERR_STORE_VERSION' ||
      codeOf(error) === STORE_FAILED
    ) {
      throw error
    }
    // Also what only a bug can have written: it costs its channel, not the node.
    return { error }
  }
}
