/**
 * The engine: all channels of a node, between the pure state machine and the ports. It routes
 * streams and commands to channels, brings them the chain, and restarts them from the store.
 */
import type { Network, OpenChannel, Reestablish } from '../../protocols/paychan/1.0/index.js'
import type { Role } from '../bitcoin/keys.js'
import { channelIdOf } from '../bitcoin/scripts.js'
import type { Env } from '../channel/env.js'
import { offerChannel } from '../channel/opening-client.js'
import { acceptChannel } from '../channel/opening-server.js'
import { checkOffer } from '../channel/opening-terms.js'
import type { Policy } from '../channel/policy.js'
import { isOpening, type Channel, type KeyBits } from '../channel/state.js'
import { summarise, type ChannelInfo } from '../channel/summary.js'
import { fundingScriptOf } from '../channel/terms.js'
import { must, Violation } from '../channel/violation.js'
import { channelId, toHex, type ChannelId } from '../types/bytes.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { satoshi, type BlockDelta, type FeeRate, type Satoshi } from '../types/units.js'
import { ChannelActor, CHANNEL_PREFIX, type ActorHost } from './channel-actor.js'
import type { EngineEvent } from './engine-events.js'
import { acceptLink } from './incoming.js'
import { bitsToBytes, drawKeys } from './key-bits.js'
import { Links } from './links.js'
import { readPayments, type PaymentInfo } from './payments.js'
import { Performer, withTimeout } from './performing.js'
import type { Chain, Clock, Link, LinkListener, Peers, Random, Signer, Store, Unsubscribe, Wallet } from './ports.js'
import { decodeRecord } from './records.js'
import { Redial, wantsLink } from './redial.js'
import { createRegistry } from './registry.js'
import { fundingSent, openForPayments, type Closed } from './waiters.js'
import { Watches } from './watches.js'

export interface EngineOptions {
  readonly network: Network
  readonly policy: Policy
  readonly store: Store
  readonly chain: Chain
  readonly peers: Peers
  readonly wallet: Wallet
  readonly signer: Signer
  readonly clock: Clock
  readonly random: Random
  readonly timeouts?: Partial<Timeouts>
  readonly onEvent: (event: EngineEvent) => void
}

/** Milliseconds. Every wait for somebody else ends. */
export interface Timeouts {
  /** OPEN-9: from the offer until T1 leaves. */
  readonly opening: number
  /** From an update until its acknowledgement; then the stream is given up and the payment is unknown. */
  readonly ack: number
  /** From a close request until its answer. */
  readonly close: number
  /** How long a payment waits for a peer to be dialled again. */
  readonly reconnect: number
}

const TIMEOUTS: Timeouts = { opening: 60_000, ack: 30_000, close: 60_000, reconnect: 5_000 }

export class Engine {
  readonly #options: EngineOptions
  readonly #timeouts: Timeouts
  readonly #actors = new Map<ChannelId, ChannelActor>()
  readonly #registry = createRegistry()
  readonly #links = new Links()
  readonly #watches: Watches
  readonly #redial: Redial
  readonly #host: ActorHost
  readonly #ackTimers = new Map<ChannelActor, { sequence: number, cancel: Unsubscribe }>()
  readonly #subscriptions: Unsubscribe[] = []
  /** Offers by peer whose keys are being drawn. */
  readonly #accepting = new Map<string, number>()
  #feeRate: FeeRate
  #stopped = false

