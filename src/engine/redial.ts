/** Brings the streams of established channels back. The client dials: it knows where the server is. */
import { isGivenUp } from '../channel/outside-funding.js'
import type { Channel, Established } from '../channel/state.js'
import { messageOf, PaychanError } from '../types/errors.js'
import type { ChannelActor } from './channel-actor.js'
import { reach } from './reaching.js'
import { LateListener } from './late-listener.js'
import type { Links } from './links.js'
import { withTimeout } from './performing.js'
import type { Clock, Peers, Unsubscribe } from './ports.js'

const FIRST_DELAY_MS = 1_000
const LONGEST_DELAY_MS = 60_000
/** Streams that came live in about as many minutes before the delay is kept. */
const MOST_IN_A_ROW = 10

/** Whether a stream would be of use and there is none on which both sides know where they stand. */
export function lacksLink (channel: Channel): channel is Established {
  return channel.stage === 'established' && channel.role === 'client' && channel.link !== 'live' && channel.onChain.spend === undefined && channel.onChain.shown.length === 0 && !isGivenUp(channel)
}

/** Whether to dial: the money is in the channel, the chain has not settled it, and no stream is coming up. */
function wantsLink (channel: Channel): boolean {
  return lacksLink(channel) && channel.link === 'down'
}

export class Redial {
  readonly #timers = new Map<ChannelActor, Unsubscribe>()
  readonly #dialling = new Map<ChannelActor, Promise<void>>()
  readonly #delays = new Map<ChannelActor, number>()
  /** Those whose stream is of use, and when the newest such streams began, in milliseconds since 1970. */
  readonly #live = new Set<ChannelActor>()
  readonly #cameLive = new Map<ChannelActor, readonly number[]>()
  #stopped = false

  /** `onLive`: a stream is of use from now on. */
  constructor (private readonly peers: Peers, private readonly links: Links, private readonly clock: Clock, private readonly onLive: (actor: ChannelActor) => void) {}

  /**
   * Dials after a while, again and again with doubled delays, as long as a stream is wanted. To be
   * called after each step: a peer that takes our streams only to end them is not dialled faster.
   */
  schedule (actor: ChannelActor): void {
    if (actor.state.stage === 'established' && actor.state.link === 'live') this.#isLive(actor)
    else this.#live.delete(actor)
    if (this.#stopped || this.#timers.has(actor) || this.#dialling.has(actor) || !wantsLink(actor.state)) return
    const delay = this.#delays.get(actor) ?? FIRST_DELAY_MS
    this.#delays.set(actor, Math.min(delay * 2, LONGEST_DELAY_MS))
    this.#timers.set(actor, this.clock.after(delay, () => {
      this.#timers.delete(actor)
      this.dial(actor).catch(() => { this.schedule(actor) })
    }))
  }

  /**
   * The first delay again, unless ten streams have come live within ten minutes:
   * a payee without a view of the chain takes a stream and ends it at the first update, for hours.
   */
  #isLive (actor: ChannelActor): void {
    if (this.#live.has(actor)) return
    this.#live.add(actor)
    this.onLive(actor)
    const now = this.clock.now()
    const recent = [...this.#cameLive.get(actor) ?? [], now].slice(-MOST_IN_A_ROW)
    this.#cameLive.set(actor, recent)
    const [first] = recent
    if (recent.length < MOST_IN_A_ROW || first === undefined || now - first > MOST_IN_A_ROW * LONGEST_DELAY_MS) this.#delays.delete(actor)
  }

  /** Dials now; rejects when the peer cannot be reached. Several calls share one attempt. */
  dial (actor: ChannelActor): Promise<void> {
    const under = this.#dialling.get(actor)
    if (under !== undefined) return under
    const attempt = this.#dial(actor).finally(() => { this.#dialling.delete(actor) })
    this.#dialling.set(actor, attempt)
    return attempt
  }

  /** Dials, and waits so long for a stream on which both know where they stand; resolves with why there is none. */
  async reach (actor: ChannelActor, ms: number): Promise<string | undefined> {
    const late = new PaychanError('ERR_PEER_UNREACHABLE', 'The peer does not answer.')
    const live = actor.waiters.arrival((channel) => channel.stage !== 'established' || channel.link === 'live')
    live.catch(() => {})
    try {
      await withTimeout(this.clock, this.dial(actor).then(() => live), ms, late)
      return undefined
    } catch (error) {
      return messageOf(error)
    }
  }

  async #dial (actor: ChannelActor): Promise<void> {
    if (this.#stopped || !wantsLink(actor.state)) return
    const listener = new LateListener()
    const link = await reach(this.peers, actor.state, listener)
    const attached = this.links.attach(actor, link)
    // Before what has arrived meanwhile, which may be the end of the stream.
    actor.post({ type: 'connected', address: link.address, stream: this.links.numberOf(actor) ?? 0 })
    listener.bind(attached)
  }

  /** A channel that is no more. */
  forget (actor: ChannelActor): void {
    this.#timers.get(actor)?.()
    for (const known of [this.#timers, this.#delays, this.#live, this.#cameLive]) known.delete(actor)
  }

  stopAll (): void {
    this.#stopped = true
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
  }
}
