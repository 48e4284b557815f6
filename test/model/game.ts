/**
 * What the explorer and the judge ask of a story: one channel here; two that are joined in pair.ts.
 */
import type { Role } from '../../src/bitcoin/keys.js'
import { newestHeld } from '../../src/channel/publishable.js'
import { nextDue } from '../../src/channel/due.js'
import { lockOf } from '../../src/channel/schedule.js'
import { Machine } from './machine.js'
import { Moves } from './moves.js'
import { Rules, type Violation } from './rules.js'
import type { Story } from './stories.js'
import { copyOf, keyOf, NONE, ROLES, type World } from './world.js'

/**
 * How a story ends when nobody says a word any more. Greedy: the adversary has a state that costs
 * its victim money put into the first block that may have it.
 */
export type Ending = 'silent' | 'greedy'

export interface Game<W> {
  readonly story: Story
  readonly machines: readonly Machine[]
  /** The world with the bounds of a story, after its prologue. */
  begin(left: World['left']): W
  list(w: W): string[]
  /** The world after a move; `before` stays as it is. */
  apply(before: W, move: string): W
  key(w: W): string
  describe(w: W): string
  /** What is wrong already. */
  now(w: W): Violation | undefined
  /** Nobody says a word any more, and whoever is honest is awake. */
  hushed(w: W): W
  /** Everything is in a block, for good. */
  isPaid(w: W): boolean
  /** Longer than anything may take (`EXIT_BLOCKS`). */
  isLate(w: W): boolean
  unpaid(w: W): Violation | undefined
  /**
   * Whether something that no block takes is in the way in the mempools: to get past it takes days.
   */
  isPinned(w: W): boolean
  /** The next block that brings anything. */
  next(w: W, ending: Ending): { readonly world: W; readonly told: readonly string[] }
}

/**
 * Blocks from L on within which the money of an honest side is in a block. Where nothing older can
 * come, T2 waits for a day for a newer state, and then bids up to a quarter of the share, twice as
 * much with each further day, as a server does that fetches what nothing presses (STAKE-3): two
 * weeks cover whatever fee a channel of this size can be pinned with.
 */
export const EXIT_BLOCKS = 14 * 144

/** What makes no difference once nobody says anything. */
export function silence(w: World): void {
  Object.assign(w, {
    left: [],
    dials: 0,
    dears: 0,
    asked: { client: 0, server: 0 },
    told: { client: [], server: [] },
    copy: { client: NONE, server: NONE },
    congested: false
  })
}

/** The last block before the next one that has anything to tell to anybody. */
export function quietUntil(machine: Machine, w: World): number {
  const dues = ROLES.filter((role) => machine.runs(w, role)).map((role) =>
    nextDue(machine.anyChannel(w, role), w.height + 1)
  )
  const locks = w.known
    .map((state) => lockOf(machine.beginning.terms, machine.spends.state(state).turn) + 1)
    .filter((height) => height > w.height)
  return Math.min(...dues, ...locks) - 1
}

export function describeSides(machine: Machine, w: World): string {
  const told = (role: Role): string => {
    if (w.side[role] === NONE) return `${role} by hand`
    const channel = machine.anyChannel(w, role)
    const down = w.up[role] ? '' : ' (down)'
    if (channel.stage !== 'established') return `${role}${down} ${channel.stage}`
    const { ledger, publication, stopped } = channel
    const bid =
      publication === undefined ? '' : `, bids ${publication.fee} sat for ${publication.state}`
    return `${role}${down} turn ${ledger.turn}, holds ${newestHeld(channel)?.state ?? 'nothing'}, in flight ${ledger.inFlight.length}${channel.closes.length === 0 ? '' : ', frozen'}${bid}${stopped === undefined ? '' : `, stopped ${stopped.code}`}`
  }
  const nameOf = (number: number): string =>
    number === NONE
      ? 'none'
      : `${machine.spends.spend(number).kind} turn ${machine.spends.spend(number).turn} fee ${machine.spends.spend(number).fee}`
  return `${ROLES.map(told).join('; ')}; mempool ${nameOf(w.mempool)}; block ${nameOf(w.mined)}; shown ${nameOf(w.lie)}`
}

/** What a block has brought, for who reads a trace. */
export function blockNews(machine: Machine, w: World, threat: number | undefined): string[] {
  if (threat !== undefined) {
    return [
      `block ${w.height}: the adversary has a miner take the state of turn ${machine.spends.spend(threat).turn}`
    ]
  }
  if (w.mined === NONE || w.minedAt !== w.height) return []
  const { kind, turn } = machine.spends.spend(w.mined)
  return [`block ${w.height}: has a ${kind}${turn === undefined ? '' : ` of turn ${turn}`}`]
}

/** A story of one channel. */
export class ChannelGame implements Game<World> {
  readonly machine: Machine
  readonly machines: readonly Machine[]
  readonly #moves: Moves
  readonly #rules: Rules

  constructor(readonly story: Story) {
    this.machine = new Machine(story)
    this.machines = [this.machine]
    this.#moves = new Moves(this.machine)
    this.#rules = new Rules(this.machine)
  }

  begin(left: World['left']): World {
    return this.#moves.begin(left)
  }
  list(w: World): string[] {
    return this.#moves.list(w)
  }
  apply(before: World, move: string): World {
    return this.#moves.apply(before, move)
  }
  key(w: World): string {
    return keyOf(w)
  }
  describe(w: World): string {
    return `height ${w.height}; ${describeSides(this.machine, w)}; server ${w.manner}`
  }
  now(w: World): Violation | undefined {
    return this.#rules.now(w)
  }
  isPaid(w: World): boolean {
    return w.mined !== NONE && this.#moves.isOver(w)
  }
  isLate(w: World): boolean {
    return w.height > this.#last
  }
  unpaid(w: World): Violation | undefined {
    return this.#rules.unpaid(w)
  }
  isPinned(w: World): boolean {
    return this.#rules.isPinned(w)
  }
  get #last(): number {
    return this.machine.beginning.terms.refundHeight + EXIT_BLOCKS
  }

  hushed(from: World): World {
    const w = copyOf(from)
    const { machine } = this
    silence(w)
    machine.quit(w)
    machine.disconnect(w)
    for (const role of ROLES) if (machine.isHonest(role) && !w.up[role]) machine.restart(w, role)
    machine.settle(w)
    return w
  }

  next(from: World, ending: Ending): { world: World; told: string[] } {
    const w = copyOf(from)
    const { machine } = this
    if (w.mempool === NONE && w.mined === NONE && w.fundingHeight !== NONE) {
      w.height = Math.max(w.height, Math.min(quietUntil(machine, w), this.#last - 1))
    }
    const threat = ending === 'greedy' && w.mined === NONE ? this.#rules.threat(w) : undefined
    machine.mine(w, threat)
    return { world: w, told: blockNews(machine, w, threat) }
  }
}
