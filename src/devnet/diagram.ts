/**
 * The feerate diagram of transactions that hang together (Bitcoin Core 31, util/feefrac.h and
 * txgraph.h): in the order in which a miner takes them, what the first so many virtual bytes pay.
 * The order is by the best set of ancestors, which Core improves on where that is possible.
 */
import type { PoolEntry } from './mempool.js'

/** Transactions that a miner takes together. */
export interface Chunk {
  readonly entries: readonly PoolEntry[]
  readonly fee: bigint
  readonly vsize: number
}

/** Negative when the rate of `a` is lower than that of `b`; without division. */
export function compareRates(
  a: Pick<Chunk, 'fee' | 'vsize'>,
  b: Pick<Chunk, 'fee' | 'vsize'>
): bigint {
  return a.fee * BigInt(b.vsize) - b.fee * BigInt(a.vsize)
}

/**
 * The best first.
 *
 * @param parentsOf - those among `entries`
 */
export function chunksOf(
  entries: ReadonlySet<PoolEntry>,
  parentsOf: (entry: PoolEntry) => Iterable<PoolEntry>
): Chunk[] {
  const left = new Set(entries)
  const chunks: Chunk[] = []
  while (left.size > 0) {
    const best = [...left]
      .map((entry) => withAncestors(entry, left, parentsOf))
      .reduce((a, b) => (compareRates(b, a) > 0n ? b : a))
    for (const entry of best.entries) left.delete(entry)
    chunks.push(best)
    // What pays better than what has to come before it is taken with it.
    for (
      let last = chunks.at(-1), before = chunks.at(-2);
      last !== undefined && before !== undefined && compareRates(last, before) > 0n;
      last = chunks.at(-1), before = chunks.at(-2)
    ) {
      chunks.splice(-2, 2, sumOf([...before.entries, ...last.entries]))
    }
  }
  return chunks
}

/**
 * Whether the first diagram lies nowhere below the second, and somewhere above it
 * (`CompareChunks`).
 */
export function improves(after: readonly Chunk[], before: readonly Chunk[]): boolean {
  const ends = (chunks: readonly Chunk[]): number[] =>
    chunks.reduce<number[]>((all, { vsize }) => [...all, (all.at(-1) ?? 0) + vsize], [])
  let isBetter = false
  for (const size of [...ends(after), ...ends(before)]) {
    const difference = feeWithin(after, size) - feeWithin(before, size)
    if (difference < 0) return false
    if (difference > 0) isBetter = true
  }
  return isBetter
}

/**
 * What the first `size` virtual bytes pay; beyond the last chunk, all. In whole satoshis times
 * 10^9: only the order counts.
 */
function feeWithin(chunks: readonly Chunk[], size: number): bigint {
  let room = size
  let fee = 0n
  for (const chunk of chunks) {
    const part = Math.min(room, chunk.vsize)
    fee += (chunk.fee * SCALE * BigInt(part)) / BigInt(chunk.vsize)
    room -= part
  }
  return fee
}

const SCALE = 1_000_000_000n

function withAncestors(
  entry: PoolEntry,
  among: ReadonlySet<PoolEntry>,
  parentsOf: (entry: PoolEntry) => Iterable<PoolEntry>
): Chunk {
  const found = new Set<PoolEntry>()
  const visit = (each: PoolEntry): void => {
    if (found.has(each) || !among.has(each)) return
    for (const parent of parentsOf(each)) visit(parent)
    found.add(each)
  }
  visit(entry)
  return sumOf([...found])
}

function sumOf(entries: readonly PoolEntry[]): Chunk {
  return {
    entries,
    fee: entries.reduce((sum, { fee }) => sum + fee, 0n),
    vsize: entries.reduce((sum, { tx }) => sum + tx.vsize, 0)
  }
}
