/**
 * The upkeep of every opening, whatever becomes of it: its time, the room that it takes, the close
 * script that it is given, and the traces that it leaves.
 */
import type { Policy } from '../channel/policy.js'
import { isScriptFree, isOverAt } from '../channel/onchain.js'
import { type Abandoned, type Channel, isOpening } from '../channel/state.js'
import {
  goesForCustomer,
  isUnproven,
  mayMakeRoom,
  turnToGo,
  type Vacant
} from '../channel/funding.js'
import { must } from '../channel/violation.js'
import { type ChannelId, toHex } from '../types/bytes.js'
import type { BlockHeight } from '../types/units.js'
import type { Actors, EngineContext, Timeouts } from './context.js'
import type { ChannelActor } from './channel-actor.js'
import { isGivenUpByServer, isUnasked, keyOf } from './registry.js'
import type { Chain, Clock, Unsubscribe, Wallet } from './ports.js'
import { removalOf } from './stored-channel.js'
import { Bucket } from './streams.js'
import type { Redial } from './redial.js'
import type { Watches } from './watches.js'

/** The parts of the engine that the upkeep of openings needs. */
export class OpeningUpkeep {
  readonly strangers: Strangers
  readonly refunds: RefundShare
  readonly closeScripts: CloseScripts
  readonly ownScripts: OwnScripts
  readonly timers: OpeningTimers
  readonly #context: EngineContext
  readonly #redial: Redial
  readonly #onError: (channel: ChannelId, error: unknown) => void
  /**
   * Our own offers of this process. Those of an earlier one stay when they come to nothing: on an
   * old copy of the data T1 may have left, and the peer is known by them (RESTORE-8).
   */
  readonly #offers = new WeakSet<ChannelActor>()
  /** Channels that are not known to be over yet: their scripts may be paid. */
  readonly #going = new Set<ChannelActor>()

  /** @param onError - called when something of a channel could not be kept, or forgotten */
  constructor(
    context: EngineContext,
    redial: Redial,
    onError: (channel: ChannelId, error: unknown) => void
  ) {
    this.#context = context
    this.#redial = redial
    this.#onError = onError
    const { actors, policy, clock, timeouts, wallet, chain, watches } = context
    this.strangers = new Strangers({ actors, policy, chain, watches, now: () => clock.now() })
    this.refunds = new RefundShare(clock, policy.maxUnfundedInAll, (peer) =>
      isCustomer(actors, peer)
    )
    this.closeScripts = new CloseScripts(wallet, onError)
    this.ownScripts = new OwnScripts(wallet)
    this.timers = new OpeningTimers(clock, timeouts)
  }

  /** Takes up a channel that begins, or comes from the store. */
  add(actor: ChannelActor): void {
    this.#context.actors.add(actor)
    this.strangers.observe(actor)
    this.closeScripts.hold(actor.state)
    this.ownScripts.hold(actor.state)
    if (actor.state.stage !== 'abandoned') this.#going.add(actor)
  }

  /** Limits the time of an opening that begins (OPEN-9). */
  begin(actor: ChannelActor): void {
    this.timers.start(actor)
    // A person who pays from outside comes back, and is told what became of it.
    if (actor.state.stage === 'offered' && actor.state.outside !== true) this.#offers.add(actor)
  }

  /** Called after each step. */
  observe(actor: ChannelActor): void {
    this.timers.observe(actor)
    this.closeScripts.observe(actor.state)
    this.ownScripts.observe(actor.state)
    this.strangers.observe(actor)
    this.refunds.observe(actor)
  }

  /**
   * Called with each tip. Only once a server has told the whole history of its script can a
   * channel be known to have no T1.
   *
   * @param height - undefined while it is not known
   * @throws PaychanError `ERR_STORE_FAILED`
   */
  async onTip(height: BlockHeight | undefined): Promise<void> {
    const { registry, policy, store } = this.#context
    if (height !== undefined) this.#freeScripts(height)
    for (const actor of this.strangers.unproven) {
      if (this.#context.watches.isCurrent(actor)) actor.post({ type: 'let-unproven-go' })
    }
    const forgotten = height === undefined ? [] : registry.forget(height, policy.maxBlocks)
    if (forgotten.length > 0) await store.commit(forgotten)
  }

  /** OPEN-12, OPEN-13: the close scripts of channels that are over by now, and have paid nothing. */
  #freeScripts(height: BlockHeight): void {
    for (const actor of this.#going) {
      const { state } = actor
      if (state.stage !== 'abandoned' && !isOverAt(state, height)) continue
      this.#going.delete(actor)
      if (!isScriptFree(state)) continue
      if (state.role === 'server') this.closeScripts.free(state.id)
      else this.ownScripts.free(state)
    }
  }

