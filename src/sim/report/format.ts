/** Numbers for people, always with their unit. The page in the browser uses the same ones. */
import type { Cell, CellKind } from './page-data.js'

const DAY = 86_400

/**
 * Makes control characters, and those that turn the direction of the text, visible: a name could
 * hide behind them.
 */
export function visible(text: string): string {
  return Array.from(text, (character) =>
    isHidden(character.codePointAt(0) ?? 0) ? '\ufffd' : character
  ).join('')
}

function isHidden(code: number): boolean {
  return (
    code < 0x20 ||
    (code >= 0x7f && code < 0xa0) ||
    (code >= 0x200b && code <= 0x200f) ||
    (code >= 0x2028 && code <= 0x202e) ||
    (code >= 0x2060 && code <= 0x2069) ||
    code === 0xfeff ||
    (code >= 0xd800 && code <= 0xdfff)
  )
}

/** `12,345` or `0.25`: at most `digits` digits after the point. */
export function count(value: number, digits = 0): string {
  const text = value.toLocaleString('en-US', { maximumFractionDigits: digits })
  return text === '-0' ? '0' : text
}

/**
 * `1,000 sat`; two digits after the point for less than 100 sat, since fees per payment are small.
 */
export function sat(value: number): string {
  return `${count(value, Math.abs(value) < 100 ? 2 : 0)} sat`
}

/** As `sat`, and from 10,000,000 sat on in bitcoin: `1.25 BTC`. */
export function money(value: number): string {
  if (Math.abs(value) < 10_000_000) return sat(value)
  return `${count(value / 100_000_000, Math.abs(value) < 1_000_000_000 ? 3 : 2)} BTC`
}

/** A part of 1, such as `99.3 %`. Less than all is never `100 %`, more than nothing never `0 %`. */
export function percent(part: number): string {
  const value = part * 100
  if (value > 0 && value < 0.001) return '< 0.001 %'
  if (value < 100 && value > 99.99) return '> 99.99 %'
  return `${count(value, Math.abs(value) < 0.1 ? 3 : Math.abs(value) < 10 || (value > 99 && value < 100) ? 2 : 1)} %`
}

/** `350 ms`, `4.2 s`, `12 min`, `5.5 h`, `3 days`. */
export function duration(seconds: number): string {
  if (seconds < 1) return `${count(seconds * 1000, seconds < 0.01 ? 1 : 0)} ms`
  if (seconds < 120) return `${count(seconds, seconds < 10 ? 2 : 1)} s`
  if (seconds < 2 * 3600) return `${count(seconds / 60, 1)} min`
  if (seconds < 2 * DAY) return `${count(seconds / 3600, 1)} h`
  return `${count(seconds / DAY, 1)} days`
}

/** A time of the simulation, in seconds from its beginning: `3 d 14:05`. */
export function moment(seconds: number): string {
  const minutes = Math.floor(seconds / 60)
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${Math.floor(minutes / 1440)} d ${two(Math.floor(minutes / 60) % 24)}:${two(minutes % 60)}`
}

/** A value of a curve, with as many digits as it needs; values in percent are not parts of 1. */
export function curveValue(value: number, unit: string): string {
  return unit === '%'
    ? percent(value / 100)
    : `${count(value, Math.abs(value) < 10 ? 2 : 0)} ${unit}`.trim()
}

/** `1 node`, `2 nodes`. */
export function plural(number: number, one: string, many = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : many}`
}

/** The normal quantile of 97.5 %: two-sided 95 %. */
const Z = 1.959963984540054

export interface Interval {
  readonly low: number
  readonly high: number
}

/**
 * The 95 % interval of Wilson (1927) for a chance that `seen` of `of` trials showed. Unlike the
 * normal approximation it works when none or all did: for 0 in 100 the upper end is 3.7 %. Without
 * a trial: all from 0 to 1.
 *
 *     wilson(0, 100)   // { low: 0, high: 0.0370 }
 */
export function wilson(seen: number, of: number): Interval {
  if (of <= 0) return { low: 0, high: 1 }
  const part = seen / of
  const z2 = (Z * Z) / of
  const middle = (part + z2 / 2) / (1 + z2)
  const half = (Z * Math.sqrt((part * (1 - part)) / of + z2 / (4 * of))) / (1 + z2)
  // At the ends the formula is exact, but its arithmetic is not.
  return {
    low: seen <= 0 ? 0 : Math.max(0, middle - half),
    high: seen >= of ? 1 : Math.min(1, middle + half)
  }
}

/**
 * For `sort`: the first difference that decides, 0 when none does. Every order of the report ends
 * in one that always decides, so that it is the same on every machine.
 *
 *     losses.sort((a, b) => inOrder(b.amount - a.amount, a.height - b.height))
 */
export function inOrder(...differences: readonly number[]): number {
  return differences.find((difference) => difference !== 0) ?? 0
}

/* Cells of the large tables: their text, their order, and the search in them. */

/** The text of a cell; a dash for an empty one. */
export function cellText(kind: CellKind, cell: Cell): string {
  if (cell === null) return '–'
  if (typeof cell === 'string') return cell
  switch (kind) {
    case 'sat':
      return sat(cell)
    case 'percent':
      return percent(cell)
    case 'text':
    case 'count':
    case 'height':
      return count(cell)
  }
}

/** Numbers by size, words by natural order (`n-2` before `n-10`), empty cells always last. */
function compareCells(a: Cell, b: Cell, descending: boolean): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1
  const order =
    typeof a === 'number' && typeof b === 'number'
      ? a - b
      : String(a).localeCompare(String(b), 'en', { numeric: true })
  return descending ? -order : order
}

/**
 * The rows that contain every word of `text` in one of their words, sorted by a column, then by
 * their own order. Gives positions in `rows`.
 */
export function arrange(
  rows: readonly (readonly Cell[])[],
  text: string,
  by: number | undefined,
  descending: boolean
): number[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
  const found = [...rows.keys()].filter((at) =>
    words.every((word) =>
      (rows[at] ?? []).some(
        (cell) => String(cell).toLowerCase().includes(word) && typeof cell === 'string'
      )
    )
  )
  if (by === undefined) return found
  return found.sort((a, b) =>
    inOrder(compareCells(rows[a]?.[by] ?? null, rows[b]?.[by] ?? null, descending), a - b)
  )
}
