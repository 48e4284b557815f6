/**
 * A file of measured fee rates: lines of `height,feerate` (sat/vB) as `paychan devnet trace` prints
 * them, from block 0 on and equally far apart, so that a line that got lost is noticed.
 */
import type { FeeRate } from '../../types/units.js'
import { readRate, shown, Unreadable } from './quantities.js'
import { ScenarioError, type Problem } from './problems.js'

export interface TracePoint {
  readonly height: number
  readonly rate: FeeRate
}

/** A value for each block of a hundred years. */
export const MOST_TRACE_BYTES = 100_000_000
const MOST_PROBLEMS = 20

/**
 * Reads a trace.
 *
 * @throws ScenarioError with the line of each gap, of each height that is out of order, and of
 *   whatever is no such line
 * @example readTrace('0,5\n6,7.5', 'fees.csv') // 5 sat/vB for six blocks, then 7.5
 */
export function readTrace(text: string, file: string): readonly TracePoint[] {
  const points: TracePoint[] = []
  const problems: Problem[] = []
  let line = 0
  let spacing: number | undefined
  for (const row of text.split(/\r?\n/)) {
    line++
    const content = row.replace(/#.*/, '').trim()
    if (content === '' || problems.length === MOST_PROBLEMS) continue
    try {
      const point = pointOf(content)
      const last = points.at(-1)
      points.push(point)
      if (last === undefined) {
        if (point.height !== 0) {
          throw new Unreadable(
            `A trace begins with block 0, and this one with ${point.height}; count the blocks from the beginning.`
          )
        }
        continue
      }
      const apart = point.height - last.height
      if (apart <= 0) {
        throw new Unreadable(
          `Block ${point.height} does not come after block ${last.height}; sort the lines by their blocks.`
        )
      }
      spacing ??= apart
      if (apart !== spacing) {
        throw new Unreadable(
          `After block ${last.height} comes block ${last.height + spacing}, and here is ${point.height}: the lines are ${spacing} blocks apart. Add what is missing, or write the fees as { steps: { BLOCK: RATE } } in the scenario.`
        )
      }
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      problems.push({ file, line, column: 1, sentence: error.message })
    }
  }
  if (points.length === 0 && problems.length === 0) {
    problems.push({
      file,
      line: 1,
      column: 1,
      sentence:
        'A trace has lines of height,feerate (sat/vB), such as 0,5. `paychan devnet trace` prints one.'
    })
  }
  if (problems.length > 0) throw new ScenarioError(problems)
  return points
}

function pointOf(content: string): TracePoint {
  const [, height, rate] = /^(\d{1,8})\s*,\s*(\S+)$/.exec(content) ?? []
  if (height === undefined || rate === undefined) {
    throw new Unreadable(
      `A line is a height and a fee rate in sat/vB, such as 10,120.5; this one is ${shown(content)}.`
    )
  }
  return { height: Number(height), rate: readRate(rate) }
}
