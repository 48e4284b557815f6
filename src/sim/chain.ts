/** What a scenario says of its chain: where it begins, and what its blocks take. */
import { congestedMonth, rateAt } from '../devnet/trace.js'
import type { FeeSource } from './scenario/scenario.js'

/** The height of the first block: a world has a past. */
export const START_HEIGHT = 1_000

/** Blocks of the generated trace; it begins again after them. */
const MONTH = 30 * 144

/** The rate of the block `blocks` after the beginning, in sat/vB. */
export function rateSource(source: FeeSource): (blocks: number) => number {
  if (source.kind === 'constant') return () => Number(source.rate) / 1_000
  const trace = source.kind === 'trace' ? source.points : congestedMonth(source.seed)
  return (blocks) =>
    Number(rateAt(trace, source.kind === 'trace' ? blocks : blocks % MONTH)) / 1_000
}
