/**
 * What of a scenario real nodes cannot have. It is left out, and said so: nothing is invented in
 * its place.
 */
import { SAFE_RELAY_RATE } from '../../bitcoin/relay.js'
import { PaychanError } from '../../types/errors.js'
import type { Plan } from '../plan.js'
import type { Scenario } from '../scenario/scenario.js'

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

/** 1 sat/vB: what a mempool takes at the least. */
const LEAST_RATE = 1_000n
const DEFAULT_BLOCK_VSIZE = 1_000_000

function kindsOf(list: ReadonlyArray<{ readonly kind: string }>): string {
  return [...new Set(list.map(({ kind }) => kind))].join(', ')
}
