/**
 * The points of a sweep as lines: the first axis is horizontal, the second tells lines apart,
 * further ones make panels.
 */
import type { Sweep, SweepPoint } from '../../results.js'
import { count } from '../format.js'

type Value = number | string

export interface SweepLine {
  /** `stake 10,000`; empty when there is one axis only. */
  readonly label: string
  /** Position in the values of the second axis: its colour. */
  readonly number: number
  /** In the order of the first axis. */
  readonly points: ReadonlyArray<{ readonly value: Value; readonly point: SweepPoint }>
}

export interface Panel {
  /** `policy eager`; empty when there are at most two axes. */
  readonly title: string
  readonly lines: readonly SweepLine[]
}

export function valueText(value: Value): string {
  return typeof value === 'number' ? count(value, 4) : value
}

/** Every combination of values of these axes, the last one changing fastest. */
function combinations(axes: Sweep['axes']): Array<ReadonlyArray<readonly [string, Value]>> {
  return axes.reduce<Array<ReadonlyArray<readonly [string, Value]>>>(
    (combined, { name, values }) =>
      combined.flatMap((before) => values.map((value) => [...before, [name, value] as const])),
    [[]]
  )
}

/**
 * One panel for each combination of the third and further axes; lines without a point are left out.
 */
export function panelsOf(sweep: Sweep): Panel[] {
  const [first, second, ...further] = sweep.axes
  if (first === undefined) return []
  return combinations(further)
    .map((fixed) => ({
      title: fixed.map(([name, value]) => `${name} ${valueText(value)}`).join(', '),
      lines: (second?.values ?? [undefined])
        .map((value, number): SweepLine => {
          const of = sweep.points.filter(
            ({ values }) =>
              fixed.every(([name, wanted]) => values[name] === wanted) &&
              (second === undefined || values[second.name] === value)
          )
          return {
            label:
              second === undefined || value === undefined
                ? ''
                : `${second.name} ${valueText(value)}`,
            number,
            points: first.values.flatMap((at) =>
              of
                .filter(({ values }) => values[first.name] === at)
                .map((point) => ({ value: at, point }))
            )
          }
        })
        .filter(({ points }) => points.length > 0)
    }))
    .filter(({ lines }) => lines.length > 0)
}
