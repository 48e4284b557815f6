/**
 * Brings our header chain to the tips that servers announce, one after the other.
 */
import { concat } from 'uint8arrays'
import { sameBytes } from '../types/bytes.js'
import { messageOf, PaychanError } from '../types/errors.js'
import { checkHeaders, hashText, HEADER_SIZE, headerHash, PERIOD } from './header.js'
import { type HeaderChain, MAX_HEADERS, wrongChain } from './headers.js'

/*
 * Brings our header chain to the tip that a server announces: finds the last header that both
 * have, fetches the rest in batches, checks it, takes it if it has the work.
 */

/** A tip as the server announces it. */
export interface AnnouncedTip {
  readonly height: number
  readonly header: Uint8Array
}

/** A source of headers; may return fewer than asked for, but never none. */
export interface HeaderSource {
  headers: (start: number, count: number) => Promise<Uint8Array>
}

/** The most that servers return at once (Electrum protocol, blockchain.block.headers). */
export const HEADERS_BATCH = 2016

/**
 * @returns the lowest height whose block is new or another one than before; undefined when the
 *   announced tip is ours already
 * @throws PaychanError `ERR_WRONG_NETWORK`, `ERR_CHAIN_LIED`, `ERR_CHAIN_BEHIND`
 */
export async function syncHeaders(
  chain: HeaderChain,
  source: HeaderSource,
  tip: AnnouncedTip
): Promise<number | undefined> {
  if (tip.height - (chain.params.checkpoint?.height ?? 0) >= MAX_HEADERS) {
    throw new PaychanError(
      'ERR_CHAIN_LIED',
      `The Electrum server claims to be at height ${tip.height}. Use another server.`,
      { height: tip.height }
    )
  }
  checkProper(tip.header, tip.height, 1)
  if (!chain.isStarted) await start(chain, source, tip)
  if (tip.height === chain.height && chain.has(tip.height, tip.header)) return undefined
  const ancestor = await commonAncestor(chain, source, tip.height)
  const first = ancestor + 1
  if (tip.height === ancestor) {
    if (!chain.has(ancestor, tip.header)) throw twoTips(tip)
    if (ancestor === chain.height) return undefined
    throw new PaychanError(
      'ERR_CHAIN_BEHIND',
      `The Electrum server is at height ${tip.height}, behind height ${chain.height} that we have seen. Wait until it has caught up, or use another server.`,
      { height: tip.height, known: chain.height }
    )
  }
  if (ancestor === chain.height) await extend(chain, source, tip)
  else chain.connect(first, await fetchBranch(chain, source, first, tip))
  return first
}

/**
 * Fetches the headers of the checkpoint's period: the next one's difficulty depends on the first of
 * them.
 */
async function start(chain: HeaderChain, source: HeaderSource, tip: AnnouncedTip): Promise<void> {
  const { checkpoint, network } = chain.params
  if (checkpoint === undefined) return
  if (tip.height < checkpoint.height) {
    throw new PaychanError(
      'ERR_CHAIN_BEHIND',
      `The Electrum server is at height ${tip.height}, and the checkpoint of ${network} is at ${checkpoint.height}: it is of another network, or far behind. Check the address and the network, or use another server.`,
      { height: tip.height, known: checkpoint.height }
    )
  }
  const first = checkpoint.height - (checkpoint.height % PERIOD)
  chain.start(first, await fetchExactly(source, first, checkpoint.height - first + 1))
}

/** The fetches below the first header of a chain: many scripts may need them at the same time. */
const underWay = new WeakMap<HeaderChain, Promise<void>>()

/**
 * Fetches older headers, down to a height, in whole periods: for transactions confirmed before the
 * checkpoint. They are kept: a server that names old heights, or breaks off, again and again is
 * asked for each of them once.
 *
 * @throws PaychanError `ERR_CHAIN_LIED`
 */
export async function extendDown(
  chain: HeaderChain,
  source: HeaderSource,
  height: number
): Promise<void> {
  while (chain.first > height) {
    const batch =
      underWay.get(chain) ??
      prependBatch(chain, source).finally(() => {
        underWay.delete(chain)
      })
    underWay.set(chain, batch)
    await batch
  }
}

async function prependBatch(chain: HeaderChain, source: HeaderSource): Promise<void> {
  const first = Math.max(0, chain.first - HEADERS_BATCH)
  chain.prepend(first, await fetchExactly(source, first, chain.first - first))
}

/**
 * Walks back from the lower of both tips, in windows that grow tenfold, until a header agrees.
 * Never goes below a buried block.
 */
async function commonAncestor(
  chain: HeaderChain,
  source: HeaderSource,
  theirHeight: number
): Promise<number> {
  let top = Math.min(chain.height, theirHeight)
  for (let window = 1; top >= chain.first; window = Math.min(window * 10, HEADERS_BATCH)) {
    const start = Math.max(chain.first, top - window + 1)
    const theirs = await fetchExactly(source, start, top - start + 1)
    for (let height = top; height >= start; height--) {
      if (
        chain.has(
          height,
          theirs.subarray((height - start) * HEADER_SIZE, (height - start + 1) * HEADER_SIZE)
        )
      ) {
        return height
      }
    }
    if (window === 1) await checkBuried(chain, source, top)
    top = start - 1
  }
  throw new PaychanError(
    'ERR_WRONG_NETWORK',
    `The Electrum server does not serve ${chain.params.network}: its first block is another one. Check the server's address and the network.`,
    { network: chain.params.network }
  )
}

