/**
 * The channel: `(state, event, env) -> state, log, effects`. Picks the function for what happened
 * at the stage where the channel is, then does what has become due by height.
 */
import type { Update } from '../../protocols/paychan/1.0/index.js'
import { hashFromTxid, txidFromHash } from '../types/bytes.js'
import { alarm, PaychanError, unreachable } from '../types/errors.js'
import { abandon, distrustList, stop } from './stopping.js'
import {
  closeAgain,
  closeIfDue,
  onClose,
  onCloseBroadcast,
  onCloseDone,
  onCloseRequest
} from './closing.js'
import { become, type Effect, type Transition } from './effects.js'
import type { Env } from './env.js'
import type { ChannelEvent, FundingHistory } from './events.js'
import {
  confirmations,
  fundingFee,
  isBuried,
  isWorthless,
  letUnprovenGo,
  makeRoom
} from './funding.js'
import { onHandedBack } from './handed-back.js'
import { heard, hungUp, isOver, onConnected, onDisconnected, onError } from './linking.js'
import { CLAIM_AGAIN_BLOCKS, csvPayout, onHistory, settlePayments } from './onchain.js'
import { onAcceptChannel, onFundingBuilt, onRefundSignature } from './opening-client.js'
import { giveUpRefund, onFunding, onFundingSeen, onRefundRequest } from './opening-server.js'
import { expireUnsigned, isUnsigned, onFundingSigned } from './outside-funding.js'
import { onPay, onUpdateAck, sendInitialUpdate } from './paying.js'
import {
  onBump,
  onPublicationAccepted,
  onPublicationRefused,
  onSettle,
  publishIfDue,
  republish
} from './publishing.js'
import { onUpdates } from './receiving.js'
import { onReestablish } from './reestablishing.js'
import { lastPaymentHeightOf } from './schedule.js'
import { onCompleteRenewal, onSignRenewal } from './renewed.js'
import {
  onCoinLost,
  onFundingLost,
  onInitialAck,
  onInitialOfRenewal,
  onRenewalCompleted,
  onRenewalRefused,
  onRenewalRequest,
  onRenewalSigned,
  onRenewalWaits
} from './renewing.js'
import {
  isOpening,
  isSigning,
  type Channel,
  type ClientChannel,
  type Established,
  type ServerChannel
} from './state.js'
import {
  forgetRefusal,
  onAskTurn,
  onGrantTurn,
  onTurnGrant,
  onTurnRefuse,
  onTurnRequest
} from './turns.js'
import { canWait, refusedUnlessBid, rests, taken } from './resending.js'
import { errorMessage, Violation } from './violation.js'

/** Everything that can happen to a channel. Throws only when there is a bug. */
export function transition(before: Channel, event: ChannelEvent, env: Env): Transition {
  if (isOver(before, event)) return become(before)
  const channel = isWord(event) ? heard(before) : before
  const after = (first: Transition): Transition =>
    thenDue(before, unlessSigning(before, event, first), env)
  switch (event.type) {
    case 'pay':
      return after(onPay(channel, event.payments, env))
    case 'ask-turn':
      return after(onAskTurn(channel, event.payments, env))
    case 'grant-turn':
      return after(onGrantTurn(channel, env))
    case 'close':
      return after(onClose(channel, env, event.feeRate))
    case 'settle':
      return after(onSettle(channel, env))
    case 'bump':
      return after(onBump(channel, event.feeRate, env))
    case 'cancel':
      return after(isOpening(channel) ? onClose(channel, env) : become(channel))
    case 'let-unproven-go':
      return after(letUnprovenGo(channel, env))
    case 'make-room':
      return after(makeRoom(channel, env, event))
    case 'connected':
      return after(onConnected(channel, event.address, env))
    case 'disconnected':
      return after(onDisconnected(channel, event.reason))
    case 'updates':
      return after(onUpdatesAt(channel, event.updates, env))
    case 'message':
      return after(onMessage(channel, event.message, env))
    case 'list-contradicted':
      return after(distrustList(channel, event.id))
    case 'handed-back':
      return after(onHandedBack(channel, event.record, event.network, env))
    case 'funding-built':
      return after(
        channel.stage === 'accepted' && channel.role === 'client'
          ? onFundingBuilt(channel, event, env)
          : become(channel, { type: 'release-funding' }) // abandoned while T1 was built
      )
    case 'funding-signed':
      return after(onFundingSigned(channel, event.raw))
    case 'funding-failed':
      return after(
        isOpening(channel) ? onFundingFailed(channel, event.code, event.reason) : become(channel)
      )
    case 'sign-renewal':
      return after(onSignRenewal(channel, event.draft, env))
    case 'complete-renewal':
      return after(onCompleteRenewal(channel, event.draft, event.signature, env))
    case 'renewal-signed':
      return after(onRenewalSigned(channel, event.signature, event.old))
    case 'renewal-completed':
      return after(onRenewalCompleted(channel, event.raw))
    case 'renewal-waits':
      return after(onRenewalWaits(channel))
    case 'renewal-refused':
      return after(onRenewalRefused(channel, event.error))
    case 'coin-lost':
      return after(onCoinLost(channel, event.by))
    case 'funding-lost':
      return after(onFundingLost(channel, event.by))
    case 'tip':
      return after(onTip(channel, env))
    case 'history':
      return after(onFundingHistory(channel, event.history, env))
    case 'broadcast-done':
      return after(
        channel.stage === 'established'
          ? onBroadcastDone(
              event.isRefused ? refusedUnlessBid(channel, event, env) : taken(channel, event.txid),
              event,
              env
            )
          : become(channel)
      )
    case 'broadcast-failed':
      return after(
        channel.stage === 'established'
          ? onBroadcastFailed(refusedUnlessBid(channel, event, env), event, env)
          : become(channel)
      )
    case 'timeout':
      return after(
        isOpening(channel) && channel.stage !== 'refund-signed'
          ? onTimeout(channel)
          : become(channel)
      )
    default:
      return unreachable(event)
  }
}

