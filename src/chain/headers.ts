/**
 * The best header chain that we have verified, from the network's checkpoint on, or from its first
 * block. Kept in one growing buffer, 80 bytes a header; hashes are computed on request.
 */
import { concat } from 'uint8arrays'
import type { Tip } from '../engine/ports.js'
import { sameBytes } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { blockHeight } from '../types/units.js'
import {
  bitsOf,
  checkHeaders,
  checkTimes,
  hashText,
  HEADER_SIZE,
  headerHash,
  previousHash,
  workFromBits
} from './header.js'
import type { ChainParams } from './params.js'

/**
 * The most headers that we keep: 2,000,000 x 80 bytes = 160 MB, reached by mainnet in 2046. Keeps
 * a server that makes up headers (free on regtest) from filling our memory.
 */
export const MAX_HEADERS = 2_000_000

/**
 * Depth of a block that is taken to stay: as deep as Bitcoin lets new coins rest before they may be
 * spent (COINBASE_MATURITY), because no reorganisation of that depth is expected ever.
 */
export const ANCHOR_DEPTH = 100

/**
 * A block that was `ANCHOR_DEPTH` deep once. A chain without it is another chain, whose heights
 * mean other blocks.
 */
export interface Anchor {
  readonly height: number
  readonly hash: string
}

export class HeaderChain {
  #buffer = new Uint8Array(0)
  /** The height of the first header that is kept. */
  #first = 0
  #count = 0
  #work = 0n
  readonly #now: (() => number) | undefined

  /**
   * @param anchor - a chain without this block is refused
   * @param now - milliseconds since 1970, to refuse blocks from the future; left out: not checked
   */
  constructor(
    readonly params: ChainParams,
    public anchor?: Anchor,
    now?: () => number
  ) {
    this.#now = now
    if (params.checkpoint === undefined) this.#begin(0, params.genesis)
  }

  /** False until the checkpoint's header has been seen. */
  get isStarted(): boolean {
    return this.#count > 0
  }

  /** The height of the newest block; -1 before the start. */
  get height(): number {
    return this.#first + this.#count - 1
  }

  /** The height of the oldest header that is kept. */
  get first(): number {
    return this.#first
  }

