/** The plan of a scenario, drawn from its seed. */
import { blockDelta } from '../../types/units.js'
import type { Plan, PlannedNode, PlannedOpening } from '../plan.js'
import type { ChannelGroup, NodeGroup, Scenario } from '../scenario/scenario.js'
import { Draws } from '../../testing/random.js'
import { edgesOf } from './topology.js'
import { paymentsOf } from './traffic.js'

/**
 * Who is there, which channels open, and which payments are asked for. The same scenario and seed
 * give the same plan; payments are drawn as they are asked for.
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
    // The sort is stable: of the same time, those of the earlier group come first.
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
