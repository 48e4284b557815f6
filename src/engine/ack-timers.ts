/** Ends the stream of a peer that does not acknowledge: what it was sent is then unknown, and comes up again. */
import type { ChannelActor } from './channel-actor.js'
import type { Clock, Unsubscribe } from './ports.js'

export class AckTimers {
  readonly #timers = new Map<ChannelActor, { readonly sequence: number, readonly cancel: Unsubscribe }>()

  constructor (private readonly clock: Clock, private readonly ms: number, private readonly onLate: (actor: ChannelActor) => void) {}

  /** To be called after each step: one timer for the oldest update that is in flight. */
  observe (actor: ChannelActor): void {
    const { state } = actor
    const oldest = state.stage === 'established' && state.link === 'live' ? state.ledger.inFlight[0]?.sequence : undefined
    const timer = this.#timers.get(actor)
    if (timer?.sequence === oldest) return
    timer?.cancel()
    this.#timers.delete(actor)
    if (oldest === undefined) return
    this.#timers.set(actor, { sequence: oldest, cancel: this.clock.after(this.ms, () => { this.onLate(actor) }) })
  }

  stop (): void {
    for (const { cancel } of this.#timers.values()) cancel()
    this.#timers.clear()
  }
}