/** True for what a peer says of the channel, rather than of its end. */
function isWord(event: ChannelEvent): boolean {
  return event.type === 'updates' || (event.type === 'message' && event.message.type !== 'Error')
}

/** What happened, and then all that has become due. */
function thenDue(before: Channel, first: Transition, env: Env): Transition {
  if (first.state.stage !== 'established') return first
  const ready = becomeReady(settlePayments(hungUp(first.state, first.effects), env), env)
  const published = publishIfDue(ready.state, env)
  const opened: Effect[] =
    isOpen(ready.state) && !isOpen(before) ? [{ type: 'notify', news: { kind: 'open' } }] : []
  return {
    state: published.state,
    log: first.log,
    effects: [...first.effects, ...ready.effects, ...opened, ...published.effects]
  }
}

/**
 * RENEW-5: while the old channel is asked to sign T1, only its answer can end the opening: T1 could
 * be signed already.
 */
function unlessSigning(before: Channel, event: ChannelEvent, next: Transition): Transition {
  const isAnswer = event.type === 'renewal-refused' || event.type === 'funding-lost'
  if (next.state.stage !== 'abandoned' || !isSigning(before) || isAnswer) return next
  const late = new PaychanError(
    'ERR_CANCEL_TOO_LATE',
    'The renewal is being signed; it cannot be given up any more.'
  )
  return event.type === 'close' || event.type === 'cancel'
    ? become(before, { type: 'close-refused', error: late })
    : become(before, ...next.effects.filter(({ type }) => type === 'send' || type === 'hang-up'))
}

/** True when both sides have found T1 deep enough. */
function isOpen(channel: Channel): boolean {
  return (
    channel.stage === 'established' &&
    channel.ready.ours &&
    channel.ready.theirs &&
    channel.ledger.held !== undefined
  )
}

function onUpdatesAt(channel: Channel, updates: readonly Update[], env: Env): Transition {
  if (channel.stage === 'established') return onUpdates(channel, updates, env)
  // RENEW-3: the first state of a renewal comes before T1.
  return channel.stage === 'refund-signed' &&
    channel.terms.renews !== undefined &&
    channel.initial === undefined
    ? onInitialOfRenewal(channel, updates, env)
    : unexpected(channel, 'Update')
}