  /**
   * Lets go an opening that came to nothing, once its end is on disk: a server's, and one of ours
   * that ended before `RefundRequest` (OPEN-13). Returns true when the channel is gone.
   *
   * @param built - resolves once no T1 is being built for it
   */
  letGo(actor: ChannelActor, built: Promise<void>): boolean {
    const { state } = actor
    if (isGivenUpByServer(state)) this.#remove(actor, state)
    else if (isUnasked(state) && this.#offers.delete(actor)) {
      this.#forget(actor, built).catch((error: unknown) => {
        this.#onError(actor.id, error)
      })
    }
    return this.#context.actors.get(actor.id) !== actor
  }

  /** Its coins are free before its record goes: a record tells the next start to free them. */
  async #forget(actor: ChannelActor, built: Promise<void>): Promise<void> {
    const { wallet, store } = this.#context
    await built
    await wallet.releaseFunding(actor.id)
    if (!isUnasked(actor.state)) return
    await store.commit(removalOf(actor.id))
    if (isUnasked(actor.state)) this.#remove(actor, actor.state)
  }

  #remove(actor: ChannelActor, state: Abandoned): void {
    const { registry, signer, actors } = this.#context
    registry.giveUp(state, keyOf(state, signer))
    this.#redial.forget(actor)
    actors.remove(actor)
  }
}

/**
 * OPEN-9: ends an opening that takes too long. A finished opening holds no timer: there may be
 * many.
 */
class OpeningTimers {
  readonly #timers = new Map<ChannelActor, Unsubscribe>()
  readonly #clock: Clock
  readonly #timeouts: Timeouts

  constructor(clock: Clock, timeouts: Timeouts) {
    this.#clock = clock
    this.#timeouts = timeouts
  }

  start(actor: ChannelActor): void {
    this.#timers.set(
      actor,
      this.#clock.after(openingPatience(actor.state, this.#timeouts), () => {
        this.#timers.delete(actor)
        if (isOpening(actor.state)) actor.post({ type: 'timeout' })
      })
    )
  }

  /** Called after each step. */
  observe(actor: ChannelActor): void {
    if (isOpening(actor.state)) return
    this.#timers.get(actor)?.()
    this.#timers.delete(actor)
  }
}

/*
 * OPEN-11: limits channels that peers have asked for and not funded. A PeerId costs nothing, so
 * there is a bound on them in all, beside that for each peer; at the bound the oldest that may go
 * makes room.
 */

interface StrangersHost {
  readonly actors: Actors
  readonly policy: Pick<Policy, 'maxPendingInAll' | 'maxUnfundedInAll'>
  readonly now: () => number
  readonly chain: Pick<Chain, 'servers'>
  readonly watches: Pick<Watches, 'isCurrent'>
}

interface Candidate {
  readonly actor: ChannelActor
  readonly state: Vacant
  /** Its peer has no funded channel. */
  readonly isStranger: boolean
}

/** OPEN-11: one place in so many is for peers with a funded channel alone. */
const CUSTOMERS_PART = 4

export class Strangers {
  readonly #vacant = new Set<ChannelActor>()
  /** Channels that were handed back, and whose T1 was never in a block. */
  readonly #unproven = new Set<ChannelActor>()
  /** Channels that were told to go, and have not gone yet. */
  readonly #leaving = new Set<ChannelActor>()
  readonly #host: StrangersHost

  constructor(host: StrangersHost) {
    this.#host = host
  }

  /** Called for every channel when it begins and after each of its steps. */
  observe(actor: ChannelActor): void {
    this.#leaving.delete(actor)
    if (mayMakeRoom(actor.state)) this.#vacant.add(actor)
    else this.#vacant.delete(actor)
    if (isUnproven(actor.state)) this.#unproven.add(actor)
    else this.#unproven.delete(actor)
  }

  get unproven(): ReadonlySet<ChannelActor> {
    return this.#unproven
  }

  /** RESTORE-7: true when a record that is handed back has to have its T1 in a block. */
  get wantsProof(): boolean {
    return this.#unproven.size >= this.#host.policy.maxUnfundedInAll
  }

