/**
 * Ends the stream of a peer that does not answer: what it was sent is then unknown, and comes up
 * again on the next one.
 */
import type { Channel } from '../channel/state.js'
import { isUnsigned } from '../channel/outside-funding.js'
import { isFrozen } from '../channel/state.js'
import type { ChannelActor } from './channel-actor.js'
import type { Clock, Unsubscribe } from './ports.js'

/**
 * What was sent and not answered: our `Reestablish`, `Funding`, `TurnRequest`, or the oldest update
 * by its sequence.
 */
type Awaited = number | 'Reestablish' | 'Funding' | 'TurnGrant'

/** WIRE-12: whoever waits for an answer hangs up in the end. */
export class AckTimers {
  readonly #timers = new Map<
    ChannelActor,
    { readonly awaited: Awaited; readonly cancel: Unsubscribe }
  >()

  constructor(
    private readonly clock: Clock,
    private readonly ms: number,
    private readonly onLate: (actor: ChannelActor) => void
  ) {}

  /** To be called after each step: one timer for what is waited for. */
  observe(actor: ChannelActor): void {
    const awaited = awaitedOf(actor.state)
    const timer = this.#timers.get(actor)
    if (timer?.awaited === awaited) return
    timer?.cancel()
    this.#timers.delete(actor)
    if (awaited === undefined) return
    this.#timers.set(actor, {
      awaited,
      cancel: this.clock.after(this.ms, () => {
        this.onLate(actor)
      })
    })
  }

  stopAll(): void {
    for (const { cancel } of this.#timers.values()) cancel()
    this.#timers.clear()
  }
}

function awaitedOf(channel: Channel): Awaited | undefined {
  if (channel.stage !== 'established') return undefined
  if (channel.link === 'up') return 'Reestablish'
  if (channel.link !== 'live') return undefined
  // No update is acknowledged, and no turn granted, on a channel that only closes: its stream is
  // there for the close.
  if (channel.stopped !== undefined || isFrozen(channel)) return undefined
  if (channel.role === 'client' && !channel.fundingAcknowledged) {
    return isUnsigned(channel) ? undefined : 'Funding'
  }
  return (
    channel.ledger.inFlight[0]?.sequence ??
    (channel.wishes.asked === undefined ? undefined : 'TurnGrant')
  )
}
