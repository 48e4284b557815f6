/** A large table: sorted by its headings, filtered by words, page by page. */
import { arrange, cellText, count } from '../format.js'
import type { TableData } from '../page-data.js'
import { button, element, need } from '../../../browser/dom.js'

const PAGE = 25

/**
 * `select` shows a row in the picture; it gives `undefined` for a row that the picture leaves out.
 */
export function showTable(
  table: TableData,
  select: (row: number) => (() => void) | undefined
): void {
  const place = need(table.id, HTMLDivElement)
  let by: number | undefined
  let descending = false
  let page = 0
  let order = arrange(table.rows, '', by, descending)

  const filter = element('input', {
    type: 'search',
    id: `${table.id}-filter`,
    placeholder: 'words',
    autocomplete: 'off',
    spellcheck: 'false'
  })
  const status = element('span', { role: 'status' })
  const back = button(
    '‹',
    () => {
      page--
      show()
    },
    { 'aria-label': `previous ${PAGE} ${table.caption}` }
  )
  const on = button(
    '›',
    () => {
      page++
      show()
    },
    { 'aria-label': `next ${PAGE} ${table.caption}` }
  )
  const headings = table.columns.map(({ title, kind, hint }, at) => {
    const sort = button(
      title,
      () => {
        sortBy(at)
      },
      hint === undefined ? {} : { title: hint }
    )
    return element('th', { scope: 'col', ...(kind === 'text' ? {} : { class: 'number' }) }, sort)
  })
  const body = element('tbody', {})

  const sortBy = (column: number): void => {
    // Numbers are sorted from the largest, words from the first.
    descending = by === column ? !descending : table.columns[column]?.kind !== 'text'
    by = column
    rearrange()
  }
  const rearrange = (): void => {
    order = arrange(table.rows, filter.value, by, descending)
    page = 0
    show()
  }
  const row = (at: number): HTMLElement =>
    element(
      'tr',
      {},
      ...table.columns.map(({ kind }, column) => {
        const text = cellText(kind, table.rows[at]?.[column] ?? null)
        const act = column === 0 ? select(at) : undefined
        const content =
          act === undefined
            ? text
            : button(text, act, { class: 'link', title: 'show it in the picture' })
        return column === 0
          ? element(
              'th',
              { scope: 'row', ...(kind === 'text' ? {} : { class: 'number' }) },
              content
            )
          : element('td', kind === 'text' ? {} : { class: 'number' }, content)
      })
    )
  const show = (): void => {
    const first = page * PAGE
    const shown = order.slice(first, first + PAGE)
    body.replaceChildren(...shown.map(row))
    for (const [at, heading] of headings.entries()) {
      heading.setAttribute(
        'aria-sort',
        at === by ? (descending ? 'descending' : 'ascending') : 'none'
      )
    }
    back.disabled = page === 0
    on.disabled = first + PAGE >= order.length
    const range =
      shown.length === 0
        ? 'none'
        : `${count(first + 1)}–${count(first + shown.length)} of ${count(order.length)}`
    status.textContent = `${range}${order.length < table.rows.length ? ` found in ${count(table.rows.length)}` : ''}${table.outOf > table.rows.length ? ` (the largest of ${count(table.outOf)}; the others are in results.json)` : ''}`
  }
  filter.addEventListener('input', rearrange)
  place.replaceChildren(
    element(
      'div',
      { class: 'tools' },
      element('label', { for: filter.id }, 'Filter'),
      filter,
      back,
      on,
      status
    ),
    element(
      'div',
      { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': table.caption },
      element(
        'table',
        { class: 'grid' },
        element('thead', {}, element('tr', {}, ...headings)),
        body
      )
    )
  )
  show()
}