  /**
   * Makes room for an offer that nothing else refuses. A quarter of all places is for peers with a
   * funded channel.
   *
   * @param peer - whose offer it is
   * @param drawing - offers that are taken and not among the channels yet
   * @throws Violation `ERR_TOO_MANY_OPENINGS` when nobody may go
   */
  admit(peer: string, drawing: number): void {
    const { actors, policy } = this.#host
    const staying = [...this.#vacant]
      .filter((actor) => !this.#leaving.has(actor))
      .flatMap((actor): Candidate[] =>
        mayMakeRoom(actor.state)
          ? [{ actor, state: actor.state, isStranger: !isCustomer(actors, actor.state.peer) }]
          : []
      )
    const pending = staying.filter(({ state }) => state.stage === 'accepted')
    const unfunded = staying.filter(({ state }) => state.stage !== 'accepted')
    const forCustomer = isCustomer(actors, peer)
    const going = [
      ...this.#going(pending, policy.maxPendingInAll - drawing, forCustomer),
      ...this.#going(unfunded, policy.maxUnfundedInAll, forCustomer)
    ]
    for (const { actor, isStranger } of going) {
      this.#leaving.add(actor)
      actor.post({
        type: 'make-room',
        forCustomer: forCustomer && isStranger,
        byTwo: this.#isByTwo
      })
    }
  }

  /** True while one server alone may lie about a T1. */
  get #isByTwo(): boolean {
    const { servers = [] } = this.#host.chain
    return servers.filter(({ state }) => state === 'used').length > 1
  }

  /** Picks those that have to go so that there is a place more. */
  #going(candidates: readonly Candidate[], places: number, forCustomer: boolean): Candidate[] {
    const strangers = candidates.filter(({ isStranger }) => isStranger)
    const theirs = forCustomer ? Infinity : places - Math.floor(places / CUSTOMERS_PART)
    const first = this.#firstOut(strangers, strangers.length - theirs + 1, false)
    const others = candidates.filter((candidate) => !first.includes(candidate))
    return [...first, ...this.#firstOut(others, others.length - places + 1, forCustomer)]
  }

  /**
   * The first `count` of the channels that may go: strangers before customers, channels without T1
   * before those with it, the oldest first.
   */
  #firstOut(candidates: readonly Candidate[], count: number, forCustomer: boolean): Candidate[] {
    if (count <= 0) return []
    const now = this.#host.now()
    const ranked = candidates.flatMap((candidate) => {
      const { actor, state, isStranger } = candidate
      const turn = turnToGo(state, now, this.#isByTwo)
      const isWatched = this.#host.watches.isCurrent(actor)
      const isForced =
        turn === undefined &&
        forCustomer &&
        isStranger &&
        goesForCustomer(state, { now, isWatched })
      if (turn === undefined && !isForced) return []
      // One that has not had its time goes before a T1 that waits in a mempool, and after all others.
      const rank = isForced ? 1 : turn === 1 ? 2 : 0
      return [{ candidate, rank: rank + (isStranger ? 0 : 3), openedAt: state.openedAt }]
    })
    must(
      ranked.length >= count,
      'OPEN-11',
      'ERR_TOO_MANY_OPENINGS',
      'This node has as many channels that wait for their funding as it takes; try again in a few minutes.',
      { waiting: candidates.length }
    )
    ranked.sort((a, b) => (a.rank === b.rank ? a.openedAt - b.openedAt : a.rank - b.rank))
    return ranked.slice(0, count).map(({ candidate }) => candidate)
  }
}

/** True for a peer whose money is in a channel with us. */
function isCustomer(actors: Pick<Actors, 'of'>, peer: string): boolean {
  return [...actors.of(peer)].some(
    ({ state }) =>
      state.role === 'server' &&
      state.stage === 'established' &&
      isFunded(state) &&
      state.onChain.spend?.height === undefined
  )
}

function isFunded(channel: Channel): boolean {
  return channel.stage === 'established' && channel.onChain.fundingHeight !== undefined
}

/*
 * OPEN-14: limits the openings that may leave something to be remembered for weeks (KEY-3). What a
 * server forgets by itself, since T2 was not signed, or that comes to a channel, is not counted.
 */

/**
 * Openings at once, over all strangers and for each peer with a funded channel; more where more
 * channels may wait for their funding.
 */
export const REFUNDS = 64
/** Milliseconds until another one is allowed, over all strangers. */
export const STRANGE_REFUND_INTERVAL_MS = 10_000
/** The same for each peer with a funded channel. */
const CUSTOMERS_REFUND_INTERVAL_MS = 600_000

export class RefundShare {
  readonly #strangers: Bucket
  /** Of peers that have begun openings just now. */
  readonly #customers = new Map<string, Bucket>()
  /** What was taken for the openings that are under way. */
  readonly #taken = new Map<ChannelId, Bucket>()
  readonly #clock: Clock
  readonly #atOnce: number
  readonly #isCustomer: (peer: string) => boolean

