/**
 * How fast a simulation runs: a random network for a month under the shipped congested trace, with
 * real signatures and without, beside what the signatures alone take. Numbers only.
 *
 *     npm run bench:sim [-- --nodes N --days D --json --model]
 */
import { parseArgs } from 'node:util'
import { blockDelta, feeRate, satoshi } from '../src/types/units.js'
import type { Plan } from '../src/sim/plan.js'
import type { PlannedOpening, PlannedPayment } from '../src/sim/plan/traffic.js'
import type { Scenario } from '../src/sim/scenario/scenario.js'
import { ecdsaFloors } from './floors.js'
import { simulate } from '../src/sim/simulate.js'
import { Draws } from '../src/testing/calendar.js'

const DAY = 86_400
/**
 * Channels and payments for each node: 1,000 nodes have 3,000 channels and make 100,000 payments.
 */
const CHANNELS = 3
const PAYMENTS = 100
/** Channels open on the first day, pay from then on, and end within the last two. */
const LEAST_DAYS = 7

export interface SimulationFigures {
  readonly nodes: number
  readonly channels: number
  readonly days: number
  readonly model: boolean
  readonly seconds: number
  readonly cpuSeconds: number
  /**
   * CPU seconds of the floor: a signature and a verification of each payment made, as this machine
   * makes them alone; 0 without real signatures.
   */
  readonly floorSeconds: number
  readonly megabytes: number
  readonly events: number
  readonly eventsPerSecond: number
  readonly payments: { readonly asked: number; readonly made: number; readonly perSecond: number }
  readonly broken: number
}

/** A month in which everybody pays somebody now and then, over one-way and two-way channels. */
export function monthOf(
  nodes: number,
  days: number,
  model: boolean
): { readonly scenario: Scenario; readonly plan: Plan } {
  const draws = new Draws(1, 'bench')
  const name = (n: number): string => `node-${n + 1}`
  const openings = Array.from({ length: CHANNELS * nodes }, (_, n): PlannedOpening => {
    const client = draws.below(nodes)
    return {
      time: draws.unit() * DAY,
      client: name(client),
      server: name((client + 1 + draws.below(nodes - 1)) % nodes),
      capacity: satoshi(500_000n),
      blocks: blockDelta(days * 144 - draws.below(300)),
      step: n % 2 === 0 ? undefined : blockDelta(144),
      then: 'nothing'
    }
  }).sort((a, b) => a.time - b.time)
  const payments = Array.from({ length: PAYMENTS * nodes }, (): PlannedPayment => {
    const opening = draws.below(openings.length)
    const isBack = openings[opening]?.step !== undefined && draws.unit() < 0.02
    return {
      time: 1.5 * DAY + draws.unit() * (days - 5) * DAY,
      opening,
      direction: isBack ? 'back' : 'forth',
      amount: satoshi(BigInt(100 + draws.below(4_000)))
    }
  }).sort((a, b) => a.time - b.time)
  return {
    plan: {
      nodes: Array.from({ length: nodes }, (_, n) => ({ name: name(n), group: 'node' })),
      openings,
      payments: () => payments.values()
    },
    scenario: {
      name: 'bench',
      description: 'a month of a random network',
      seed: 1,
      duration: days * DAY,
      nodes: [
        {
          name: 'node',
          count: nodes,
          coins: satoshi(10_000_000n),
          policy: { minFirstPayment: satoshi(0n), minTurnAmount: satoshi(0n) }
        }
      ],
      channels: [],
      traffic: [],
      chain: {
        interval: { kind: 'exponential', mean: 600 },
        blockVsize: 1_000_000,
        fees: { kind: 'congested', seed: 1 },
        relay: feeRate(1_000n),
        reorgs: undefined
      },
      network: { latency: { kind: 'exponential', mean: 80 }, loss: 0, partitions: [] },
      faults: [],
      servers: [],
      adversaries: [],
      sample: 6 * 3_600,
      model
    }
  }
}

/** Runs it, and says what it took. */
export async function measureSimulation(
  nodes: number,
  days: number,
  model: boolean,
  onProgress: (text: string) => void
): Promise<SimulationFigures> {
  const { scenario, plan } = monthOf(nodes, days, model)
  const { sign, verify } = model ? { sign: 0, verify: 0 } : await ecdsaFloors()
  const [began, cpu] = [performance.now(), process.cpuUsage()]
  const results = await simulate(scenario, plan, {
    onProgress: ({ time, events, left }) => {
      onProgress(
        `day ${(time / DAY).toFixed(1)}, ${events} events, ${left === undefined ? '' : `${Math.round(left)} s left`}`
      )
    }
  })
  const [seconds, used] = [(performance.now() - began) / 1_000, process.cpuUsage(cpu)]
  return {
    nodes,
    channels: plan.openings.length,
    days,
    model,
    seconds: Math.round(seconds * 10) / 10,
    cpuSeconds: Math.round((used.user + used.system) / 1e5) / 10,
    floorSeconds: Math.round((results.payments.made * (sign + verify)) / 1e5) / 10,
    megabytes: Math.round(process.resourceUsage().maxRSS / 1_024),
    events: results.events,
    eventsPerSecond: Math.round(results.events / seconds),
    payments: {
      asked: results.payments.asked,
      made: results.payments.made,
      perSecond: Math.round(results.payments.made / seconds)
    },
    broken: results.broken.length
  }
}

/** Exit codes: 0 measured; 2 asked for something that is not there. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      nodes: { type: 'string' },
      days: { type: 'string' },
      model: { type: 'boolean' },
      json: { type: 'boolean' }
    }
  })
  const [nodes, days] = [Number(values.nodes ?? 1_000), Number(values.days ?? 30)]
  if (!Number.isInteger(nodes) || nodes < 2 || !Number.isInteger(days) || days < LEAST_DAYS) {
    process.stderr.write(
      `--nodes is a whole number from 2 on, --days one from ${LEAST_DAYS} on.\n\nUsage: npm run bench:sim [-- --nodes N] [--days N] [--model] [--json]\n`
    )
    return 2
  }
  const figures = await measureSimulation(nodes, days, values.model === true, (text) => {
    process.stderr.write(`\r${text}          `)
  })
  process.stderr.write('\n')
  const {
    channels,
    payments,
    seconds,
    cpuSeconds,
    floorSeconds,
    megabytes,
    events,
    eventsPerSecond
  } = figures
  const floor = figures.model
    ? ''
    : `, of which the signatures of the payments and their verification need ${floorSeconds} s`
  process.stdout.write(
    values.json === true
      ? `${JSON.stringify(figures)}\n`
      : `${nodes} nodes, ${channels} channels, ${payments.made} of ${payments.asked} payments over ${days} days${figures.model ? ', without real signatures' : ''}: ${seconds} s (${cpuSeconds} s of CPU${floor}), ${megabytes} MB, ${events} events, ${eventsPerSecond} a second\n`
  )
  return 0
}

process.exitCode = await main()
