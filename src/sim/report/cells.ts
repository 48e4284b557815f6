/** Cells of the large tables: their text, their order, and the search in them. */
import { count, inOrder, percent, sat } from './format.js'
import type { Cell, CellKind } from './page-data.js'

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