function onMessage(
  channel: Channel,
  message: Extract<ChannelEvent, { type: 'message' }>['message'],
  env: Env
): Transition {
  if (message.type === 'Error') return onError(channel, message)
  switch (channel.stage) {
    case 'abandoned':
      return become(channel)
    case 'offered':
      return message.type === 'AcceptChannel'
        ? onAcceptChannel(channel, message, env)
        : unexpected(channel, message.type)
    case 'accepted':
      return message.type === 'RefundRequest' && channel.role === 'server'
        ? onRefundRequest(channel, message, env)
        : unexpected(channel, message.type)
    case 'refund-requested':
      if (message.type === 'UpdateAck' && channel.terms.renews !== undefined) {
        return onInitialAck(channel, message)
      }
      return message.type === 'RefundSignature' && channel.secured === undefined
        ? onRefundSignature(channel, message, env)
        : unexpected(channel, message.type)
    case 'refund-signed':
      if (message.type === 'Reestablish') return onReestablish(channel, message, env)
      if (message.type === 'RenewalRequest' && channel.initial !== undefined) {
        return onRenewalRequest(channel, message, env)
      }
      return message.type === 'Funding' && channel.terms.renews === undefined
        ? onFunding(channel, message)
        : unexpected(channel, message.type)
    case 'established':
      return onEstablishedMessage(channel, message, env)
    default:
      return unreachable(channel)
  }
}

function onEstablishedMessage(
  channel: Established,
  message: Exclude<Extract<ChannelEvent, { type: 'message' }>['message'], { type: 'Error' }>,
  env: Env
): Transition {
  switch (message.type) {
    case 'FundingBroadcast':
      return channel.role === 'client'
        ? onFundingBroadcast(channel, txidFromHash(message.txid), env)
        : unexpected(channel, message.type)
    case 'RenewalRequest':
    case 'Funding':
      return channel.role === 'server' &&
        (message.type === 'Funding') === (channel.terms.renews === undefined)
        ? become(channel, ...fundingAnswer(channel))
        : unexpected(channel, message.type)
    case 'UpdateAck':
      return onUpdateAck(channel, message)
    // A repeated message changes nothing, and is not worth a write.
    case 'ChannelReady':
      return become(
        channel.ready.theirs ? channel : { ...channel, ready: { ...channel.ready, theirs: true } }
      )
    case 'TurnRequest':
      return channel.terms.mode === 'two-way'
        ? onTurnRequest(channel, message, env)
        : unexpected(channel, message.type)
    case 'TurnGrant':
      return channel.terms.mode === 'two-way'
        ? onTurnGrant(channel, message)
        : unexpected(channel, message.type)
    case 'TurnRefuse':
      return channel.terms.mode === 'two-way'
        ? onTurnRefuse(channel, message, env)
        : unexpected(channel, message.type)
    case 'CloseRequest':
      return onCloseRequest(channel, message, env)
    case 'CloseDone':
      return onCloseDone(channel, message)
    // `Reestablish` comes first on its stream; a second one has no place there.
    case 'Reestablish':
      return channel.link === 'live'
        ? unexpected(channel, message.type)
        : onReestablish(channel, message, env)
    default:
      return unexpected(channel, message.type)
  }
}

/** ERR-2: a message that has no place here. */
function unexpected(channel: Channel, type: string): Transition {
  const violation = new Violation(
    'ERR-2',
    'ERR_UNEXPECTED_MESSAGE',
    `${type} has no place at this stage (${channel.stage}).`
  )
  if (channel.stage === 'established') return stop(channel, violation)
  return isOpening(channel)
    ? abandon(channel, violation, { type: 'send', message: errorMessage(violation, true) })
    : become(channel)
}

/** Step 6, confirmed by the server; step 7 follows. */
function onFundingBroadcast(channel: ClientChannel, txid: string, env: Env): Transition {
  if (txid !== channel.outPoint.txid) {
    return stop(
      channel,
      new Violation(
        'FUND-1',
        'ERR_FUNDING_TXID',
        `The server names T1 as ${txid}; it is ${channel.outPoint.txid}.`
      )
    )
  }
  const acknowledged: ClientChannel = { ...channel, fundingAcknowledged: true }
  const { held, inFlight } = channel.ledger
  return held === undefined && inFlight.length === 0
    ? sendInitialUpdate(acknowledged, env)
    : become(acknowledged)
}

/**
 * FUND-3. A client that has not heard it hands T1 over again when it is back (REEST-2, REEST-5);
 * that asks no server of the chain (COST-1).
 */
function fundingAnswer(channel: ServerChannel): Effect[] {
  if (!channel.fundingAccepted) return notBroadcast(channel, 'not-sent')
  return channel.link === 'live'
    ? [
        {
          type: 'send',
          message: { type: 'FundingBroadcast', txid: hashFromTxid(channel.outPoint.txid) }
        }
      ]
    : []
}

