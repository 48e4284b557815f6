/** The chain of a scenario: its first block, and the feerates of its blocks. */
import { congestedMonth, rateAt } from '../devnet/trace.js'
import type { FeeSource } from './scenario/scenario.js'

/** The height of the first block: a world has a past. */
export const START_HEIGHT = 1_000

/** Blocks of the generated trace, which then starts again. */
const MONTH = 30 * 144

/** The rate of the block `blocks` after the beginning, in sat/vB. */
export function rateSource(source: FeeSource): (blocks: number) => number {
  if (source.kind === 'constant') return () => Number(source.rate) / 1_000
  const trace = source.kind === 'trace' ? source.points : congestedMonth(source.seed)
  return (blocks) =>
    Number(rateAt(trace, source.kind === 'trace' ? blocks : blocks % MONTH)) / 1_000
}
