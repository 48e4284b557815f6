/**
 * Performs effects: the one place where the wishes of a channel meet the ports, also those from
 * before a restart. Results come back as events.
 */
import type { Payment } from '../../protocols/paychan/1.0/index.js'
import { buildRenewal, renewalLock } from '../bitcoin/renewal.js'
import { parseTransaction, type Transaction } from '../bitcoin/transaction.js'
import type { Effect } from '../channel/effects.js'
import type { BroadcastPurpose, RenewalEvent } from '../channel/events.js'
import { csvPayout } from '../channel/onchain.js'
import { fundingScriptOf } from '../channel/terms.js'
import { canWait } from '../channel/resending.js'
import { publishedStake } from '../channel/stakes.js'
import { isVacant } from '../channel/funding.js'
import type { ChannelId, Txid } from '../types/bytes.js'
import { codeOf, messageOf, PaychanError, unreachable } from '../types/errors.js'
import { isFeeRefusal } from '../types/refusals.js'
import type { ChannelActor } from './channel-actor.js'
import type { Requests } from './requests.js'
import type { EngineContext } from './context.js'
import { listPayments, paymentInfo, sentInfo } from './payments.js'
import {
  type Clock,
  inBackground,
  type ScriptWatch,
  type Unsubscribe,
  type Weight,
  withTimeout
} from './ports.js'
import type { Renewals } from './renewals.js'
import { FAVOUR_INTERVAL_MS, FAVOURS, type StrangersShare } from './streams.js'
import type { Watches } from './watches.js'

/** Time that the watch of a funding script may take before the opening is given up. */
const WATCH_TIMEOUT_MS = 30_000

/**
 * Time after which what no server could be asked to take is sent again. The next block is ten
 * minutes away on average, and a server that was busy for a moment is back long before.
 */
const RESEND_MS = 30_000

const FOR_THE_PEER: ReadonlySet<Effect['type']> = new Set(['send', 'send-with-payments', 'hang-up'])

/** The parts of an engine that effects need besides. */
interface PerformerParts {
  readonly strangers: StrangersShare
  readonly requests: Pick<Requests, 'openFor'>
  /** Hands an event of one of our channels to another. */
  readonly tell: (channel: ChannelId, event: RenewalEvent, from: ChannelActor) => void
  /** RESTORE-8: reports that this node may not know all of its channels with a peer. */
  readonly doubt: (actor: ChannelActor) => void
}

/** Performs effects in the order in which they were wanted. */
export class Performer {
  /** Parsed transactions by their bytes: states are sent again with every block. */
  readonly #sent = new WeakMap<Uint8Array, Transaction>()
  /** Our T1s that a server refused for their fee the last time they were sent (EVID-7). */
  readonly #underpaid = new Set<Txid>()
  /** The channels of which no server could be asked to take a transaction. */
  readonly #unsent = new Set<ChannelActor>()
  /** The T1s that are being built. */
  readonly #building = new Map<ChannelActor, Promise<void>>()
  #cancelResend: Unsubscribe | undefined
  readonly #context: EngineContext
  readonly #parts: PerformerParts

  constructor(context: EngineContext, parts: PerformerParts) {
    this.#context = context
    this.#parts = parts
  }

