/**
 * Brings the streams of established channels back. The client dials: it knows where the server is.
 * The keep-alive tags of libp2p do less: they bring connections back and no streams, on both sides,
 * and are taken away for good after five dials that failed.
 */
import { isGivenUp } from '../channel/outside-funding.js'
import type { Channel, Established } from '../channel/state.js'
import { codeOf, PaychanError } from '../types/errors.js'
import type { ChannelActor } from './channel-actor.js'
import {
  type Clock,
  inBackground,
  type Link,
  type LinkListener,
  type OnError,
  type Peers,
  type Unsubscribe,
  withTimeout
} from './ports.js'
import { BufferingListener, type Links } from './streams.js'

const FIRST_DELAY_MS = 1_000
const LONGEST_DELAY_MS = 60_000
/**
 * Longest time that callers who want a stream may have to wait for the next dial, in milliseconds;
 * nobody waits before the first one.
 */
const LONGEST_REST_MS = 10_000
/** Number of streams that may come live in about as many minutes before the delay is kept. */
const MOST_IN_A_ROW = 10

/** True when a stream would be of use, and there is none on which both know where they stand. */
export function lacksLink(channel: Channel): channel is Established {
  return (
    channel.stage === 'established' &&
    channel.role === 'client' &&
    channel.link !== 'live' &&
    channel.onChain.spend === undefined &&
    channel.onChain.shown.length === 0 &&
    !isGivenUp(channel)
  )
}

/**
 * True when the peer is to be dialled: the money is in the channel, the chain has not settled it,
 * and no stream is coming up.
 */
function wantsLink(channel: Channel): boolean {
  return lacksLink(channel) && channel.link === 'down'
}

/** A dial that is planned or under way. `isTold`: those who waited for it know that it failed. */
interface Attempt {
  isTold: boolean
}

/**
 * The wait before a dial. `rest`: the part that callers have to wait for as well, in milliseconds;
 * `dialled`: settles with the result of the dial.
 */
interface Pause {
  readonly attempt: Attempt
  readonly dialled: Promise<void>
  readonly dial: () => void
  readonly since: number
  readonly rest: number
  isWanted: boolean
  cancel: Unsubscribe
}

interface RedialUser {
  /** Called when a stream has become of use. */
  readonly onLive: (actor: ChannelActor) => void
  readonly onError: OnError
}

export class Redial {
  readonly #pauses = new Map<ChannelActor, Pause>()
  readonly #dialling = new Map<
    ChannelActor,
    { readonly attempt: Attempt; readonly done: Promise<void> }
  >()
  readonly #delays = new Map<ChannelActor, number>()
  /**
   * Channels whose stream is of use, and the times at which the newest such streams began, in
   * milliseconds since 1970.
   */
  readonly #live = new Set<ChannelActor>()
  readonly #cameLive = new Map<ChannelActor, readonly number[]>()
  #stopped = false
  readonly #peers: Peers
  readonly #links: Links
  readonly #clock: Clock
  readonly #user: RedialUser

  constructor(peers: Peers, links: Links, clock: Clock, user: RedialUser) {
    this.#peers = peers
    this.#links = links
    this.#clock = clock
    this.#user = user
  }

  /**
   * Dials after a while, again and again with doubled delays, as long as a stream is wanted. To be
   * called after each step: a peer that takes our streams only to end them is not dialled faster.
   */
  schedule(actor: ChannelActor): void {
    if (actor.state.stage === 'established' && actor.state.link === 'live') this.#isLive(actor)
    else this.#live.delete(actor)
    if (
      this.#stopped ||
      this.#pauses.has(actor) ||
      this.#dialling.has(actor) ||
      !wantsLink(actor.state)
    ) {
      return
    }
    const known = this.#delays.get(actor)
    const delay = known ?? FIRST_DELAY_MS
    this.#delays.set(actor, Math.min(delay * 2, LONGEST_DELAY_MS))
    this.#pause(actor, known === undefined ? 0 : Math.min(delay, LONGEST_REST_MS), delay)
  }

