/** Who has channels with whom: the shapes of a group of channels. */
import type { ChannelGroup } from '../scenario/scenario.js'
import type { Draws } from '../../testing/random.js'

/** Places within the two groups; the first is the client. */
export type Edge = readonly [from: number, to: number]

export interface Sides {
  /** How many nodes the clients' group has, and the servers'. */
  readonly from: number
  readonly to: number
  /** Whether they are one and the same group. */
  readonly isWithin: boolean
}

/**
 * The channels of a group, in an order that does not depend on anything else.
 *
 * @example edgesOf({ shape: 'ring', degree: 1 }, { from: 3, to: 3, isWithin: true }, random) //
 *   0-1, 1-2, 2-0
 */
export function edgesOf(
  { shape, degree }: Pick<ChannelGroup, 'shape' | 'degree'>,
  sides: Sides,
  random: Draws
): Edge[] {
  switch (shape) {
    case 'each':
      return each(sides)
    case 'random':
      return several(sides.from, (from) =>
        distinct(
          degree,
          () => random.below(sides.to),
          (to) => sides.isWithin && to === from
        )
      )
    case 'ring':
      return Array.from({ length: sides.from }, (_, i): Edge => [i, (i + 1) % sides.from])
    case 'scale-free':
      return sides.isWithin ? growing(sides.from, degree, random) : joining(sides, degree, random)
  }
}

function each({ from, to, isWithin }: Sides): Edge[] {
  // Within a group, a pair has one channel.
  return several(from, (client) =>
    Array.from({ length: to }, (_, server) => server).filter(
      (server) => !isWithin || server > client
    )
  )
}

function several(count: number, serversOf: (client: number) => Iterable<number>): Edge[] {
  const edges: Edge[] = []
  for (let client = 0; client < count; client++) {
    for (const server of serversOf(client)) edges.push([client, server])
  }
  return edges
}

/** So many different ones of those that are drawn; the caller makes sure that there are as many. */
function distinct(
  count: number,
  draw: () => number,
  isExcluded: (value: number) => boolean
): Set<number> {
  const found = new Set<number>()
  while (found.size < count) {
    const value = draw()
    if (!isExcluded(value)) found.add(value)
  }
  return found
}

/**
 * Barabási-Albert: the first `degree + 1` nodes have channels with each other, and each newcomer
 * opens `degree` more. Whoever stands in `ends` once for each of its channels is drawn in
 * proportion to them.
 */
function growing(count: number, degree: number, random: Draws): Edge[] {
  const edges: Edge[] = []
  const ends: number[] = []
  const join = (client: number, server: number): void => {
    edges.push([client, server])
    ends.push(client, server)
  }
  for (let client = 1; client <= Math.min(degree, count - 1); client++) {
    for (let server = 0; server < client; server++) join(client, server)
  }
  for (let client = degree + 1; client < count; client++) {
    for (const server of distinct(
      degree,
      () => ends[random.below(ends.length)] ?? 0,
      () => false
    )) {
      join(client, server)
    }
  }
  return edges
}

/**
 * The same between two groups: each server stands in `ends` once from the beginning, so that all
 * can be found.
 */
function joining({ from, to }: Sides, degree: number, random: Draws): Edge[] {
  const ends = Array.from({ length: to }, (_, server) => server)
  return several(from, () => {
    const servers = distinct(
      degree,
      () => ends[random.below(ends.length)] ?? 0,
      () => false
    )
    ends.push(...servers)
    return servers
  })
}
