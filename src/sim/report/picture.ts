/**
 * The network as it is drawn: where nodes are, how wide channels are, and the balances over time.
 */
import type { ChannelResult, Results } from '../results.js'
import { changesOf, strideFor } from './balances.js'
import type { Choice } from './choice.js'
import { layOut } from './layout.js'
import type { Picture, PictureChannel } from './page-data.js'

/** Changes of balances in all: some 4 MB of JSON. */
const MOST_CHANGES = 300_000

/** Rows of the tables, in which the picture's nodes and channels are. */
export interface Rows {
  readonly nodes: readonly Results['nodes'][number][]
  readonly channels: readonly ChannelResult[]
}

export interface Drawn {
  readonly picture: Picture
  /** Between two balances that the picture knows, in samples. */
  readonly stride: number
}

/** Draws what was chosen. Groups are colours, by their position in `groups`. */
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

/** One link for two nodes, however many channels they had: renewals must not draw them together. */
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
    // A lane is seen from the client: the other way round it is on the other side.
    return side === 0 ? 0 : client < server ? side : -side
  }
}
