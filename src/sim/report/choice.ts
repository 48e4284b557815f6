/** Chooses the part that picture and tables show of a network that is too large. */
import type { ChannelResult, NodeResult, Results } from '../results.js'
import { inOrder } from './format.js'

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
