/**
 * Renewals: a new channel whose T1 spends the old one's funding output. Each channel is a separate
 * machine; this file joins the two: their messages, which one waits, and when a channel renews
 * itself.
 */
import type { OpenChannel } from '../../protocols/paychan/1.0/index.js'
import type { RenewalEvent } from '../channel/events.js'
import { planRenewal, type RenewalPlan } from '../channel/renewed.js'
import { askedAgain, lostTo, renewedChannel } from '../channel/renewing.js'
import { afterRenewalFailed, blocksToRenewFor, isRenewalDue } from '../channel/self-renewal.js'
import { isOpening, type Channel, type FundingChoice } from '../channel/state.js'
import { channelId, toHex, type ChannelId } from '../types/bytes.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { ZERO_SAT, type BlockDelta, type BlockHeight, type Satoshi } from '../types/units.js'
import type { ChannelActor } from './channel-actor.js'
import { type Unsubscribe, withTimeout } from './ports.js'
import { fundingSent } from './waiters.js'
import type { EngineContext } from './context.js'

/** The request of a renewal. */
export interface RenewalRequest {
  /** Coins of the wallet to add; 0 for a renewal alone. */
  readonly amount: Satoshi
  readonly blocks: BlockDelta
  readonly choice?: FundingChoice | undefined
  /** As in `Offer`. */
  readonly mostFee?: Satoshi | undefined
  readonly patience?: BlockDelta | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * RENEW-13: time that a server holds an old channel back for its client, once in a block. A renewal
 * takes a second of it; a client that only begins renewals gets a sixtieth of the time.
 */
const SERVER_HOLD_MS = 10_000

/** Holds an old channel back while the new one has no id yet. */
const ASKING = 'asking' as ChannelId

export class Renewals {
  /** Old channels for which a renewal is being asked. */
  readonly #asking = new Set<ChannelActor>()
  /** By new channel: the old one that it holds back, and a way to end that. */
  readonly #held = new Map<
    ChannelId,
    { readonly old: ChannelActor; readonly release: () => void }
  >()
  /** RENEW-14: the height at which a channel last tried to renew itself. */
  readonly #triedAt = new WeakMap<ChannelActor, BlockHeight | undefined>()
  /** Server: the height at which an old channel was last held back. */
  readonly #heldAt = new WeakMap<ChannelActor, BlockHeight | undefined>()
  readonly #context: EngineContext
  readonly #offer: (offer: Offer) => Promise<ChannelActor>

  constructor(context: EngineContext, offer: (offer: Offer) => Promise<ChannelActor>) {
    this.#context = context
    this.#offer = offer
  }

