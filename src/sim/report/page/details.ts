/**
 * The panel beside the picture: the figures of the selection, at the shown time; and the search for
 * a node.
 */
import { cellText, curveValue, sat } from '../format.js'
import type { Curve, TableData } from '../page-data.js'
import type { Clock } from './player.js'
import { button, element, need } from '../../../browser/dom.js'
import type { Scene, Selection } from './scene.js'

const MOST_LISTED = 12

/** A row of a table as names and values. */
function figures(table: TableData, row: number): HTMLElement {
  const cells = table.rows[row] ?? []
  return element(
    'dl',
    { class: 'figures' },
    ...table.columns.flatMap(({ title, kind, hint }, at) =>
      at === 0
        ? []
        : [
            element('dt', hint === undefined ? {} : { title: hint }, title),
            element('dd', {}, cellText(kind, cells[at] ?? null))
          ]
    )
  )
}

/** The division of a channel's money now. */
function balanceBar(scene: Scene, at: number, sample: number): HTMLElement {
  const channel = scene.channels[at]
  if (channel === undefined || !scene.isThere(channel, sample)) {
    return element('p', { class: 'note' }, 'At this time it is not there.')
  }
  const balance = scene.clientBalance(channel, sample)
  const part = channel.capacity > 0 ? (100 * balance) / channel.capacity : 0
  return element(
    'div',
    { class: 'balance' },
    element('span', { class: 'track', style: `--part:${part}%` }),
    element('span', {}, `client ${sat(balance)}`),
    element('span', {}, `server ${sat(channel.capacity - balance)}`)
  )
}

/** The values of all curves at the shown time. */
function everything(curves: readonly Curve[], sample: number): HTMLElement[] {
  const values = curves.flatMap(({ title, unit, lines }) =>
    lines.flatMap(({ label, values }) => {
      const value = values[sample] ?? null
      const text = value === null ? '–' : curveValue(value, unit)
      return [
        element('dt', {}, lines.length === 1 ? title : `${title}, ${label}`),
        element('dd', {}, text)
      ]
    })
  )
  return [
    element('h3', {}, 'Everything at this time'),
    element('dl', { class: 'figures' }, ...values)
  ]
}

export function showDetails(scene: Scene, clock: Clock, selection: Selection): void {
  const panel = need('details', HTMLElement)
  const hint = [...panel.children]

  const nodePanel = (at: number): HTMLElement[] => {
    const node = scene.nodes[at]
    if (node === undefined) return []
    const channels = scene.channelsOf(at, clock.sample)
    const listed = channels.slice(0, MOST_LISTED).map((channelAt) => {
      const channel = scene.channels[channelAt]
      const other = scene.nodes[channel?.client === at ? channel.server : (channel?.client ?? -1)]
      return element(
        'li',
        {},
        button(`to ${other === undefined ? '?' : scene.name(other)}`, () => {
          selection.set({ kind: 'channel', at: channelAt })
        }),
        balanceBar(scene, channelAt, clock.sample)
      )
    })
    return [
      element('h3', {}, scene.name(node)),
      figures(scene.data.nodes, node.row),
      element(
        'h4',
        {},
        `${channels.length} open ${channels.length === 1 ? 'channel' : 'channels'} at this time${channels.length > MOST_LISTED ? `, the first ${MOST_LISTED}:` : ''}`
      ),
      element('ul', { class: 'channels' }, ...listed)
    ]
  }
  const channelPanel = (at: number): HTMLElement[] => {
    const channel = scene.channels[at]
    if (channel === undefined) return []
    const ends = [channel.client, channel.server].flatMap((node) => {
      const end = scene.nodes[node]
      return end === undefined
        ? []
        : [
            button(scene.name(end), () => {
              selection.set({ kind: 'node', at: node })
            })
          ]
    })
    return [
      element('h3', {}, `Channel ${String(scene.data.channels.rows[channel.row]?.[0] ?? '')}`),
      element('p', { class: 'ends' }, ...ends),
      balanceBar(scene, at, clock.sample),
      figures(scene.data.channels, channel.row)
    ]
  }
  const show = (): void => {
    const { selected } = selection
    if (selected === undefined) {
      panel.replaceChildren(...hint, ...everything(scene.data.curves, clock.sample))
    } else {
      panel.replaceChildren(
        button(
          '×',
          () => {
            selection.set(undefined)
          },
          { class: 'close', 'aria-label': 'close' }
        ),
        ...(selected.kind === 'node' ? nodePanel(selected.at) : channelPanel(selected.at))
      )
    }
  }
  selection.listen(show)
  clock.listen(show)
}

/**
 * The first node whose name is the typed text, else the first that begins with it, else that
 * contains it.
 */
function findNode(scene: Scene, text: string): number | undefined {
  const wanted = text.trim().toLowerCase()
  if (wanted === '') return undefined
  const names = scene.nodes.map((node) => scene.name(node).toLowerCase())
  const found = [
    (name: string) => name === wanted,
    (name: string) => name.startsWith(wanted),
    (name: string) => name.includes(wanted)
  ]
    .map((is) => names.findIndex(is))
    .find((at) => at >= 0)
  return found
}

export function showSearch(scene: Scene, selection: Selection): void {
  const input = need('search', HTMLInputElement)
  const found = need('found', HTMLElement)
  need('names', HTMLDataListElement).append(
    ...scene.nodes.map((node) => element('option', { value: scene.name(node) }))
  )
  const search = (): void => {
    const at = findNode(scene, input.value)
    found.textContent =
      at === undefined && input.value.trim() !== '' ? 'no such node in the picture' : ''
    if (at !== undefined) selection.set({ kind: 'node', at })
  }
  input.form?.addEventListener('submit', (event) => {
    event.preventDefault()
    search()
  })
  input.addEventListener('change', search)
}
