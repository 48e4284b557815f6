/**
 * The events of a simulation, derived from a scenario and its seed before the run: its nodes, the
 * time of each opening, and the time of each payment. Pure: the same scenario gives the same plan.
 * The simulation finds the outcome.
 *
 * An opening is a *place* for channels rather than one channel: with `then: 'reopen'` or `'renew'`
 * others follow the first, and payments go over the present one.
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
  /** In the order of the results; names are unique. */
  readonly nodes: readonly PlannedNode[]
  /** Openings in the order of time. */
  readonly openings: readonly PlannedOpening[]
  /**
   * Payments in the order of time, drawn on request: there may be millions. Each call begins anew.
   */
  readonly payments: () => Iterator<PlannedPayment>
}
