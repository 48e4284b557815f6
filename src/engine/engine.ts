/**
 * The engine: all channels of a node, between the pure state machine and the ports. It routes
 * streams and commands to channels, brings them the chain, and restarts them from the store.
 */
import type { Payment, Reestablish } from '../../protocols/paychan/1.0/index.js'
import type { Transition } from '../channel/effects.js'
import type { Env } from '../channel/env.js'
import { balances } from '../channel/ledger.js'
import type { Channel } from '../channel/state.js'
import { outlineOf, summarise, type ChannelInfo, type Outline } from '../channel/summary.js'
import { Violation } from '../channel/violation.js'
import { channelId, toHex, type ChannelId, type Txid } from '../types/bytes.js'
import { alarm, asError, codeOf, messageOf, PaychanError, STORE_FAILED } from '../types/errors.js'
import { satoshi, type BlockHeight, type FeeRate, type Satoshi } from '../types/units.js'
import { acceptLink, AckTimers, Links, StrangersShare, StreamThrottle } from './streams.js'
import {
  contained,
  guardedClock,
  inBackground,
  type Link,
  type LinkListener,
  type Unsubscribe,
  within,
  withTimeout
} from './ports.js'
import {
  Actors,
  DEFAULT_TIMEOUTS,
  type EngineContext,
  type EngineOptions,
  envOf
} from './context.js'
import { type ActorHost, ChannelActor } from './channel-actor.js'
import { bumpPublication, RiskWatch, type SettledAll, settleEach } from './settling.js'
import { arrivalUnlessCancelled, Openings, takePsbt } from './openings.js'
import { DueActors, moneyFirst, View, Watches } from './watches.js'
import { FeeEstimates, type FeeView } from './fee-estimates.js'
import { createRegistry, GivenUp, keyOf } from './registry.js'
import { loadChannels, tellDamage } from './stored-channel.js'
import {
  channelFor,
  isInChannel,
  ownFunding,
  type Payable,
  payableOf,
  type SeenOf,
  Summaries
} from './holdings.js'
import { leastFirstPayment } from '../channel/opening-terms.js'
import { findPart, PaymentIds, type PaymentInfo, paymentsUnder } from './payments.js'
import { EventLog } from './event-log.js'
import { Requests } from './requests.js'
import { KeyedPayments, type KeyedRequest } from './keyed-payments.js'
import { LogOrder, type LogPart, readPayments } from './payment-log.js'
import { OpeningUpkeep } from './opening-upkeep.js'
import { Performer, recover } from './performing.js'
import { lacksLink, Redial } from './redial.js'
import { type Offer, Renewals, type RenewalRequest } from './renewals.js'
import { Restores, type Restored } from './restores.js'
import {
  admitCaller,
  closeTimeout,
  fundingTaken,
  openForPayments,
  type Payer,
  paymentOf,
  readyForInputs,
  renewalTaken,
  type Closed
} from './waiters.js'

/**
 * The arrival that a caller waits for. `onChannel` hears which channel it is, as soon as that is
 * known.
 */
interface Awaited {
  readonly wait: 'broadcast' | 'ready'
  readonly onChannel?: (id: ChannelId) => void
}

export class Engine {
  readonly #context: EngineContext
  readonly #actors = new Actors()
  readonly #givenUp = new GivenUp()
  readonly #registry = createRegistry(this.#givenUp)
  readonly #links: Links
  readonly #watches: Watches
  readonly #due: DueActors
  readonly #redial: Redial
  readonly #ackTimers: AckTimers
  readonly #performer: Performer
  readonly #openings: Openings
  readonly #upkeep: OpeningUpkeep
  readonly #keyed: KeyedPayments
  /** The payment requests that this node has made. */
  readonly requests: Requests
  /** Undefined unless events are kept. */
  readonly eventLog: EventLog | undefined
  readonly #renewals: Renewals
  readonly #restores: Restores
  readonly #host: ActorHost
  readonly #ids: PaymentIds
  readonly #order: LogOrder
  readonly #subscriptions: Unsubscribe[] = []
  readonly #fees: FeeView
  readonly #envParts: Parameters<typeof envOf>[0]
  /** Undefined when nobody wants to hear of risks. */
  readonly #risks: RiskWatch | undefined
  readonly #summaries = new Summaries(summarise)
  readonly #outlines = new Summaries(outlineOf)
  readonly #view = new View()
  #stopped = false
  /** The error of a failed disk: nothing is done any more, and every caller gets it. */
  #halted: Error | undefined

