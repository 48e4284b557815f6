/** Blocks as `submitblock` takes them. */
import { concat } from 'uint8arrays'
import type { ChainBackend } from '../../src/devnet/backend.js'
import { toHex } from '../../src/types/bytes.js'

/** CompactSize below 65,536. */
function count(n: number): Uint8Array {
  return n < 0xfd ? Uint8Array.of(n) : Uint8Array.of(0xfd, n & 0xff, n >> 8)
}

/** A block of a devnet in hex; undefined above its tip. */
export async function rawBlock(chain: ChainBackend, height: number): Promise<string | undefined> {
  const header = await chain.header(height)
  const txids = await chain.blockTxids(height)
  if (header === undefined || txids === undefined) return undefined
  const transactions = await Promise.all(
    txids.map(async (id) => (await chain.transaction(id))?.raw ?? new Uint8Array())
  )
  return toHex(concat([header, count(transactions.length), ...transactions]))
}
