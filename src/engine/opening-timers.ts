/**
 * OPEN-9: ends an opening that takes too long. An opening that is over holds no timer: there may be
 * many.
 */
import { isOpening } from '../channel/state.js'
import type { ChannelActor } from './channel-actor.js'
import type { Timeouts } from './engine-options.js'
import { openingPatience } from './openings.js'
import type { Clock, Unsubscribe } from './ports.js'

export class OpeningTimers {
  readonly #timers = new Map<ChannelActor, Unsubscribe>()

  constructor(
    private readonly clock: Clock,
    private readonly timeouts: Timeouts
  ) {}

  start(actor: ChannelActor): void {
    this.#timers.set(
      actor,
      this.clock.after(openingPatience(actor.state, this.timeouts), () => {
        this.#timers.delete(actor)
        if (isOpening(actor.state)) actor.post({ type: 'timeout' })
      })
    )
  }

  /** To be called after each step. */
  observe(actor: ChannelActor): void {
    if (isOpening(actor.state)) return
    this.#timers.get(actor)?.()
    this.#timers.delete(actor)
  }
}
