/**
 * Random small worlds with every kind of fault, all drawn from one number: for `npm run test:sim`,
 * and for replaying one of them.
 */
import { SAFE_RELAY_RATE } from '../bitcoin/relay.js'
import { blockDelta, feeRate, satoshi } from '../types/units.js'
import type { Plan } from './plan.js'
import type { PlannedOpening, PlannedPayment } from './plan/traffic.js'
import type {
  Adversary,
  Distribution,
  Fault,
  FeeSource,
  NodeGroup,
  Scenario,
  ServerGroup,
  ServerLie
} from './scenario/scenario.js'
import { Draws } from '../testing/calendar.js'

export interface World {
  readonly scenario: Scenario
  readonly plan: Plan
  readonly payments: readonly PlannedPayment[]
}

const HOUR = 3_600
const DAY = 24 * HOUR
/**
 * Long enough that every channel has ended: a client waits a day for a newer state that is stuck
 * before it publishes T2 (TIME-7).
 */
const AFTER_BLOCKS = 190

/**
 * A shorter one-way channel has less than half of its blocks for payments, and does not renew
 * itself (RENEW-11).
 */
const LEAST_RENEWED = 102

/** The limits for strangers of a mainnet node, which simulations do not set otherwise. */
const ROOM = { maxPendingInAll: 64, maxUnfundedInAll: 64 }

/** The world of a number: the same number gives the same world. */
export function worldOf(seed: number): World {
  const draws = new Draws(seed, 'fuzz')
  const count = 2 + draws.below(3)
  const names = Array.from({ length: count }, (_, n) => `node-${n + 1}`)
  const blocks = 70 + draws.below(120)
  const openings = Array.from({ length: 1 + draws.below(4) }, (): PlannedOpening => {
    const client = draws.below(count)
    const server = (client + 1 + draws.below(count - 1)) % count
    const isTwoWay = draws.unit() < 0.6
    return {
      time: draws.unit() * 6 * HOUR,
      client: names[client] ?? '',
      server: names[server] ?? '',
      capacity: satoshi(BigInt(20_000 + draws.below(400_000))),
      blocks: blockDelta(blocks),
      step: isTwoWay ? blockDelta(1 + draws.below(24)) : undefined,
      then: draws.unit() < 0.2 && blocks >= LEAST_RENEWED ? 'renew' : 'nothing'
    }
  }).sort((a, b) => a.time - b.time)
  const duration = (blocks + AFTER_BLOCKS) * 600
  const payments = Array.from({ length: draws.below(80) }, (): PlannedPayment => {
    const opening = draws.below(openings.length)
    const isBack = openings[opening]?.step !== undefined && draws.unit() < 0.3
    return {
      time: 2 * HOUR + draws.unit() * blocks * 600,
      opening,
      direction: isBack ? 'back' : 'forth',
      amount: satoshi(BigInt(1 + draws.below(draws.unit() < 0.5 ? 1_000 : 40_000)))
    }
  }).sort((a, b) => a.time - b.time)
  if (draws.unit() < 0.2) payments.push(drainOf(draws, openings))
  payments.sort((a, b) => a.time - b.time)
  const scenario: Scenario = {
    name: `fuzz ${seed}`,
    description: 'a random world',
    seed,
    duration,
    nodes: names.map((name): NodeGroup => ({
      name,
      count: 1,
      coins: satoshi(3_000_000n),
      policy: {
        minFirstPayment: satoshi(draws.unit() < 0.5 ? 0n : 1_000n),
        minDepth: 1 + draws.below(2),
        minCapacity: satoshi(10_000n),
        ...ROOM
      }
    })),
    channels: [],
    traffic: [],
    chain: {
      interval:
        draws.unit() < 0.5 ? { kind: 'exponential', mean: 600 } : { kind: 'constant', value: 600 },
      blockVsize: 1_000_000,
      fees: feesOf(draws),
      relay: SAFE_RELAY_RATE,
      reorgs:
        draws.unit() < 0.5
          ? {
              every: { kind: 'exponential', mean: 6 * HOUR },
              depth: { kind: 'uniform', least: 1, most: 1 + draws.below(6) }
            }
          : undefined
    },
    network: {
      latency: { kind: 'uniform', least: 5, most: 5 + draws.below(600) },
      loss: draws.unit() < 0.5 ? 0 : draws.unit() * 0.05,
      partitions:
        draws.unit() < 0.2
          ? [
              {
                between: [names[0] ?? '', names[1] ?? ''],
                during: { from: 5 * HOUR, until: 9 * HOUR }
              }
            ]
          : []
    },
    faults: faultsOf(draws),
    servers: draws.unit() < 0.4 ? [serversOf(draws)] : [],
    adversaries: draws.unit() < 0.5 ? [adversaryOf(draws, names[draws.below(count)] ?? '')] : [],
    sample: HOUR,
    model: draws.unit() < 0.5
  }
  const world = {
    scenario,
    plan: {
      nodes: names.map((name) => ({ name, group: name })),
      openings,
      payments: () => payments.values()
    },
    payments
  }
  if (draws.unit() < 0.1) return leftAlone(world, draws)
  const kind = draws.unit()
  if (kind < 0.15) return besieged(world, draws)
  return kind < 0.22 ? setBack(world, draws) : world
}

