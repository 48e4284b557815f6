/**
 * Runs a scenario with real nodes: over libp2p, on disks, with a devnet. Virtual time is
 * compressed: the plan's events happen in order, and blocks come as in virtual time (drawn from the
 * same stream), each only once everything before is done and every node has seen the one before.
 */
import { SAFE_RELAY_RATE } from '../../bitcoin/relay.js'
import { Draws } from '../../testing/calendar.js'
import { PaychanError } from '../../types/errors.js'
import { isMeant } from '../faults.js'
import type { PaymentOutcome } from '../measure/payments.js'
import type { Plan } from '../plan.js'
import type { PlannedPayment } from '../plan/traffic.js'
import type { Results } from '../results.js'
import type { Fault, Scenario } from '../scenario/scenario.js'
import { Places, type Timed } from './places.js'
import type { RealNode } from './real-node.js'
import { RealPayments, realResults, RealSamples } from './real-results.js'
import { RealWorld } from './real-world.js'
import { DEFAULT_TRANSPORT, type TransportName } from './transport.js'

/*
 * Faults in a run with real nodes, at the same times as in virtual time: drawn from the same
 * streams.
 */

interface TroubleHost {
  readonly agenda: Agenda<Timed>
  readonly world: RealWorld
  readonly places: Places
}

/** Each happens once every earlier request is handled. */
export function arrangeTroubles(
  { seed, chain: { reorgs }, faults }: Scenario,
  host: TroubleHost
): void {
  if (reorgs !== undefined) nextReorg(reorgs, new Draws(seed, 'reorgs'), 0, host)
  faults.forEach((fault, n) => {
    if (fault.kind !== 'crash') return
    for (const node of host.world.nodes) {
      if (isMeant(fault.who, node)) {
        nextCrash(fault, node, new Draws(seed, `fault ${n} ${node.name}`), 0, host)
      }
    }
  })
}

function nextReorg(
  reorgs: NonNullable<Scenario['chain']['reorgs']>,
  draws: Draws,
  now: number,
  host: TroubleHost
): void {
  const time = now + Math.max(1, draws.of(reorgs.every))
  const { agenda, world, places } = host
  agenda.add({
    time,
    happen: async () => {
      await places.idle()
      await world.reorg(Math.max(1, Math.round(draws.of(reorgs.depth))))
      places.follow(time)
      nextReorg(reorgs, draws, time, host)
    }
  })
}

/** Alternates between running and stopped periods. */
function nextCrash(
  fault: Extract<Fault, { kind: 'crash' }>,
  node: RealNode,
  draws: Draws,
  now: number,
  host: TroubleHost
): void {
  const time = now + draws.of(fault.every)
  const { agenda, world, places } = host
  agenda.add({
    time,
    happen: async () => {
      await places.idle()
      if (node.isUp && !fault.orderly) node.crashes += 1
      await node.stop()
      const back = time + draws.of(fault.down)
      agenda.add({
        time: back,
        happen: async () => {
          await places.idle()
          await world.restart([node])
          places.follow(back)
          nextCrash(fault, node, draws, back, host)
        }
      })
    }
  })
}

/**
 * The pending events, in the order of time. They are few at once: a list that is sorted as it
 * grows.
 */
export class Agenda<T extends { readonly time: number }> {
  readonly #list: T[] = []

  /** Inserts an item; items of the same time stay in order. */
  add(item: T): void {
    const at = this.#list.findIndex(({ time }) => time > item.time)
    this.#list.splice(at === -1 ? this.#list.length : at, 0, item)
  }

  /** The time of the next item; Infinity when none is left. */
  get next(): number {
    return this.#list[0]?.time ?? Infinity
  }

  take(): T | undefined {
    return this.#list.shift()
  }
}

export interface RealOptions {
  /** The transport for the nodes' messages; TCP when left out. */
  readonly transport?: TransportName
  /** Called after each block: seconds of virtual time, and payments made so far. */
  readonly onProgress?: (progress: { readonly time: number; readonly payments: number }) => void
  /** Ends the run early: the result is the state at that time, with `complete: false`. */
  readonly signal?: AbortSignal
  readonly onOutcome?: (outcome: PaymentOutcome) => void
}

export interface RealRun {
  readonly results: Results
  /** The parts of the scenario that real nodes did not have, a sentence each. */
  readonly ignored: readonly string[]
  /** Number of blocks that came although a channel was not done with the one before within 5 s. */
  readonly hurried: number
}

/**
 * @throws PaychanError `ERR_TOO_MANY_NODES`
 * @example
 * const { results, ignored } = await simulateReal(scenario, makePlan(scenario))
 */
