/**
 * The chain of a node: its Electrum servers and their headers, how far it has read, and the block
 * that ties its data to it. Without that block, which was deep in the chain, a node would take the
 * heights in its channels for those of any chain that it is shown. (The first block of the network
 * would not tell two regtest chains apart; this block tells networks apart as well.)
 */
import { concat } from 'uint8arrays'
import { z } from 'zod'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import type { Ecdsa } from '../bitcoin/keys.js'
import { NETWORKS } from '../bitcoin/network-names.js'
import type { ElectrumChain } from '../chain/chain.js'
import {
  type FirstUse,
  parseProxy,
  readFingerprint,
  readTrust,
  type TlsTrust,
  VOUCHED
} from '../chain/electrum/endpoint.js'
import { HEADER_SIZE, PERIOD } from '../chain/header.js'
import { type Anchor, chainOfKept, type HeaderChain, type KeptHeaders } from '../chain/headers.js'
import { chainParams } from '../chain/params.js'
import { createServerPool } from '../chain/pool.js'
import type { ServerAddress } from '../chain/pooled-script.js'
import {
  type Change,
  type Clock,
  guardedClock,
  type Store,
  type Unsubscribe
} from '../engine/ports.js'
import { alarm, PaychanError } from '../types/errors.js'
import {
  corruptRecord,
  decodeRecord,
  earlierRecords,
  parseRecord,
  recordChange,
  unlessDamaged
} from '../types/records.js'
import type { NodeEvent } from './answers.js'
import { systemClock, systemRandom } from './system.js'

/** Value: the height and the hash of the block. */
export const ANCHOR_KEY = 'chain/anchor'

/** Value: the network's name. */
export const NETWORK_KEY = 'chain/network'

const anchorShape = z.object({
  height: z.int().nonnegative(),
  hash: z.string().regex(/^[0-9a-f]{64}$/)
})

/**
 * The network of a data directory; undefined before a node has run on it.
 *
 * @throws PaychanError `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT`
 */
export async function networkOf(store: Store): Promise<Network | undefined> {
  const value = await store.get(NETWORK_KEY)
  if (value === undefined) return undefined
  // Versions before the first release wrote the bare name.
  if (isNetwork(new TextDecoder().decode(value))) throw earlierRecords()
  const network = decodeRecord(NETWORK_KEY, value)
  if (!isNetwork(network)) throw corruptRecord(NETWORK_KEY)
  return network
}

function isNetwork(name: unknown): name is Network {
  return NETWORKS.some((network) => network === name)
}

/**
 * A data directory is of one network for good: its keys, heights and channels mean nothing
 * elsewhere.
 *
 * @throws PaychanError `ERR_WRONG_NETWORK`
 */
export async function belongsTo(store: Store, network: Network): Promise<void> {
  const known = (await networkOf(store)) ?? network
  if (known !== network) {
    throw new PaychanError(
      'ERR_WRONG_NETWORK',
      `This data directory is of ${known}, not of ${network}. Use another --data for each network.`,
      { network, known }
    )
  }
  if ((await store.get(NETWORK_KEY)) === undefined) {
    await store.commit([recordChange(NETWORK_KEY, network)])
  }
}

/**
 * @param onDamaged - called when there is a record that cannot be read; the node can do without,
 * and writes another
 */
export async function readAnchor(
  store: Store,
  onDamaged: (sentence: string) => void
): Promise<Anchor | undefined> {
  const value = await store.get(ANCHOR_KEY)
  if (value === undefined) return undefined
  return unlessDamaged(
    () => parseRecord(ANCHOR_KEY, value, anchorShape),
    () => {
      onDamaged(
        'The record of the chain that this data directory belongs to is damaged: make sure yourself that the Electrum server is one of the right chain.'
      )
    }
  )
}

async function writeAnchor(store: Store, { height, hash }: Anchor): Promise<void> {
  await store.commit([recordChange(ANCHOR_KEY, { height, hash })])
}

/**
 * The Electrum servers as a person names them, the data remembered of them, the chain that they
 * show, and its headers on disk.
 */

