/**
 * What is to happen in a simulation, worked out from a scenario and its seed before anything runs:
 * who is there, which channel opens when, and which payment is asked for when. Pure: the same
 * scenario gives the same plan. How it turns out is for the simulation to say.
 *
 * An opening is a *place* for channels rather than one channel: with `then: 'reopen'` or `'renew'`
 * others follow the first, and payments go over whichever is there.
 */
import type { BlockDelta, Satoshi } from '../types/units.js'
import type { ChannelGroup } from './scenario/scenario.js'

export interface PlannedNode {
  readonly name: string
  readonly group: string
}

export interface PlannedOpening {
  /** Seconds of virtual time. */
  readonly time: number
  /** Names of nodes. */
  readonly client: string
  readonly server: string
  readonly capacity: Satoshi
  /** L minus the height at the opening. */
  readonly blocks: BlockDelta
  /** Undefined: one-way. */
  readonly step: BlockDelta | undefined
  readonly then: ChannelGroup['then']
}

export interface PlannedPayment {
  /** Seconds of virtual time. */
  readonly time: number
  /** Index in `Plan.openings`. */
  readonly opening: number
  /** `forth`: from the opening's client to its server. */
  readonly direction: 'forth' | 'back'
  readonly amount: Satoshi
}

export interface Plan {
  /** Names are unique; in the order in which results list them. */
  readonly nodes: readonly PlannedNode[]
  /** By time. */
  readonly openings: readonly PlannedOpening[]
  /** By time, drawn as they are asked for: there may be millions. Each call begins anew. */
  readonly payments: () => Iterator<PlannedPayment>
}
