/** Tables for spreadsheets and programs: RFC 4180, in UTF-8. */

/** A cell: a text, or a number or an amount of satoshis, which is written without a unit. */
export type CsvCell = string | number | bigint | boolean | undefined

export interface CsvColumn<T> {
  /** Small letters and `_`; ends with the unit, where there is one. */
  readonly name: string
  readonly cell: (row: T) => CsvCell
}

/**
 * Characters that spreadsheets take for the beginning of a formula, which could send the sheet
 * away.
 */
const FORMULA = /^[=+\-@\t\r]/

/**
 * Renders rows under the names of their columns; each line ends with CR and LF. A text that begins
 * like a formula gets an apostrophe in front, and is quoted: spreadsheets show it as the text that
 * it is. (The words in a memo are a stranger's.)
 */
export function renderCsv<T>(columns: ReadonlyArray<CsvColumn<T>>, rows: readonly T[]): string {
  const lines = [
    columns.map(({ name }) => name),
    ...rows.map((row) => columns.map(({ cell }) => fieldOf(cell(row))))
  ]
  return lines.map((fields) => `${fields.join(',')}\r\n`).join('')
}

function fieldOf(cell: CsvCell): string {
  if (cell === undefined) return ''
  // Numbers have a sign of their own.
  if (typeof cell !== 'string') return String(cell)
  if (FORMULA.test(cell)) return quoted(`'${cell}`)
  return /[",\r\n]/.test(cell) ? quoted(cell) : cell
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`
}
