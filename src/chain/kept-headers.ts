/** Headers of an earlier run: what is buried need not be fetched again. Pure. */
import { sameBytes } from '../types/bytes.js'
import { HEADER_SIZE } from './header-fields.js'
import { HeaderChain, type Anchor } from './headers.js'
import type { ChainParams } from './params.js'

/** One behind the other, the first of them at `first`. */
export interface KeptHeaders {
  readonly first: number
  readonly headers: Uint8Array
}

/**
 * A chain of these headers, which are checked once more: nobody shall be paid by what a disk has
 * made of them.
 *
 * @param anchor - they end where it is, or before
 * @param now - milliseconds since 1970
 * @returns undefined when they are damaged, or of no use: of a release with an older checkpoint,
 *   for one
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
  if (first > begin || split > headers.length || headers.length % HEADER_SIZE !== 0) {
    return undefined
  }
  try {
    if (params.checkpoint !== undefined) chain.start(first, headers.subarray(0, split))
    else if (!sameBytes(headers.subarray(0, split), params.genesis)) return undefined
    if (split < headers.length) chain.connect(begin + 1, headers.subarray(split))
    return chain
  } catch {
    return undefined
  }
}
