/** Brings the streams of established channels back. The client dials: it knows where the server is. */
import type { Channel } from '../channel/state.js'
import { PaychanError } from '../types/errors.js'
import type { ChannelActor } from './channel-actor.js'
import { LateListener } from './late-listener.js'
import type { Links } from './links.js'
import type { Clock, Peers, Unsubscribe } from './ports.js'

const FIRST_DELAY_MS = 1_000
const LONGEST_DELAY_MS = 60_000

/** Whether a stream is of any use: the money is in the channel, and the chain has not settled it. */
export function wantsLink (channel: Channel): boolean {
  return channel.stage === 'established' && channel.role === 'client' && channel.link === 'down' && channel.onChain.spend === undefined
}

export class Redial {
  readonly #timers = new Map<ChannelActor, Unsubscribe>()
  readonly #dialling = new Map<ChannelActor, Promise<void>>()
  readonly #delays = new Map<ChannelActor, number>()
  #stopped = false

  constructor (private readonly peers: Peers, private readonly links: Links, private readonly clock: Clock) {}

  /** Dials after a while, again and again with doubled delays, as long as a stream is wanted. */
  schedule (actor: ChannelActor): void {
    if (this.#stopped || this.#timers.has(actor) || this.#dialling.has(actor) || !wantsLink(actor.state)) return
    const delay = this.#delays.get(actor) ?? FIRST_DELAY_MS
    this.#delays.set(actor, Math.min(delay * 2, LONGEST_DELAY_MS))
    this.#timers.set(actor, this.clock.after(delay, () => {
      this.#timers.delete(actor)
      this.dial(actor).catch(() => { this.schedule(actor) })
    }))
  }

  /** Dials now; rejects when the peer cannot be reached. Several calls share one attempt. */
  dial (actor: ChannelActor): Promise<void> {
    const under = this.#dialling.get(actor)
    if (under !== undefined) return under
    const attempt = this.#dial(actor).finally(() => { this.#dialling.delete(actor) })
    this.#dialling.set(actor, attempt)
    return attempt
  }

  async #dial (actor: ChannelActor): Promise<void> {
    if (this.#stopped || !wantsLink(actor.state)) return
    const listener = new LateListener()
    const link = await this.peers.open(actor.state.address, () => listener)
    if (link.peer !== actor.state.peer) {
      link.close()
      throw new PaychanError('ERR_PEER_UNREACHABLE', `${actor.state.address} is now the peer ${link.peer}, not ${actor.state.peer}.`)
    }
    listener.bind(this.links.attach(actor, link))
    this.#delays.delete(actor)
    actor.post({ type: 'connected' })
  }

  stop (): void {
    this.#stopped = true
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
  }
}
