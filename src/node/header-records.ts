/**
 * The block headers that a node has verified, by the period of difficulty that they are in: a start
 * fetches only what is new.
 */
import type { HeaderChain, KeptHeaders } from '../chain/headers.js'
import { HEADER_SIZE, PERIOD } from '../chain/header.js'
import type { Change, Store } from '../engine/ports.js'
import { concat } from 'uint8arrays'

/**
 * Value: the headers of a period that there are, 80 bytes each, by the height of its first block in
 * nine digits.
 */
export const HEADERS_PREFIX = 'chain/headers/'

/** The newest row of them without a gap. */
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

/** What is damaged, or older than the checkpoint of this release, is of no use any more. */
export async function forgetHeaders(store: Store): Promise<void> {
  const changes: Change[] = []
  for await (const [key] of store.entries(HEADERS_PREFIX)) changes.push({ key, value: undefined })
  await store.commit(changes)
}

/** Writes what comes in, period by period, and each once it has grown. */
export class HeaderRecords {
  /** How many headers of a period are on disk. */
  readonly #written = new Map<number, number>()

  /** @param kept - what is there already */
  constructor(
    private readonly store: Store,
    kept: KeptHeaders | undefined
  ) {
    if (kept === undefined) return
    const end = kept.first + kept.headers.length / HEADER_SIZE
    for (let period = kept.first; period < end; period += PERIOD) {
      this.#written.set(period, Math.min(PERIOD, end - period))
    }
  }

  /** The headers of a chain up to a buried block, which cannot change any more. */
  async write(chain: HeaderChain, height: number): Promise<void> {
    const changes: Change[] = []
    for (let period = chain.first - (chain.first % PERIOD); period <= height; period += PERIOD) {
      const headers = chain.between(period, Math.min(period + PERIOD, height + 1))
      const count = headers.length / HEADER_SIZE
      if (count <= (this.#written.get(period) ?? 0)) continue
      this.#written.set(period, count)
      changes.push({ key: HEADERS_PREFIX + String(period).padStart(9, '0'), value: headers })
    }
    if (changes.length > 0) await this.store.commit(changes)
  }
}
