/**
 * Which channels a new tip has something to tell (src/channel/due.ts), of those that the chain can
 * tell anything.
 */
import type { Channel } from '../channel/state.js'
import { fundingScriptOf } from '../channel/terms.js'
import { isVacant } from '../channel/unfunded.js'
import type { BlockHeight } from '../types/units.js'
import type { ChannelActor } from './channel-actor.js'
import type { Redial } from './redial.js'
import type { Watches } from './watches.js'

/** Stages that the chain has something to say to. */
function isWatched(
  channel: Channel
): channel is Extract<Channel, { stage: 'established' | 'refund-signed' }> {
  return channel.stage === 'established' || channel.stage === 'refund-signed'
}

/**
 * The server may refuse to watch more than so many scripts: those of channels that hold no money
 * come last.
 */
export function moneyFirst(actors: Iterable<ChannelActor>): ChannelActor[] {
  const [withMoney, vacant]: [ChannelActor[], ChannelActor[]] = [[], []]
  for (const actor of actors) (isVacant(actor.state) ? vacant : withMoney).push(actor)
  return [...withMoney, ...vacant]
}

export class DueActors {
  /**
   * The answer of `first`: it holds between the two heights, as long as no channel and no watch
   * changes.
   */
  #first:
    | {
        readonly from: number
        readonly at: number
        readonly actors: number
        readonly watches: number
      }
    | undefined

  constructor(
    private readonly actors: ReadonlyMap<unknown, ChannelActor>,
    private readonly watches: Watches
  ) {}

  /** To be called when a channel is in another state. */
  readonly changed = (): void => {
    this.#first = undefined
  }

  /** Those that are due at a height. While that is not known it may be anybody. */
  at(height: BlockHeight | undefined): ChannelActor[] {
    return [...this.actors.values()].filter(
      (actor) => height === undefined || actor.nextDue(height) <= height
    )
  }

  /**
   * With a new tip: those that are due hear of it; a watch that could not be set up is tried again,
   * and so is a peer that nobody dials.
   */
  tell(due: readonly ChannelActor[], redial: Pick<Redial, 'schedule'>): void {
    // Nearly always all are watched: a block sorts none of ten thousand channels for nothing.
    const unwatched: ChannelActor[] = []
    for (const actor of this.actors.values()) {
      if (!this.watches.has(actor) && isWatched(actor.state)) unwatched.push(actor)
      redial.schedule(actor)
    }
    for (const actor of moneyFirst(unwatched)) {
      if (isWatched(actor.state)) this.watches.watch(actor, fundingScriptOf(actor.state.terms))
    }
    for (const actor of due) if (isWatched(actor.state)) actor.post({ type: 'tip' })
  }

  /**
   * The first height, `from` or above, at which any is due, or has to be watched first; Infinity
   * when none is.
   */
  readonly first = (from: BlockHeight): number => {
    const [actors, watches] = [this.actors.size, this.watches.count]
    if (
      this.#first === undefined ||
      from < this.#first.from ||
      from > this.#first.at ||
      this.#first.actors !== actors ||
      this.#first.watches !== watches
    ) {
      this.#first = { from, at: this.#find(from), actors, watches }
    }
    return this.#first.at
  }

  #find(from: BlockHeight): number {
    let first = Infinity
    for (const actor of this.actors.values()) {
      first = Math.min(
        first,
        this.watches.has(actor) || !isWatched(actor.state) ? actor.nextDue(from) : from
      )
    }
    return first
  }
}
