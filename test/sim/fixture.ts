/** Small scenarios and plans for tests, with everything that a test does not name filled in. */
import type { Plan } from '../../src/sim/plan.js'
import type { PlannedOpening, PlannedPayment } from '../../src/sim/plan/traffic.js'
import type { Results, Summary } from '../../src/sim/results.js'
import type { NodeGroup, Scenario } from '../../src/sim/scenario/scenario.js'
import { blockDelta, feeRate, satoshi } from '../../src/types/units.js'

export const DAY = 86_400
export const HOUR = 3_600

export function group(name: string, changes: Partial<NodeGroup> = {}): NodeGroup {
  return {
    name,
    count: 1,
    coins: satoshi(2_000_000n),
    policy: { minFirstPayment: satoshi(0n) },
    ...changes
  }
}

/** Two nodes and a quiet chain, for a day. */
export function scenarioOf(changes: Partial<Scenario> = {}): Scenario {
  return {
    name: 'test',
    description: '',
    seed: 1,
    duration: DAY,
    nodes: [group('alice'), group('bob', { coins: satoshi(0n) })],
    channels: [],
    traffic: [],
    chain: {
      interval: { kind: 'constant', value: 600 },
      blockVsize: 1_000_000,
      fees: { kind: 'constant', rate: feeRate(2_000n) },
      relay: feeRate(1_000n),
      reorgs: undefined
    },
    network: { latency: { kind: 'constant', value: 50 }, loss: 0, partitions: [] },
    faults: [],
    servers: [],
    adversaries: [],
    sample: HOUR,
    model: false,
    ...changes
  }
}

export function openingOf(changes: Partial<PlannedOpening> = {}): PlannedOpening {
  return {
    time: 60,
    client: 'alice',
    server: 'bob',
    capacity: satoshi(500_000n),
    blocks: blockDelta(100),
    step: undefined,
    then: 'nothing',
    ...changes
  }
}

/** Payments of one size, one after another. */
export function every(
  seconds: number,
  amount: bigint,
  until: number,
  changes: Partial<PlannedPayment> = {},
  from = 2 * HOUR
): PlannedPayment[] {
  return Array.from({ length: Math.max(0, Math.floor((until - from) / seconds)) }, (_, n) => ({
    time: from + n * seconds,
    opening: 0,
    direction: 'forth',
    amount: satoshi(amount),
    ...changes
  }))
}

/** One node for each group, unless it says otherwise. */
export function planOf(
  scenario: Scenario,
  openings: readonly PlannedOpening[],
  payments: readonly PlannedPayment[]
): Plan {
  const nodes = scenario.nodes.flatMap(({ name, count }) =>
    count === 1
      ? [{ name, group: name }]
      : Array.from({ length: count }, (_, n) => ({ name: `${name}-${n + 1}`, group: name }))
  )
  const inOrder = [...payments].sort((a, b) => a.time - b.time)
  return { nodes, openings, payments: () => inOrder.values() }
}

/* Results for tests of what is made of them. */

const none: Summary = { count: 0, mean: 0, p50: 0, p90: 0, p99: 0, max: 0 }

/** Those of a simulation in which nothing happened. */
export function emptyResults({
  name,
  description,
  seed,
  duration,
  model
}: Pick<Scenario, 'name' | 'description' | 'seed' | 'duration' | 'model'>): Results {
  return {
    format: 'paychan-simulation',
    version: 1,
    scenario: { name, description, seed, days: duration / 86_400, nodes: 2, channels: 1, model },
    complete: true,
    simulated: duration,
    events: 10,
    payments: {
      asked: 0,
      off: 0,
      made: 0,
      unknown: 0,
      failed: {},
      volume: 0,
      latency: none,
      throughput: 0
    },
    chain: {
      blocks: 0,
      reorgs: 0,
      transactions: { funding: 0, close: 0, settlement: 0, refund: 0, sweep: 0, other: 0 },
      fees: 0,
      feesPerPayment: 0
    },
    capital: { locked: 0, idle: 0, lifetime: none, turns: 0 },
    groups: [],
    nodes: [],
    channels: [],
    losses: [],
    attacks: [],
    risk: [],
    races: [],
    series: {
      times: [],
      heights: [],
      nextSatPerVByte: [],
      made: [],
      failed: [],
      volume: [],
      locked: [],
      openChannels: [],
      nodesUp: [],
      fees: [],
      riskMax: [],
      riskMean: []
    },
    broken: []
  }
}
