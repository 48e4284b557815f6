/** Which channels a new tip has something to tell (src/channel/due.ts), of those that the chain can tell anything. */
import type { Channel } from '../channel/state.js'
import type { BlockHeight } from '../types/units.js'
import type { ChannelActor } from './channel-actor.js'
import type { Watches } from './watches.js'

/** Stages that the chain has something to say to. */
export function isWatched (channel: Channel): channel is Extract<Channel, { stage: 'established' | 'refund-signed' }> {
  return channel.stage === 'established' || channel.stage === 'refund-signed'
}

/** Those that are due at a height. While that is not known it may be anybody. */
export function dueAt (actors: Iterable<ChannelActor>, height: BlockHeight | undefined): ChannelActor[] {
  return [...actors].filter((actor) => height === undefined || actor.nextDue(height) <= height)
}

/** The first height, `from` or above, at which any is due, or has to be watched first; Infinity when none is. */
export function firstDue (actors: Iterable<ChannelActor>, watches: Watches, from: BlockHeight): number {
  let first = Infinity
  for (const actor of actors) first = Math.min(first, watches.has(actor) || !isWatched(actor.state) ? actor.nextDue(from) : from)
  return first
}
