/** The network as it is drawn: which nodes and channels, where, how wide, and the balances over time. */
import type { Results } from '../results.js'
import { changesOf, strideFor } from './balances.js'
import { layOut } from './layout.js'
import { inOrder } from './order.js'
import type { Picture, PictureChannel } from './page-data.js'

/** What a browser draws fluently, and a person can still look at. Changes of balances in all: some 4 MB of JSON. */
export const LIMITS = { nodes: 2_000, channels: 6_000, changes: 300_000 } as const

export interface Limits { readonly nodes: number, readonly channels: number, readonly changes: number }

/** Rows of the tables, by position in `results`; undefined when a table leaves it out. */
export interface Rows { readonly node: ReadonlyMap<string, number>, readonly channel: ReadonlyMap<number, number> }

export interface Drawn {
  readonly picture: Picture
  /** Between two balances that the picture knows, in samples. */
  readonly stride: number
  readonly nodesInAll: number
  readonly channelsInAll: number
}

type Channel = Results['channels'][number]

/** The largest nodes by their number of channels (names decide between equals), and the channels among them. */
export function draw (results: Results, rows: Rows, limits: Limits = LIMITS): Drawn {
  const there = results.channels.filter(channel => channel.balances.length > 0)
  const degrees = new Map<string, number>()
  for (const { client, server } of there) for (const name of [client, server]) degrees.set(name, (degrees.get(name) ?? 0) + 1)
  const order = new Map(results.nodes.map((node, at) => [node.name, at]))
  const chosen = results.nodes
    .filter(node => rows.node.has(node.name))
    .sort((a, b) => inOrder((degrees.get(b.name) ?? 0) - (degrees.get(a.name) ?? 0), (order.get(a.name) ?? 0) - (order.get(b.name) ?? 0)))
    .slice(0, limits.nodes)
  const position = new Map(chosen.map((node, at) => [node.name, at]))
  const among = there
    .filter(channel => position.has(channel.client) && position.has(channel.server) && rows.channel.has(channel.number))
    .sort((a, b) => inOrder(b.capacity - a.capacity, a.number - b.number))
    .slice(0, limits.channels)
    .sort((a, b) => inOrder(a.firstSample - b.firstSample, a.number - b.number))
  const links = among.map(({ client, server }): [number, number] => [position.get(client) ?? 0, position.get(server) ?? 0])
  const layout = layOut(chosen.length, distinct(links))
  const groups = new Map(results.groups.map((group, at) => [group.name, at]))
  const stride = strideFor(among, limits.changes)
  const widthOf = widths(among)
  const laneOf = lanes()
  return {
    stride,
    nodesInAll: results.nodes.length,
    channelsInAll: there.length,
    picture: {
      width: layout.width,
      height: layout.height,
      nodes: chosen.map((node, at) => ({
        row: rows.node.get(node.name) ?? 0, group: groups.get(node.group) ?? 0, x: layout.places[at]?.x ?? 0, y: layout.places[at]?.y ?? 0, channels: degrees.get(node.name) ?? 0
      })),
      channels: among.map((channel, at): PictureChannel => {
        const [client, server] = links[at] ?? [0, 0]
        const until = channel.firstSample + channel.balances.length - 1
        return {
          row: rows.channel.get(channel.number) ?? 0,
          client,
          server,
          capacity: channel.capacity,
          width: widthOf(channel),
          lane: laneOf(client, server, channel.firstSample, until),
          from: channel.firstSample,
          until,
          changes: changesOf(channel.balances, channel.firstSample, stride)
        }
      })
    }
  }
}

/** One link for two nodes, however many channels they had: renewals must not draw them together. */
function distinct (links: ReadonlyArray<readonly [number, number]>): Array<readonly [number, number]> {
  return [...new Map(links.map(link => [[...link].sort((a, b) => a - b).join(), link])).values()]
}

/** Five widths on a logarithmic scale; the middle one when all capacities are equal. */
function widths (channels: readonly Channel[]): (channel: Channel) => number {
  const log = (capacity: number): number => Math.log(Math.max(1, capacity))
  const low = channels.reduce((least, { capacity }) => Math.min(least, log(capacity)), Infinity)
  const high = channels.reduce((most, { capacity }) => Math.max(most, log(capacity)), 0)
  return ({ capacity }) => high - low < 0.01 ? 2 : Math.round(4 * (log(capacity) - low) / (high - low))
}

/** Gives each channel, in the order of their beginnings, the first lane between its two nodes that is free again. */
function lanes (): (client: number, server: number, from: number, until: number) => number {
  const busy = new Map<string, number[]>()
  return (client, server, from, until) => {
    const pair = client < server ? `${client} ${server}` : `${server} ${client}`
    const ends = busy.get(pair) ?? []
    const free = ends.findIndex(end => end < from)
    const at = free === -1 ? ends.length : free
    ends[at] = until
    busy.set(pair, ends)
    const side = Math.ceil(at / 2) * (at % 2 === 1 ? 1 : -1)
    // A lane is seen from the client: the other way round it is on the other side.
    return side === 0 ? 0 : client < server ? side : -side
  }
}
