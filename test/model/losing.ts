/**
 * A side that has lost its disk: it goes back to an old copy, or has its seed and takes what the
 * peer names (RESTORE-4 to RESTORE-6).
 */
import type { ChannelRecord } from '../../protocols/paychan/1.0/index.js'
import { otherRole, type Role } from '../../src/bitcoin/keys.js'
import { adoptRecord, recordOf } from '../../src/channel/restoring.js'
import type { Established } from '../../src/channel/state.js'
import { Violation } from '../../src/channel/violation.js'
import { satoshi } from '../../src/types/units.js'
import { envOf } from './adapter.js'
import type { Machine } from './machine.js'
import { NONE, type World } from './world.js'

/** What a peer names when it keeps nothing to itself. */
const ALL = 'all'

export class Losing {
  readonly #machine: Machine

  constructor(machine: Machine) {
    this.#machine = machine
  }

  /** The process starts again on an old copy of its disk. */
  goBack(w: World, role: Role): void {
    this.#begin(w, role, w.copy[role])
  }

  /** From the seed alone: the channel as the peer hands it back. */
  handBack(w: World, role: Role, name = ALL): void {
    const channel = this.#adopted(w, role, name)
    if (channel === undefined) throw new Error(`the peer cannot name ${name}`)
    this.#begin(w, role, this.#machine.sides.numberOf({ channel, log: [] }))
  }

  /** What the peer names of a channel that is not on the disk to which a side has gone back. */
  takeBack(w: World, role: Role): void {
    const channel = this.#adopted(w, role, ALL)
    if (channel === undefined) throw new Error('the peer does not have the channel')
    w.side[role] = this.#machine.sides.numberOf({ channel, log: [] })
    this.#machine.restart(w, role)
  }

  mayTakeBack(w: World, role: Role): boolean {
    return (
      w.up[role] &&
      w.side[role] === NONE &&
      w.lost[role] !== NONE &&
      this.named(w, role).includes(ALL)
    )
  }

  #begin(w: World, role: Role, state: number): void {
    this.#machine.disconnect(w)
    w.lost[role] = w.side[role]
    w.side[role] = state
    this.#machine.restart(w, role)
  }

  /** The newest states that the peer may name, and prove: an honest one names the true one. */
  named(w: World, role: Role): string[] {
    const peer = otherRole(role)
    if (!this.#machine.runs(w, peer) || this.#machine.open(w, peer) === undefined) return []
    const older = this.#machine.isHonest(peer)
      ? []
      : this.#machine.spends.states
          .filter(({ turn }) => turn !== 'refund')
          .map(({ turn, sequence }) => `${turn}/${sequence}`)
    return [ALL, ...older].filter((name) => this.#adopted(w, role, name) !== undefined)
  }

  #adopted(w: World, role: Role, name: string): Established | undefined {
    const machine = this.#machine
    const peer = otherRole(role)
    const record = recordOf(machine.channel(w, peer), envOf(machine.nodes[peer], w.height, false))
    const said = record && this.#said(record, name)
    if (said === undefined) return undefined
    const known = w.side[role] === NONE ? w.lost[role] : w.side[role]
    const { keys, address, peer: from } = machine.sides.state(known).channel
    const env = {
      ...envOf(machine.nodes[role], w.height, false),
      isKnownKey: () => false,
      isKnownOutPoint: () => false
    }
    try {
      return adoptRecord(said, { role, keys, peer: from, address, network: 'regtest' }, env).state
    } catch (error) {
      if (error instanceof Violation) return undefined
      throw error
    }
  }

  /** The record with one state as the newest; undefined when it names the true one anyway. */
  #said(record: ChannelRecord, name: string): ChannelRecord | undefined {
    if (name === ALL) return record
    const state = this.#machine.spends.states.find(
      ({ turn, sequence }) => name === `${turn}/${sequence}`
    )
    if (state === undefined || state.turn === 'refund') return undefined
    const before = record.states[state.turn]
    if (
      before === undefined ||
      (state.turn === record.states.length - 1 && state.sequence >= before.sequence)
    ) {
      return undefined
    }
    return {
      ...record,
      states: [
        ...record.states.slice(0, state.turn),
        {
          sequence: state.sequence,
          payerBalance: satoshi(state.payerBalance),
          signature: state.signature
        }
      ]
    }
  }
}