  constructor(options: EngineOptions) {
    const { chain, peers, store, signer, onEvent } = options
    const clock = guardedClock(options.clock, (error) => {
      this.#context.alarm(error)
    })
    this.#fees =
      options.fees ??
      new FeeEstimates(chain, store, options.initialFeeRate, (error) => {
        if (!this.#stopped) this.#context.alarm(error)
      })
    this.#envParts = {
      clock,
      policy: options.policy,
      signer,
      fees: this.#fees,
      registry: this.#registry
    }
    this.#ids = new PaymentIds(options.random)
    this.#order = new LogOrder(clock)
    this.#links = new Links(clock)
    this.#watches = new Watches(chain, (actor, error) => {
      this.#context.alarm(error, actor.id)
    })
    this.#context = {
      ...options,
      clock,
      timeouts: { ...DEFAULT_TIMEOUTS, ...options.timeouts },
      actors: this.#actors,
      registry: this.#registry,
      links: this.#links,
      watches: this.#watches,
      isListening: options.isListening ?? (() => true),
      env: (channel) => this.#envFor(channel),
      begin: (first) => this.#begin(first),
      emit: onEvent,
      alarm: (error, channel) => {
        onEvent({ ...alarm(error), channel })
      }
    }
    this.#risks = options.watchesRisk === false ? undefined : new RiskWatch(this.#context)
    this.#due = new DueActors(this.#actors, this.#watches)
    this.#redial = new Redial(peers, this.#links, clock, {
      onLive: (actor) => {
        this.#restores.peerConnected(actor.state.peer)
        this.#renewals.look(actor)
      },
      onError: this.#context.alarm
    })
    this.#ackTimers = new AckTimers(clock, this.#context.timeouts.ack, (actor) => {
      this.#links.hangUp(actor, 'the peer does not answer')
    })
    this.#renewals = new Renewals(this.#context, (offer) => this.#openings.offer(offer))
    this.#upkeep = new OpeningUpkeep(this.#context, this.#redial, (channel, error) => {
      if (!this.#stopped) this.#context.alarm(error, channel)
    })
    const share = new StrangersShare(clock)
    this.#restores = new Restores(this.#context, { strangers: this.#upkeep.strangers, share })
    this.#openings = new Openings(this.#context, {
      renewals: this.#renewals,
      strangers: this.#upkeep.strangers,
      refunds: this.#upkeep.refunds,
      closeScripts: this.#upkeep.closeScripts,
      ownScripts: this.#upkeep.ownScripts
    })
    this.requests = new Requests({ store, clock, self: peers.self })
    this.eventLog =
      options.keepsEvents === true ? new EventLog(store, clock, this.requests) : undefined
    this.#keyed = new KeyedPayments(this.#context, {
      actor: (id) => this.#actor(id),
      hasAnswered: async (peer) => await this.#restores.hasAnswered(peer),
      reconnect: async (actor) => {
        if (lacksLink(actor.state) && !actor.waiters.closing) await this.#reconnect(actor)
      }
    })
    this.#performer = new Performer(this.#context, {
      strangers: share,
      requests: this.requests,
      tell: this.#renewals.tell,
      doubt: ({ state }) => {
        this.#restores.doubt(state.peer)
      }
    })
    this.#host = {
      store,
      after: (ms, callback) => clock.after(ms, callback),
      keyed: this.#keyed,
      requests: this.requests,
      events: this.eventLog,
      order: this.#order,
      meter: options.meter,
      env: this.#context.env,
      learn: (channel) => {
        this.#registry.learn(channel, keyOf(channel, signer))
      },
      changed: () => {
        this.#due.changed()
        options.onChange?.()
      },
      perform: this.#performer.perform.bind(this.#performer),
      settled: (actor) => {
        this.#settled(actor)
      },
      onFailure: this.#failed.bind(this)
    }
  }

  /**
   * Loads the channels, watches those that are set up, and listens to peers and the chain. A
   * channel whose record is damaged is left alone, with an alarm `ERR_STORE_CORRUPT`.
   *
   * @throws PaychanError `ERR_STORE_VERSION`
   */
  async start(): Promise<void> {
    const { store, peers, chain, clock } = this.#context
    await this.#fees.load()
    await this.#restores.load()
    await this.requests.load((error) => {
      this.#context.alarm(error)
    })
    await this.eventLog?.load()
    const loaded = await loadChannels(store)
    await this.#order.load(store, loaded.channels)
    await this.#givenUp.load(store, this.#context.alarm)
    for (const stored of loaded.channels) this.#upkeep.add(new ChannelActor(this.#host, { stored }))
    tellDamage(loaded, {
      reserve: this.#registry.reserve,
      learn: this.#host.learn,
      alarm: this.#context.alarm
    })
    for (const actor of moneyFirst(this.#actors.values())) {
      recover(actor, {
        perform: (effect) => {
          this.#host.perform(actor, effect, 0)
        },
        watches: this.#watches,
        limitOpening: () => {
          this.#upkeep.timers.start(actor)
        },
        renewals: this.#renewals
      })
    }
    const handler = {
      onOpen: this.#openings.onOffer.bind(this.#openings),
      onReestablish: (link: Link, message: Reestablish) => this.#onReestablish(link, message),
      onRestore: this.#restores.onRequest.bind(this.#restores)
    }
    const streams = new StreamThrottle(clock)
    this.#subscriptions.push(
      peers.onIncoming((link) => acceptLink(link, handler, clock, streams)),
      chain.onStatus(() => {
        if (chain.status === 'synced') this.#performer.chainIsBack()
        else this.#view.lost()
      }),
      chain.onTip(() => {
        inBackground(() => this.#onTip(), this.#context.alarm)
      })
    )
    this.#restores.start(loaded.channels)
  }

  /** Resolves once every channel has handled what it was told until now, and written it. */
  async idle(): Promise<void> {
    await Promise.all([...this.#actors.values()].map((actor) => actor.idle()))
  }

  /** Ends every stream and watch, and waits for pending writes. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#stopListening()
    for (const actor of this.#actors.values()) this.#links.hangUp(actor, 'this node stops')
    await this.idle()
    this.eventLog?.stop()
    const stopped = new PaychanError(
      'ERR_NODE_STOPPED',
      'The node was stopped before this was done.'
    )
    for (const actor of this.#actors.values()) actor.end(stopped)
  }

  /** Opens a channel as its client; see `ChannelsApi.open`. */
  async open(request: Offer & Awaited): Promise<ChannelInfo> {
    if (this.#halted !== undefined) throw this.#halted
    const actor = await this.#openings.offer(request)
    request.onChannel?.(actor.id)
    await arrivalUnlessCancelled(
      request.signal,
      actor,
      actor.waiters.arrival(
        request.outside === true
          ? readyForInputs
          : request.wait === 'ready'
            ? openForPayments
            : fundingTaken
      )
    )
    return this.describe(actor.id)
  }

  /**
   * Takes the PSBT of an outside wallet, and says what is unwise about it; see
   * `ChannelsApi.fundingPsbt`.
   */
  async fundingPsbt(
    id: ChannelId,
    psbt: Uint8Array,
    wait: 'broadcast' | 'ready'
  ): Promise<readonly string[]> {
    if (this.#halted !== undefined) throw this.#halted
    return await takePsbt(this.#actor(id), psbt, wait, this.#context)
  }

  /** Renews a channel as its client, and adds coins to it; see `ChannelsApi.renew`. */
  async renew(id: ChannelId, request: RenewalRequest & Awaited): Promise<ChannelInfo> {
    if (this.#halted !== undefined) throw this.#halted
    const old = this.#actor(id)
    if (lacksLink(old.state)) await this.#reconnect(old)
    const actor = await this.#renewals.start(old, request)
    request.onChannel?.(actor.id)
    await arrivalUnlessCancelled(
      request.signal,
      actor,
      actor.waiters.arrival(request.wait === 'ready' ? openForPayments : renewalTaken)
    )
    return this.describe(actor.id)
  }

  /** Pays on a channel; resolves once the payment is acknowledged. See `NodeApi.pay`. */
  pay(id: ChannelId, amount: Satoshi, memo: string): Promise<PaymentInfo> {
    return paymentOf((payer) => {
      this.payFor(payer, id, amount, memo)
    })
  }

  /** The same for a payer that the queue of the channel tells itself: thousands may wait. */
  payFor(payer: Payer, id: ChannelId, amount: Satoshi, memo: string): void {
    try {
      const actor = this.#actor(id)
      admitCaller(actor.waiters.payers)
      const payment = { id: this.#ids.draw(), amount, memo }
      if (lacksLink(actor.state) && !actor.waiters.closing) {
        inBackground(() => this.#payOnceBack(actor, payment, payer), this.#context.alarm)
      } else actor.pay(payment, payer)
    } catch (error) {
      payer.failed(asError(error))
    }
  }

  /** Whether the peer came back or not: the channel says what becomes of the payment. */
  async #payOnceBack(actor: ChannelActor, payment: Payment, payer: Payer): Promise<void> {
    try {
      await actor.waiters.counted(this.#reconnect(actor))
      actor.pay(payment, payer)
    } catch (error) {
      payer.failed(asError(error))
    }
  }

  /** The least that this node takes as the first payment on a channel opened to it now. */
  get leastFirstPayment(): Satoshi {
    return leastFirstPayment(this.#context.policy, this.#fees.current.feeRate)
  }

  /** True when a part of a named payment to a peer has been signed. */
  async hasBegun(peer: string, name: string): Promise<boolean> {
    return (await findPart(this.#context.store, peer, name, 0)) !== undefined
  }

  /** The sum that a peer has acknowledged of a named payment. */
  paidUnder(peer: string, name: string): Promise<Satoshi> {
    return this.#keyed.paidUnder(peer, name)
  }

  /** Pays the missing rest of a named payment; resolves with all its parts. See `NodeApi.pay`. */
  payOnce = (request: KeyedRequest): Promise<PaymentInfo[]> => this.#keyed.pay(request)

  /**
   * Closes a channel; see `ChannelsApi.close`.
   *
   * @param feeRate - of a close with the peer; the usual one when undefined
   */
  async close(id: ChannelId, force: boolean, feeRate?: FeeRate): Promise<Closed> {
    const actor = this.#actor(id)
    if (!force && lacksLink(actor.state)) await this.#reconnect(actor)
    const done = actor.waiters.close()
    actor.post(force ? { type: 'settle' } : { type: 'close', feeRate })
    const { clock, timeouts } = this.#context
    return await withTimeout(clock, done, timeouts.close, closeTimeout(force))
  }

  /**
   * Raises the fee of a settlement or a refund that waits; undefined when `txid` is neither. See
   * `WalletApi.bumpFee`.
   */
  bump = (txid: string, rate: FeeRate | undefined): ReturnType<typeof bumpPublication> =>
    bumpPublication(this.#actors.values(), (channel) => this.#envFor(channel), txid, rate)

  /** T1 of a channel of which this node is the client, from its own record, without a server. */
  fundingOf = (id: Txid): Uint8Array | undefined => ownFunding(this.#actors.values(), id)

  /**
   * Settles every one-way channel in which we are the server and that is worth settling. Each is
   * settled alone, whatever becomes of the others; see `ChannelsApi.settleAll`.
   */
  async settleAll(): Promise<SettledAll> {
    const seen = { height: this.#height, feeRate: this.#fees.current.feeRate }
    return await settleEach(this.states(), seen, async (id) => await this.close(id, true))
  }

  /**
   * The open channel that can carry a payment as it is; undefined when the payment needs a plan.
   * See `channelFor`.
   */
  channelFor(to: string, amount: Satoshi): ChannelId | undefined {
    return channelFor(this.#actors.to(to), to, amount, this.#seenOf)
  }

  /**
   * The channels with the amounts that can be paid on them, for a plan: those of `to`, a channel's
   * id or a PeerId with a channel, else all.
   */
  payable = (to = ''): Payable[] => {
    const [first, ...others] = this.#actors.to(to)
    const concerned = first === undefined ? this.#actors.values() : [first, ...others]
    return Array.from(concerned, ({ shown }) => payableOf(shown, this.#seenOf))
  }

  /** Asks a peer for the channels that this node has lost; see `ChannelsApi.recover`. */
  recover = (peer: string): Promise<Restored> => this.#restores.ask(peer)

  /**
   * Handles the connection of a peer that speaks the protocol: a node that was made from its words
   * asks it for its channels.
   */
  peerConnected = (peer: string): void => {
    this.#restores.peerConnected(peer)
  }

  /** All channels, the newest first. */
  channels = (): ChannelInfo[] => this.#shown().map(this.#summary)

  /** The same without their risks: what costs little with thousands of channels. */
  outlines = (): Outline[] =>
    this.#shown().map((state) => this.#outlines.of(state, this.#envForPeople(state)))

  #shown(): Channel[] {
    return [...this.#actors.values()]
      .map((actor) => actor.shown)
      .sort((a, b) =>
        a.openedAt === b.openedAt ? (a.id < b.id ? -1 : 1) : b.openedAt - a.openedAt
      )
  }

  /** The newest state of a channel; undefined when there is none. */
  stateOf = (id: ChannelId): Channel | undefined => this.#actors.get(id)?.state

  /** The channels as the state machine knows them, the oldest of this process first. */
  states = (): Channel[] => [...this.#actors.values()].map(({ state }) => state)

  /** The channel with this id, if there is one. */
  find = (id: ChannelId): Channel | undefined => this.#actors.get(id)?.state

  /** One channel. @throws PaychanError `ERR_NO_CHANNEL` */
  describe = (id: ChannelId): ChannelInfo => this.#summary(this.#actor(id).shown)

  readonly #summary = (state: Channel): ChannelInfo =>
    this.#summaries.of(state, this.#envForPeople(state))

  /** The payment log, or a part of it, the newest payment first; read as far as it is asked for. */
  payments(part: LogPart = {}): AsyncGenerator<PaymentInfo> {
    const { store, alarm } = this.#context
    return readPayments(store, this.states(), this.#order, part, alarm)
  }

  /** The parts that were paid under a name. */
  async paymentsUnder(name: string): Promise<PaymentInfo[]> {
    return await paymentsUnder(this.#context.store, this.#states(), name)
  }

  #states(): ReadonlyMap<ChannelId, Channel> {
    return new Map([...this.#actors].map(([id, actor]) => [id, actor.state]))
  }

  /**
   * Our share of all channels whose coins the wallet does not count: T1 is in sight, and the
   * transaction that pays us out is not.
   */
  inChannels = (): Satoshi =>
    satoshi(
      this.states()
        .filter(isInChannel)
        .reduce<bigint>((sum, state) => sum + balances(state.terms, state.ledger)[state.role], 0n)
    )

  /** The part of `inChannels` on which no server reports now. */
  unwatched = (): Satoshi =>
    satoshi(
      this.states()
        .filter(isInChannel)
        .filter((state) => !this.#envFor(state).isWatched)
        .reduce<bigint>((sum, state) => sum + balances(state.terms, state.ledger)[state.role], 0n)
    )

  #onReestablish(link: Link, message: Reestablish): LinkListener {
    if (this.#halted !== undefined) {
      throw new PaychanError('ERR_NOT_READY', 'This node is about to stop.')
    }
    const id = channelId(toHex(message.channelId))
    this.#restores.observe(link.peer, id)
    const actor = this.#actors.get(id)
    // ID-2: a channel belongs to the PeerId that it was opened with; to others it does not exist.
    if (
      actor === undefined ||
      actor.state.peer !== link.peer ||
      actor.state.stage === 'abandoned'
    ) {
      throw new Violation(
        'REEST-1',
        'ERR_UNKNOWN_CHANNEL',
        'This node has no such channel with you.'
      )
    }
    // While the disk hangs, streams that come and go would pile up what they have brought.
    if (actor.backPressure !== undefined) {
      throw new PaychanError('ERR_NOT_READY', 'This node is busy; try again in a while.')
    }
    const listener = this.#links.attach(actor, link)
    actor.post({ type: 'message', message, stream: this.#links.numberOf(actor) ?? 0 })
    return listener
  }

  /**
   * Updates the estimate first, so that transactions published at this height use its fee. A server
   * that does not answer delays nobody (COST-3): then the last estimate is taken.
   */
  async #onTip(): Promise<void> {
    const { clock, timeouts, alarm } = this.#context
    await contained(() => within(clock, timeouts.fees, this.#fees.refresh(), () => {}), alarm)
    if (this.#stopped || this.#halted !== undefined) return
    this.#view.seen(this.#height)
    const due = this.#due.at(this.#height)
    // Each for itself: what one of them throws keeps no channel from the tip.
    const parts = [
      () => this.#orHalt(this.#fees.save()),
      () => this.#renewals.onTip(due),
      () => this.#risks?.onTip([...this.#actors.values()]),
      () => this.#due.tell(due, this.#redial),
      () => this.#links.hangUpOver(this.#height),
      () => this.#orHalt(this.#upkeep.onTip(this.#height))
    ]
    for (const part of parts) inBackground(part, alarm)
  }

  #orHalt(writing: Promise<void>): void {
    writing.catch((error: unknown) => {
      if (!this.#stopped) this.halt(asError(error))
    })
  }

  /**
   * The first height, `from` or above, at which a tip can change anything in this node, as long as
   * nothing else happens to it (`EngineOptions.onChange`); Infinity when none can. A simulation
   * wakes no node before that height.
   */
  nextDue = (from: BlockHeight): number => this.#due.first(from)

  #begin(first: Transition): ChannelActor {
    if (this.#halted !== undefined) throw this.#halted
    const actor = new ChannelActor(this.#host, { first })
    this.#upkeep.add(actor)
    this.#upkeep.begin(actor)
    return actor
  }

  #settled(actor: ChannelActor): void {
    // One that was let go still hears that its stream is gone.
    if (this.#stopped || this.#halted !== undefined || this.#actors.get(actor.id) !== actor) return
    if (actor.state.stage === 'abandoned') this.#watches.stop(actor)
    this.#upkeep.observe(actor)
    this.#renewals.observe(actor.state)
    this.#redial.schedule(actor)
    this.#ackTimers.observe(actor)
    if (this.#upkeep.letGo(actor, this.#performer.built(actor))) this.#host.changed()
  }

  /** Waits a little for the peer; the channel shows whether it came. */
  async #reconnect(actor: ChannelActor): Promise<void> {
    await this.#redial.reach(actor, this.#context.timeouts.reconnect, (failure) => {
      this.#context.emit({
        type: 'channel',
        channel: actor.id,
        news: { kind: 'not-reconnected', code: codeOf(failure), reason: messageOf(failure) },
        step: undefined,
        txid: undefined
      })
    })
  }

  #actor(id: ChannelId): ChannelActor {
    const actor = this.#actors.get(id)
    if (actor === undefined) {
      throw new PaychanError(
        'ERR_NO_CHANNEL',
        `There is no channel ${id}; \`paychan channels\` lists them.`
      )
    }
    return actor
  }

  /** For people the last height that was seen is better than none. */
  #envForPeople(state: Channel): Env {
    return { ...this.#envFor(state), height: this.#context.chain.tip?.height }
  }

  /** The height, undefined while the server is silent: a height that may be old decides nothing. */
  get #height(): BlockHeight | undefined {
    const { chain } = this.#context
    return chain.status === 'synced' ? chain.tip?.height : undefined
  }

  readonly #seenOf: SeenOf = (channel) => ({
    height: this.#height,
    isWatched: this.#isWatched(channel)
  })

  #isWatched({ id }: { readonly id?: ChannelId }): boolean {
    return id !== undefined && this.#watches.isCurrent(this.#actors.get(id))
  }

  #envFor(channel: Pick<Channel, 'role' | 'keys'> & { readonly id?: ChannelId }): Env {
    return envOf(
      this.#envParts,
      {
        height: this.#height,
        seenSince: this.#view.since,
        isWatched: this.#isWatched(channel)
      },
      channel
    )
  }

  /**
   * A bug costs a stream, never the process; a disk that failed costs everything until a restart.
   */
  #failed(actor: ChannelActor, what: 'transition' | 'store', error: unknown): void {
    if (what === 'store') {
      this.halt(asError(error))
      return
    }
    this.#links.hangUp(actor, 'this node has a problem')
    this.#context.alarm(
      new PaychanError('ERR_INTERNAL', messageOf(error), { cause: codeOf(error) }),
      actor.id
    )
  }

  /**
   * Stops everything: the disk failed. Which of the last writes it has is not known, and no later
   * one can be trusted: every channel ends here, nothing more is said or acknowledged, and every
   * waiting caller is told. One alarm, `ERR_STORE_FAILED`, asks for a restart of the engine.
   */
  halt(error: Error): void {
    if (this.#halted !== undefined) return
    this.#halted = error
    this.#stopListening()
    for (const actor of this.#actors.values()) {
      // First the end: that the stream is gone is nothing to be written any more.
      actor.end(error)
      this.#links.hangUp(actor, 'the disk of this node failed')
    }
    this.#context.alarm(new PaychanError(STORE_FAILED, messageOf(error)))
  }

  #stopListening(): void {
    for (const unsubscribe of this.#subscriptions) unsubscribe()
    for (const part of [
      this.#redial,
      this.#watches,
      this.#ackTimers,
      this.#restores,
      this.#performer
    ]) {
      part.stopAll()
    }
  }
}
