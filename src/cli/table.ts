/**
 * Text for a terminal: harmless, no wider than it is, in aligned columns.
 */
import { printable } from '../words/text.js'
import type pc from 'picocolors'

export type Colors = ReturnType<typeof pc.createColors>

/** Counts code points, so that a letter outside of the BMP counts once. */
export function widthOf(text: string): number {
  return [...text].length
}

/** Words in lines of at most `width`; a word that is longer has a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}

/** Cuts a text without spaces into pieces of `width`, the last one shorter. */
function inPieces(text: string, width: number): string[] {
  const letters = [...text]
  return Array.from({ length: Math.ceil(letters.length / width) }, (_, i) =>
    letters.slice(i * width, (i + 1) * width).join('')
  )
}

/** Cuts a text to at most `width`. */
export function cut(text: string, width: number): string {
  const letters = [...text]
  return letters.length <= width ? text : `${letters.slice(0, Math.max(0, width - 1)).join('')}…`
}

/* Aligned columns of text, in the width of a terminal. */

export interface Column {
  readonly title: string
  /** Numbers read best to the right. */
  readonly align?: 'left' | 'right'
  /** Columns with a number are left out when space is short, the highest first. */
  readonly leftOut?: number
  /**
   * When space is short, the cell stands below its row: for texts that nobody compares by column,
   * such as an id to copy, or people's words.
   */
  readonly below?: boolean
}

/** A cell; `style` colours it after it was measured. */
interface StyledCell {
  readonly text: string
  readonly style: (text: string) => string
}
export type Cell = string | StyledCell

/** A row with something to say below it. */
interface NotedRow {
  readonly cells: readonly Cell[]
  readonly note: string
}
type Row = readonly Cell[] | NotedRow

const BETWEEN = 2
const NOTE_INDENT = 4

function textOf(cell: Cell): string {
  return printable(typeof cell === 'string' ? cell : cell.text)
}

/**
 * Columns two spaces apart, each as wide as its widest cell; no trailing spaces. When they do not
 * fit `width`, optional columns are left out first, and then others move below their rows.
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
  const places = columns.map((_, i) => i)
  const isBelow = (i: number): boolean => columns[i]?.below === true
  const inLine = fitting(columns, places, widths, width)
  const hasRoom = totalOf(inLine, widths) <= width
  const shown = hasRoom
    ? inLine
    : fitting(
        columns,
        places.filter((i) => !isBelow(i)),
        widths,
        width
      )
  const below = hasRoom ? [] : places.filter(isBelow)
  const lines = (row: Row): readonly string[] => [
    ...(row === header ? [] : below.map((i) => textOf(cellOf(row, i)))),
    ...('cells' in row ? [printable(row.note)] : [])
  ]
  return all
    .flatMap((row) => {
      const cells = shown.map((i) => {
        const cell = cellOf(row, i)
        const text = textOf(cell)
        const padding = ' '.repeat((widths[i] ?? 0) - widthOf(text))
        const styled = typeof cell === 'string' ? text : cell.style(text)
        return columns[i]?.align === 'right' ? padding + styled : styled + padding
      })
      const notes = lines(row)
        .filter((line) => line !== '')
        .flatMap((line) => wrap(line, width - NOTE_INDENT))
        .flatMap((line) => inPieces(line, width - NOTE_INDENT))
        .map((line) => ' '.repeat(NOTE_INDENT) + line)
      return [cells.join(' '.repeat(BETWEEN)).trimEnd(), ...notes]
    })
    .join('\n')
}

/** The total width of these columns, side by side. */
function totalOf(places: readonly number[], widths: readonly number[]): number {
  return places.reduce((sum, i) => sum + (widths[i] ?? 0), BETWEEN * (places.length - 1))
}

/** Chooses the columns that fit. */
function fitting(
  columns: readonly Column[],
  of: readonly number[],
  widths: readonly number[],
  width: number
): readonly number[] {
  let places = of
  const rank = (i: number): number => columns[i]?.leftOut ?? 0
  while (totalOf(places, widths) > width) {
    const first = Math.max(...places.map(rank))
    if (first === 0) break
    places = places.filter((i) => rank(i) !== first)
  }
  return places
}

/**
 * `name  value` lines, the names aligned; values in lines of at most `width`, but for a word that
 * is longer: an id stays whole, so that it can be copied.
 */
export function renderFields(
  fields: ReadonlyArray<readonly [name: string, value: Cell]>,
  colors: Colors,
  width = Infinity
): string {
  const names = Math.max(...fields.map(([name]) => widthOf(name)))
  const room = width - names - BETWEEN
  return fields
    .flatMap(([name, value]) => {
      const text = textOf(value)
      const style = typeof value === 'string' ? String : value.style
      return (widthOf(text) <= room ? [text] : wrap(text, room)).map((line, i) => {
        const title = (i === 0 ? name : '').padEnd(names)
        return `${colors.dim(title)}${' '.repeat(BETWEEN)}${style(line)}`.trimEnd()
      })
    })
    .join('\n')
}
