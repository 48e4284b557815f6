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
import type { ChannelResult, NodeResult, Results } from '../results.js'
import { inOrder } from './format.js'
import type { Picture, PictureChannel } from './page-data.js'

/*
 * Balances of a channel over time, as changes: most samples of most channels equal the one before.
 */

/**
 * Sample, balance, sample, balance, ... for each sample that differs from the one before. With a
 * `stride` above 1 only the samples that it divides are looked at, and the first and the last.
 *
 *     changesOf([5, 5, 3], 10, 1)   // [10, 5, 12, 3]
 */
export function changesOf(
  balances: readonly number[],
  firstSample: number,
  stride: number
): number[] {
  const changes: number[] = []
  let last: number | undefined
  for (const [at, balance] of balances.entries()) {
    const sample = firstSample + at
    if (balance === last || (sample % stride !== 0 && at !== 0 && at !== balances.length - 1)) {
      continue
    }
    changes.push(sample, balance)
    last = balance
  }
  return changes
}

/**
 * The balance at a sample, which must not be before the first change; 0 when there is no change at
 * all.
 */
export function balanceAt(changes: readonly number[], sample: number): number {
  let low = 0
  let high = changes.length / 2 - 1
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if ((changes[2 * middle] ?? 0) <= sample) low = middle
    else high = middle - 1
  }
  return changes[2 * low + 1] ?? 0
}

/**
 * The last of the samples with the most channels. The picture begins with it, since many
 * simulations end without channels.
 */
export function busiestSample(
  channels: ReadonlyArray<{ readonly balances: readonly number[]; readonly firstSample: number }>,
  samples: number
): number {
  const changes = new Map<number, number>()
  for (const { firstSample, balances } of channels) {
    for (const [sample, by] of [
      [firstSample, 1],
      [firstSample + balances.length, -1]
    ] as const) {
      changes.set(sample, (changes.get(sample) ?? 0) + by)
    }
  }
  let [there, most, busiest] = [0, 0, Math.max(0, samples - 1)]
  for (let sample = 0; sample < samples; sample++) {
    there += changes.get(sample) ?? 0
    if (there > 0 && there >= most) [most, busiest] = [there, sample]
  }
  return busiest
}

/**
 * The smallest power of two as stride with which all channels together have at most `most` changes.
 */
export function strideFor(
  channels: ReadonlyArray<{ readonly balances: readonly number[]; readonly firstSample: number }>,
  most: number
): number {
  for (let stride = 1; ; stride *= 2) {
    const total = channels.reduce(
      (sum, channel) => sum + changesOf(channel.balances, channel.firstSample, stride).length / 2,
      0
    )
    // At the end each channel has only its first and its last balance.
    if (total <= most || stride > 1_000_000) return stride
  }
}

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

/* Chooses the part that picture and tables show of a network that is too large. */

/** Sizes that a browser draws fluently and a person can read. */
interface Limits {
  readonly nodes: number
  readonly channels: number
}

/**
 * The drawn part: nodes with the most channels first, channels in the order of their beginnings.
 */
export interface Choice {
  readonly nodes: readonly NodeResult[]
  readonly channels: readonly ChannelResult[]
  /** Number of nodes chosen for their number of channels; all, when all nodes are drawn. */
  readonly hubs: number
  /** Number of existing channels of every node. */
  readonly degrees: ReadonlyMap<string, number>
  /** Number of existing channels in all. */
  readonly channelsInAll: number
}

/**
 * All when they are few enough. Otherwise one half of the nodes are those with the most channels,
 * the other half those with the largest channels to them: hubs alone would be dots without lines.
 */
export function choose(results: Results, limits: Limits): Choice {
  const there = results.channels.filter((channel) => channel.balances.length > 0)
  const degrees = new Map(results.nodes.map((node) => [node.name, 0]))
  for (const { client, server } of there) {
    for (const name of [client, server]) degrees.set(name, (degrees.get(name) ?? 0) + 1)
  }
  const degree = (name: string): number => degrees.get(name) ?? 0
  const order = new Map(results.nodes.map((node, at) => [node.name, at]))
  const byDegree = results.nodes.toSorted((a, b) =>
    inOrder(degree(b.name) - degree(a.name), (order.get(a.name) ?? 0) - (order.get(b.name) ?? 0))
  )
  const bySize = there.toSorted((a, b) => inOrder(b.capacity - a.capacity, a.number - b.number))
  const hubs =
    byDegree.length <= limits.nodes ? byDegree : byDegree.slice(0, Math.ceil(limits.nodes / 2))
  const chosen = withPartners(hubs, bySize, limits.nodes)
  return {
    nodes: byDegree.filter(({ name }) => chosen.has(name)),
    channels: bySize
      .filter(({ client, server }) => chosen.has(client) && chosen.has(server))
      .slice(0, limits.channels)
      .sort((a, b) => inOrder(a.firstSample - b.firstSample, a.number - b.number)),
    hubs: hubs.length,
    degrees,
    channelsInAll: there.length
  }
}

/** These nodes, and those at the other end of their largest channels, until there are `most`. */
function withPartners(
  nodes: readonly NodeResult[],
  bySize: readonly ChannelResult[],
  most: number
): Set<string> {
  const hubs = new Set(nodes.map(({ name }) => name))
  const chosen = new Set(hubs)
  for (const { client, server } of bySize) {
    if (chosen.size >= most) break
    if (hubs.has(client)) chosen.add(server)
    else if (hubs.has(server)) chosen.add(client)
  }
  return chosen
}

/**
 * `items` in their own order: all when they are at most `most`, otherwise the required ones
 * (`must`), and the largest of the others.
 */
export function largest<T>(
  items: readonly T[],
  most: number,
  must: ReadonlySet<T>,
  weight: (item: T) => number
): T[] {
  if (items.length <= most) return [...items]
  const others = [...items.entries()]
    .filter(([, item]) => !must.has(item))
    .sort(([a, one], [b, other]) => inOrder(weight(other) - weight(one), a - b))
  const chosen = new Set([
    ...must,
    ...others.slice(0, Math.max(0, most - must.size)).map(([, item]) => item)
  ])
  return items.filter((item) => chosen.has(item))
}