/** The settings for a node's Electrum servers. */
export interface ElectrumInit {
  readonly network: Network
  /**
   * `tcp://HOST:PORT`, `tls://HOST:PORT` or `tls://HOST:PORT#FINGERPRINT` of an Electrum server;
   * better of several, which are compared.
   */
  readonly electrum: string | readonly string[]
  /** `socks5://HOST:PORT`: the proxy for all servers. */
  readonly electrumProxy?: string
  /** With TLS: the SHA-256 fingerprint of the only trusted certificate. */
  readonly electrumFingerprint?: string
  /**
   * With TLS: the path of a file with certificates (PEM) to trust instead of the usual authorities.
   */
  readonly electrumCa?: string
  /** Told, in sentences for whoever looks for a fault, what becomes of connections to servers. */
  readonly electrumLog?: ((text: string) => void) | undefined
}

/**
 * The chain as a node sees it through its servers. The store keeps the remembered data.
 *
 * @throws PaychanError `ERR_INVALID_ELECTRUM_URL`, `ERR_INVALID_FINGERPRINT`, `ERR_INVALID_CA`,
 *   `ERR_INVALID_PROXY`
 */
export async function openChain(
  init: ElectrumInit,
  store: Store,
  verify: Ecdsa['verify'],
  emit: (event: NodeEvent) => void
): Promise<ElectrumChain> {
  const {
    network,
    electrum,
    electrumFingerprint: fingerprint,
    electrumCa: caFile,
    electrumProxy
  } = init
  const firstUse = await certificatesOf(store, (server, shown) => {
    emit({
      type: 'server',
      server,
      code: 'TLS_FIRST_USE',
      text: `No authority vouches for the certificate of ${server}; it is remembered from now on, and no other one taken: ${shown}. Compare it with what the server's owner says.`
    })
  })
  const anchor = await readAnchor(store, (text) => {
    const error = new PaychanError('ERR_STORE_CORRUPT', text, { cause: 'chain' })
    emit({ ...alarm(error), channel: undefined })
  })
  const kept = await readHeaders(store)
  const known =
    kept === undefined
      ? undefined
      : chainOfKept(chainParams(network), anchor, () => systemClock.now(), kept)
  if (kept !== undefined && known === undefined) await forgetHeaders(store)
  const records = new HeaderRecords(store, known === undefined ? undefined : kept)
  return createServerPool({
    servers: await serversOf(typeof electrum === 'string' ? [electrum] : electrum, {
      fingerprint,
      caFile,
      firstUse
    }),
    proxy: electrumProxy === undefined ? undefined : parseProxy(electrumProxy),
    ...(init.electrumLog === undefined ? {} : { log: init.electrumLog }),
    onReport: ({ server, code, text }) => {
      emit({ type: 'server', server, code, text })
    },
    network,
    clock: guardedClock(systemClock, (error) => {
      emit({ ...alarm(error), channel: undefined })
    }),
    random: systemRandom,
    verify,
    anchor,
    known,
    onAnchor: (anchor, headers) => {
      // The store reports its failure itself.
      writeAnchor(store, anchor).catch(() => {})
      records.write(headers, anchor.height).catch(() => {})
    }
  })
}

/** Value: the fingerprint, or `authority`, by `HOST:PORT`. */
export const CERTIFICATE_PREFIX = 'chain/certificate/'

/**
 * @param urls - `tcp://HOST:PORT`, `tls://HOST:PORT`, `tls://HOST:PORT#FINGERPRINT`
 * @throws PaychanError `ERR_INVALID_ELECTRUM_URL`, `ERR_INVALID_FINGERPRINT`, `ERR_INVALID_CA`
 */