/**
 * Blocks before L in which a client renews its channel, and leaves for good before, during or after
 * that.
 */
const RENEWED_BEFORE = 60

/**
 * A world whose server has taken its share along into a channel that renews another, and whose
 * client is gone for good. It runs until long after L, since only the server can bring its share
 * home (STAKE-3).
 */
function leftAlone(world: World, draws: Draws): World {
  const { client, blocks, ...renewed } = renewing(world, draws)
  const { duration } = renewed.scenario
  return crashing(renewed, {
    who: client,
    every: { kind: 'constant', value: goneAt(blocks, draws) },
    down: { kind: 'constant', value: duration },
    losesWrites: 0
  })
}

/** Commits of a node around a renewal: some days of them. */
const MOST_FORGOTTEN = 40

/**
 * A world in which one side of a renewal goes back to an old state of its disk, on which that was
 * not asked for yet, or not signed.
 */
function setBack(world: World, draws: Draws): World {
  const { client, server, blocks, ...renewed } = renewing(world, draws)
  return crashing(renewed, {
    who: draws.unit() < 0.5 ? client : server,
    every: { kind: 'constant', value: goneAt(blocks, draws) },
    down: { kind: 'exponential', mean: HOUR / 2 },
    losesWrites: 1 + draws.below(MOST_FORGOTTEN)
  })
}

function goneAt(blocks: number, draws: Draws): number {
  return (blocks - RENEWED_BEFORE + draws.below(RENEWED_BEFORE)) * 600
}

function crashing(
  { scenario, ...world }: World,
  crash: Omit<Extract<Fault, { kind: 'crash' }>, 'kind' | 'orderly'>
): World {
  const others = scenario.faults.filter(({ kind }) => kind !== 'crash')
  return {
    ...world,
    scenario: { ...scenario, faults: [...others, { kind: 'crash', orderly: false, ...crash }] }
  }
}

/** The world with a channel first that has a share of the server, and renews itself. */
function renewing(
  { scenario, plan, payments }: World,
  draws: Draws
): World & { readonly client: string; readonly server: string; readonly blocks: number } {
  const [client = '', server = ''] = plan.nodes.map(({ name }) => name)
  const blocks = blockDelta(LEAST_RENEWED + draws.below(60))
  // Enough for RENEW-12 to let it renew itself unless blocks are very dear.
  const capacity = satoshi(1_000_000n)
  const openings = plan.openings.map((opening, n): PlannedOpening =>
    n === 0
      ? { ...opening, time: 600, client, server, capacity, blocks, step: undefined, then: 'renew' }
      : opening
  )
  const all = [
    {
      time: 2 * HOUR,
      opening: 0,
      direction: 'forth',
      amount: satoshi(BigInt(100_000 + draws.below(200_000)))
    } satisfies PlannedPayment,
    ...payments
  ].sort((a, b) => a.time - b.time)
  const duration = (2 * blocks + AFTER_BLOCKS) * 600
  return {
    client,
    server,
    blocks,
    payments: all,
    plan: { ...plan, openings, payments: () => all.values() },
    scenario: { ...scenario, duration }
  }
}

/** Blocks of the channel of a world with a dear close, from its opening to L. */
const BESIEGED_BLOCKS = 80
/** Of a one-way channel, as its server's policy says where a scenario does not. */
const SETTLE_MARGIN = 36
/** The balances of both sides are much more than any fee. */
const BESIEGED_CAPACITY = satoshi(1_000_000n)

/**
 * A world whose first channel is one of a side that makes a dear close or a dear state, and whose
 * other side is away, or does not see the chain, until the middle of the last block before its
 * deadline.
 */
