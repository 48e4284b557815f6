/**
 * The channels of a node, by id and by peer: the cost of a peer's request, and of a payment to it,
 * grows with the number of its own channels, not of all. The two can only be changed together.
 */
import type { Channel } from '../channel/state.js'
import type { ChannelId } from '../types/bytes.js'
import type { ChannelActor } from './channel-actor.js'

const NONE: ReadonlySet<never> = new Set()

/** The parts of an actor by which it is found. */
interface Found {
  readonly id: ChannelId
  readonly state: Channel
}

export class Actors<A extends Found = ChannelActor> implements ReadonlyMap<ChannelId, A> {
  readonly #byId = new Map<ChannelId, A>()
  readonly #byPeer = new Map<string, Set<A>>()

  /** Adds a channel; one with the same id makes room for it. */
  add(actor: A): void {
    const before = this.#byId.get(actor.id)
    if (before !== undefined) this.remove(before)
    this.#byId.set(actor.id, actor)
    const { peer } = actor.state
    const known = this.#byPeer.get(peer)
    if (known === undefined) this.#byPeer.set(peer, new Set([actor]))
    else known.add(actor)
  }

  /** Removes a channel, unless another one with the same id has taken its place. */
  remove(actor: A): void {
    if (this.#byId.get(actor.id) !== actor) return
    this.#byId.delete(actor.id)
    const { peer } = actor.state
    const known = this.#byPeer.get(peer)
    known?.delete(actor)
    if (known?.size === 0) this.#byPeer.delete(peer)
  }

  /** The channels with a peer. */
  of(peer: string): ReadonlySet<A> {
    return this.#byPeer.get(peer) ?? NONE
  }

  /**
   * The channels that a payment to `to` concerns: the one with that id, else those of that peer.
   */
  to(to: string): Iterable<A> {
    const named = this.#byId.get(to as ChannelId)
    return named === undefined ? this.of(to) : [named]
  }

  /** The states of the channels with a peer. */
  channelsOf(peer: string): Channel[] {
    return [...this.of(peer)].map(({ state }) => state)
  }

  get size(): number {
    return this.#byId.size
  }

  get(id: ChannelId): A | undefined {
    return this.#byId.get(id)
  }

  has(id: ChannelId): boolean {
    return this.#byId.has(id)
  }

  keys(): MapIterator<ChannelId> {
    return this.#byId.keys()
  }

  values(): MapIterator<A> {
    return this.#byId.values()
  }

  entries(): MapIterator<[ChannelId, A]> {
    return this.#byId.entries()
  }

  [Symbol.iterator](): MapIterator<[ChannelId, A]> {
    return this.#byId[Symbol.iterator]()
  }

  forEach(each: Parameters<ReadonlyMap<ChannelId, A>['forEach']>[0]): void {
    this.#byId.forEach(each)
  }
}