/** FUND-3, the other answer. The words of servers stay on this node (ERR-1). */
function notBroadcast(channel: ServerChannel, kind: string): Effect[] {
  if (channel.fundingAccepted || channel.link !== 'live') return []
  const next = isWorthless(channel)
    ? 'send T1 yourself: it is known here once a mempool shows it'
    : 'it is sent again with every block'
  const error =
    kind === 'unavailable' || kind === 'not-sent'
      ? { code: 'ERR_NOT_READY', message: `T1 was not sent just now; ${next}.` }
      : {
          code: 'ERR_BROADCAST_REFUSED',
          message: `No mempool that this node knows of takes T1; ${next}.`
        }
  return [{ type: 'send', message: errorMessage(error, false) }]
}

/** FUND-3: a mempool or a block has T1. */
function onFundingAccepted(channel: ServerChannel): Transition<Established> {
  if (channel.fundingAccepted) return become(channel)
  const state: ServerChannel = { ...channel, fundingAccepted: true }
  return become(state, ...fundingAnswer(state))
}

/** FUND-3: the chain shows T1, no matter who has sent it. */
function acknowledgeSeen(channel: Established): Transition<Established> {
  return channel.role === 'server' && channel.onChain.fundingSeen
    ? onFundingAccepted(channel)
    : become(channel)
}

function onBroadcastDone(
  channel: Established,
  { purpose, txid, refusedForFee }: Extract<ChannelEvent, { type: 'broadcast-done' }>,
  env: Env
): Transition {
  switch (purpose) {
    case 'funding':
      return channel.role === 'server' ? onFundingAccepted(channel) : become(channel)
    case 'close':
      return onCloseBroadcast(channel, txid)
    case 'publication': {
      const accepted = onPublicationAccepted(channel, txid, refusedForFee, env)
      return {
        ...accepted,
        effects: [...accepted.effects, { type: 'close-done', kind: 'settlement', txid }]
      }
    }
    default:
      return unreachable(purpose)
  }
}

function onBroadcastFailed(
  channel: Established,
  event: Extract<ChannelEvent, { type: 'broadcast-failed' }>,
  env: Env
): Transition {
  switch (event.purpose) {
    case 'funding': {
      if (channel.role === 'server' && event.kind === 'not-sent') {
        return become(channel, ...notBroadcast(channel, event.kind))
      }
      const text = `T1 ${channel.outPoint.txid} was not accepted (${event.reason}); it is sent again with every block.`
      return become(
        channel,
        ...(channel.role === 'client'
          ? [
              alarm(
                new PaychanError('ERR_BROADCAST_REFUSED', text, {
                  txid: channel.outPoint.txid,
                  reason: event.reason
                })
              )
            ]
          : [
              ...notBroadcast(channel, event.kind),
              {
                type: 'notify',
                txid: channel.outPoint.txid,
                news: { kind: 'funding-refused', code: event.kind, reason: event.reason }
              } as const
            ])
      )
    }
    case 'close':
      return become(channel, {
        type: 'notify',
        news: { kind: 'close-refused', code: event.kind, reason: event.reason }
      })
    case 'publication':
      return onPublicationRefused(channel, event, env)
    default:
      return unreachable(event.purpose)
  }
}

function onFundingFailed(
  channel: Extract<
    Channel,
    { stage: 'offered' | 'accepted' | 'refund-requested' | 'refund-signed' }
  >,
  code: string,
  reason: string
): Transition {
  const error = PaychanError.of(code, reason)
  const told = errorMessage(
    { code: 'ERR_FUNDING_FAILED', message: 'The client could not build its funding transaction.' },
    true
  )
  return abandon(channel, error, { type: 'send', message: told })
}

/** OPEN-9. */
function onTimeout(
  channel: Extract<Channel, { stage: 'offered' | 'accepted' | 'refund-requested' }>
): Transition {
  const error = new PaychanError(
    'ERR_OPEN_TIMEOUT',
    'The peer took too long; open the channel again.'
  )
  return abandon(channel, error, { type: 'send', message: errorMessage(error, true) })
}

function onTip(channel: Channel, env: Env): Transition {
  switch (channel.stage) {
    case 'established': {
      const expired = expireUnsigned(channel, env)
      const next = publishAgain(forgetRefusal(expired.state, env.height), env)
      return { ...next, effects: [...expired.effects, ...next.effects] }
    }
    case 'refund-signed':
      return giveUpRefund(channel, env)
    default:
      return become(channel)
  }
}

