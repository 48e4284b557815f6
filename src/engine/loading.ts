/**
 * Loads what a node has on its disk when it starts: its channels, records of an earlier layout, and
 * damage.
 */
import { NEW_LEDGER } from '../channel/ledger.js'
import type { Channel, Established } from '../channel/state.js'
import type { ChannelId } from '../types/bytes.js'
import { codeOf, PaychanError, STORE_FAILED } from '../types/errors.js'
import type { Store } from './ports.js'
import { corruptRecord } from '../types/records.js'
import { CHANNEL_PREFIX, LEDGER_PREFIX, readChannel, readTerms } from './stored-channel.js'

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