function besieged({ scenario, plan, payments }: World, draws: Draws): World {
  const [client = '', server = ''] = plan.nodes.map(({ name }) => name)
  const step = draws.unit() < 0.6 ? blockDelta(6 + draws.below(12)) : undefined
  const isClients = step === undefined || draws.unit() < 0.5
  const blocks = blockDelta(BESIEGED_BLOCKS)
  const [who, victim] = isClients ? [client, server] : [server, client]
  const first: PlannedOpening = {
    time: 60,
    client,
    server,
    capacity: BESIEGED_CAPACITY,
    blocks,
    step,
    then: 'nothing'
  }
  const openings = [first, ...plan.openings.slice(1)]
  const paid = (time: number, direction: 'forth' | 'back', most: number): PlannedPayment => ({
    time: time * HOUR,
    opening: 0,
    direction,
    amount: satoshi(BigInt(Math.round(most * (0.5 + draws.unit() / 2))))
  })
  // A client is the payee of turn 1, whose deadline is the lock of turn 0.
  const large = [paid(2, 'forth', 600_000), ...(isClients ? [] : [paid(4, 'back', 200_000)])]
  const deadline = blocks - (isClients ? 0 : step)
  const all = [...large, ...payments.filter(({ opening }) => opening !== 0)].sort(
    (a, b) => a.time - b.time
  )
  // The opening is offered at the height of the first block.
  const back = (deadline - 1 + draws.unit()) * 600
  const window = draws.unit() < 0.7 ? (step ?? SETTLE_MARGIN) : 0
  const away = back - (window + 1 + draws.below(6)) * 600
  const fault: Fault = {
    who: victim,
    every: { kind: 'constant', value: away },
    down: { kind: 'constant', value: back - away },
    ...(draws.unit() < 0.6
      ? { kind: 'electrum-outage' }
      : { kind: 'crash', orderly: draws.unit() < 0.5, losesWrites: 0 })
  }
  return {
    payments: all,
    plan: { ...plan, openings, payments: () => all.values() },
    scenario: {
      ...scenario,
      chain: {
        ...scenario.chain,
        interval: { kind: 'constant', value: 600 },
        // Each one moves what the victim comes back to by a block.
        reorgs: draws.unit() < 0.5 ? undefined : scenario.chain.reorgs
      },
      faults: [
        ...scenario.faults.filter(({ kind }) => kind === 'clock-skew'),
        ...(draws.unit() < 0.8 ? [fault] : [])
      ],
      adversaries: [
        {
          kind: 'dear-close',
          who,
          spend: draws.unit() < 0.7 ? 'close' : 'state',
          shown: DEAR_SHOWN[draws.below(DEAR_SHOWN.length)] ?? 'mempools',
          left: draws.unit() < 0.7 ? 1 : 1 + draws.below(6)
        }
      ]
    }
  }
}

const DEAR_SHOWN = ['mempools', 'server', 'blinking'] as const

/** A payment of nearly the whole channel: its state leaves the payer less than dust. */
function drainOf(draws: Draws, openings: readonly PlannedOpening[]): PlannedPayment {
  const opening = draws.below(openings.length)
  const capacity = Number(openings[opening]?.capacity ?? 0n)
  return {
    time: 2 * HOUR,
    opening,
    direction: 'forth',
    amount: satoshi(BigInt(capacity - draws.below(600)))
  }
}

function feesOf(draws: Draws): FeeSource {
  if (draws.unit() < 0.4) {
    return { kind: 'constant', rate: feeRate(BigInt(1_000 + draws.below(20_000))) }
  }
  if (draws.unit() < 0.3) return { kind: 'congested', seed: draws.below(1_000) }
  let rate = 1_000 + draws.below(20_000)
  return {
    kind: 'trace',
    points: Array.from({ length: 60 }, (_, n) => {
      rate = Math.round(Math.min(800_000, Math.max(1_000, rate * (0.6 + 0.9 * draws.unit()))))
      return { height: n * 4, rate: feeRate(BigInt(rate)) }
    })
  }
}