  get tip(): Tip {
    return {
      height: blockHeight(this.height),
      hash: hashText(headerHash(this.#slice(this.height, this.height + 1)))
    }
  }

  /**
   * Starts with the headers from `height` up to the checkpoint: its hash vouches for all of them.
   *
   * @throws PaychanError `ERR_WRONG_CHAIN` when they do not lead to it
   */
  start(height: number, headers: Uint8Array): void {
    const { checkpoint } = this.params
    const last = headers.subarray(headers.length - HEADER_SIZE)
    const hash = hashText(headerHash(last))
    if (
      checkpoint === undefined ||
      height + headers.length / HEADER_SIZE - 1 !== checkpoint.height ||
      hash !== checkpoint.hash
    ) {
      throw new PaychanError(
        'ERR_WRONG_NETWORK',
        `The Electrum server does not serve ${this.params.network}: it has block ${hash} where the checkpoint ${checkpoint?.hash ?? ''} is. Check the server's address and the network.`,
        { network: this.params.network, hash }
      )
    }
    checkLinks(headers, height)
    this.#begin(height, headers)
  }

  /** Adds older headers, which must lead to our first one. @throws PaychanError `ERR_CHAIN_LIED` */
  prepend(height: number, headers: Uint8Array): void {
    const first = this.headerAt(this.#first)
    if (first === undefined || height + headers.length / HEADER_SIZE !== this.#first) {
      throw new RangeError(`these headers do not end below height ${this.#first}`)
    }
    checkLinks(concat([headers, first]), height)
    const all = concat([headers, this.#buffer.subarray(0, this.#count * HEADER_SIZE)])
    this.#buffer = all
    this.#count = all.length / HEADER_SIZE
    this.#first = height
  }

  /** A chain of its own that ends at a height of ours. */
  upTo(height: number): HeaderChain {
    const copy = new HeaderChain(this.params, this.anchor, this.#now)
    copy.#begin(this.#first, this.between(this.#first, height + 1))
    return copy
  }

  /** The headers from one height up to another one, exclusive. */
  between(from: number, to: number): Uint8Array {
    return Uint8Array.from(this.#slice(Math.max(from, this.#first), Math.min(to, this.height + 1)))
  }

  #begin(height: number, headers: Uint8Array): void {
    this.#first = height
    this.#count = headers.length / HEADER_SIZE
    this.#reserve(this.#count)
    this.#buffer.set(headers)
    this.#work = this.#workFrom(height)
  }

  /** The header at a height of our chain; undefined above its tip. A view: do not keep it. */
  headerAt(height: number): Uint8Array | undefined {
    return height >= this.#first && height <= this.height
      ? this.#slice(height, height + 1)
      : undefined
  }

  /** The hash of the block at a height, as people write it; undefined above the tip. */
  hashAt(height: number): string | undefined {
    const next = this.headerAt(height + 1)
    if (next !== undefined) return hashText(previousHash(next))
    const header = this.headerAt(height)
    return header === undefined ? undefined : hashText(headerHash(header))
  }

  /** True when our chain has exactly this header at this height. */
  has(height: number, header: Uint8Array): boolean {
    const ours = this.headerAt(height)
    return ours !== undefined && sameBytes(ours, header)
  }

  /**
   * Replaces our headers from `height` on by `headers`, the first of them at `height`: after
   * checking them, and only if they have at least as much work as those that they replace. (At
   * equal work the server's word decides: it is where our histories and proofs come from.)
   *
   * @throws PaychanError `ERR_CHAIN_LIED`, `ERR_CHAIN_BEHIND`, `ERR_WRONG_CHAIN`,
   *   `ERR_BLOCK_FROM_FUTURE`; the chain is then as it was.
   */
  connect(height: number, headers: Uint8Array): void {
    const end = height + headers.length / HEADER_SIZE
    const count = end - this.#first
    if (count > MAX_HEADERS) {
      throw new PaychanError(
        'ERR_CHAIN_LIED',
        `The Electrum server claims more than ${MAX_HEADERS} blocks. Use another server.`,
        { height: end - 1 }
      )
    }
    const work = checkHeaders(this.params, (at) => this.headerAt(at), headers, height)
    if (this.#now !== undefined) checkTimes(this.params, headers, height, this.#now() / 1_000)
    const replaced = this.#workFrom(height)
    if (work < replaced) {
      throw new PaychanError(
        'ERR_CHAIN_BEHIND',
        `The Electrum server follows a chain with less work than the one we know up to height ${this.height}. Wait until it has caught up, or use another server.`,
        { height: end - 1, known: this.height }
      )
    }
    this.#checkAnchor(height, headers)
    this.#reserve(count)
    this.#buffer.set(headers, (height - this.#first) * HEADER_SIZE)
    this.#count = count
    this.#work += work - replaced
  }

  /**
   * The work of the chain up to and with the block at a height: chains of one network are compared
   * by it.
   */
  workUpTo(height: number): bigint {
    return this.#work - this.#workFrom(height + 1)
  }

  #checkAnchor(first: number, headers: Uint8Array): void {
    if (this.anchor === undefined) return
    const { height, hash } = this.anchor
    const at = (height - first) * HEADER_SIZE
    if (at < 0 || at >= headers.length) return
    const theirs = hashText(headerHash(headers.subarray(at, at + HEADER_SIZE)))
    if (theirs !== hash) {
      throw wrongChain(`has block ${theirs} at height ${height}, where block ${hash} was buried`, {
        height,
        theirs,
        hash
      })
    }
  }

  #workFrom(height: number): bigint {
    let work = 0n
    for (let at = Math.max(height, this.#first); at <= this.height; at++) {
      work += workFromBits(bitsOf(this.#slice(at, at + 1)))
    }
    return work
  }

  #slice(from: number, to: number): Uint8Array {
    return this.#buffer.subarray(
      (from - this.#first) * HEADER_SIZE,
      (to - this.#first) * HEADER_SIZE
    )
  }

  /** Makes room: twice as much as is needed, so that headers that come one by one seldom move. */
  #reserve(count: number): void {
    if (count * HEADER_SIZE <= this.#buffer.length) return
    const larger = new Uint8Array(count * 2 * HEADER_SIZE)
    larger.set(this.#buffer)
    this.#buffer = larger
  }
}

/** Checks that each header refers to the one before it. @throws PaychanError `ERR_CHAIN_LIED` */
function checkLinks(headers: Uint8Array, height: number): void {
  for (let at = HEADER_SIZE; at < headers.length; at += HEADER_SIZE) {
    if (
      sameBytes(
        previousHash(headers.subarray(at, at + HEADER_SIZE)),
        headerHash(headers.subarray(at - HEADER_SIZE, at))
      )
    ) {
      continue
    }
    throw new PaychanError(
      'ERR_CHAIN_LIED',
      `The Electrum server sent a header for height ${height + at / HEADER_SIZE} that does not follow from the one before it. Use another server.`,
      { height: height + at / HEADER_SIZE }
    )
  }
}

/**
 * @param what - continues "The Electrum server follows another chain than the one of this data
 * directory: it ..."
 */
export function wrongChain(
  what: string,
  facts: Readonly<Record<string, string | number>>
): PaychanError {
  return new PaychanError(
    'ERR_WRONG_CHAIN',
    `The Electrum server follows another chain than the one of this data directory: it ${what}. Nothing is done on it. Use a server of the right chain, or another --data. (Each start of a devnet makes a new chain.)`,
    facts
  )
}

/* Headers of an earlier run: buried ones need not be fetched again. Pure. */

/** Consecutive headers, the first of them at `first`. */
export interface KeptHeaders {
  readonly first: number
  readonly headers: Uint8Array
}

/**
 * A chain of these headers. They are checked once more: nobody shall be paid by headers that a disk
 * has damaged.
 *
 * @param anchor - they end where it is, or before
 * @param now - milliseconds since 1970
 * @returns undefined when they are damaged, or of no use, such as those of a release with an older
 * checkpoint
 */
export function chainOfKept(
  params: ChainParams,
  anchor: Anchor | undefined,
  now: () => number,
  { first, headers }: KeptHeaders
): HeaderChain | undefined {
  const chain = new HeaderChain(params, anchor, now)
  const begin = params.checkpoint?.height ?? 0
  const split = (begin - first + 1) * HEADER_SIZE
  if (first > begin) return undefined
  try {
    if (params.checkpoint !== undefined) chain.start(first, headers.subarray(0, split))
    // Without one the first block is that of the network, whatever was kept.
    chain.connect(begin + 1, headers.subarray(split))
    return chain
  } catch {
    return undefined
  }
}
