/**
 * The ends without the other side: each side publishes the newest state that it holds once it is
 * mature (a one-way server before L, its client T2 at L), and replaces its own transaction by one
 * with a higher fee as the deadline comes nearer (BIP125). Whoever publishes pays the fee out of its
 * own share, never more than what is at stake; the share always covers that, so no coins of the
 * wallet are needed.
 */
import { dustLimit } from '../bitcoin/dust.js'
import { completeState } from '../bitcoin/template.js'
import { parseTransaction } from '../bitcoin/transaction.js'
import { formatAmount, feeFor, feeRate, max, min, satoshi, subSat, type FeeRate, type Satoshi } from '../types/units.js'
import type { Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { to, type Effect, type Transition } from './effects.js'
import type { Env } from './env.js'
import { curveRate } from './fee-curve.js'
import { heldBalance } from './ledger.js'
import { leastShare, newestHeld, publishable, stakeAt, vsizeOf, type Publishable } from './publishable.js'
import { payeeOf, publishHeightOf } from './schedule.js'
import { deadlineOf } from './stakes.js'
import type { Channel, Established, Publication, Spend } from './state.js'
import { partyOf } from './terms.js'

/** 1 sat/vB: Bitcoin Core's default minimum relay fee and incremental relay fee before release 29, still what many servers ask for. What cannot pay this is not worth a transaction; what a server asks for beyond it, `Env.relay` says. */
export const RELAY_FEE_RATE = feeRate(1000n)

/** 20 sat/vB: 181 vB of a T3 then cost 3,620 sat, which is not worth an attack. */
const HURRY_RATE = feeRate(20_000n)

/** Whether the moment has come to publish alone by the height of the tip (TIME-1, TIME-2, TIME-3, TIME-6). A close that is unconfirmed changes nothing (CLOSE-8). */
function isDue (channel: Established, ours: Pick<Publishable, 'turn'>, height: number): boolean {
  const { terms, stopped, role } = channel
  if (height >= publishHeightOf(terms, ours.turn)) return true
  // Only the states of a one-way channel have no lock.
  return terms.mode === 'one-way' && role === 'server' && (stopped?.settleNow === true || rivalOf(channel) !== undefined)
}

/**
 * What the other side has in the mempool or in a block against us. A state of ours is an earlier bid
 * of ours, and a close (CLOSE-8) is no state that the other side could keep: it is only stuck.
 */
function rivalOf ({ role, onChain: { spend } }: Established): Spend | undefined {
  if (spend === undefined || spend.kind === 'close') return undefined
  return spend.turn !== undefined && payeeOf(spend.turn) === role ? undefined : spend
}

/** A newer state may wait for so many blocks where nothing older can come (T2), or while it pays enough: a day. */
const PATIENCE = 144

/**
 * TIME-7: a newer state than ours is in the mempool. It is the rightful one, and an honest side does
 * not compete with it; unless it is stuck for so long that an older one of the other side's comes
 * near, which could then take its place. One that has come late (a reorganisation took it out of its
 * block) and pays what the next block takes is not stuck: each of the two would outbid the other
 * until the newer one has lost, and most of both shares is burnt.
 */
function isOutranked (channel: Established, ours: Publishable, height: number, nextBlock: FeeRate): boolean {
  const { spend } = channel.onChain
  if (spend === undefined || !isNewer(spend, ours) || spend.height !== undefined) return false
  const begin = publishHeightOf(channel.terms, ours.turn)
  const deadline = deadlineOf(channel, ours.turn)
  if (deadline === undefined) return height < begin + PATIENCE
  if ((deadline - height) * 3 > deadline - begin) return true
  // A quarter more than the estimate, as our own late bids; if the estimate is wrong for a day, it waits no longer.
  return height < deadline + PATIENCE && feeOfSpend(channel, spend) >= feeFor(feeRate(nextBlock * 5n / 4n), vsizeOfRaw(spend.raw))
}

function isNewer (spend: Spend | undefined, ours: Publishable): boolean {
  return spend?.kind === 'settlement' && spend.turn !== undefined && spend.turn > ours.turn
}

/** Starts publishing when it is due and worth it, and outbids a rival that has come in sight. Called after every event, so it must be cheap when nothing is due. */
export function publishIfDue (channel: Established, env: Env): Transition<Established> {
  const { publication: before, onChain } = channel
  if (env.height === undefined || !onChain.fundingSeen || onChain.spend?.height !== undefined) return to(channel)
  const held = newestHeld(channel)
  // Before any transaction is laid out: that takes longer than all else of an event.
  if (held === undefined || (before === undefined && !isDue(channel, held, env.height))) return to(channel)
  const ours = publishable(channel)
  if (ours === undefined || isOutranked(channel, ours, env.height, env.nextBlockRate)) return to(channel)
  if (before !== undefined) {
    const next = rivalOf(channel) === undefined ? undefined : higherBid(channel, before, env)
    return next === undefined || outbidding(channel, vsizeOfRaw(before.raw), env) <= before.fee ? to(channel) : published(channel, next)
  }
  const publication = bid(channel, ours, env)
  return publication === undefined || canWait(channel, publication, env) ? to(channel) : published(channel, publication)
}

/** A peer that breaks a rule while fees are high must not cost us most of a small share: there is time until the settlement height. */
function canWait (channel: Established, { fee }: Publication, env: Env): boolean {
  const { stopped, terms, onChain } = channel
  const onlyForViolation = terms.mode === 'one-way' && stopped?.settleNow === true && stopped.rule !== '' && onChain.spend === undefined && env.height !== undefined && env.height < terms.settleHeight
  return onlyForViolation && fee * 2n > terms.capacity - heldBalance(channel.ledger, terms)
}

/** On a new tip, also after a reorg took a bid out of its block (TIME-4): the next bid, or the same transaction once more when the share allows no higher one. */
export function republish (channel: Established, env: Env): Transition<Established> {
  const { publication } = channel
  if (publication === undefined || channel.onChain.spend?.height !== undefined || env.height === undefined) return to(channel)
  const ours = publishable(channel)
  if (ours !== undefined && isOutranked(channel, ours, env.height, env.nextBlockRate)) return to(channel)
  // Together with other channels: the engine raises it for all of them.
  if (publication.batch !== undefined) return to(channel)
  // At the same height the node was restarted: the last bid may never have left it.
  return env.height > publication.height ? raise(channel, publication, env) : to(channel, broadcastOf(publication))
}

/** A mempool has the bid: from here on only its fee keeps it out of a block. */
export function onPublicationAccepted (channel: Established, txid: Txid): Established {
  const { publication } = channel
  if (publication?.txid !== txid || publication.refusedFor === undefined) return channel
  return { ...channel, publication: { ...publication, refusedFor: undefined } }
}

/**
 * A mempool refused a bid. A higher one follows at once only if the fee was the reason, and only up
 * to twice the estimate, or 20 sat/vB: a server can say so falsely, and a close with a large fee,
 * which the other side gets back if it is replaced, would make us burn our share against our own
 * payment. Beyond that the fee rises with the blocks, unless the other side has a rival in sight.
 */
export function onPublicationRefused (channel: Established, refusal: { readonly txid: Txid, readonly kind: string, readonly reason: string }, env: Env): Transition<Established> {
  const { publication } = channel
  const note: Effect = { type: 'notify', what: `the ${publication?.kind ?? 'transaction'} was not accepted: ${refusal.reason}` }
  if (publication === undefined || publication.txid !== refusal.txid) return to(channel, note)
  if (refusal.kind !== 'insufficient-fee' && refusal.kind !== 'fee-too-low') {
    return to(publication.refusedFor === refusal.kind ? channel : { ...channel, publication: { ...publication, refusedFor: refusal.kind } }, note)
  }
  if (publication.batch !== undefined) return to({ ...channel, publication: { ...publication, refusedFor: refusal.kind } }, note)
  const ours = publishable(channel)
  if (ours === undefined || (env.height !== undefined && isOutranked(channel, ours, env.height, env.nextBlockRate))) return to(channel, note)
  const next = higherBid(channel, publication, env, feeRate(publication.feeRate + max(publication.feeRate / 4n, env.relay.incremental as bigint)))
  if (next === undefined || (rivalOf(channel) === undefined && next.feeRate > max(env.feeRate * 2n, HURRY_RATE as bigint))) return to(channel, note)
  return published(channel, next, note)
}

function raise (channel: Established, publication: Publication, env: Env): Transition<Established> {
  const next = publication.refusedFor === undefined ? higherBid(channel, publication, env) : undefined
  if (next !== undefined) return published(channel, next)
  return to(channel, broadcastOf(publication))
}

function broadcastOf (publication: Publication): Effect {
  return { type: 'broadcast', purpose: 'publication', raw: publication.raw }
}

/**
 * The next bid, when it can replace the last one: BIP125 rule 4 asks for the incremental relay fee more than that, or
 * than the transaction of the other side that is in sight. A state that a new turn brought is another
 * transaction, and its bid begins anew, above the last one.
 */
function higherBid (channel: Established, publication: Publication, env: Env, leastRate = publication.feeRate): Publication | undefined {
  const ours = publishable(channel)
  return ours === undefined ? undefined : bid(channel, ours, env, publication, leastRate)
}

function vsizeOfRaw (raw: Uint8Array): number {
  return parseTransaction(raw).vsize
}

/** Signs a publication at the rate of the moment, within the budget; undefined when what is at stake is not worth a transaction, or one that can replace the last one. */
function bid (channel: Established, ours: Publishable, env: Env, previous?: Publication, leastRate = previous?.feeRate): Publication | undefined {
  const { height } = env
  if (height === undefined) return undefined
  const script = partyOf(channel.terms, channel.role).closeScript
  const vsize = vsizeOf(channel, ours)
  const budget = budgetOf(channel, ours, height, env.feeRate, dustLimit(script))
  if (budget < feeFor(RELAY_FEE_RATE, vsize)) return undefined
  const since = previous?.since ?? { height, feeRate: env.feeRate }
  const wanted = curveRate({ since, height, deadline: deadlineOf(channel, ours.turn), previous: leastRate ?? since.feeRate, estimate: env.feeRate, nextBlock: env.nextBlockRate, budget: feeRate(budget * 1000n / BigInt(vsize)) })
  const fee = min(max(feeFor(max(wanted, env.relay.minimum), vsize), outbidding(channel, vsize, env)), satoshi(budget))
  // By the largest size that it can have, before it is signed: with most blocks the bid stays as it is.
  if (previous !== undefined && fee < previous.fee + feeFor(env.relay.incremental, vsize)) return undefined
  const raw = completeState(ours.template, ours.signature, [{ script, value: subSat(ours.share, fee) }], env.sign)
  return { kind: ours.kind, turn: ours.turn, since, feeRate: feeRate(fee * 1000n / BigInt(vsize)), fee, txid: parseTransaction(raw).txid, raw, height, refusedFor: undefined, batch: undefined }
}

/** Wallet inputs, and those of other channels, are not seen: with them it is too low. */
function feeOfSpend ({ terms }: Established, { raw }: Spend): bigint {
  return terms.capacity - parseTransaction(raw).outputs.reduce((sum, { value }) => sum + value, 0n)
}

/** BIP125: what replaces the other side's transaction pays its fee, a quarter more, and the incremental relay fee for itself. What is not seen of its fee, a refusal tells. */
function outbidding (channel: Established, vsize: number, { relay }: Pick<Env, 'relay'>): Satoshi {
  const rival = rivalOf(channel)
  if (rival === undefined || rival.height !== undefined) return satoshi(0n)
  const fee = feeOfSpend(channel, rival)
  return satoshi(max(0n, fee + fee / 4n) + feeFor(relay.incremental, vsize))
}

/** What is at stake, less an output above dust; against a transaction of the other side that is in sight, what we would gain over it. */
function budgetOf (channel: Established, ours: Publishable, height: number, rate: FeeRate, dust: bigint): bigint {
  const most = ours.share - dust
  const rival = rivalOf(channel)
  const theirs = isNewer(rival, ours) ? undefined : rival?.clientBalance
  if (theirs === undefined) return min(most, stakeAt(channel, ours, height, rate))
  const withTheirs = channel.role === 'client' ? theirs : channel.terms.capacity - theirs
  return min(most, ours.share - withTheirs)
}

function published (channel: Established, publication: Publication, ...first: Effect[]): Transition<Established> {
  const name = publication.kind === 'settlement' ? 'T3' : 'T2'
  return to({ ...channel, publication },
    ...first,
    broadcastOf(publication),
    { type: 'notify', step: publication.kind, txid: publication.txid, what: `published ${name} ${publication.txid}, fee ${formatAmount(publication.fee)}` })
}

/**
 * The bid that a user asks for: at a rate, or a quarter above the last one and above what the next
 * block takes. Never above what is at stake.
 */
export function raisedTo (channel: Established, rate: FeeRate | undefined, env: Env): Publication | PaychanError {
  const { publication, onChain } = channel
  const ours = publishable(channel)
  if (publication === undefined || ours === undefined || env.height === undefined) return new PaychanError('ERR_CANNOT_BUMP', 'Nothing of this channel waits for a block.')
  if (onChain.spend?.height !== undefined) return new PaychanError('ERR_ALREADY_CONFIRMED', `The channel is spent in block ${onChain.spend.height} already.`, { height: onChain.spend.height })
  if (publication.batch !== undefined) return new PaychanError('ERR_CANNOT_BUMP', `The transaction settles ${publication.batch.channels} channels; its fee rises by itself, block by block.`, { fee: publication.batch.fee })
  const wanted = rate ?? feeRate(max(publication.feeRate, env.nextBlockRate) * 5n / 4n)
  const next = higherBid(channel, publication, env, feeRate(max(wanted as bigint, publication.feeRate + 1n)))
  if (next !== undefined && next.feeRate >= wanted - 10n) return next
  const most = budgetOf(channel, ours, env.height, env.feeRate, dustLimit(partyOf(channel.terms, channel.role).closeScript))
  return new PaychanError('ERR_CANNOT_BUMP', `It pays ${formatAmount(publication.fee)}. A higher fee has to be 1 sat/vB more, and at most the ${formatAmount(satoshi(max(0n, most)))} that are at stake; give another --feerate.`, { fee: publication.fee, most, feeRate: wanted })
}

/** The user raises the fee of what waits. */
export function onBump (channel: Channel, rate: FeeRate, env: Env): Transition {
  const next = channel.stage === 'established' ? raisedTo(channel, rate, env) : undefined
  return channel.stage === 'established' && next !== undefined && !(next instanceof PaychanError) ? published(channel, next) : to(channel)
}

/** The user wants its money now, without the other side. */
export function onSettle (channel: Channel, env: Pick<Env, 'height'>): Transition {
  if (channel.stage !== 'established') return to(channel, settleRefused('Only an established channel can be settled.'))
  const { terms, onChain } = channel
  if (onChain.spend !== undefined) {
    return to(channel, { type: 'close-refused', error: new PaychanError('ERR_CHANNEL_CLOSED', `The channel is already being closed by transaction ${onChain.spend.txid}.`) })
  }
  if (channel.publication !== undefined) return to(channel, broadcastOf(channel.publication))
  const ours = publishable(channel)
  const matures = ours === undefined ? undefined : publishHeightOf(terms, ours.turn)
  if (terms.mode === 'one-way' && channel.role === 'client') return to(channel, settleRefused(`Only the server of an established channel can settle it alone. The refund is published by itself at height ${terms.refundHeight}.`))
  if (ours === undefined || ours.share < leastShare(channel, ours, RELAY_FEE_RATE)) return to(channel, settleRefused('Our share is not worth the fee of a transaction.', { share: ours?.share ?? 0n }))
  if (terms.mode === 'two-way' && matures !== undefined && (env.height === undefined || env.height < matures)) {
    return to(channel, settleRefused(`Our newest state matures at height ${matures}, and is published by itself then.`, { height: env.height, matures }))
  }
  return to({ ...channel, stopped: { code: 'ERR_CHANNEL_SETTLED', reason: 'settled on the chain by its user', rule: '', settleNow: true } })
}

function settleRefused (text: string, facts = {}): Effect {
  return { type: 'close-refused', error: new PaychanError('ERR_NOTHING_TO_SETTLE', text, facts) }
}
