/** Aligned columns of text. */
import { printable, type Colors } from './output.js'

export interface Column {
  readonly title: string
  /** Numbers read best to the right. */
  readonly align?: 'left' | 'right'
}

/** A cell; `style` colours it after it was measured. */
export interface StyledCell { readonly text: string, readonly style: (text: string) => string }
export type Cell = string | StyledCell

function textOf (cell: Cell): string {
  return printable(typeof cell === 'string' ? cell : cell.text)
}

/** Counts code points, so that a letter outside of the BMP is one. */
function widthOf (text: string): number {
  return [...text].length
}

/** Columns two spaces apart, each as wide as its widest cell; no trailing spaces. */
export function renderTable (columns: readonly Column[], rows: ReadonlyArray<readonly Cell[]>, colors: Colors): string {
  const header = columns.map(({ title }): Cell => ({ text: title, style: colors.dim }))
  const widths = columns.map((_, i) => Math.max(...[header, ...rows].map(row => widthOf(textOf(row[i] ?? '')))))
  return [header, ...rows].map(row => {
    const cells = columns.map(({ align = 'left' }, i) => {
      const cell = row[i] ?? ''
      const text = textOf(cell)
      const padding = ' '.repeat((widths[i] ?? 0) - widthOf(text))
      const styled = typeof cell === 'string' ? text : cell.style(text)
      return align === 'right' ? padding + styled : styled + padding
    })
    return cells.join('  ').trimEnd()
  }).join('\n')
}

/** `name  value` lines, the names aligned. */
export function renderFields (fields: ReadonlyArray<readonly [name: string, value: string]>, colors: Colors): string {
  const width = Math.max(...fields.map(([name]) => widthOf(name)))
  return fields.map(([name, value]) => `${colors.dim(name.padEnd(width))}  ${printable(value)}`.trimEnd()).join('\n')
}
