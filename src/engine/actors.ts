/**
 * The channels of a node, by id and by peer: what a peer asks for costs as much as it has channels,
 * not as all have.
 */
import type { ChannelId } from '../types/bytes.js'
import type { ChannelActor } from './channel-actor.js'

const NONE: ReadonlySet<ChannelActor> = new Set()

export class Actors extends Map<ChannelId, ChannelActor> {
  readonly #byPeer = new Map<string, Set<ChannelActor>>()

  add(actor: ChannelActor): void {
    super.set(actor.id, actor)
    const { peer } = actor.state
    const known = this.#byPeer.get(peer)
    if (known === undefined) this.#byPeer.set(peer, new Set([actor]))
    else known.add(actor)
  }

  remove(actor: ChannelActor): void {
    super.delete(actor.id)
    const { peer } = actor.state
    const known = this.#byPeer.get(peer)
    known?.delete(actor)
    if (known?.size === 0) this.#byPeer.delete(peer)
  }

  /** Those with a peer. */
  of(peer: string): ReadonlySet<ChannelActor> {
    return this.#byPeer.get(peer) ?? NONE
  }
}
