/**
 * Ends a channel without the other side: each side publishes the newest state that it holds once it
 * is mature (a one-way server before L, its client T2 at L), and replaces its own transaction by
 * one with a higher fee as the deadline comes nearer (BIP125). The publisher pays the fee out of
 * its own share: before the deadline at most the stake, and then, patiently, what it takes to fetch
 * the share. The share always covers that, so no coins of the wallet are needed.
 */
import { dustLimit } from '../bitcoin/sizes.js'
import { parseTransaction, readableTransaction } from '../bitcoin/transaction.js'
import {
  formatAmount,
  feeFor,
  feeRate,
  max,
  satoshi,
  type BlockHeight,
  type FeeRate,
  type Satoshi
} from '../types/units.js'
import type { Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { isFeeRefusal } from '../types/refusals.js'
import { isHeldForPeer, notedAsDue, settlesBlindly } from './handed-back.js'
import { become, type Effect, type Transition } from './effects.js'
import type { Env } from './env.js'
import {
  baseOf,
  bid,
  budgetsOf,
  isEarly,
  isForgottenSpendShown,
  isLastCall,
  outbidding,
  SETTLED,
  waitsForUsualFees,
  worthwhileRate
} from './bidding.js'
import { isLate } from './fee-curve.js'
import { countsAsRival, hurriedBid, isHeldBack, provenRace, rivals } from './evidence.js'
import {
  endingSpend,
  leastShare,
  newestHeld,
  publishable,
  vsizeOf,
  type Publishable
} from './publishable.js'
import { isOlder, publishHeightOf, type StateRef } from './schedule.js'
import { windowOf } from './stakes.js'
import { isFrozen, type Channel, type Established, type Publication } from './state.js'
import { partyOf } from './terms.js'
import { isWorthless, mayHoldMoney, NEVER_MINED } from './funding.js'

/**
 * True when it is time to publish alone by the height of the tip (TIME-1, TIME-2, TIME-3, TIME-6),
 * and no peer is waited for (RESTORE-10). An unconfirmed close changes nothing (CLOSE-8).
 */
function isDue(channel: Established, ours: Pick<Publishable, 'state'>, height: number): boolean {
  const { terms, stopped, role } = channel
  if (height >= publishHeightOf(terms, ours.state)) {
    return stopped?.settleNow === true || !isHeldForPeer(channel, ours.state, height)
  }
  // Only the states of a one-way channel have no lock.
  return terms.mode === 'one-way' && role === 'server' && stopped?.settleNow === true
}

/**
 * TIME-7, TIME-10: true when a shown spend pays us as much as ours would: a newer state, or before
 * the settlement height a close or a renewal, also one that we have forgotten.
 */
function mustWait(channel: Established, state: StateRef, height: number): boolean {
  return (
    isHeldBack(channel, state, height) ||
    (isEarly(channel, height) && (isFrozen(channel) || isForgottenSpendShown(channel)))
  )
}

/**
 * True when our share may be in T1, as far as blocks prove: T1 is there (TIME-12) and unspent, and
 * it is not one that was never in a block (COST-2).
 */
function mayHoldOurShare(channel: Established): boolean {
  return mayHoldMoney(channel) && channel.onChain.spend === undefined && !isWorthless(channel)
}

/**
 * Starts publishing when it is due and worth it, and outbids a rival that has come in sight. Called
 * after every event, so it must be cheap when nothing is due.
 */
export function publishIfDue(known: Established, env: Env): Transition<Established> {
  const { publication: before } = known
  if (env.height === undefined || !mayHoldOurShare(known)) return become(known)
  const held = newestHeld(known)
  if (held === undefined) return become(known)
  const channel = notedAsDue(known, held.state, env.height)
  // Checked before any transaction is laid out, which takes longer than all else of an event.
  if (
    (before === undefined && !isDue(channel, held, env.height)) ||
    mustWait(channel, held.state, env.height)
  ) {
    return become(channel)
  }
  const ours = before === undefined || isOutdated(before, held) ? publishable(channel) : undefined
  if (before !== undefined) {
    const next = ours && bidAnew(channel, before, ours, env)
    return next === undefined
      ? answerRival(channel, before, held.state, env.height, env)
      : published(channel, next)
  }
  if (ours === undefined) return become(channel)
  const publication = bid(channel, ours, env)
  return publication === undefined ? become(channel) : published(channel, publication)
}

/** True when the peer has handed over a newer state than the one that is published (REEST-9). */
function isOutdated(
  { state, payerBalance }: Publication,
  held: { readonly state: StateRef; readonly payerBalance: Satoshi }
): boolean {
  return state !== held.state || (payerBalance !== undefined && payerBalance !== held.payerBalance)
}

/**
 * TIME-11: a newer state takes the place of ours at once, without waiting for a block: the next one
 * could have the older state. Not for less than the step of its fee, for a peer could hand over one
 * state after the other.
 */
function bidAnew(
  channel: Established,
  before: Publication,
  ours: Publishable,
  env: Env
): Publication | undefined {
  const had = shareOfPublication(channel, before)
  const gain = had === undefined ? 0n : ours.share - had
  // Looked at first: to sign takes a millisecond, and this is asked with every event.
  if (gain <= feeFor(env.relay.incremental, vsizeOf(channel, ours))) return undefined
  // BIP125 rule 4, and the rounding of a rate.
  const leastRate = feeRate(before.feeRate + env.relay.incremental + 10n)
  const next = bid(channel, ours, env, { previous: before, leastRate, replaces: true })
  return next !== undefined && gain > next.fee - before.fee ? next : undefined
}

/** Our part of a published state, its fee included. */
function shareOfPublication(channel: Established, { raw, fee }: Publication): bigint | undefined {
  const { closeScript } = partyOf(channel.terms, channel.role)
  const paid = readableTransaction(raw)?.paidTo(closeScript)
  return paid === undefined ? undefined : fee + paid
}

/**
 * True when our state is due and worth an output, but its share allows no bid: the share stays
 * locked up until blocks are cheaper.
 */
export function isUnaffordable(channel: Established, env: Env): boolean {
  const { height } = env
  const held = newestHeld(channel)
  if (
    height === undefined ||
    held === undefined ||
    !mayHoldOurShare(channel) ||
    channel.publication !== undefined ||
    endingSpend(channel, height) !== undefined ||
    !isDue(channel, held, height) ||
    mustWait(channel, held.state, height) ||
    waitsForUsualFees(channel, env, height)
  ) {
    return false
  }
  const ours = publishable(channel)
  return (
    ours !== undefined &&
    ours.share >= dustLimit(partyOf(channel.terms, channel.role).closeScript) &&
    bid(channel, ours, env) === undefined
  )
}

/**
 * Answers a state of the other side that has come in sight. An older state that two servers show is
 * outbid (EVID-4). Any other state that is not the rightful one, even one that no block takes, may
 * have put ours out of the mempools: our bid goes out once more, and a refusal tells.
 */
function answerRival(
  channel: Established,
  publication: Publication,
  state: StateRef,
  height: BlockHeight,
  env: Env
): Transition<Established> {
  const seen = rivals(channel).filter(
    (spend) => isOlder(spend.state, state) || !countsAsRival(channel, spend, height)
  )
  if (seen.length === 0) return become(channel)
  const race = provenRace(channel, state, height)
  const next =
    race === undefined ||
    outbidding(race, parseTransaction(publication.raw).vsize, env) <= publication.fee
      ? undefined
      : bidAtOnce(channel, publication, height, env)
  if (next !== undefined) return published(channel, next)
  if (publication.probedAt === height) return become(channel)
  return become(
    { ...channel, publication: { ...publication, probedAt: height } },
    broadcastOf(publication)
  )
}

/**
 * Runs on a new tip, also after a reorg took a bid out of its block (TIME-4): sends the next bid,
 * or the same transaction once more when the share allows no higher one.
 */
export function republish(channel: Established, env: Env): Transition<Established> {
  const { publication } = channel
  if (
    publication === undefined ||
    channel.onChain.spend !== undefined ||
    env.height === undefined
  ) {
    return become(channel)
  }
  const held = newestHeld(channel)
  if (held !== undefined && mustWait(channel, held.state, env.height)) return become(channel)
  // At the same height the node was restarted: the last bid may never have left it.
  const next = env.height > publication.height ? higherBid(channel, publication, env) : undefined
  return next === undefined ? become(channel, broadcastOf(publication)) : published(channel, next)
}

/**
 * A mempool has the bid: from here on only its fee keeps it out of a block. When another mempool
 * asks for more, the bid is raised as after a refusal once its window is nearly over (EVID-4).
 */
export function onPublicationAccepted(
  channel: Established,
  txid: Txid,
  refusedForFee: boolean,
  env: Env
): Transition<Established> {
  const { publication } = channel
  if (publication?.txid !== txid) return become(channel)
  const standing: Publication = {
    ...publication,
    refusedFor: undefined,
    ...(refusedForFee ? { isUnderpaid: true } : {})
  }
  const isNews =
    publication.refusedFor !== undefined || (refusedForFee && publication.isUnderpaid === undefined)
  const state: Established = isNews ? { ...channel, publication: standing } : channel
  return refusedForFee && presses(channel, publication, env) ? hurried(state, env) : become(state)
}

/**
 * EVID-4: true in the last third of the window, where no block may be lost. Before that a block
 * shows whether the bid that a server has taken is enough: the one that refuses it may lie.
 */
function presses(
  channel: Established,
  { state, since }: Publication,
  { height }: Pick<Env, 'height'>
): boolean {
  if (height === undefined) return false
  const { from, deadline } = windowOf(channel, state, height)
  const begun = { height: Math.max(since.height, from) }
  return deadline !== undefined && isLate(begun, height, deadline)
}

/**
 * Every mempool that could be asked refused a bid. Whatever the reason, the next bid comes with the
 * next block at the latest (EVID-4).
 */
export function onPublicationRefused(
  channel: Established,
  refusal: { readonly txid: Txid; readonly kind: string; readonly reason: string },
  env: Env
): Transition<Established> {
  const { publication } = channel
  const note: Effect = {
    type: 'notify',
    news: {
      kind: 'publication-refused',
      transaction: publication?.kind ?? 'settlement',
      code: refusal.kind,
      reason: refusal.reason
    }
  }
  if (publication === undefined || publication.txid !== refusal.txid) return become(channel, note)
  const state: Established =
    publication.refusedFor === refusal.kind
      ? channel
      : { ...channel, publication: { ...publication, refusedFor: refusal.kind } }
  return isFeeRefusal(refusal.kind) ? hurried(state, env, note) : become(state, note)
}

/**
 * Raises the bid at once, since a mempool asks for more; but only up to twice the estimate, or 20
 * sat/vB: a server can ask falsely, and a close with a large fee, which the other side gets back if
 * it is replaced, would make us burn our share against our own payment. Beyond that the fee rises
 * with the blocks, or in a race that is proven (`answerRival`).
 */
function hurried(channel: Established, env: Env, ...first: Effect[]): Transition<Established> {
  const { publication } = channel
  const held = newestHeld(channel)
  if (
    publication === undefined ||
    env.height === undefined ||
    held === undefined ||
    mustWait(channel, held.state, env.height)
  ) {
    return become(channel, ...first)
  }
  const next = bidAtOnce(
    channel,
    publication,
    env.height,
    env,
    feeRate(publication.feeRate + max(publication.feeRate / 4n, env.relay.incremental as bigint))
  )
  return next === undefined ? become(channel, ...first) : published(channel, next, ...first)
}

/**
 * EVID-4: the next bid, without waiting for a block: up to twice the estimate or 20 sat/vB, and in
 * a proven race up to twice the bid at the last block.
 */
function bidAtOnce(
  channel: Established,
  publication: Publication,
  height: number,
  env: Env,
  leastRate = publication.feeRate
): Publication | undefined {
  const ours = publishable(channel)
  if (ours === undefined) return undefined
  const vsize = vsizeOf(channel, ours)
  // A race that begins in the last block has no curve: while a server has taken the bid, refusals
  // by another one raise it no further than at any other height.
  const isTaken = publication.refusedFor === undefined && publication.begun === height
  if (!isTaken && isLastCall(channel, ours.state, publication, height)) {
    return bid(channel, ours, env, { previous: publication, leastRate })
  }
  const unproven = hurriedBid(env.feeRate, vsize)
  const most =
    provenRace(channel, ours.state, height) === undefined
      ? unproven
      : max(unproven, satoshi(baseOf(publication, height) * 2n))
  return bid(channel, ours, env, { previous: publication, leastRate, most })
}

function broadcastOf(publication: Publication): Effect {
  return { type: 'broadcast', purpose: 'publication', raw: publication.raw }
}

/**
 * The next bid, when it can replace the last one: BIP125 rule 4 asks for the incremental relay fee
 * on top of the last bid. A state that a new turn brought is another transaction, and its bid
 * begins anew, above the last one.
 */
function higherBid(
  channel: Established,
  previous: Publication,
  env: Env,
  asked?: FeeRate
): Publication | undefined {
  const ours = publishable(channel)
  return ours === undefined
    ? undefined
    : bid(channel, ours, env, {
        previous,
        leastRate: asked ?? previous.feeRate,
        byUser: asked !== undefined
      })
}

function published(
  channel: Established,
  publication: Publication,
  ...first: Effect[]
): Transition<Established> {
  return become({ ...channel, publication }, ...first, broadcastOf(publication), {
    type: 'notify',
    step: publication.kind,
    txid: publication.txid,
    news: { kind: 'published', transaction: publication.kind, fee: publication.fee }
  })
}

/**
 * The bid that a user asks for: at a given rate, or a quarter above the last bid and above the rate
 * for the next block. At most the share.
 */
export function raisedTo(
  channel: Established,
  rate: FeeRate | undefined,
  env: Env
): Publication | PaychanError {
  const { publication, onChain } = channel
  const ours = publishable(channel)
  if (publication === undefined || ours === undefined || env.height === undefined) {
    return new PaychanError('ERR_CANNOT_BUMP', 'Nothing of this channel waits for a block.')
  }
  if (onChain.spend !== undefined) {
    return new PaychanError(
      'ERR_ALREADY_CONFIRMED',
      `The channel is spent in block ${onChain.spend.height} already.`,
      { height: onChain.spend.height }
    )
  }
  const wanted = rate ?? feeRate((max(publication.feeRate, env.nextBlockRate) * 5n) / 4n)
  const next = higherBid(
    channel,
    publication,
    env,
    feeRate(max(wanted as bigint, publication.feeRate + 1n))
  )
  if (next !== undefined && next.feeRate >= wanted - 10n) return next
  const most = budgetsOf(channel, ours, env, env.height, publication.since.height).share
  return new PaychanError(
    'ERR_CANNOT_BUMP',
    `It pays ${formatAmount(publication.fee)}. A higher fee has to be 1 sat/vB more, and at most the ${formatAmount(satoshi(max(0n, most)))} of your share; give another --feerate.`,
    { fee: publication.fee, most, feeRate: wanted }
  )
}

/** Raises the fee of the waiting publication for the user. */
export function onBump(channel: Channel, rate: FeeRate, env: Env): Transition {
  const next = channel.stage === 'established' ? raisedTo(channel, rate, env) : undefined
  return channel.stage === 'established' && next !== undefined && !(next instanceof PaychanError)
    ? published(channel, next)
    : become(channel)
}

/** Handles a user's request for its money now, without the other side. */
export function onSettle(channel: Channel, env: Pick<Env, 'height' | 'relay'>): Transition {
  if (channel.stage !== 'established') {
    return become(channel, settleRefused('Only an established channel can be settled.'))
  }
  const { terms } = channel
  const spend = endingSpend(channel, env.height)
  if (spend !== undefined) {
    return become(channel, {
      type: 'close-refused',
      error: new PaychanError(
        'ERR_CHANNEL_CLOSED',
        `The channel is already being closed by transaction ${spend.txid}.`
      )
    })
  }
  if (channel.publication !== undefined) return become(channel, broadcastOf(channel.publication))
  const ours = publishable(channel)
  if (channel.copied !== undefined && ours !== undefined) {
    const error = settlesBlindly(channel, publishHeightOf(terms, ours.state))
    return become(channel, { type: 'close-refused', error })
  }
  const matures = ours === undefined ? undefined : publishHeightOf(terms, ours.state)
  if (terms.mode === 'one-way' && channel.role === 'client') {
    return become(
      channel,
      settleRefused(
        channel.onChain.fundingHeight === undefined
          ? `There is nothing to settle before the funding transaction is in a block. ${NEVER_MINED}`
          : `Only the server of an established channel can settle it alone. The refund is published by itself at height ${terms.refundHeight}.`
      )
    )
  }
  if (ours === undefined || ours.share < leastShare(channel, ours, worthwhileRate(env))) {
    return become(
      channel,
      settleRefused('Our share is not worth the fee of a transaction.', {
        share: ours?.share ?? 0n
      })
    )
  }
  if (
    terms.mode === 'two-way' &&
    matures !== undefined &&
    (env.height === undefined || env.height < matures)
  ) {
    return become(
      channel,
      settleRefused(
        `Our newest state matures at height ${matures}, and is published by itself then.`,
        { height: env.height, matures }
      )
    )
  }
  return become({
    ...channel,
    stopped: {
      code: SETTLED,
      reason: 'settled on the chain by its user',
      rule: '',
      settleNow: true
    }
  })
}

function settleRefused(text: string, facts = {}): Effect {
  return { type: 'close-refused', error: new PaychanError('ERR_NOTHING_TO_SETTLE', text, facts) }
}
