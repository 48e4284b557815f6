/**
 * OPEN-11: channels that peers have asked for and not funded. A PeerId costs nothing, so there is a
 * bound on them in all, beside those for each peer; at the bound the oldest that may go makes room.
 */
import type { Policy } from '../channel/policy.js'
import { isVacant, turnToGo, type Vacant } from '../channel/unfunded.js'
import { must } from '../channel/violation.js'
import type { Actors } from './actors.js'
import type { ChannelActor } from './channel-actor.js'

export interface StrangersHost {
  readonly actors: Actors
  readonly policy: Pick<Policy, 'maxPendingInAll' | 'maxUnfundedInAll'>
  readonly now: () => number
}

interface Candidate {
  readonly actor: ChannelActor
  readonly state: Vacant
}

export class Strangers {
  readonly #vacant = new Set<ChannelActor>()
  /** Those that were told to go, and have not yet. */
  readonly #leaving = new Set<ChannelActor>()

  constructor(private readonly host: StrangersHost) {}

  /** To be called for every channel when it begins and after each of its steps. */
  observe(actor: ChannelActor): void {
    this.#leaving.delete(actor)
    if (isVacant(actor.state)) this.#vacant.add(actor)
    else this.#vacant.delete(actor)
  }

  /**
   * Makes room for an offer, which nothing else speaks against.
   *
   * @param drawing - offers that are taken and not among the channels yet
   * @throws Violation `ERR_TOO_MANY_OPENINGS` when nobody may go
   */
  admit(drawing: number): void {
    const { maxPendingInAll, maxUnfundedInAll } = this.host.policy
    const staying = [...this.#vacant]
      .filter((actor) => !this.#leaving.has(actor))
      .flatMap((actor): Candidate[] =>
        isVacant(actor.state) ? [{ actor, state: actor.state }] : []
      )
    const pending = staying.filter(({ state }) => state.stage === 'accepted')
    const unfunded = staying.filter(({ state }) => state.stage !== 'accepted')
    const going = [
      ...this.#firstOut(pending, pending.length + drawing - maxPendingInAll + 1),
      ...this.#firstOut(unfunded, unfunded.length - maxUnfundedInAll + 1)
    ]
    for (const actor of going) {
      this.#leaving.add(actor)
      actor.post({ type: 'make-room' })
    }
  }

  /**
   * So many of those that may go: strangers before customers, without T1 before those with it, the
   * oldest first.
   */
  #firstOut(candidates: readonly Candidate[], count: number): ChannelActor[] {
    if (count <= 0) return []
    const now = this.host.now()
    const ranked = candidates.flatMap(({ actor, state }) => {
      const turn = turnToGo(state, now)
      return turn === undefined
        ? []
        : [{ actor, rank: turn + (this.#isCustomer(state.peer) ? 2 : 0), openedAt: state.openedAt }]
    })
    must(
      ranked.length >= count,
      'OPEN-11',
      'ERR_TOO_MANY_OPENINGS',
      'This node has as many channels that wait for their funding as it takes; try again in a few minutes.',
      { waiting: candidates.length }
    )
    ranked.sort((a, b) => (a.rank === b.rank ? a.openedAt - b.openedAt : a.rank - b.rank))
    return ranked.slice(0, count).map(({ actor }) => actor)
  }

  /** A peer whose money is in a channel with us. */
  #isCustomer(peer: string): boolean {
    return [...this.host.actors.of(peer)].some(
      ({ state }) =>
        state.role === 'server' &&
        state.stage === 'established' &&
        state.onChain.fundingHeight !== undefined &&
        state.onChain.spend?.height === undefined
    )
  }
}
