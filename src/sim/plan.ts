/**
 * The events of a simulation, derived from a scenario and its seed before the run: its nodes, the
 * time of each opening, and the time of each payment. Pure: the same scenario gives the same plan.
 * The simulation finds the outcome.
 *
 * An opening is a *place* for channels rather than one channel: with `then: 'reopen'` or `'renew'`
 * others follow the first, and payments go over the present one.
 */
import { Draws } from '../testing/calendar.js'
import { blockDelta } from '../types/units.js'
import { paymentsOf, type PlannedOpening, type PlannedPayment } from './plan/traffic.js'
import type { ChannelGroup, NodeGroup, Scenario } from './scenario/scenario.js'

export interface PlannedNode {
  readonly name: string
  readonly group: string
}

export interface Plan {
  /** In the order of the results; names are unique. */
  readonly nodes: readonly PlannedNode[]
  /** Openings in the order of time. */
  readonly openings: readonly PlannedOpening[]
  /**
   * Payments in the order of time, drawn on request: there may be millions. Each call begins anew.
   */
  readonly payments: () => Iterator<PlannedPayment>
}

/* The plan of a scenario, drawn from its seed. */

/**
 * The nodes, the openings and the payments. The same scenario and seed give the same plan; payments
 * are drawn on request.
 *
 * @example for (const { time, amount } of makePlan(scenario).payments()) { ... }
 */
export function makePlan(scenario: Scenario): Plan {
  const { seed } = scenario
  const members = new Map(scenario.nodes.map((group) => [group.name, namesOf(group)]))
  const nodes = scenario.nodes.flatMap((group) =>
    namesOf(group).map((name): PlannedNode => ({ name, group: group.name }))
  )
  const openings = scenario.channels
    .flatMap((channels, i) => openingsOf(channels, i, members, seed))
    // The sort is stable: at the same time, those of the earlier group come first.
    .sort((a, b) => a.time - b.time)
  const groupOf = new Map(nodes.map(({ name, group }) => [name, group]))
  return { nodes, openings, payments: () => paymentsOf(scenario.traffic, openings, groupOf, seed) }
}

/** `merchant`, or `customer-1`, `customer-2`, ... */
function namesOf({ name, count }: NodeGroup): string[] {
  return count === 1 ? [name] : Array.from({ length: count }, (_, i) => `${name}-${i + 1}`)
}

function openingsOf(
  channels: ChannelGroup,
  index: number,
  members: ReadonlyMap<string, readonly string[]>,
  seed: number
): PlannedOpening[] {
  const from = members.get(channels.from) ?? []
  const to = members.get(channels.to) ?? []
  const when = new Draws(seed, `opens ${index}`)
  const { capacity, then, opens } = channels
  const blocks = blockDelta(channels.blocks)
  const step = channels.step === undefined ? undefined : blockDelta(channels.step)
  return edgesOf(
    channels,
    { from: from.length, to: to.length, isWithin: channels.from === channels.to },
    new Draws(seed, `topology ${index}`)
  ).map(([client, server]) => ({
    time:
      Math.round(when.of({ kind: 'uniform', least: opens.from, most: opens.until }) * 1_000) /
      1_000,
    client: from[client] ?? '',
    server: to[server] ?? '',
    capacity,
    blocks,
    step,
    then
  }))
}

/** The shapes of a group of channels: the pairs of nodes with a channel. */

/** Indexes within the two groups; the first is the client. */
export type Edge = readonly [from: number, to: number]

export interface Sides {
  /** Number of nodes in the clients' group, and in the servers'. */
  readonly from: number
  readonly to: number
  /** True when both are the same group. */
  readonly isWithin: boolean
}

/**
 * The channels of a group, in an order of its own.
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

/** This many different values of those drawn; the caller ensures that enough exist. */
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
 * opens `degree` more. `ends` holds a node once for each of its channels, so that it is drawn in
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
 * The same between two groups: `ends` holds each server once from the beginning, so that each can
 * be drawn.
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