  /** Dials after `delay`; once a caller wants a stream, after `rest`. */
  #pause(actor: ChannelActor, rest: number, delay: number): void {
    let end: (dialled: Promise<void>) => void = () => {}
    const dialled = new Promise<void>((resolve) => {
      end = resolve
    })
    dialled.catch(() => {})
    const dial = (): void => {
      end(this.#dialOnce(actor))
    }
    this.#pauses.set(actor, {
      attempt: { isTold: false },
      dialled,
      dial,
      since: this.#clock.now(),
      rest,
      isWanted: false,
      cancel: this.#clock.after(delay, dial)
    })
  }

  /** A caller wants a stream: settles with the result of the next dial. */
  #wanted(actor: ChannelActor): Promise<void> {
    const pause = this.#pauses.get(actor)
    if (pause === undefined) return this.#dialOnce(actor)
    if (!pause.isWanted) {
      pause.isWanted = true
      // A clock that was set back makes it no longer.
      const left = pause.rest - Math.max(0, this.#clock.now() - pause.since)
      pause.cancel()
      if (left <= 0) pause.dial()
      else pause.cancel = this.#clock.after(left, pause.dial)
    }
    return pause.dialled
  }

  /**
   * Goes back to the first delay, unless ten streams have come live within ten minutes: a payee
   * without a view of the chain takes a stream and ends it at the first update, for hours.
   */
  #isLive(actor: ChannelActor): void {
    if (this.#live.has(actor)) return
    this.#live.add(actor)
    this.#user.onLive(actor)
    const now = this.#clock.now()
    const recent = [...(this.#cameLive.get(actor) ?? []), now].slice(-MOST_IN_A_ROW)
    this.#cameLive.set(actor, recent)
    const [first] = recent
    if (
      recent.length < MOST_IN_A_ROW ||
      first === undefined ||
      now - first > MOST_IN_A_ROW * LONGEST_DELAY_MS
    ) {
      this.#delays.delete(actor)
    }
  }

  /**
   * Dials now; rejects when the peer cannot be reached. Several calls share one attempt, and a
   * failed one is tried again later.
   */
  #dialOnce(actor: ChannelActor): Promise<void> {
    const under = this.#dialling.get(actor)
    if (under !== undefined) return under.done
    const pause = this.#pauses.get(actor)
    pause?.cancel()
    this.#pauses.delete(actor)
    const done = this.#dial(actor).finally(() => {
      this.#dialling.delete(actor)
    })
    this.#dialling.set(actor, { attempt: pause?.attempt ?? { isTold: false }, done })
    inBackground(async () => {
      const [{ status }] = await Promise.allSettled([done])
      if (status === 'rejected') this.schedule(actor)
    }, this.#user.onError)
    return done
  }

  /**
   * Waits at most `ms` for a stream on which both sides know where they stand. Dials for it, but a
   * peer that has just not been reached, or that ends each stream, is left alone for a while,
   * however many callers there are. `tell` gets the reason of a failure, once for each dial.
   */
  async reach(actor: ChannelActor, ms: number, tell: (failure: unknown) => void): Promise<void> {
    const waiting = this.#pauses.get(actor)?.attempt
    const dialled = this.#wanted(actor)
    const attempt = waiting ?? this.#dialling.get(actor)?.attempt
    const late = new PaychanError('ERR_PEER_UNREACHABLE', 'The peer does not answer.')
    const live = actor.waiters.arrival(
      (channel) => channel.stage !== 'established' || channel.link === 'live'
    )
    live.catch(() => {})
    try {
      await withTimeout(
        this.#clock,
        dialled.then(() => live),
        ms,
        late
      )
    } catch (error) {
      if (attempt?.isTold !== true) tell(error)
      if (attempt !== undefined) attempt.isTold = true
    }
  }

  async #dial(actor: ChannelActor): Promise<void> {
    if (this.#stopped || !wantsLink(actor.state)) return
    const listener = new BufferingListener()
    const link = await reach(this.#peers, actor.state, listener)
    const attached = this.#links.attach(actor, link)
    // Before what has arrived meanwhile, which may be the end of the stream.
    actor.post({
      type: 'connected',
      address: link.address,
      stream: this.#links.numberOf(actor) ?? 0
    })
    listener.bind(attached)
  }

  /** Forgets a channel that is no more. */
  forget(actor: ChannelActor): void {
    this.#pauses.get(actor)?.cancel()
    for (const known of [this.#pauses, this.#delays, this.#live, this.#cameLive]) {
      known.delete(actor)
    }
  }

  stopAll(): void {
    this.#stopped = true
    for (const { cancel } of this.#pauses.values()) cancel()
    this.#pauses.clear()
  }
}

/* Opens a stream to the peer of a channel, and to nobody else. */

/** Errors without news from elsewhere: then the error at the old address counts. */
const NO_NEWS: ReadonlySet<string> = new Set(['ERR_PEER_UNKNOWN', 'ERR_PEER_UNREACHABLE'])

/**
 * Opens a stream at the address that worked last, else wherever the host knows the peer to be.
 *
 * @throws PaychanError those of `Peers.open`, and `ERR_PEER_UNREACHABLE` when somebody else answers
 * there
 */
export async function reach(
  peers: Peers,
  { address, peer }: Pick<Channel, 'address' | 'peer'>,
  listener: LinkListener
): Promise<Link> {
  const link = await open(peers, address, peer, listener)
  if (link.peer === peer) return link
  link.close()
  throw new PaychanError(
    'ERR_PEER_UNREACHABLE',
    `${address} is now the peer ${link.peer}, not ${peer}.`
  )
}

async function open(
  peers: Peers,
  address: string,
  peer: string,
  listener: LinkListener
): Promise<Link> {
  try {
    return await peers.open(address, () => listener)
  } catch (error) {
    if (address === peer) throw error
    return await peers
      .open(peer, () => listener)
      .catch((second: unknown) => {
        throw NO_NEWS.has(codeOf(second)) ? error : second
      })
  }
}