function faultsOf(draws: Draws): Fault[] {
  const sometimes = (hours: number): Distribution => ({ kind: 'exponential', mean: hours * HOUR })
  const faults: Fault[] = []
  const isDrawn = (): boolean => draws.unit() < 0.35
  if (isDrawn()) {
    faults.push({
      kind: 'crash',
      who: 'all',
      every: sometimes(8),
      down: sometimes(draws.unit() < 0.8 ? 0.3 : 6),
      orderly: false,
      losesWrites: draws.unit() < 0.2 ? 1 + draws.below(3) : 0
    })
  }
  if (isDrawn()) {
    faults.push({
      kind: 'crash',
      who: 'all',
      every: sometimes(10),
      down: sometimes(1),
      orderly: true,
      losesWrites: 0
    })
  }
  if (isDrawn()) {
    faults.push({ kind: 'disk-full', who: 'all', every: sometimes(16), down: sometimes(1) })
  }
  if (isDrawn()) {
    faults.push({ kind: 'electrum-outage', who: 'all', every: sometimes(10), down: sometimes(1) })
  }
  if (isDrawn()) {
    faults.push({
      kind: 'electrum-hides',
      who: 'all',
      every: sometimes(12),
      down: sometimes(1),
      all: draws.unit() < 0.5
    })
  }
  if (isDrawn()) {
    faults.push({
      kind: 'clock-skew',
      who: 'all',
      seconds: { kind: 'uniform', least: 0, most: 7_200 }
    })
  }
  return faults
}

const LIES: readonly ServerLie[] = [
  'shows',
  'hides',
  'refuses',
  'refuses-fees',
  'swallows',
  'low-fees',
  'high-fees',
  'declines'
]

/**
 * One honest server or two, and up to three that lie; the first shows the adversaries' inventions.
 */
function serversOf(draws: Draws): ServerGroup {
  return {
    who: 'all',
    honest: 1 + draws.below(2),
    lying: [
      'shows',
      ...Array.from({ length: draws.below(3) }, () => LIES[draws.below(LIES.length)] ?? 'shows')
    ]
  }
}

function adversaryOf(draws: Draws, who: string): Adversary {
  switch (draws.below(13)) {
    case 0:
      return { kind: 'refuse-turns', who }
    case 1:
      return { kind: 'refuse-acks', who }
    case 2:
      return { kind: 'silent', who, from: draws.unit() * DAY }
    case 3:
      return { kind: 'flood', who, perSecond: 5 }
    case 4:
      return {
        kind: 'phantom-state',
        who,
        input: draws.unit() < 0.5 ? 'unknown' : 'unconfirmed',
        direct: draws.unit() < 0.5,
        upTo: draws.unit()
      }
    case 5:
      return { kind: 'premature-rival', who }
    case 6:
      return { kind: 'chosen-output', who }
    case 7:
      return { kind: 'bluff', who, upTo: 0.5 + draws.unit() / 2 }
    case 8:
      return { kind: 'fat-state', who }
    case 9:
      return { kind: 'direct-miner', who, upTo: draws.unit() }
    case 10:
      return { kind: draws.unit() < 0.5 ? 'pinning-renewal' : 'draining-renewal', who }
    case 11:
      return { kind: 'free-peers', who, perHour: 2 + draws.below(6) }
    default:
      return { kind: 'publish-old', who, upTo: draws.unit() }
  }
}

/**
 * The removable parts of a world, by name, to reduce a failing world to the cause of its failure.
 */
export function reductionsOf({ scenario, payments }: World): string[] {
  return [
    ...scenario.faults.map((_, n) => `fault-${n}`),
    ...scenario.adversaries.map((_, n) => `adversary-${n}`),
    ...scenario.servers.flatMap(({ lying }) => lying.map((_, n) => `lie-${n}`)),
    ...(scenario.chain.reorgs === undefined ? [] : ['reorgs']),
    ...(scenario.network.loss === 0 ? [] : ['loss']),
    ...(scenario.network.partitions.length === 0 ? [] : ['partitions']),
    ...payments.map((_, n) => `payment-${n}`)
  ]
}

/** The same world without some of its parts. */
export function without({ scenario, plan, payments }: World, taken: ReadonlySet<string>): World {
  const left = payments.filter((_, n) => !taken.has(`payment-${n}`))
  return {
    payments,
    plan: { ...plan, payments: () => left.values() },
    scenario: {
      ...scenario,
      faults: scenario.faults.filter((_, n) => !taken.has(`fault-${n}`)),
      adversaries: scenario.adversaries.filter((_, n) => !taken.has(`adversary-${n}`)),
      servers: scenario.servers.map((group) => ({
        ...group,
        lying: group.lying.filter((_, n) => !taken.has(`lie-${n}`))
      })),
      chain: { ...scenario.chain, reorgs: taken.has('reorgs') ? undefined : scenario.chain.reorgs },
      network: {
        ...scenario.network,
        loss: taken.has('loss') ? 0 : scenario.network.loss,
        partitions: taken.has('partitions') ? [] : scenario.network.partitions
      }
    }
  }
}
