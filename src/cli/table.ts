/** Aligned columns of text, in the width of a terminal. */
import type { Colors } from './output.js'
import { printable, widthOf, wrap } from './text.js'

export interface Column {
  readonly title: string
  /** Numbers read best to the right. */
  readonly align?: 'left' | 'right'
  /** Where there is no room for all, columns with a number are left out, the highest first. */
  readonly leftOut?: number
}

/** A cell; `style` colours it after it was measured. */
export interface StyledCell {
  readonly text: string
  readonly style: (text: string) => string
}
export type Cell = string | StyledCell

/** A row with something to say below it. */
export interface NotedRow {
  readonly cells: readonly Cell[]
  readonly note: string
}
export type Row = readonly Cell[] | NotedRow

const BETWEEN = 2
const NOTE_INDENT = 4

function textOf(cell: Cell): string {
  return printable(typeof cell === 'string' ? cell : cell.text)
}

/**
 * Columns two spaces apart, each as wide as its widest cell; no trailing spaces. Columns that may
 * be left out are, as long as the others do not fit `width`.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly Row[],
  colors: Colors,
  width = Infinity
): string {
  const header: Row = columns.map(({ title }): Cell => ({ text: title, style: colors.dim }))
  const all = [header, ...rows]
  const cellOf = (row: Row, i: number): Cell => ('cells' in row ? row.cells : row)[i] ?? ''
  const widths = columns.map((_, i) =>
    Math.max(...all.map((row) => widthOf(textOf(cellOf(row, i)))))
  )
  const shown = fitting(columns, widths, width)
  return all
    .flatMap((row) => {
      const cells = shown.map((i) => {
        const cell = cellOf(row, i)
        const text = textOf(cell)
        const padding = ' '.repeat((widths[i] ?? 0) - widthOf(text))
        const styled = typeof cell === 'string' ? text : cell.style(text)
        return columns[i]?.align === 'right' ? padding + styled : styled + padding
      })
      const note = 'cells' in row ? row.note : ''
      const below =
        note === ''
          ? []
          : wrap(printable(note), width - NOTE_INDENT).map((line) => ' '.repeat(NOTE_INDENT) + line)
      return [cells.join(' '.repeat(BETWEEN)).trimEnd(), ...below]
    })
    .join('\n')
}

/** The places of the columns for which there is room. */
function fitting(columns: readonly Column[], widths: readonly number[], width: number): number[] {
  let places = columns.map((_, i) => i)
  const rank = (i: number): number => columns[i]?.leftOut ?? 0
  while (places.reduce((sum, i) => sum + (widths[i] ?? 0), BETWEEN * (places.length - 1)) > width) {
    const first = Math.max(...places.map(rank))
    if (first === 0) break
    places = places.filter((i) => rank(i) !== first)
  }
  return places
}

/** `name  value` lines, the names aligned. */
export function renderFields(
  fields: ReadonlyArray<readonly [name: string, value: string]>,
  colors: Colors
): string {
  const width = Math.max(...fields.map(([name]) => widthOf(name)))
  return fields
    .map(([name, value]) => `${colors.dim(name.padEnd(width))}  ${printable(value)}`.trimEnd())
    .join('\n')
}
