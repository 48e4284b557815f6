/** The figures of a run: what was measured, the floor of the same run beside it, and the goal. */

export interface Goal {
  /** The goal is of what was measured, or of its ratio to the floor. */
  readonly of: 'measured' | 'ratio'
  readonly is: 'most' | 'least'
  readonly value: number
}

export interface Figure {
  readonly name: string
  readonly unit: string
  readonly measured: number
  /** The machine's own figure in this run, in the same unit. */
  readonly floor?: number
  readonly goal?: Goal
}

export function ratioOf({ measured, floor }: Figure): number | undefined {
  return floor === undefined ? undefined : measured / floor
}

/** True when a goal is reached; undefined where there is none. */
export function isReached(figure: Figure): boolean | undefined {
  const { goal } = figure
  if (goal === undefined) return undefined
  const value = goal.of === 'ratio' ? ratioOf(figure) : figure.measured
  if (value === undefined) return false
  return goal.is === 'most' ? value <= goal.value : value >= goal.value
}

function digits(value: number): string {
  const places = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toLocaleString('en-US', {
    minimumFractionDigits: places,
    maximumFractionDigits: places
  })
}

function goalText(figure: Figure): string {
  const { goal, unit } = figure
  if (goal === undefined) return ''
  const value = goal.of === 'ratio' ? `${digits(goal.value)} x` : `${digits(goal.value)} ${unit}`
  return `${isReached(figure) === true ? 'reached' : 'missed '} ${goal.is === 'most' ? '<=' : '>='} ${value}`
}

/** A line for each figure: measured, floor, ratio, goal. */
export function figureLines(figures: readonly Figure[]): string {
  const line = (cells: readonly string[]): string => {
    const [name = '', measured = '', floor = '', ratio = '', goal = ''] = cells
    return `  ${name.padEnd(56)}${measured.padStart(15)}${floor.padStart(13)}${ratio.padStart(10)}   ${goal}`.trimEnd()
  }
  const rows = figures.map((figure) => {
    const ratio = ratioOf(figure)
    return line([
      figure.name,
      `${digits(figure.measured)} ${figure.unit}`,
      figure.floor === undefined ? '' : digits(figure.floor),
      ratio === undefined ? '' : `${digits(ratio)} x`,
      goalText(figure)
    ])
  })
  return `${[line(['figure', 'measured', 'floor', 'ratio', 'goal']), ...rows].join('\n')}\n`
}
