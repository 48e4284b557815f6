/**
 * Text for a terminal: harmless, no wider than it is, in aligned columns.
 */
import type pc from 'picocolors'
import type { ChannelInfo, PaymentInfo, WalletTransaction } from '../node/api.js'
import { printable } from '../words/text.js'

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

/* Tables for spreadsheets and programs: RFC 4180, in UTF-8. */

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

/*
 * The columns of `payments`, `transactions` and `channels` as CSV. Names stay; new ones come last.
 */

function isoTime(milliseconds: number): string {
  const date = new Date(milliseconds)
  return Number.isNaN(date.getTime()) ? '' : date.toISOString()
}

export const PAYMENT_CSV: ReadonlyArray<CsvColumn<PaymentInfo>> = [
  { name: 'time_utc', cell: ({ time }) => isoTime(time) },
  { name: 'id', cell: ({ id }) => id },
  { name: 'channel', cell: ({ channel }) => channel },
  { name: 'peer_id', cell: ({ peerId }) => peerId },
  { name: 'direction', cell: ({ direction }) => direction },
  { name: 'amount_sat', cell: ({ amount }) => amount },
  { name: 'status', cell: ({ status }) => status },
  { name: 'memo', cell: ({ memo }) => memo }
]

/** `amount_sat` is what it changes for the wallet, negative for what leaves it. */
export const TRANSACTION_CSV: ReadonlyArray<CsvColumn<WalletTransaction>> = [
  { name: 'txid', cell: ({ txid }) => txid },
  { name: 'kind', cell: ({ kind }) => kind },
  { name: 'amount_sat', cell: ({ amount }) => amount },
  { name: 'fee_sat', cell: ({ fee }) => fee },
  { name: 'block_height', cell: ({ height }) => height },
  { name: 'confirmations_blocks', cell: ({ confirmations }) => confirmations },
  { name: 'status', cell: ({ status }) => status },
  { name: 'label', cell: ({ label }) => label }
]

export const CHANNEL_CSV: ReadonlyArray<CsvColumn<ChannelInfo>> = [
  { name: 'id', cell: ({ id }) => id },
  { name: 'peer_id', cell: ({ peerId }) => peerId },
  { name: 'role', cell: ({ role }) => role },
  { name: 'mode', cell: ({ mode }) => mode },
  { name: 'status', cell: ({ status }) => status },
  { name: 'reason', cell: ({ reason }) => reason },
  { name: 'capacity_sat', cell: ({ capacity }) => capacity },
  { name: 'our_balance_sat', cell: ({ ourBalance }) => ourBalance },
  { name: 'their_balance_sat', cell: ({ theirBalance }) => theirBalance },
  { name: 'spendable_sat', cell: ({ spendable }) => spendable },
  { name: 'receivable_sat', cell: ({ receivable }) => receivable },
  { name: 'in_flight_sat', cell: ({ inFlight }) => inFlight },
  { name: 'at_risk_sat', cell: ({ atRisk }) => atRisk },
  { name: 'payments_sent', cell: ({ payments }) => payments.sent },
  { name: 'payments_received', cell: ({ payments }) => payments.received },
  { name: 'confirmations_blocks', cell: ({ confirmations }) => confirmations },
  { name: 'last_payment_height', cell: ({ lastPaymentHeight }) => lastPaymentHeight },
  { name: 'settle_height', cell: ({ settleHeight }) => settleHeight },
  { name: 'refund_height', cell: ({ refundHeight }) => refundHeight },
  { name: 'funding_txid', cell: ({ funding }) => funding?.txid },
  { name: 'funding_vout', cell: ({ funding }) => funding?.vout },
  { name: 'spend_kind', cell: ({ spend }) => spend?.kind },
  { name: 'spend_txid', cell: ({ spend }) => spend?.txid }
]