async function serversOf(
  urls: readonly string[],
  {
    fingerprint,
    caFile,
    firstUse
  }: {
    readonly fingerprint: string | undefined
    readonly caFile: string | undefined
    readonly firstUse: FirstUse
  }
): Promise<ServerAddress[]> {
  if (urls.length === 0) {
    throw new PaychanError(
      'ERR_INVALID_ELECTRUM_URL',
      'No Electrum server is named: give at least one, such as tls://HOST:PORT.',
      {}
    )
  }
  const twice = urls.find((url, i) =>
    urls.slice(0, i).some((other) => other.split('#', 1)[0] === url.split('#', 1)[0])
  )
  if (twice !== undefined) {
    throw new PaychanError(
      'ERR_INVALID_ELECTRUM_URL',
      `The Electrum server ${twice} is named twice. Give each once: several are there to be compared.`,
      { url: twice }
    )
  }
  const shared = await readTrust(fingerprint, caFile)
  return urls.map((text) => {
    const [url = '', pin] = text.split('#', 2)
    const plain = pin === undefined ? undefined : readFingerprint(pin)
    if (pin !== undefined && plain === undefined) {
      throw new PaychanError(
        'ERR_INVALID_FINGERPRINT',
        `'${pin.slice(0, 100)}' is no SHA-256 fingerprint: that is 32 pairs of hex digits.`,
        {}
      )
    }
    const tls: TlsTrust = plain === undefined ? { ...shared, firstUse } : { fingerprint: plain }
    return { url, tls }
  })
}

/** Reads the certificates that servers have shown before, and writes down new ones. */
async function certificatesOf(
  store: Store,
  onFirstUse: (server: string, fingerprint: string) => void
): Promise<FirstUse> {
  const known = new Map<string, string>()
  for await (const [key, value] of store.entries(CERTIFICATE_PREFIX)) {
    const shown = shownIn(key, value)
    const fingerprint = shown === VOUCHED ? VOUCHED : readFingerprint(shown)
    if (fingerprint !== undefined) known.set(key.slice(CERTIFICATE_PREFIX.length), fingerprint)
  }
  return {
    known: (server) => known.get(server),
    remember: (server, fingerprint) => {
      known.set(server, fingerprint)
      // The store reports its failure itself.
      store.commit([recordChange(CERTIFICATE_PREFIX + server, fingerprint)]).catch(() => {})
      if (fingerprint !== VOUCHED) onFirstUse(server, fingerprint)
    }
  }
}

/** A damaged record is as one that was never written: the next certificate is a first one. */
function shownIn(key: string, value: Uint8Array): string {
  return unlessDamaged(() => parseRecord(key, value, z.string())) ?? ''
}

/*
 * The block headers that a node has verified, by the period of difficulty that they are in: a start
 * fetches only what is new.
 */

/**
 * Value: the known headers of a period, 80 bytes each, by the height of its first block in nine
 * digits.
 */
export const HEADERS_PREFIX = 'chain/headers/'

/** Reads the newest run of headers without a gap. */
export async function readHeaders(store: Store): Promise<KeptHeaders | undefined> {
  let first = 0
  let parts: Uint8Array[] = []
  for await (const [key, value] of store.entries(HEADERS_PREFIX)) {
    const height = Number(key.slice(HEADERS_PREFIX.length))
    if (
      height !== first + parts.length * PERIOD ||
      (parts.at(-1)?.length ?? PERIOD * HEADER_SIZE) !== PERIOD * HEADER_SIZE
    ) {
      parts = []
      first = height
    }
    if (parts.length === 0) first = height
    parts.push(value)
  }
  return parts.length === 0 ? undefined : { first, headers: concat(parts) }
}

/** Deletes headers that are damaged, or older than the checkpoint of this release. */
export async function forgetHeaders(store: Store): Promise<void> {
  const changes: Change[] = []
  for await (const [key] of store.entries(HEADERS_PREFIX)) changes.push({ key, value: undefined })
  await store.commit(changes)
}

/** Writes new headers, period by period, and each period again once it has grown. */
export class HeaderRecords {
  /** Number of headers of a period on disk. */
  readonly #written = new Map<number, number>()
  readonly #store: Store

  /** @param kept - the headers that are on disk already */
  constructor(store: Store, kept: KeptHeaders | undefined) {
    this.#store = store
    if (kept === undefined) return
    const end = kept.first + kept.headers.length / HEADER_SIZE
    for (let period = kept.first; period < end; period += PERIOD) {
      this.#written.set(period, Math.min(PERIOD, end - period))
    }
  }

