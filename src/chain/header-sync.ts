/**
 * Brings our header chain to the tip that a server announces: finds the last header that both
 * have, fetches the rest in batches, checks it, takes it if it has the work.
 */
import { concat } from 'uint8arrays'
import { sameBytes } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { checkHeaders, HEADER_SIZE } from './header.js'
import { MAX_HEADERS, type HeaderChain } from './headers.js'

/** A tip as the server announces it. */
export interface AnnouncedTip { readonly height: number, readonly header: Uint8Array }

/** Where headers come from; may return fewer than asked for, but never none. */
export interface HeaderSource { headers: (start: number, count: number) => Promise<Uint8Array> }

/** The most that servers return at once (Electrum protocol, blockchain.block.headers). */
export const HEADERS_BATCH = 2016

/**
 * @returns the lowest height whose block is new or another one than before; undefined when the
 *   announced tip is ours already
 * @throws PaychanError `ERR_WRONG_NETWORK`, `ERR_CHAIN_LIED`, `ERR_CHAIN_BEHIND`
 */
export async function syncHeaders (chain: HeaderChain, source: HeaderSource, tip: AnnouncedTip): Promise<number | undefined> {
  if (tip.height >= MAX_HEADERS) throw new PaychanError('ERR_CHAIN_LIED', `The Electrum server claims to be at height ${tip.height}. Use another server.`, { height: tip.height })
  if (tip.height === chain.height && chain.has(tip.height, tip.header)) return undefined
  const ancestor = await commonAncestor(chain, source, tip.height)
  const first = ancestor + 1
  if (tip.height === ancestor) {
    if (!chain.has(ancestor, tip.header)) throw twoTips(tip)
    if (ancestor === chain.height) return undefined
    throw new PaychanError('ERR_CHAIN_BEHIND', `The Electrum server is at height ${tip.height}, behind height ${chain.height} that we have seen. Wait until it has caught up, or use another server.`, { height: tip.height, known: chain.height })
  }
  if (ancestor === chain.height) await extend(chain, source, tip)
  else chain.connect(first, await fetchBranch(chain, source, first, tip))
  return first
}

/** Walks back from the lower of both tips, in windows that grow tenfold, until a header agrees. */
async function commonAncestor (chain: HeaderChain, source: HeaderSource, theirHeight: number): Promise<number> {
  let top = Math.min(chain.height, theirHeight)
  for (let window = 1; top >= 0; window = Math.min(window * 10, HEADERS_BATCH)) {
    const start = Math.max(0, top - window + 1)
    const theirs = await fetchExactly(source, start, top - start + 1)
    for (let height = top; height >= start; height--) {
      if (chain.has(height, theirs.subarray((height - start) * HEADER_SIZE, (height - start + 1) * HEADER_SIZE))) return height
    }
    top = start - 1
  }
  throw new PaychanError('ERR_WRONG_NETWORK', `The Electrum server does not serve ${chain.params.network}: its first block is another one. Check the server's address and the network.`, { network: chain.params.network })
}

async function extend (chain: HeaderChain, source: HeaderSource, tip: AnnouncedTip): Promise<void> {
  while (chain.height < tip.height) {
    const first = chain.height + 1
    const batch = first === tip.height ? tip.header : await fetchSome(source, first, tip.height - chain.height)
    if (first + batch.length / HEADER_SIZE > tip.height) checkLast(batch, tip)
    chain.connect(first, batch)
  }
}

/** A branch beside our own chain; each batch is checked as it comes, so that rubbish ends it early. */
async function fetchBranch (chain: HeaderChain, source: HeaderSource, first: number, tip: AnnouncedTip): Promise<Uint8Array> {
  const batches: Uint8Array[] = []
  let previous = chain.headerAt(first - 1)
  for (let next = first; next <= tip.height && previous !== undefined;) {
    const batch = await fetchSome(source, next, tip.height - next + 1)
    checkHeaders(chain.params, previous, batch, next)
    batches.push(batch)
    previous = batch.subarray(batch.length - HEADER_SIZE)
    next += batch.length / HEADER_SIZE
  }
  const branch = concat(batches)
  checkLast(branch, tip)
  return branch
}

async function fetchSome (source: HeaderSource, start: number, count: number): Promise<Uint8Array> {
  const asked = Math.min(count, HEADERS_BATCH)
  const headers = await source.headers(start, asked)
  if (headers.length === 0 || headers.length % HEADER_SIZE !== 0 || headers.length > asked * HEADER_SIZE) {
    throw new PaychanError('ERR_CHAIN_LIED', `The Electrum server announced a tip but sends no proper headers from height ${start} on. Use another server.`, { height: start })
  }
  return headers
}

async function fetchExactly (source: HeaderSource, start: number, count: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for (let have = 0; have < count;) {
    const part = await fetchSome(source, start + have, count - have)
    parts.push(part)
    have += part.length / HEADER_SIZE
  }
  return concat(parts)
}

function checkLast (headers: Uint8Array, tip: AnnouncedTip): void {
  if (!sameBytes(headers.subarray(headers.length - HEADER_SIZE), tip.header)) throw twoTips(tip)
}

function twoTips (tip: AnnouncedTip): PaychanError {
  return new PaychanError('ERR_CHAIN_LIED', `The Electrum server announced one header for height ${tip.height} and sent another. Use another server.`, { height: tip.height })
}
