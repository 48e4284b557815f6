/**
 * The options of an engine, the events that it reports, and the inputs of a channel's transition.
 */
import type { Network } from '../../protocols/paychan/1.0/index.js'
import type { News, Step, Transition } from '../channel/effects.js'
import type { Env } from '../channel/env.js'
import type { Policy } from '../channel/policy.js'
import type { Channel } from '../channel/state.js'
import type { ChannelId, Txid } from '../types/bytes.js'
import type { AlarmEvent } from '../types/errors.js'
import type { FeeRate, Satoshi } from '../types/units.js'
import type { ChannelActor } from './channel-actor.js'
import type { FeeView } from './fee-estimates.js'
import type { PaymentInfo } from './payments.js'
import type { Meter, Ports } from './ports.js'
import type { Registry } from './registry.js'
import type { RequestRecord } from './requests.js'
import type { Links } from './streams.js'
import type { Watches } from './watches.js'

/** The parts and settings that an engine is made of. */
export interface EngineOptions extends Ports {
  readonly network: Network
  readonly policy: Policy
  /** Used until the chain has given its first estimate. */
  readonly initialFeeRate: FeeRate
  readonly timeouts?: Partial<Timeouts>
  readonly onEvent: (event: EngineEvent) => void
  /** False while nobody listens for each payment; when left out, payments are always reported. */
  readonly isListening?: () => boolean
  /**
   * Called when a channel is in another state: an earlier answer of `nextDue` need not hold any
   * more.
   */
  readonly onChange?: () => void
  /**
   * Turns on reports of risks (`RiskWatch`), which cost milliseconds with every block; true when
   * left out.
   */
  readonly watchesRisk?: boolean
  /** Keeps events with numbers for readers that come back (`EventLog`); false when left out. */
  readonly keepsEvents?: boolean
  /**
   * The fee rates of the chain, shared with other engines; when left out, an engine asks its own
   * chain and remembers.
   */
  readonly fees?: FeeView
  /** Times the acknowledgements of payments; nothing is timed when left out. */
  readonly meter?: Pick<Meter, 'now' | 'acknowledged'> | undefined
}

/** Limits in milliseconds. Every wait for another party ends. */
export interface Timeouts {
  /** OPEN-9: time from the offer until T1 leaves. */
  readonly opening: number
  /**
   * OPEN-9: time that a person has to pay for T1 with another wallet. A server waits this much
   * longer for `RefundRequest`.
   */
  readonly outside: number
  /**
   * Time from an update, `Funding` or `Reestablish` until its answer; then the stream is given up,
   * and a payment is unknown.
   */
  readonly ack: number
  /** Time from a close request until its answer. */
  readonly close: number
  /** Time that a payment waits for a peer to be dialled again. */
  readonly reconnect: number
  /** Time that a new tip waits for the fees of its height. */
  readonly fees: number
}

export const DEFAULT_TIMEOUTS: Timeouts = {
  opening: 60_000,
  outside: 600_000,
  ack: 30_000,
  close: 60_000,
  reconnect: 5_000,
  fees: 5_000
}

/* The events that the engine reports to the node, and through it to people and programs. */

export type EngineEvent =
  | {
      readonly type: 'channel'
      readonly channel: ChannelId
      readonly news: News
      readonly step: Step | undefined
      readonly txid: Txid | undefined
    }
  | { readonly type: 'payment'; readonly payment: PaymentInfo }
  /** Something was received for a request of this node. */
  | { readonly type: 'request'; readonly request: RequestRecord }
  | {
      readonly type: 'risk'
      readonly channel: ChannelId
      readonly risk: number
      readonly stake: Satoshi
      readonly isHigh: boolean
    }
  | (AlarmEvent & { readonly channel: ChannelId | undefined })

/**
 * The things that the parts of an engine share: the ports and the settings, the channels and their
 * streams.
 */
export interface EngineContext extends Ports {
  readonly network: Network
  readonly policy: Policy
  readonly timeouts: Timeouts
  readonly actors: Actors
  readonly registry: Registry
  readonly links: Links
  readonly watches: Watches
  /** True while somebody listens for each payment. */
  readonly isListening: () => boolean
  /** The inputs that a transition of a channel may use now. */
  readonly env: (channel: Pick<Channel, 'role' | 'keys'> & { readonly id?: ChannelId }) => Env
  /**
   * Starts a channel with its first transition, and ends its opening when it takes too long
   * (OPEN-9).
   */
  readonly begin: (first: Transition) => ChannelActor
  readonly emit: (event: EngineEvent) => void
  readonly alarm: (error: unknown, channel?: ChannelId) => void
}

/** The inputs that a transition of any channel may use, from the ports. */
interface EnvParts extends Pick<EngineOptions, 'clock' | 'policy' | 'signer'> {
  readonly fees: Pick<FeeView, 'current'>
  readonly registry: Registry
}

/**
 * The inputs that a transition of one channel may use.
 *
 * @param seen - what is known of the chain, and whether the script of the channel is watched
 */
export function envOf(
  { clock, policy, signer, fees, registry }: EnvParts,
  { height, isWatched, seenSince }: Pick<Env, 'height' | 'isWatched' | 'seenSince'>,
  { role, keys }: Pick<Channel, 'role' | 'keys'>
): Env {
  const { feeRate, nextBlockRate, relay, feeHistory } = fees.current
  return {
    policy,
    height,
    isWatched,
    seenSince,
    feeRate,
    nextBlockRate,
    relay,
    feeHistory,
    now: clock.now(),
    sign: (digest) => signer.sign({ role, ...keys, use: 'channel' }, digest),
    verify: signer.verify,
    isPublicKey: signer.isPublicKey,
    isKnownKey: registry.isKnownKey,
    isKnownOutPoint: registry.isKnownOutPoint
  }
}

/*
 * The channels of a node, by id and by peer: the cost of a peer's request, and of a payment to it,
 * grows with the number of its own channels, not of all. The two can only be changed together.
 */

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