  /** `stream`: the one that the effect is meant for; messages of the effect go to no other. */
  perform(actor: ChannelActor, effect: Effect, stream: number): void {
    const { links, watches, wallet, emit } = this.#context
    if (FOR_THE_PEER.has(effect.type) && links.numberOf(actor) !== stream) return
    switch (effect.type) {
      case 'send': {
        links.send(actor, effect.message)
        return
      }
      case 'send-with-payments': {
        this.#background(actor, this.#sendWithPayments(actor, effect))
        return
      }
      case 'hang-up': {
        links.hangUp(actor, 'ended by this node')
        return
      }
      case 'build-funding': {
        const building = this.#buildFunding(actor, effect).finally(() => {
          this.#building.delete(actor)
        })
        this.#building.set(actor, building)
        this.#background(actor, building)
        return
      }
      case 'tell': {
        this.#parts.tell(effect.channel, effect.event, actor)
        return
      }
      case 'release-funding': {
        this.#background(actor, wallet.releaseFunding(actor.id))
        return
      }
      case 'bump-funding': {
        const isRefused = this.#underpaid.has(effect.funding)
        this.#background(actor, wallet.bumpFunding({ ...effect, isRefused }))
        return
      }
      case 'watch-funding': {
        // COST-4: one that has to wait is watched with the next block, if it is still there.
        if (!isVacant(actor.state) || watches.has(actor) || this.#parts.strangers.takeWatch()) {
          watches.watch(actor, effect.scriptPubKey)
        }
        return
      }
      case 'broadcast': {
        this.#background(actor, this.#broadcast(actor, effect))
        return
      }
      case 'ask-for-channels': {
        this.#parts.doubt(actor)
        return
      }
      case 'claim': {
        this.#background(
          actor,
          wallet.claim({
            ...effect.payout,
            key: { role: actor.state.role, ...actor.state.keys, use: 'payout' }
          })
        )
        return
      }
      case 'payments-acknowledged': {
        this.#acknowledged(actor, effect.payments)
        return
      }
      case 'payments-unknown': {
        this.#unknown(actor, effect.payments, effect.reason)
        return
      }
      case 'payment-refused': {
        actor.waiters.settlePayment(effect.payment, effect.error)
        return
      }
      case 'payments-received': {
        this.#announce(actor, effect.payments, 'received')
        return
      }
      case 'close-done': {
        actor.waiters.settleCloses({ kind: effect.kind, txid: effect.txid })
        return
      }
      case 'close-refused': {
        actor.waiters.settleCloses(effect.error)
        return
      }
      case 'notify': {
        emit({
          type: 'channel',
          channel: actor.id,
          news: effect.news,
          step: effect.step,
          txid: effect.txid
        })
        return
      }
      case 'alarm': {
        emit({ ...effect, channel: actor.id })
        return
      }
      default:
        unreachable(effect)
    }
  }

  /** Resolves once no T1 of a channel is being built. Never rejects. */
  built(actor: ChannelActor): Promise<void> {
    return this.#building.get(actor) ?? Promise.resolve()
  }

  stopAll(): void {
    this.#cancelResend?.()
  }

  /** Called when the chain can be asked again. */
  chainIsBack(): void {
    if (this.#unsent.size > 0) this.#resendLater()
  }

  #resendLater(): void {
    const { chain, clock } = this.#context
    this.#cancelResend ??= clock.after(RESEND_MS, () => {
      this.#cancelResend = undefined
      if (chain.status !== 'synced') return
      const actors = [...this.#unsent]
      this.#unsent.clear()
      // A tip that is told again decides nothing anew: it sends what is under way.
      for (const actor of actors) actor.post({ type: 'tip' })
    })
  }

  /** Reports a failure in the background loudly; the next block tries again. */
  #background(actor: ChannelActor, work: Promise<void>): void {
    inBackground(
      () => work,
      (error) => {
        this.#context.alarm(error, actor.id)
      }
    )
  }

  /** Step 2. Spends no coin of ours on a script that we could not watch. */
  async #buildFunding(
    actor: ChannelActor,
    effect: Extract<Effect, { type: 'build-funding' }>
  ): Promise<void> {
    try {
      await watchStands(
        this.#context.watches.watch(actor, effect.scriptPubKey),
        this.#context.clock
      )
      const { scriptPubKey, amount, feeRate, coins, mostFee, source } = effect
      // A renewal that spends nothing but the old channel is no matter of the wallet.
      const built =
        source === undefined || source.fromWallet
          ? await this.#context.wallet.buildFunding({
              channel: actor.id,
              scriptPubKey,
              amount,
              feeRate,
              coins,
              mostFee,
              beside: source?.old,
              refundHeight:
                actor.state.stage === 'accepted' ? actor.state.terms.refundHeight : undefined
            })
          : buildRenewal(
              source.old,
              scriptPubKey,
              amount,
              renewalLock(this.#context.chain.tip?.height)
            )
      actor.post({ type: 'funding-built', ...built })
    } catch (error) {
      this.#context.watches.stop(actor)
      actor.post({ type: 'funding-failed', code: codeOf(error), reason: messageOf(error) })
    }
  }

  async #sendWithPayments(
    actor: ChannelActor,
    { message, after }: Extract<Effect, { type: 'send-with-payments' }>
  ): Promise<void> {
    const { links, store } = this.#context
    const making = listPayments(store, actor.id, after, message.sequence).then((list) => ({
      ...message,
      ...list
    }))
    try {
      await links.sendOnceMade(actor, making)
    } catch (error) {
      links.hangUp(actor, 'the payment log cannot be read')
      throw error
    }
  }

  async #broadcast(
    actor: ChannelActor,
    { purpose, raw, favour }: Extract<Effect, { type: 'broadcast' }>
  ): Promise<void> {
    const transaction = this.#sent.get(raw) ?? parseTransaction(raw)
    this.#sent.set(raw, transaction)
    const { txid } = transaction
    const { chain } = this.#context
    const { strangers } = this.#parts
    const weight = favour === true ? 'favour' : this.#weightOf(actor, purpose)
    try {
      if (favour === true && !strangers.takeFavour()) throw noFavour()
      const { taken, refusals } = await chain.broadcast(transaction, weight)
      // It waits already; whoever sent it first posts what comes of it.
      if (taken === 0) return
      const isRefused = refusals.length > 0
      const refusedForFee = refusals.some(({ kind }) => isFeeRefusal(kind))
      if (purpose === 'funding') {
        this.#fundingHeard(actor, txid, refusedForFee)
        actor.waiters.fundingAnswered('taken')
      }
      actor.post({
        type: 'broadcast-done',
        purpose,
        txid,
        isRefused,
        refusedForFee
      })
    } catch (error) {
      const kind =
        error instanceof PaychanError && typeof error.facts.kind === 'string'
          ? error.facts.kind
          : codeOf(error) === 'ERR_CHAIN_BUSY'
            ? 'not-sent'
            : 'unavailable'
      if (purpose === 'funding') {
        this.#fundingHeard(actor, txid, isFeeRefusal(kind))
        actor.waiters.fundingAnswered(error instanceof Error ? error : new Error(messageOf(error)))
      }
      if (kind === 'unavailable') {
        this.#unsent.add(actor)
        this.#resendLater()
      }
      actor.post({
        type: 'broadcast-failed',
        purpose,
        txid,
        kind,
        reason: messageOf(error)
      })
    }
  }

  #weightOf({ id, state }: ChannelActor, purpose: BroadcastPurpose): Weight {
    // T1 of a renewal is sent for both of its channels, and each has its answer.
    if (canWait(state, purpose)) return { patientFor: `${purpose} ${id}` }
    if (state.stage !== 'established' || state.publication === undefined) return 'money'
    return purpose === 'publication'
      ? {
          publicationOf: id,
          stake: publishedStake(state, this.#context.chain.tip?.height ?? 0),
          feeRate: state.publication.feeRate,
          isFundingThere: state.onChain.fundingHeight !== undefined
        }
      : 'money'
  }

  #fundingHeard({ state }: ChannelActor, funding: Txid, isUnderpaid: boolean): void {
    if (isUnderpaid && state.role === 'client') this.#underpaid.add(funding)
    else this.#underpaid.delete(funding)
  }

  #acknowledged(actor: ChannelActor, payments: readonly Payment[]): void {
    const time = this.#context.clock.now()
    for (const payment of payments) {
      actor.waiters.settlePayment(payment, sentInfo(actor.state, payment, time))
    }
    this.#announce(actor, payments, 'sent')
  }

  #unknown(actor: ChannelActor, payments: readonly Payment[], reason: string): void {
    const error = new PaychanError(
      'ERR_PAYMENT_UNKNOWN',
      `The payment was sent, and the connection broke before it was acknowledged${reason === '' ? '' : ` (${reason})`}. It is sent again when the peer is back; look at \`paychan payments\` before you pay again.`
    )
    for (const payment of payments) actor.waiters.settlePayment(payment, error)
  }

  #announce(
    actor: ChannelActor,
    payments: readonly Payment[],
    direction: 'sent' | 'received'
  ): void {
    if (direction === 'received') this.#announceRequests(payments)
    if (!this.#context.isListening()) return
    const sequence =
      actor.state.stage === 'established' ? (actor.state.ledger.held?.sequence ?? 0) : 0
    const time = this.#context.clock.now()
    for (const payment of payments) {
      this.#context.emit({
        type: 'payment',
        payment: paymentInfo(actor.state, { sequence, direction, time }, payment)
      })
    }
  }

  /** Tells of each request for which something was received. */
  #announceRequests(payments: readonly Payment[]): void {
    const paid = new Set(payments.flatMap((payment) => this.#parts.requests.openFor(payment) ?? []))
    for (const { record } of paid) this.#context.emit({ type: 'request', request: record })
  }
}

