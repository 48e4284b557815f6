/** The picture as geometry: positions on the canvas, and the thing under the pointer. */
import type { PageData, PictureChannel, PictureNode } from '../page-data.js'
import { balanceAt } from '../picture.js'

interface Point {
  readonly x: number
  readonly y: number
}
/** Converts coordinates of the picture into those of the canvas. */
export interface View {
  readonly scale: number
  readonly x: number
  readonly y: number
}

const LANE = 6

export class Scene {
  readonly nodes: readonly PictureNode[]
  readonly channels: readonly PictureChannel[]
  /** Positions of the nodes, those with the most channels first: the order of their labels. */
  readonly byDegree: readonly number[]
  readonly dense: boolean

  constructor(readonly data: PageData) {
    this.nodes = data.picture.nodes
    this.channels = data.picture.channels
    this.byDegree = [...this.nodes.keys()].sort(
      (a, b) => (this.nodes[b]?.channels ?? 0) - (this.nodes[a]?.channels ?? 0)
    )
    this.dense = this.nodes.length > 250
  }

  name(node: PictureNode): string {
    return String(this.data.nodes.rows[node.row]?.[0] ?? '')
  }

  isThere(channel: PictureChannel, sample: number): boolean {
    return channel.from <= sample && sample <= channel.until
  }

  clientBalance(channel: PictureChannel, sample: number): number {
    return balanceAt(channel.changes, sample)
  }

  channelsOf(node: number, sample: number): number[] {
    return [...this.channels.keys()].filter((at) => {
      const channel = this.channels[at]
      return (
        channel !== undefined &&
        (channel.client === node || channel.server === node) &&
        this.isThere(channel, sample)
      )
    })
  }

  radius(node: PictureNode, view: View): number {
    const base = this.dense
      ? 2.2 + Math.sqrt(node.channels) * 0.7
      : (this.nodes.length > 40 ? 4.5 : 7) + Math.sqrt(node.channels) * 0.9
    return Math.min(26, base * Math.max(1, Math.sqrt(view.scale)))
  }

  place(at: number, view: View): Point {
    const node = this.nodes[at]
    return { x: (node?.x ?? 0) * view.scale + view.x, y: (node?.y ?? 0) * view.scale + view.y }
  }

  /**
   * Both ends of a channel on the canvas, beside the middle when several lie between the same
   * nodes.
   */
  ends(channel: PictureChannel, view: View): readonly [Point, Point] {
    const from = this.place(channel.client, view)
    const to = this.place(channel.server, view)
    if (channel.lane === 0) return [from, to]
    const length = Math.hypot(to.x - from.x, to.y - from.y)
    if (length === 0) return [from, to]
    const by = (channel.lane * LANE) / length
    const aside = { x: -(to.y - from.y) * by, y: (to.x - from.x) * by }
    return [
      { x: from.x + aside.x, y: from.y + aside.y },
      { x: to.x + aside.x, y: to.y + aside.y }
    ]
  }

  /** The thing at a point of the canvas: a node before a channel, the nearest one of each. */
  under(point: Point, view: View, sample: number): Selected {
    let found: Selected
    let nearest = Infinity
    for (const [at, node] of this.nodes.entries()) {
      const place = this.place(at, view)
      const distance = Math.hypot(place.x - point.x, place.y - point.y)
      if (distance < Math.max(9, this.radius(node, view) + 3) && distance < nearest) {
        ;[found, nearest] = [{ kind: 'node', at }, distance]
      }
    }
    if (found !== undefined) return found
    nearest = 6
    for (const [at, channel] of this.channels.entries()) {
      if (!this.isThere(channel, sample)) continue
      const distance = distanceTo(point, ...this.ends(channel, view))
      if (distance < nearest) [found, nearest] = [{ kind: 'channel', at }, distance]
    }
    return found
  }
}

/** The distance of a point to a line between two others. */
function distanceTo(point: Point, from: Point, to: Point): number {
  const [dx, dy] = [to.x - from.x, to.y - from.y]
  const square = dx * dx + dy * dy
  const along =
    square === 0
      ? 0
      : Math.max(0, Math.min(1, ((point.x - from.x) * dx + (point.y - from.y) * dy) / square))
  return Math.hypot(from.x + along * dx - point.x, from.y + along * dy - point.y)
}

/** The selection in the picture: a node or a channel, by its position there. */
export type Selected = { readonly kind: 'node' | 'channel'; readonly at: number } | undefined

export class Selection {
  readonly #listeners: Array<() => void> = []
  #selected: Selected

  get selected(): Selected {
    return this.#selected
  }

  set(selected: Selected): void {
    this.#selected = selected
    for (const listener of this.#listeners) listener()
  }

  listen(listener: () => void): void {
    this.#listeners.push(listener)
  }

  is(kind: 'node' | 'channel', at: number): boolean {
    return this.#selected?.kind === kind && this.#selected.at === at
  }
}