  /**
   * Opens a channel that renews this one.
   *
   * @param byItself - nobody has asked for it
   * @throws PaychanError those of `planRenewal` and of `Openings.offer`, `ERR_RENEWAL_UNDER_WAY`
   */
  async start(
    old: ChannelActor,
    { amount, blocks, choice, mostFee, patience, signal }: RenewalRequest,
    byItself = false
  ): Promise<ChannelActor> {
    if (this.#asking.has(old) || [...this.#held.values()].some((held) => held.old === old)) {
      throw new PaychanError('ERR_RENEWAL_UNDER_WAY', 'The channel is being renewed already.')
    }
    this.#asking.add(old)
    old.hold(ASKING)
    try {
      await this.#quiet(old)
      const { state } = old
      const plan = planRenewal(state, amount, this.#context.env(state), {
        asked: choice?.feeRate,
        byItself
      })
      const { address } = state
      const actor = await this.#offer({
        peer: address,
        capacity: plan.capacity,
        blocks,
        step: plan.step,
        signal,
        renewFor: state.role === 'client' ? state.renewFor : undefined,
        choice,
        mostFee,
        patience,
        renewal: { ...plan, coins: amount }
      })
      this.observe(actor.state)
      return actor
    } finally {
      this.#asking.delete(old)
      old.release(ASKING)
    }
  }

  /** Passes an event between two channels of this side. */
  readonly tell = (channel: ChannelId, event: RenewalEvent, from: ChannelActor): void => {
    const actor = this.#context.actors.get(channel)
    if (actor !== undefined) actor.post(event)
    else {
      from.post({
        type: 'renewal-refused',
        error: new PaychanError('ERR_NO_CHANNEL', 'The channel that is to be renewed is not there.')
      })
    }
  }

  /** After a restart: asks again for the signatures that were under way. */
  recover(actor: ChannelActor): void {
    const { state } = actor
    if (state.stage !== 'refund-requested' && state.stage !== 'refund-signed') return
    for (const effect of askedAgain(state)) {
      if (effect.type === 'tell') this.tell(effect.channel, effect.event, actor)
    }
  }

  /**
   * Called after each step: an old channel waits while the new one opens. A server's channel
   * waits only briefly, since opening costs the client nothing.
   */
  observe(state: Channel): void {
    const old = this.#context.actors.get(renewedChannel(state) ?? state.id)
    const isUnderWay =
      old !== undefined &&
      old.id !== state.id &&
      isOpening(state) &&
      !(state.stage === 'refund-signed' && state.link === 'down')
    const held = this.#held.get(state.id)
    if (isUnderWay && held === undefined) this.#hold(old, state)
    else if (!isUnderWay) held?.release()
  }

  #hold(old: ChannelActor, { id, role }: Channel): void {
    let timer: Unsubscribe | undefined
    const release = (): void => {
      timer?.()
      this.#held.delete(id)
      old.release(id)
    }
    if (role === 'server') {
      const { height } = this.#context.env(old.state)
      if (this.#heldAt.has(old) && this.#heldAt.get(old) === height) return
      this.#heldAt.set(old, height)
      timer = this.#context.clock.after(SERVER_HOLD_MS, release)
    }
    this.#held.set(id, { old, release })
    old.hold(id)
  }

  /** Server: the channel that an offer names, if it is one with this peer. */
  named({ renews }: OpenChannel, peer: string): Channel | undefined {
    const state =
      renews === undefined
        ? undefined
        : this.#context.actors.get(channelId(toHex(renews.channelId)))?.state
    return state?.peer === peer ? state : undefined
  }

  /** Server: a client that asks again has given up what it asked for before. */
  supersede(fresh: Channel): void {
    const renewed = renewedChannel(fresh)
    if (renewed === undefined) return
    for (const actor of this.#context.actors.of(fresh.peer)) {
      const { state } = actor
      if (state.id !== fresh.id && isOpening(state) && renewedChannel(state) === renewed) {
        actor.post({ type: 'cancel' })
      }
    }
  }

  /**
   * Handles a new tip, for the channels that are due: renewals that can never be funded any more,
   * and channels that renew themselves.
   */
  onTip(due: readonly ChannelActor[]): void {
    for (const actor of due) {
      const { state } = actor
      const env = this.#context.env(state)
      const by = lostTo(
        state,
        this.#context.actors.get(renewedChannel(state) ?? state.id)?.state,
        env
      )
      if (by !== undefined) actor.post({ type: 'funding-lost', by })
      const coinLost = this.#context.wallet.fundingLostTo(actor.id)
      if (coinLost !== undefined) actor.post({ type: 'coin-lost', by: coinLost })
      this.look(actor)
    }
  }

  /**
   * Begins what is due, once in a block: the peer decides how often a stream comes live, and refuses
   * as it likes. Called with a new tip, and when the stream that it needs is of use again.
   */
  look(actor: ChannelActor): void {
    const { state } = actor
    const env = this.#context.env(state)
    if (isRenewalDue(state, env) && env.isWatched && state.link === 'live') {
      if (this.#triedAt.get(actor) === env.height) return
      this.#triedAt.set(actor, env.height)
      this.#renew(actor, blocksToRenewFor(state, state.renewFor, env))
    }
  }

  #renew(actor: ChannelActor, blocks: BlockDelta): void {
    this.start(actor, { amount: ZERO_SAT, blocks }, true)
      .then((fresh) => fresh.waiters.arrival(fundingSent))
      .catch((error: unknown) => {
        if (
          error instanceof PaychanError &&
          (error.code === 'ERR_RENEWAL_UNDER_WAY' || error.code === 'ERR_NODE_STOPPED')
        ) {
          return
        }
        const prospects = afterRenewalFailed(actor.state, this.#context.env(actor.state))
        this.#context.alarm(
          new PaychanError(
            'ERR_RENEWAL_FAILED',
            `The channel could not be renewed: ${messageOf(error)} ${prospects}`,
            { cause: codeOf(error) }
          ),
          actor.id
        )
      })
  }

  /** Waits until everything that was signed is acknowledged. */
  async #quiet(old: ChannelActor): Promise<void> {
    const quiet = old.waiters.arrival(
      (channel) => channel.stage !== 'established' || channel.ledger.inFlight.length === 0
    )
    quiet.catch(() => {})
    old.waiters.observe(old.state)
    await withTimeout(
      this.#context.clock,
      quiet,
      this.#context.timeouts.ack,
      new PaychanError(
        'ERR_LATER_UPDATES',
        'Payments are on their way and not acknowledged; renew the channel once they are.'
      )
    )
  }
}

/** The request of `open`. */
export interface Offer {
  readonly peer: string
  readonly capacity: Satoshi
  readonly blocks: BlockDelta
  /** For a two-way channel: blocks between the locks of two turns. */
  readonly step?: BlockDelta | undefined
  /** Number of blocks before its end at which the channel is to be renewed. */
  readonly renewFor?: BlockDelta | undefined
  /** The fee rate and coins of T1; the engine's estimate and the wallet's choice when left out. */
  readonly choice?: FundingChoice | undefined
  /** The fee of T1 above which the user is asked first; undefined: the user is not asked. */
  readonly mostFee?: Satoshi | undefined
  /** Number of blocks that T1 may wait before a child pays for it. */
  readonly patience?: BlockDelta | undefined
  /** A channel that this one renews, and the coins that the wallet adds. */
  readonly renewal?: (RenewalPlan & { readonly coins: Satoshi }) | undefined
  /** Set when an outside wallet makes T1. */
  readonly outside?: true | undefined
  /** Gives the opening up, as long as T1 has not left. */
  readonly signal?: AbortSignal | undefined
}