  constructor(clock: Clock, maxUnfunded: number, isCustomer: (peer: string) => boolean) {
    this.#clock = clock
    this.#atOnce = Math.max(REFUNDS, maxUnfunded)
    this.#isCustomer = isCustomer
    this.#strangers = new Bucket(clock, this.#atOnce, STRANGE_REFUND_INTERVAL_MS)
  }

  /**
   * Takes what one opening may leave. A peer with a funded channel has a share of its own, and then
   * that of strangers.
   *
   * @throws Violation `ERR_TOO_MANY_OPENINGS`
   */
  take(peer: string): Bucket {
    for (const [name, bucket] of this.#customers) if (bucket.isFull) this.#customers.delete(name)
    const own = this.#isCustomer(peer) ? this.#ownOf(peer) : undefined
    if (own?.takeNow() === true) return own
    must(
      this.#strangers.takeNow(),
      'OPEN-14',
      'ERR_TOO_MANY_OPENINGS',
      'This node has had as many openings begun and given up as it takes for now; try again in a few minutes.'
    )
    return this.#strangers
  }

  #ownOf(peer: string): Bucket {
    const own =
      this.#customers.get(peer) ??
      new Bucket(this.#clock, this.#atOnce, CUSTOMERS_REFUND_INTERVAL_MS)
    this.#customers.set(peer, own)
    return own
  }

  /** The opening has begun for which `share` was taken. */
  hold(actor: ChannelActor, share: Bucket): void {
    this.#taken.set(actor.id, share)
    this.observe(actor)
  }

  /** Called after each step. */
  observe({ id, state }: ChannelActor): void {
    const share = this.#taken.get(id)
    const isOver = state.stage === 'abandoned'
    if (share === undefined || !(isOver || isFunded(state))) return
    this.#taken.delete(id)
    if (!isOver || state.outPoint === undefined) share.giveBack()
  }
}

/** Scripts that channels hold: one that has gone to another channel is held by that one. */
class Holders {
  /** By script, in hex. */
  readonly #channels = new Map<string, Set<ChannelId>>()
  readonly #scripts = new Map<ChannelId, Uint8Array>()

  has(script: Uint8Array): boolean {
    return this.#channels.has(toHex(script))
  }

  of(channel: ChannelId): Uint8Array | undefined {
    return this.#scripts.get(channel)
  }

  add(channel: ChannelId, script: Uint8Array): void {
    const text = toHex(script)
    this.#scripts.set(channel, script)
    this.#channels.set(text, (this.#channels.get(text) ?? new Set()).add(channel))
  }

  /** Returns the script when no other channel holds it. */
  remove(channel: ChannelId): Uint8Array | undefined {
    const script = this.#scripts.get(channel)
    if (script === undefined) return undefined
    this.#scripts.delete(channel)
    const text = toHex(script)
    const others = this.#channels.get(text)
    others?.delete(channel)
    if (others !== undefined && others.size > 0) return undefined
    this.#channels.delete(text)
    return script
  }
}

/**
 * The close scripts that a server gives to peers. They come from a separate chain in the wallet,
 * always the lowest that no channel holds (OPEN-12). So offers that come to nothing, however many,
 * move no address of the wallet, and the number of channels at the same time, of those that were
 * paid, and OPEN-11 bound the highest index.
 */
export class CloseScripts {
  readonly #holders = new Holders()
  /** In hex, with their indexes: those that were taken for an offer that is no channel yet. */
  readonly #taken = new Map<string, number>()
  /** No index below is free. */
  #lowest = 0
  readonly #indexes = new Map<string, number>()

  /** Channels whose T1 has not been in a block. */
  readonly #unfunded = new Set<ChannelId>()
  readonly #wallet: Pick<Wallet, 'closeScript' | 'recognise'>
  readonly #onError: (channel: ChannelId, error: unknown) => void

  constructor(
    wallet: Pick<Wallet, 'closeScript' | 'recognise'>,
    onError: (channel: ChannelId, error: unknown) => void
  ) {
    this.#wallet = wallet
    this.#onError = onError
  }