/**
 * Refuses a server of another chain by one header, before all others are fetched.
 * @throws PaychanError `ERR_WRONG_CHAIN`
 */
async function checkBuried(chain: HeaderChain, source: HeaderSource, top: number): Promise<void> {
  const { anchor, first } = chain
  if (anchor === undefined || anchor.height < first || anchor.height > chain.height) return
  const height = Math.min(anchor.height, top)
  const theirs = hashText(headerHash(await fetchExactly(source, height, 1)))
  const hash = chain.hashAt(height)
  if (theirs !== hash) {
    throw wrongChain(
      `has block ${theirs} at height ${height}, where block ${hash ?? ''} was buried`,
      { height, theirs, hash: hash ?? '' }
    )
  }
}

async function extend(chain: HeaderChain, source: HeaderSource, tip: AnnouncedTip): Promise<void> {
  while (chain.height < tip.height) {
    const first = chain.height + 1
    const batch =
      first === tip.height ? tip.header : await fetchSome(source, first, tip.height - chain.height)
    if (first + batch.length / HEADER_SIZE > tip.height) checkLast(batch, tip)
    chain.connect(first, batch)
  }
}

/**
 * Fetches a branch beside our own chain; checks each batch at once, so that rubbish ends it early.
 */
async function fetchBranch(
  chain: HeaderChain,
  source: HeaderSource,
  first: number,
  tip: AnnouncedTip
): Promise<Uint8Array> {
  let branch = new Uint8Array()
  for (let next = first; next <= tip.height;) {
    const batch = await fetchSome(source, next, tip.height - next + 1)
    const [known, end] = [branch, next]
    checkHeaders(
      chain.params,
      (at) =>
        at < first
          ? chain.headerAt(at)
          : at < end
            ? known.subarray((at - first) * HEADER_SIZE, (at - first + 1) * HEADER_SIZE)
            : undefined,
      batch,
      next
    )
    branch = concat([branch, batch])
    next += batch.length / HEADER_SIZE
  }
  checkLast(branch, tip)
  return branch
}

async function fetchSome(source: HeaderSource, start: number, count: number): Promise<Uint8Array> {
  const asked = Math.min(count, HEADERS_BATCH)
  const headers = await source.headers(start, asked)
  checkProper(headers, start, asked)
  return headers
}

/**
 * One header or more, and none in part: each batch brings the loops above on, or ends them.
 */
function checkProper(headers: Uint8Array, start: number, most: number): void {
  const count = headers.length / HEADER_SIZE
  if (Number.isInteger(count) && count > 0 && count <= most) return
  throw new PaychanError(
    'ERR_CHAIN_LIED',
    `The Electrum server announced a tip but sends no proper headers from height ${start} on. Use another server.`,
    { height: start }
  )
}

async function fetchExactly(
  source: HeaderSource,
  start: number,
  count: number
): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for (let have = 0; have < count;) {
    const part = await fetchSome(source, start + have, count - have)
    parts.push(part)
    have += part.length / HEADER_SIZE
  }
  return concat(parts)
}

function checkLast(headers: Uint8Array, tip: AnnouncedTip): void {
  if (!sameBytes(headers.subarray(headers.length - HEADER_SIZE), tip.header)) throw twoTips(tip)
}

function twoTips(tip: AnnouncedTip): PaychanError {
  return new PaychanError(
    'ERR_CHAIN_LIED',
    `The Electrum server announced one header for height ${tip.height} and sent another. Use another server.`,
    { height: tip.height }
  )
}

/** Follows the tips that servers announce, one after the other; of waiting tips the newest. */
export class HeaderFollower {
  #next: { source: HeaderSource; tip: AnnouncedTip } | undefined
  #running: Promise<void> | undefined
  readonly #headers: HeaderChain
  readonly #onChanged: (from: number) => void

  /** @param onChanged - called with the lowest height whose block is new or another one */
  constructor(headers: HeaderChain, onChanged: (from: number) => void) {
    this.#headers = headers
    this.#onChanged = onChanged
  }

  /**
   * Resolves once the newest announced tip is ours; rejects when it was refused (`syncHeaders`).
   */
  follow(source: HeaderSource, tip: AnnouncedTip): Promise<void> {
    this.#next = { source, tip }
    this.#running ??= this.#run()
    return this.#running
  }

  async #run(): Promise<void> {
    try {
      for (let next = this.#take(); next !== undefined; next = this.#take()) {
        try {
          const from = await syncHeaders(this.#headers, next.source, next.tip)
          if (from !== undefined) this.#onChanged(from)
        } catch (error) {
          // While we asked the server may have gone over to another branch, and said so.
          if (this.#next === undefined) {
            throw error instanceof Error ? error : new Error(messageOf(error))
          }
        }
      }
    } finally {
      // In the same turn as the last look: a tip that comes from here on is taken by another run.
      this.#running = undefined
    }
  }

  #take(): { source: HeaderSource; tip: AnnouncedTip } | undefined {
    const next = this.#next
    this.#next = undefined
    return next
  }
}