  /** Writes the headers of a chain up to a buried block, which cannot change any more. */
  async write(chain: HeaderChain, height: number): Promise<void> {
    const changes: Change[] = []
    for (let period = chain.first - (chain.first % PERIOD); period <= height; period += PERIOD) {
      const headers = chain.between(period, Math.min(period + PERIOD, height + 1))
      const count = headers.length / HEADER_SIZE
      if (count <= (this.#written.get(period) ?? 0)) continue
      this.#written.set(period, count)
      changes.push({ key: HEADERS_PREFIX + String(period).padStart(9, '0'), value: headers })
    }
    if (changes.length > 0) await this.#store.commit(changes)
  }
}

/** Reports on a node's chain, and on the progress of the histories that the node watches. */

/**
 * Tells of every tip and status, of a changed chain, and of histories that take long to read; until
 * it is stopped.
 */
export function tellOfChain(
  chain: ElectrumChain,
  clock: Clock,
  emit: (event: NodeEvent) => void
): Unsubscribe {
  const tell = (): void => {
    emit({
      type: 'chain',
      status: chain.status,
      height: chain.tip?.height,
      reason: chain.status === 'synced' ? undefined : chain.lastError
    })
    if (chain.status === 'down' && chain.lastErrorCode === 'ERR_WRONG_CHAIN') {
      const error = new PaychanError('ERR_WRONG_CHAIN', chain.lastError ?? '')
      emit({ ...alarm(error), channel: undefined })
    }
  }
  chain.onTip(tell)
  chain.onStatus(tell)
  const progress = new HistoryProgress(chain, clock, emit)
  return () => {
    progress.stop()
  }
}

/*
 * Progress of the watched histories: after a start, and after every reconnection, the server is
 * asked for all of them again, and ten thousand take a while. A quick reading is not reported.
 */

/** Number of histories known in their current state on the server, and their total. */
interface Histories {
  readonly known: number
  readonly total: number
}

/** Milliseconds before the first line, and between two lines. */
export const PROGRESS_MS = 1_000

/**
 * Progress while histories are being read; undefined when all are known, and as long as the server
 * has told none.
 */
export function historiesOf({
  watches: { known, total }
}: Pick<ElectrumChain, 'watches'>): Histories | undefined {
  return known === 0 || known >= total ? undefined : { known, total }
}

export class HistoryProgress {
  #cancel: Unsubscribe | undefined
  /**
   * True when the last look found them half read: reading takes longer than from one look to the
   * next.
   */
  #isLong = false
  /** The count told last; undefined at first. */
  #told: number | undefined
  readonly #stopListening: Unsubscribe
  readonly #chain: Pick<ElectrumChain, 'watches' | 'status' | 'onStatus'>
  readonly #clock: Clock
  readonly #emit: (event: Extract<NodeEvent, { type: 'histories' }>) => void

  /**
   * @example
   * const show = ({ known, total }) => console.log(`${known} of ${total}`)
   * const progress = new HistoryProgress(chain, clock, show)
   * progress.stop()
   */
  constructor(
    chain: Pick<ElectrumChain, 'watches' | 'status' | 'onStatus'>,
    clock: Clock,
    emit: (event: Extract<NodeEvent, { type: 'histories' }>) => void
  ) {
    this.#chain = chain
    this.#clock = clock
    this.#emit = emit
    // After each change of connection, everything is to be read again.
    this.#stopListening = chain.onStatus(() => {
      this.#look()
    })
    this.#look()
  }

  stop(): void {
    this.#stopListening()
    this.#cancel?.()
  }

  #look(): void {
    this.#cancel ??= this.#clock.after(PROGRESS_MS, () => {
      this.#cancel = undefined
      this.#tick()
    })
  }

  #tick(): void {
    const { known, total } = this.#chain.watches
    if (known < total) {
      // Without a server none are known, and there is nothing to tell: the status says so.
      const isReading = known > 0
      if (isReading && this.#isLong && known !== this.#told) this.#tell(known, total)
      this.#isLong = isReading
      this.#look()
      return
    }
    if (this.#told !== undefined) this.#tell(known, total)
    this.#told = undefined
    this.#isLong = false
    if (this.#chain.status !== 'synced') this.#look()
  }

  #tell(known: number, total: number): void {
    this.#told = known
    this.#emit({ type: 'histories', known, total })
  }
}
