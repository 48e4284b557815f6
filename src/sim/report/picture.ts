/** The drawn network: positions of nodes, widths of channels, and the balances over time. */
import {
  forceCollide,
  forceLink,
  forceManyBody,
  forceSimulation,
  forceX,
  forceY,
  type SimulationNodeDatum
} from 'd3-force'
import type { ChannelResult, Results } from '../results.js'
import { changesOf, strideFor } from './balances.js'
import type { Choice } from './choice.js'
import type { Picture, PictureChannel } from './page-data.js'

/** Changes of balances in all: some 4 MB of JSON. */
const MOST_CHANGES = 300_000

/** Rows of the tables, in which the picture's nodes and channels are. */
interface Rows {
  readonly nodes: readonly Results['nodes'][number][]
  readonly channels: readonly ChannelResult[]
}

export interface Drawn {
  readonly picture: Picture
  /** Samples between two balances in the picture. */
  readonly stride: number
}

/** Draws the chosen part. Groups are colours, by their position in `groups`. */
export function draw(
  choice: Choice,
  rows: Rows,
  groups: Results['groups'],
  mostChanges = MOST_CHANGES
): Drawn {
  const position = new Map(choice.nodes.map((node, at) => [node.name, at]))
  const links = choice.channels.map(({ client, server }): [number, number] => [
    position.get(client) ?? 0,
    position.get(server) ?? 0
  ])
  const layout = layOut(choice.nodes.length, distinct(links))
  const groupAt = new Map(groups.map((group, at) => [group.name, at]))
  const nodeRow = new Map(rows.nodes.map((node, at) => [node.name, at]))
  const channelRow = new Map(rows.channels.map((channel, at) => [channel.number, at]))
  const stride = strideFor(choice.channels, mostChanges)
  const widthOf = widths(choice.channels)
  const laneOf = lanes()
  return {
    stride,
    picture: {
      width: layout.width,
      height: layout.height,
      nodes: choice.nodes.map(({ name, group }, at) => {
        const { x, y } = layout.places[at] ?? { x: 0, y: 0 }
        return {
          row: nodeRow.get(name) ?? 0,
          group: groupAt.get(group) ?? 0,
          x,
          y,
          channels: choice.degrees.get(name) ?? 0
        }
      }),
      channels: choice.channels.map((channel, at): PictureChannel => {
        const [client, server] = links[at] ?? [0, 0]
        const { firstSample: from, balances, capacity } = channel
        const until = from + balances.length - 1
        const row = channelRow.get(channel.number) ?? 0
        return {
          row,
          client,
          server,
          capacity,
          width: widthOf(channel),
          lane: laneOf(client, server, from, until),
          from,
          until,
          changes: changesOf(balances, from, stride)
        }
      })
    }
  }
}

/** One link per pair of nodes, for any number of channels: renewals must not draw them together. */
function distinct(
  links: ReadonlyArray<readonly [number, number]>
): Array<readonly [number, number]> {
  return [...new Map(links.map((link) => [[...link].sort((a, b) => a - b).join(), link])).values()]
}

/** Five widths on a logarithmic scale; the middle one when all capacities are equal. */
function widths(channels: readonly ChannelResult[]): (channel: ChannelResult) => number {
  const log = (capacity: number): number => Math.log(Math.max(1, capacity))
  const low = channels.reduce((least, { capacity }) => Math.min(least, log(capacity)), Infinity)
  const high = channels.reduce((most, { capacity }) => Math.max(most, log(capacity)), 0)
  return ({ capacity }) =>
    high - low < 0.01 ? 2 : Math.round((4 * (log(capacity) - low)) / (high - low))
}

/**
 * Gives each channel, in the order of their beginnings, the first lane between its two nodes that
 * is free again.
 */
function lanes(): (client: number, server: number, from: number, until: number) => number {
  const busy = new Map<string, number[]>()
  return (client, server, from, until) => {
    const pair = client < server ? `${client} ${server}` : `${server} ${client}`
    const ends = busy.get(pair) ?? []
    const free = ends.findIndex((end) => end < from)
    const at = free === -1 ? ends.length : free
    ends[at] = until
    busy.set(pair, ends)
    const side = Math.ceil(at / 2) * (at % 2 === 1 ? 1 : -1)
    // A lane is seen from the client: from the server it is on the opposite side.
    return side === 0 ? 0 : client < server ? side : -side
  }
}

/**
 * The position of a node in the picture. d3-force draws from a generator with a fixed seed, so the
 * same network gives the same picture.
 */
interface Place {
  readonly x: number
  readonly y: number
}

interface Layout {
  readonly width: number
  readonly height: number
  readonly places: readonly Place[]
}

/** The longer side of the picture. */
const SIZE = 1000
const EDGE = 20

/** Cost is about n log n for each tick; 2,000 nodes with 6,000 links take a few seconds. */
function ticksFor(nodes: number): number {
  if (nodes <= 300) return 300
  return nodes <= 1000 ? 160 : 100
}

/**
 * Places `nodes` nodes so that linked ones are near each other. Links name nodes by number.
 *
 *     layOut(2, [[0, 1]]).places   // two places, in a box of width and height
 */
export function layOut(nodes: number, links: ReadonlyArray<readonly [number, number]>): Layout {
  const points: SimulationNodeDatum[] = Array.from({ length: nodes }, () => ({}))
  const ticks = ticksFor(nodes)
  forceSimulation(points)
    .alphaDecay(1 - 0.001 ** (1 / ticks))
    .force('link', forceLink(links.map(([source, target]) => ({ source, target }))).distance(40))
    .force('charge', forceManyBody().strength(-90))
    // Keeps parts that are not connected in the picture; a little wider than high, as screens are.
    .force('x', forceX(0).strength(0.05))
    .force('y', forceY(0).strength(0.08))
    .force('collide', forceCollide(9))
    .stop()
    .tick(ticks)
  return fit(points.map((point) => ({ x: point.x ?? 0, y: point.y ?? 0 })))
}

function fit(places: readonly Place[]): Layout {
  const low = { x: Infinity, y: Infinity }
  const high = { x: -Infinity, y: -Infinity }
  for (const { x, y } of places) {
    low.x = Math.min(low.x, x)
    low.y = Math.min(low.y, y)
    high.x = Math.max(high.x, x)
    high.y = Math.max(high.y, y)
  }
  if (places.length === 0) return { width: SIZE, height: SIZE, places: [] }
  const scale = (SIZE - 2 * EDGE) / Math.max(high.x - low.x, high.y - low.y, 1)
  const round = (value: number): number => Math.round(value * 10) / 10
  return {
    width: round((high.x - low.x) * scale + 2 * EDGE),
    height: round((high.y - low.y) * scale + 2 * EDGE),
    places: places.map(({ x, y }) => ({
      x: round((x - low.x) * scale + EDGE),
      y: round((y - low.y) * scale + EDGE)
    }))
  }
}