function onFundingHistory(channel: Channel, history: FundingHistory, env: Env): Transition {
  switch (channel.stage) {
    case 'established': {
      const shown = onHistory(channel, history, env)
      const seen = acknowledgeSeen(
        isUnfundedAgain(channel, shown.state) ? { ...shown.state, reorged: true } : shown.state
      )
      const effects = [...shown.effects, ...seen.effects]
      if (!isUndone(channel, seen.state)) return { ...seen, effects }
      const again = publishAgain(seen.state, env)
      return { ...again, effects: [...effects, ...again.effects] }
    }
    case 'refund-signed':
      return onFundingSeen(channel, history, env)
    default:
      return become(channel)
  }
}

/**
 * TIME-4: true when a reorganisation has taken T1 or its spend out of its block. The tip may have
 * come first, when this was not known yet, and the next tip may be far off.
 */
function isUndone(before: Established, now: Established): boolean {
  return (
    (before.onChain.spend !== undefined && now.onChain.spend === undefined) ||
    isUnfundedAgain(before, now)
  )
}

function isUnfundedAgain({ onChain: before }: Established, { onChain: now }: Established): boolean {
  return before.fundingHeight !== undefined && now.fundingHeight === undefined
}

/**
 * Runs on a new block or a restart: sends again what is not in a block yet; T1 always as it was
 * (FUND-5). When a channel holds nothing of ours, the client has to send T1 (COST-2).
 */
function publishAgain(channel: Established, env: Env): Transition<Established> {
  const { onChain } = channel
  const effects: Effect[] = []
  // A T1 that nobody has seen until L was never worth anything: its server lets it go. Its client
  // has coins in it, as far as it can know.
  const hopeless =
    (channel.role === 'server' || channel.restored === true) &&
    !onChain.fundingSeen &&
    env.height !== undefined &&
    env.height >= channel.terms.refundHeight
  if (
    onChain.fundingHeight === undefined &&
    onChain.spend === undefined &&
    !hopeless &&
    !isWorthless(channel) &&
    !(channel.role === 'client' && channel.renewal !== undefined) &&
    !isUnsigned(channel) &&
    !(canWait(channel, 'funding') && rests(channel, channel.outPoint.txid, env))
  ) {
    effects.push({ type: 'broadcast', purpose: 'funding', raw: channel.fundingTx })
  }
  effects.push(...fundingFee(channel, env))
  // The wallet takes a payout once, however often it is told; the first time it may not have been
  // able to write.
  const age =
    env.height === undefined || onChain.spend === undefined ? 0 : env.height - onChain.spend.height
  const payout = age > 0 && age <= CLAIM_AGAIN_BLOCKS ? csvPayout(channel) : undefined
  if (payout !== undefined) effects.push({ type: 'claim', payout })
  const close = closeAgain(channel, env)
  const again = republish(close.state, env)
  const closing = closeIfDue(again.state, env)
  return become(closing.state, ...effects, ...close.effects, ...again.effects, ...closing.effects)
}

/** FUND-4: T1 is deep enough, and there is room left for payments. */
function becomeReady(channel: Established, env: Env): Transition<Established> {
  const { terms } = channel
  if (
    channel.ready.ours ||
    channel.stopped !== undefined ||
    env.height === undefined ||
    !isBuried(channel, env)
  ) {
    return become(channel)
  }
  if (env.height >= lastPaymentHeightOf(terms, channel.ledger.turn)) {
    const lastPaymentHeight = lastPaymentHeightOf(terms, channel.ledger.turn)
    const reason = `T1 was only confirmed when no payments could be made any more (last payment at height ${lastPaymentHeight}).`
    return become(
      {
        ...channel,
        stopped: { code: 'ERR_FUNDED_TOO_LATE', reason, rule: 'FUND-4', settleNow: false }
      },
      alarm(
        new PaychanError('ERR_FUNDED_TOO_LATE', reason, {
          height: env.height,
          lastPaymentHeight
        })
      )
    )
  }
  const state: Established = { ...channel, ready: { ...channel.ready, ours: true } }
  const ready: Effect[] =
    channel.link === 'live' ? [{ type: 'send', message: { type: 'ChannelReady' } }] : []
  return become(state, ...ready, {
    type: 'notify',
    news: { kind: 'ready', confirmations: confirmations(channel, env), minDepth: terms.minDepth }
  })
}