function noFavour(): PaychanError {
  return new PaychanError(
    'ERR_CHAIN_BUSY',
    `Of transactions that hold nothing of ours this node sends ${FAVOURS} at once, and one in ${FAVOUR_INTERVAL_MS / 60_000} minutes. Their owner can send them.`
  )
}

/** Waits until a script is watched. @throws PaychanError `ERR_CHAIN_UNAVAILABLE` */
export async function watchStands(watch: ScriptWatch, clock: Clock): Promise<void> {
  await withTimeout(
    clock,
    watch.ready,
    WATCH_TIMEOUT_MS,
    new PaychanError(
      'ERR_CHAIN_UNAVAILABLE',
      'The Electrum server does not answer, so the channel could not be watched; check it, then open the channel again.'
    )
  )
}

/* A channel after a restart: work that was due when the process died may not have been done. */

interface RecoveryHost {
  readonly perform: (effect: Effect) => void
  readonly watches: Watches
  /** Limits the time of the opening (OPEN-9). */
  readonly limitOpening: () => void
  readonly renewals: Renewals
}

/** Watches the channel on the chain, and repeats the work that is harmless to do twice. */
export function recover(
  actor: ChannelActor,
  { perform, watches, limitOpening, renewals }: RecoveryHost
): void {
  const { state } = actor
  switch (state.stage) {
    case 'abandoned':
      if (state.role === 'client') perform({ type: 'release-funding' })
      return
    case 'established': {
      watches.watch(actor, fundingScriptOf(state.terms))
      // The node may have died between writing that the payout is ours and handing it to the
      // wallet.
      const payout = csvPayout(state)
      if (payout !== undefined) perform({ type: 'claim', payout })
      break
    }
    case 'refund-signed':
      watches.watch(actor, fundingScriptOf(state.terms))
      break
    default:
      limitOpening()
  }
  actor.post({ type: 'disconnected', reason: 'this node was restarted' })
  renewals.recover(actor)
}
