/** Results for tests of what is made of them. */
import type { Results, Summary } from '../../src/sim/results.js'
import type { Scenario } from '../../src/sim/scenario/scenario.js'

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
      feeRates: [],
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