  /** Takes the lowest free script; to be given back when no channel comes of it. */
  take(): Uint8Array {
    for (let index = this.#lowest; ; index++) {
      const script = this.#wallet.closeScript(index)
      const text = toHex(script)
      this.#indexes.set(text, index)
      if (this.#taken.has(text) || this.#holders.has(script)) continue
      this.#lowest = index + 1
      this.#taken.set(text, index)
      return script
    }
  }

  giveBack(script: Uint8Array): void {
    const text = toHex(script)
    this.#taken.delete(text)
    this.#lowest = Math.min(this.#lowest, this.#indexes.get(text) ?? 0)
  }

  /**
   * Holds the script of a channel that begins, or comes from the store: nobody else is given this
   * script, unless nothing can be paid to it any more.
   */
  hold(channel: Channel): void {
    if (channel.role !== 'server' || !('terms' in channel)) return
    const { closeScript } = channel.terms.server
    this.#taken.delete(toHex(closeScript))
    this.#holders.add(channel.id, closeScript)
    this.#unfunded.add(channel.id)
    this.observe(channel)
  }

  /** Called after each step. Scripts that may get money are watched from now on, for good. */
  observe(channel: Channel): void {
    if (channel.stage === 'abandoned') {
      this.free(channel.id)
      return
    }
    const script = this.#holders.of(channel.id)
    if (script === undefined || !isFunded(channel) || !this.#unfunded.delete(channel.id)) return
    this.#wallet.recognise(script).catch((error: unknown) => {
      this.#onError(channel.id, error)
    })
  }

  /** Nothing can be paid any more to the script of a channel, nor has been: it goes to the next. */
  free(channel: ChannelId): void {
    const script = this.#holders.remove(channel)
    this.#unfunded.delete(channel)
    if (script !== undefined) this.giveBack(script)
  }
}

/**
 * OPEN-13: the close scripts of a client. Each is an address of the wallet, which every server
 * watches for good, and moves what the words have to be searched for; so one to which nothing was
 * paid, nor can be, is used again: by the same peer, which has seen it, before others.
 */
export class OwnScripts {
  readonly #holders = new Holders()
  /** Free scripts, and the peers that have seen them last. */
  readonly #free = new Map<string, { readonly script: Uint8Array; readonly peer: string }>()
  readonly #wallet: Pick<Wallet, 'newScript'>

  constructor(wallet: Pick<Wallet, 'newScript'>) {
    this.#wallet = wallet
  }

  /** A script that no channel has; to be given back when no channel begins with it. */
  async take(peer: string): Promise<Uint8Array> {
    const seen = [...this.#free.values()].find((free) => free.peer === peer)?.script
    if (seen !== undefined) {
      this.#free.delete(toHex(seen))
      return seen
    }
    const script = await this.#wallet.newScript(() =>
      [...this.#free.values()].map((free) => free.script)
    )
    this.#free.delete(toHex(script))
    return script
  }

  giveBack(script: Uint8Array, peer: string): void {
    this.#free.set(toHex(script), { script, peer })
  }

  /** Called for each channel when it begins, or comes from the store. */
  hold(channel: Channel): void {
    if (channel.role !== 'client' || channel.stage === 'abandoned') return
    const { closeScript } = channel.stage === 'offered' ? channel.offer : channel.terms.client
    this.#holders.add(channel.id, closeScript)
    this.#free.delete(toHex(closeScript))
  }

  /** Called after each step. */
  observe(channel: Channel): void {
    if (channel.stage === 'abandoned') this.free(channel)
  }

  /** Nothing can be paid any more to the script of a channel, nor has been. */
  free({ id, peer }: Channel): void {
    const script = this.#holders.remove(id)
    if (script !== undefined) this.giveBack(script, peer)
  }
}

/**
 * OPEN-9: time that an opening may take, in milliseconds. A client that pays for T1 with an outside
 * wallet is given time for it, and a server, which cannot know, a little more. A renewal is never
 * paid for from outside.
 */
export function openingPatience(channel: Channel, { opening, outside }: Timeouts): number {
  if (channel.role === 'server') {
    return channel.stage === 'accepted' && channel.terms.renews === undefined
      ? opening + outside
      : opening
  }
  return (channel.stage === 'offered' || channel.stage === 'accepted') && channel.outside === true
    ? outside
    : opening
}
