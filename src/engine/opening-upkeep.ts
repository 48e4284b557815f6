/**
 * What goes with every opening, whatever becomes of it: its time, the room that it takes, the close
 * script that it holds.
 */
import type { Policy } from '../channel/policy.js'
import type { ChannelId } from '../types/bytes.js'
import type { Actors } from './actors.js'
import type { ChannelActor } from './channel-actor.js'
import { CloseScripts } from './close-scripts.js'
import type { Timeouts } from './engine-options.js'
import { isGivenUpByServer } from './given-up.js'
import { OpeningTimers } from './opening-timers.js'
import type { Clock, Wallet } from './ports.js'
import type { Redial } from './redial.js'
import type { Registry } from './registry.js'
import { Strangers } from './strangers.js'

export interface UpkeepHost {
  readonly actors: Actors
  readonly policy: Policy
  readonly clock: Clock
  readonly timeouts: Timeouts
  readonly wallet: Wallet
  readonly registry: Registry
  readonly redial: Redial
  readonly keyOf: (actor: ChannelActor) => Uint8Array
  /** A close script of this channel could not be kept. */
  readonly onError: (channel: ChannelId, error: unknown) => void
}

export class OpeningUpkeep {
  readonly strangers: Strangers
  readonly closeScripts: CloseScripts
  readonly timers: OpeningTimers

  constructor(private readonly host: UpkeepHost) {
    const { actors, policy, clock, timeouts, wallet, onError } = host
    this.strangers = new Strangers({ actors, policy, now: () => clock.now() })
    this.closeScripts = new CloseScripts(wallet, onError)
    this.timers = new OpeningTimers(clock, timeouts)
  }

  /** A channel begins, or comes from the store. */
  add(actor: ChannelActor): void {
    this.host.actors.add(actor)
    this.strangers.observe(actor)
    this.closeScripts.hold(actor.state)
  }

  /** To be called after each step. */
  observe(actor: ChannelActor): void {
    this.timers.observe(actor)
    this.closeScripts.observe(actor.state)
    this.strangers.observe(actor)
  }

  /**
   * A server's opening that came to nothing, and whose end is on disk, is let go. Returns whether
   * it was one.
   */
  letGo(actor: ChannelActor): boolean {
    const { state } = actor
    if (!isGivenUpByServer(state)) return false
    this.host.registry.giveUp(state, this.host.keyOf(actor))
    this.host.redial.forget(actor)
    this.host.actors.remove(actor)
    return true
  }
}
