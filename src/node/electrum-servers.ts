/**
 * The Electrum servers as a person names them, the data remembered of them, the chain that they
 * show, and its headers on disk.
 */
import { concat } from 'uint8arrays'
import { z } from 'zod'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import type { Ecdsa } from '../bitcoin/keys.js'
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
import { chainOfKept, type HeaderChain, type KeptHeaders } from '../chain/headers.js'
import { chainParams } from '../chain/params.js'
import { createServerPool } from '../chain/pool.js'
import type { ServerAddress } from '../chain/pooled-script.js'
import type { Change, Store } from '../engine/ports.js'
import { alarm, PaychanError } from '../types/errors.js'
import type { NodeEvent } from './api.js'
import { readAnchor, writeAnchor } from './chain-anchor.js'
import { systemClock, systemRandom } from './system.js'
import { parseRecord, recordChange, unlessDamaged } from '../types/records.js'

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
    clock: systemClock,
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