export async function simulateReal(
  scenario: Scenario,
  plan: Plan,
  { transport = DEFAULT_TRANSPORT, onProgress, signal, onOutcome = () => {} }: RealOptions = {}
): Promise<RealRun> {
  const ignored = ignoredBy(scenario, plan)
  const world = await RealWorld.start(scenario, plan, transport)
  try {
    const agenda = new Agenda<Timed>()
    const places = new Places(plan.openings, world, (timed) => {
      agenda.add(timed)
    })
    const payments = new RealPayments(places, onOutcome)
    const samples = new RealSamples(world, places, payments.counts)
    const blocks = new Draws(scenario.seed, 'blocks')
    const planned = plan.payments()
    let payment = nextOf(planned)
    let sampleAt = 0
    let now = 0
    let isQuiet = true
    let blockAt = nextBlock(blocks, scenario, 0)
    arrangeTroubles(scenario, { agenda, world, places })
    while (signal?.aborted !== true) {
      const next = Math.min(agenda.next, payment?.time ?? Infinity, blockAt, sampleAt)
      if (next > scenario.duration) break
      now = next
      if (sampleAt === now) {
        await places.idle()
        await samples.take(now)
        sampleAt += scenario.sample
      } else if (agenda.next === now) {
        await agenda.take()?.happen()
        isQuiet = false
      } else if (payment?.time === now) {
        payments.ask(payment)
        payment = nextOf(planned)
        isQuiet = false
      } else {
        await places.idle()
        await world.mine(isQuiet)
        isQuiet = true
        places.follow(now)
        blockAt = nextBlock(blocks, scenario, now)
        onProgress?.({ time: now, payments: payments.counts.made })
      }
    }
    await places.idle()
    // The books of all nodes are read.
    await world.restart(world.nodes)
    await world.settled()
    places.follow(now)
    const complete = signal?.aborted !== true
    return {
      results: await realResults({
        scenario,
        plan,
        world,
        places,
        payments,
        samples,
        complete,
        simulated: complete ? scenario.duration : now
      }),
      ignored,
      hurried: world.hurried
    }
  } finally {
    await world.stop()
  }
}

/** Draws the next block as in virtual time: at least a second after the one before. */
function nextBlock(draws: Draws, { chain }: Scenario, now: number): number {
  return now + Math.max(1, draws.of(chain.interval))
}

function nextOf(payments: Iterator<PlannedPayment>): PlannedPayment | undefined {
  const next = payments.next()
  return next.done === true ? undefined : next.value
}

/**
 * The parts of a scenario that real nodes cannot have. They are left out and reported: nothing
 * replaces them.
 */

/**
 * Each is a whole node with its own libp2p host, store and connection to the chain, all in one
 * process.
 */
export const MOST_REAL_NODES = 50

/**
 * A sentence for each part of the scenario that is ignored.
 *
 * @throws PaychanError `ERR_TOO_MANY_NODES` (facts: nodes, most)
 * @example ignoredBy(loadScenario('hub'), plan) // ['chain.fees: ...', 'network.latency: ...']
 */
export function ignoredBy(scenario: Scenario, { nodes }: Pick<Plan, 'nodes'>): string[] {
  if (nodes.length > MOST_REAL_NODES) {
    throw new PaychanError(
      'ERR_TOO_MANY_NODES',
      `The scenario has ${nodes.length} nodes, and at most ${MOST_REAL_NODES} real ones run at once. Write a smaller count in a copy of it, or leave out 'real'.`,
      { nodes: nodes.length, most: MOST_REAL_NODES }
    )
  }
  const { chain, network, faults, adversaries, model } = scenario
  const others = faults.filter(({ kind }) => kind !== 'crash')
  return [
    ...(chain.fees.kind === 'constant' && chain.fees.rate === LEAST_RATE
      ? []
      : [
          'chain.fees: nothing competes for the blocks, so that transactions pay what the node pays then.'
        ]),
    ...(chain.relay === SAFE_RELAY_RATE ? [] : ['chain.relay: mempools ask for 1 sat/vB.']),
    ...(chain.blockVsize === DEFAULT_BLOCK_VSIZE
      ? []
      : ['chain.blockVsize: blocks are as large as they may be.']),
    'network.latency: messages take as long as they take on this machine.',
    ...(network.loss === 0 ? [] : ['network.loss: no message is lost.']),
    ...(network.partitions.length === 0
      ? []
      : ['network.partitions: everybody can reach everybody.']),
    ...(faults.some((fault) => fault.kind === 'crash' && !fault.orderly)
      ? [
          'faults (crash): a node that crashes stops in order, between two payments, and loses no writes.'
        ]
      : []),
    ...(others.length === 0 ? [] : [`faults (${kindsOf(others)}): none of these happens.`]),
    ...(adversaries.length === 0
      ? []
      : [`adversaries (${kindsOf(adversaries)}): everybody is honest.`]),
    ...(model ? ['model: signatures are real.'] : [])
  ]
}

/** 1 sat/vB: the minimum of a mempool. */
const LEAST_RATE = 1_000n
const DEFAULT_BLOCK_VSIZE = 1_000_000

function kindsOf(list: ReadonlyArray<{ readonly kind: string }>): string {
  return [...new Set(list.map(({ kind }) => kind))].join(', ')
}