  constructor (options: EngineOptions, initialFeeRate: FeeRate) {
    this.#options = options
    this.#timeouts = { ...TIMEOUTS, ...options.timeouts }
    this.#feeRate = initialFeeRate
    const { chain, peers, wallet, clock, store } = options
    this.#watches = new Watches(chain, (actor, error) => { this.#alarm(actor.id, 'ERR_WATCH_FAILED', `The channel could not be watched: ${error.message}`) })
    this.#redial = new Redial(peers, this.#links, clock)
    const performer = new Performer({ chain, wallet, clock, links: this.#links, watches: this.#watches, emit: (event) => { this.#emit(event) } })
    this.#host = {
      store,
      env: (channel) => this.#envFor(channel),
      learn: (channel) => { this.#registry.learn(channel, this.#publicKey(channel, 'channel')) },
      perform: (actor, effect) => { performer.perform(actor, effect) },
      settled: (actor, before) => { this.#settled(actor, before) },
      onFailure: (actor, what, error) => { this.#failed(actor, what, error) }
    }
  }

  /**
   * Loads the channels, watches those that are not abandoned, and listens to peers and the chain.
   *
   * @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION`
   */
  async start (): Promise<void> {
    const { store, peers, chain, clock } = this.#options
    for await (const [key, value] of store.entries(CHANNEL_PREFIX)) {
      const stored = decodeRecord<Channel>(key, value)
      this.#actors.set(stored.id, new ChannelActor(this.#host, { stored }))
    }
    for (const actor of this.#actors.values()) this.#recover(actor)
    this.#subscriptions.push(
      peers.onIncoming((link) => acceptLink(link, { onOpen: (l, m) => this.#onOpen(l, m), onReestablish: (l, m) => this.#onReestablish(l, m) }, clock)),
      chain.onTip(() => { this.#onTip() })
    )
  }

  /** Ends every stream and watch, and waits for what is being written. */
  async stop (): Promise<void> {
    this.#stopped = true
    for (const unsubscribe of this.#subscriptions) unsubscribe()
    this.#redial.stop()
    this.#watches.stopAll()
    for (const { cancel } of this.#ackTimers.values()) cancel()
    for (const actor of this.#actors.values()) this.#links.hangUp(actor, 'this node stops')
    await Promise.all([...this.#actors.values()].map((actor) => actor.idle()))
    const stopped = new PaychanError('ERR_NODE_STOPPED', 'The node was stopped before this was done.')
    for (const actor of this.#actors.values()) actor.waiters.rejectAll(stopped)
  }

  /** Opens a channel as its client; see `NodeApi.open`. */
  async open (request: { readonly peer: string, readonly capacity: Satoshi, readonly blocks: BlockDelta, readonly wait: 'broadcast' | 'ready' }): Promise<ChannelInfo> {
    const { peers, wallet, chain, network } = this.#options
    if (chain.tip === undefined || chain.status !== 'synced') {
      throw new PaychanError('ERR_CHAIN_UNAVAILABLE', 'The Electrum server does not answer; a channel can only be opened while the chain can be watched. Check the server, then try again.')
    }
    let listener: LinkListener | undefined
    const link = await peers.open(request.peer, () => ({
      onMessage: (message) => listener?.onMessage(message),
      onClosed: (error) => listener?.onClosed(error)
    }))
    try {
      const { keys, party } = await this.#drawParty('client', wallet)
      const offer = { id: channelIdOf(party.channelKey), peer: link.peer, address: request.peer, network, keys, ours: party, capacity: request.capacity, blocks: request.blocks }
      const first = offerChannel(offer, this.#envFor({ role: 'client', keys }))
      const actor = new ChannelActor(this.#host, { first })
      this.#actors.set(actor.id, actor)
      listener = this.#links.attach(actor, link)
      this.#limitOpening(actor)
      await actor.waiters.arrival(request.wait === 'ready' ? openForPayments : fundingSent)
      return this.describe(actor.id)
    } catch (error) {
      if (listener === undefined) link.close()
      throw error
    }
  }

  /** Pays on a channel; resolves once the payment is acknowledged. See `NodeApi.pay`. */
  async pay (id: ChannelId, amount: Satoshi, memo: string): Promise<PaymentInfo> {
    const actor = this.#actor(id)
    if (actor.waiters.closing) throw new PaychanError('ERR_CHANNEL_CLOSED', 'The channel is closing; open a new one.')
    await this.#ensureLink(actor)
    const { random, clock } = this.#options
    const payment = { id: random.bytes(16), amount, memo }
    const done = actor.waiters.payment(toHex(payment.id))
    actor.post({ type: 'pay', payments: [payment] })
    await done
    return { id: toHex(payment.id), channel: id, peerId: actor.state.peer, direction: 'sent', amount, memo, status: 'acknowledged', time: clock.now() }
  }

  /** Closes a channel; see `NodeApi.close`. */
  async close (id: ChannelId, force: boolean): Promise<Closed> {
    const actor = this.#actor(id)
    if (!force) await this.#ensureLink(actor)
    const done = actor.waiters.close()
    actor.post(force ? { type: 'settle' } : { type: 'close' })
    const timeout = new PaychanError('ERR_CLOSE_TIMEOUT', 'The peer has not answered the close. The channel takes no more payments; close it again, or wait: the newest state reaches the chain by itself in time.')
    return await withTimeout(this.#options.clock, done, this.#timeouts.close, timeout)
  }

  /** All channels, the newest first. */
  channels (): ChannelInfo[] {
    return [...this.#actors.values()].map((actor) => actor.state)
      .sort((a, b) => b.openedAt - a.openedAt || (a.id < b.id ? -1 : 1))
      .map((state) => summarise(state, this.#envFor(state)))
  }

  describe (id: ChannelId): ChannelInfo {
    const { state } = this.#actor(id)
    return summarise(state, this.#envFor(state))
  }

  /** The states themselves, for whoever needs more than a summary (demos, tests, explorers). */
  state (id: ChannelId): Channel {
    return this.#actor(id).state
  }

  /** The payment log, oldest update first. */
  payments (only?: ChannelId): AsyncGenerator<PaymentInfo> {
    return readPayments(this.#options.store, new Map([...this.#actors].map(([id, actor]) => [id, actor.state])), only)
  }

  // ------------------------------------------------------------------------------------ streams

  #onOpen (link: Link, offer: OpenChannel): LinkListener {
    const { policy, network } = this.#options
    const pending = [...this.#actors.values()].filter(({ state }) => state.peer === link.peer && state.role === 'server' && isOpening(state))
    const drawing = this.#accepting.get(link.peer) ?? 0
    must(pending.length + drawing < policy.maxPendingOpenings, 'OPEN-7', 'ERR_TOO_MANY_OPENINGS', `At most ${policy.maxPendingOpenings} openings may be under way.`)
    checkOffer(offer, network, this.#envFor({ role: 'server', keys: { high: 0, low: 0 } }))
    this.#accepting.set(link.peer, drawing + 1)
    return this.#accept(link, offer)
  }

  #accept (link: Link, offer: OpenChannel): LinkListener {
    const queued: Array<Parameters<LinkListener['onMessage']>[0]> = []
    let listener: LinkListener | undefined
    let closed: { error: Error | undefined } | undefined
    // The script of a close comes from the wallet, which writes first; what arrives meanwhile waits.
    this.#drawParty('server', this.#options.wallet).then(({ keys, party }) => {
      const env = this.#envFor({ role: 'server', keys })
      const request = { id: channelIdOf(offer.channelKey), peer: link.peer, network: this.#options.network, keys, ours: { ...party, derivation: bitsToBytes(keys) } }
      const actor = new ChannelActor(this.#host, { first: acceptChannel(request, offer, env) })
      this.#actors.set(actor.id, actor)
      listener = this.#links.attach(actor, link)
      this.#limitOpening(actor)
      for (const message of queued) listener.onMessage(message)
      if (closed !== undefined) listener.onClosed(closed.error)
    }).catch((error: unknown) => {
      const rule = error instanceof Violation ? error.rule : ''
      link.send({ type: 'Error', code: codeOf(error), rule, text: rule === '' && codeOf(error) === 'ERR_INTERNAL' ? 'This node could not do that.' : messageOf(error).slice(0, 300), fatal: true })
      link.close()
    }).finally(() => { this.#accepting.set(link.peer, (this.#accepting.get(link.peer) ?? 1) - 1) })
    return {
      onMessage: (message) => { if (listener === undefined) queued.push(message); else listener.onMessage(message) },
      onClosed: (error) => { if (listener === undefined) closed = { error }; else listener.onClosed(error) }
    }
  }

  #onReestablish (link: Link, message: Reestablish): LinkListener {
    const actor = this.#actors.get(channelId(toHex(message.channelId)))
    // A channel belongs to the PeerId that it was opened with: to others it does not exist.
    if (actor === undefined || actor.state.peer !== link.peer || actor.state.stage === 'abandoned') {
      throw new PaychanError('ERR_UNKNOWN_CHANNEL', 'This node has no such channel with you.')
    }
    const listener = this.#links.attach(actor, link)
    actor.post({ type: 'connected' })
    actor.post({ type: 'message', message })
    return listener
  }

  // -------------------------------------------------------------------------------------- chain

  #onTip (): void {
    const { chain } = this.#options
    const target = 6 as BlockDelta
    chain.estimateFeeRate(target).then((rate) => { this.#feeRate = rate }, () => {}).finally(() => {
      if (this.#stopped) return
      for (const actor of this.#actors.values()) {
        if (actor.state.stage === 'established') actor.post({ type: 'tip' })
      }
    }).catch((error: unknown) => { this.#alarm(undefined, 'ERR_INTERNAL', messageOf(error)) })
  }

  // ----------------------------------------------------------------------------------- channels

  #recover (actor: ChannelActor): void {
    const { state } = actor
    if (state.stage === 'abandoned') {
      if (state.role === 'client') this.#host.perform(actor, { type: 'release-funding' })
      return
    }
    if (state.stage === 'established') this.#watches.watch(actor, fundingScriptOf(state.terms))
    else this.#limitOpening(actor)
    actor.post({ type: 'disconnected', reason: 'this node was restarted' })
  }

  /** After each step: streams that are wanted, acknowledgements that are overdue. */
  #settled (actor: ChannelActor, before: Channel | undefined): void {
    const { state } = actor
    if (before?.stage !== 'established' && state.stage === 'established') this.#emit({ type: 'channel', channel: state.id, what: 'the channel is set up' })
    if (wantsLink(state)) this.#redial.schedule(actor)
    this.#watchAcks(actor)
  }

  #watchAcks (actor: ChannelActor): void {
    const { state } = actor
    const oldest = state.stage === 'established' && state.link === 'live' ? state.ledger.inFlight[0]?.sequence : undefined
    const timer = this.#ackTimers.get(actor)
    if (timer?.sequence === oldest) return
    timer?.cancel()
    this.#ackTimers.delete(actor)
    if (oldest === undefined || this.#stopped) return
    const cancel = this.#options.clock.after(this.#timeouts.ack, () => { this.#links.hangUp(actor, 'the peer does not acknowledge') })
    this.#ackTimers.set(actor, { sequence: oldest, cancel })
  }

  #limitOpening (actor: ChannelActor): void {
    this.#options.clock.after(this.#timeouts.opening, () => { if (isOpening(actor.state)) actor.post({ type: 'timeout' }) })
  }

  /** Waits a little for a peer that can be dialled; whether it came shows in the channel. */
  async #ensureLink (actor: ChannelActor): Promise<void> {
    if (!wantsLink(actor.state)) return
    const { clock } = this.#options
    const late = new PaychanError('ERR_PEER_UNREACHABLE', 'The peer does not answer.')
    const live = actor.waiters.arrival((channel) => channel.stage !== 'established' || channel.link === 'live')
    await withTimeout(clock, this.#redial.dial(actor).then(() => live), this.#timeouts.reconnect, late).catch(() => {})
  }

  #actor (id: ChannelId): ChannelActor {
    const actor = this.#actors.get(id)
    if (actor === undefined) throw new PaychanError('ERR_NO_CHANNEL', `There is no channel ${id}; \`paychan channels\` lists them.`)
    return actor
  }

  async #drawParty (role: Role, wallet: Wallet): Promise<{ keys: KeyBits, party: { channelKey: Uint8Array, payoutKey: Uint8Array, closeScript: Uint8Array } }> {
    const keys = drawKeys(this.#options.random)
    const { signer } = this.#options
    const closeScript = await wallet.newScript()
    return { keys, party: { channelKey: signer.publicKey({ role, ...keys, use: 'channel' }), payoutKey: signer.publicKey({ role, ...keys, use: 'payout' }), closeScript } }
  }

  #publicKey (channel: Pick<Channel, 'role' | 'keys'>, use: 'channel' | 'payout'): Uint8Array {
    return this.#options.signer.publicKey({ role: channel.role, ...channel.keys, use })
  }

  #envFor ({ role, keys }: Pick<Channel, 'role' | 'keys'>): Env {
    const { chain, clock, policy, signer } = this.#options
    const path = { role, ...keys, use: 'channel' as const }
    return {
      policy,
      height: chain.tip?.height,
      feeRate: this.#feeRate,
      now: clock.now(),
      sign: (digest) => signer.sign(path, digest),
      verify: signer.verify,
      isPublicKey: signer.isPublicKey,
      isKnownKey: this.#registry.isKnownKey,
      isKnownOutPoint: this.#registry.isKnownOutPoint
    }
  }

  /** A bug costs a stream, never the process; a disk that failed costs the channel until a restart. */
  #failed (actor: ChannelActor, what: 'transition' | 'store', error: unknown): void {
    this.#links.hangUp(actor, 'this node has a problem')
    this.#alarm(actor.id, what === 'store' ? 'ERR_STORE_FAILED' : 'ERR_INTERNAL', messageOf(error))
  }

  #alarm (channel: ChannelId | undefined, code: string, text: string): void {
    this.#emit({ type: 'alarm', channel, code, text })
  }

  #emit (event: EngineEvent): void {
    this.#options.onEvent(event)
  }

  /** What is at stake in all channels, for the balance. */
  inChannels (): Satoshi {
    return satoshi(this.channels().filter((channel) => channel.spend?.height === undefined).reduce<bigint>((sum, channel) => sum + channel.ourBalance, 0n))
  }
}
