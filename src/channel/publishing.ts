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
import { formatAmount, feeFor, feeRate, max, min, satoshi, subSat, ZERO_SAT, type FeeRate, type Satoshi } from '../types/units.js'
import type { Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { isFeeRefusal } from '../types/refusals.js'
import { to, type Effect, type Transition } from './effects.js'
import type { Env } from './env.js'
import { curveRate } from './fee-curve.js'
import { countsAsRival, isHeldBack, normalBid, provenRace, rivals, winnable } from './evidence.js'
import { heldBalance } from './ledger.js'
import { leastShare, newestHeld, publishable, stakeAt, vsizeOf, type Publishable } from './publishable.js'
import { publishHeightOf } from './schedule.js'
import { deadlineOf } from './stakes.js'
import { spendInSight, type Channel, type Established, type Publication, type ShownSpend } from './state.js'
import { partyOf } from './terms.js'

/** 1 sat/vB: Bitcoin Core's default minimum relay fee and incremental relay fee before release 29, still what many servers ask for. What cannot pay this is not worth a transaction; what a server asks for beyond it, `Env.relay` says. */
export const RELAY_FEE_RATE = feeRate(1000n)

/** 20 sat/vB: 181 vB of a T3 then cost 3,620 sat, which is not worth an attack. */
const HURRY_RATE = feeRate(20_000n)

/** Whether the moment has come to publish alone by the height of the tip (TIME-1, TIME-2, TIME-3, TIME-6). A close that is unconfirmed changes nothing (CLOSE-8). */
function isDue ({ terms, stopped, role, onChain: { shown } }: Established, ours: Pick<Publishable, 'turn'>, height: number): boolean {
  if (height >= publishHeightOf(terms, ours.turn)) return true
  // Only the states of a one-way channel have no lock. Nobody but us can have made a signature of ours that we do not know.
  return terms.mode === 'one-way' && role === 'server' && (stopped?.settleNow === true || shown.some(({ kind }) => kind === 'unknown'))
}

/** Starts publishing when it is due and worth it, and outbids a rival that has come in sight. Called after every event, so it must be cheap when nothing is due. */
export function publishIfDue (channel: Established, env: Env): Transition<Established> {
  const { publication: before, onChain } = channel
  if (env.height === undefined || !onChain.fundingSeen || onChain.spend !== undefined) return to(channel)
  const held = newestHeld(channel)
  // Before any transaction is laid out: that takes longer than all else of an event.
  if (held === undefined || (before === undefined && !isDue(channel, held, env.height)) || isHeldBack(channel, held.turn, env.height)) return to(channel)
  if (before !== undefined) return answerRival(channel, before, held.turn, env.height, env)
  const ours = publishable(channel)
  if (ours === undefined) return to(channel)
  const publication = bid(channel, ours, env)
  return publication === undefined || canWait(channel, publication, env) ? to(channel) : published(channel, publication)
}

/**
 * A state of the other side has come in sight. An older one that two servers show is outbid (EVID-4). Another one that is not the
 * rightful one, also what no block takes, may have put ours out of the mempools: our bid goes out once more, and a refusal tells.
 */
function answerRival (channel: Established, publication: Publication, turn: number, height: number, env: Env): Transition<Established> {
  const seen = rivals(channel).filter((spend) => spend.turn < turn || !countsAsRival(channel, spend, height))
  const [rival] = seen
  if (rival === undefined || publication.batch !== undefined) return to(channel)
  const race = provenRace(channel, turn, height)
  const next = race === undefined || outbidding(race, vsizeOfRaw(publication.raw), env) <= publication.fee ? undefined : bidAtOnce(channel, publication, height, env)
  if (next !== undefined) return published(channel, next)
  if (seen.some(({ txid }) => txid === publication.probed)) return to(channel)
  return to({ ...channel, publication: { ...publication, probed: rival.txid } }, broadcastOf(publication))
}

/** A peer that breaks a rule while fees are high must not cost us most of a small share: there is time until the settlement height. */
function canWait (channel: Established, { fee }: Publication, env: Env): boolean {
  const { stopped, terms, onChain } = channel
  const onlyForViolation = terms.mode === 'one-way' && stopped?.settleNow === true && stopped.rule !== '' && onChain.spend === undefined && onChain.shown.length === 0 && env.height !== undefined && env.height < terms.settleHeight
  return onlyForViolation && fee * 2n > terms.capacity - heldBalance(channel.ledger, terms)
}

/** On a new tip, also after a reorg took a bid out of its block (TIME-4): the next bid, or the same transaction once more when the share allows no higher one. */
export function republish (channel: Established, env: Env): Transition<Established> {
  const { publication } = channel
  if (publication === undefined || channel.onChain.spend !== undefined || env.height === undefined) return to(channel)
  const held = newestHeld(channel)
  if (held !== undefined && isHeldBack(channel, held.turn, env.height)) return to(channel)
  // Together with other channels: the engine raises it for all of them.
  if (publication.batch !== undefined) return to(channel)
  // At the same height the node was restarted: the last bid may never have left it.
  const next = env.height > publication.height ? higherBid(channel, publication, env) : undefined
  return next === undefined ? to(channel, broadcastOf(publication)) : published(channel, next)
}

/** A mempool has the bid: from here on only its fee keeps it out of a block. Where another one asks for more, it is raised as after a refusal. */
export function onPublicationAccepted (channel: Established, txid: Txid, refusedForFee: boolean, env: Env): Transition<Established> {
  const { publication } = channel
  if (publication?.txid !== txid) return to(channel)
  const standing: Publication = { ...publication, refusedFor: undefined, ...refusedForFee ? { isUnderpaid: true } : {} }
  const isNews = publication.refusedFor !== undefined || (refusedForFee && publication.isUnderpaid === undefined)
  const state: Established = isNews ? { ...channel, publication: standing } : channel
  return refusedForFee ? hurried(state, env) : to(state)
}

/** Every mempool that could be asked refused a bid. Whatever the reason: the next one comes with the next block at the latest (EVID-4). */
export function onPublicationRefused (channel: Established, refusal: { readonly txid: Txid, readonly kind: string, readonly reason: string }, env: Env): Transition<Established> {
  const { publication } = channel
  const note: Effect = { type: 'notify', what: `the ${publication?.kind ?? 'transaction'} was not accepted: ${refusal.reason}` }
  if (publication === undefined || publication.txid !== refusal.txid) return to(channel, note)
  const state: Established = publication.refusedFor === refusal.kind ? channel : { ...channel, publication: { ...publication, refusedFor: refusal.kind } }
  return isFeeRefusal(refusal.kind) ? hurried(state, env, note) : to(state, note)
}

/**
 * A higher bid at once, since a mempool asks for one; but only up to twice the estimate, or 20 sat/vB: a server can say so
 * falsely, and a close with a large fee, which the other side gets back if it is replaced, would make us burn our share against our
 * own payment. Beyond that the fee rises with the blocks, or in a race that is proven (`answerRival`).
 */
function hurried (channel: Established, env: Env, ...first: Effect[]): Transition<Established> {
  const { publication } = channel
  const held = newestHeld(channel)
  if (publication === undefined || publication.batch !== undefined || env.height === undefined || held === undefined || isHeldBack(channel, held.turn, env.height)) return to(channel, ...first)
  const next = bidAtOnce(channel, publication, env.height, env, feeRate(publication.feeRate + max(publication.feeRate / 4n, env.relay.incremental as bigint)))
  return next === undefined ? to(channel, ...first) : published(channel, next, ...first)
}

/** EVID-4: the next bid, without waiting for a block: up to twice the estimate or 20 sat/vB, in a race that is proven up to twice what stood at the last block. */
function bidAtOnce (channel: Established, publication: Publication, height: number, env: Env, leastRate = publication.feeRate): Publication | undefined {
  const ours = publishable(channel)
  if (ours === undefined) return undefined
  const vsize = vsizeOf(channel, ours)
  // A race that begins in the last block has no curve: while a server has taken the bid, refusals of another one move it no further than at any other height.
  const isTaken = publication.refusedFor === undefined && publication.since.height === height
  if (!isTaken && isLastCall(channel, ours.turn, publication, height)) return bid(channel, ours, env, publication, leastRate)
  const unproven = feeFor(max(feeRate(env.feeRate * 2n), HURRY_RATE), vsize)
  const most = provenRace(channel, ours.turn, height) === undefined ? unproven : max(unproven, satoshi(baseOf(publication, height) * 2n))
  return bid(channel, ours, env, publication, leastRate, most)
}

function broadcastOf (publication: Publication): Effect {
  return { type: 'broadcast', purpose: 'publication', raw: publication.raw }
}

/**
 * The next bid, when it can replace the last one: BIP125 rule 4 asks for the incremental relay fee more than that. A state
 * that a new turn brought is another transaction, and its bid begins anew, above the last one.
 */
function higherBid (channel: Established, publication: Publication, env: Env, leastRate = publication.feeRate): Publication | undefined {
  const ours = publishable(channel)
  return ours === undefined ? undefined : bid(channel, ours, env, publication, leastRate)
}

function vsizeOfRaw (raw: Uint8Array): number {
  return parseTransaction(raw).vsize
}

/** Signs a publication at the rate of the moment, within the budget; undefined when what is at stake is not worth a transaction, or one that can replace the last one. */
function bid (channel: Established, ours: Publishable, env: Env, previous?: Publication, leastRate = previous?.feeRate, most?: Satoshi): Publication | undefined {
  const { height } = env
  if (height === undefined) return undefined
  const script = partyOf(channel.terms, channel.role).closeScript
  const vsize = vsizeOf(channel, ours)
  const budget = budgetOf(channel, ours, env, height)
  if (budget < feeFor(RELAY_FEE_RATE, vsize)) return undefined
  const since = previous?.since ?? { height, feeRate: env.feeRate }
  const curve = curveRate({ since, height, deadline: deadlineOf(channel, ours.turn), previous: leastRate ?? since.feeRate, estimate: env.feeRate, nextBlock: env.nextBlockRate, budget: feeRate(budget * 1000n / BigInt(vsize)) })
  const isLast = isLastCall(channel, ours.turn, previous, height)
  const wanted = previous !== undefined && isLast ? min(curve, max(feeRate(previous.feeRate * 3n / 2n), feeRate(env.nextBlockRate * 5n / 4n))) : curve
  const base = previous === undefined ? normalBid(env.nextBlockRate, vsize) : baseOf(previous, height)
  const race = provenRace(channel, ours.turn, height)
  const raced = race === undefined ? ZERO_SAT : min(outbidding(race, vsize, env), max(satoshi(base * 2n), feeFor(HURRY_RATE, vsize)))
  // One takes it and one refuses it: who of the two lies cannot be told, so it is half of what is at stake at most.
  const isDisputed = isLast && previous?.refusedFor === undefined
  const wished = min(max(feeFor(max(wanted, env.relay.minimum), vsize), raced), satoshi(isDisputed ? budget / 2n : budget))
  const fee = most === undefined ? wished : min(wished, most)
  // By the largest size that it can have, before it is signed: with most blocks the bid stays as it is.
  if (previous !== undefined && fee < previous.fee + feeFor(env.relay.incremental, vsize)) return undefined
  const raw = completeState(ours.template, ours.signature, [{ script, value: subSat(ours.share, fee) }], env.sign)
  return { kind: ours.kind, turn: ours.turn, since, feeRate: feeRate(fee * 1000n / BigInt(vsize)), fee, txid: parseTransaction(raw).txid, raw, height, refusedFor: undefined, base, batch: undefined }
}

/**
 * The last block before the deadline, and a server has refused the last bid for its fee: something in its mempool keeps it
 * out, however little that may be worth to a miner, and that another server says to have taken it may be a lie. It is outbid
 * at once, step by step until none refuses: all of the budget in one step could be far more than it takes.
 */
function isLastCall (channel: Established, turn: number, previous: Publication | undefined, height: number): boolean {
  const deadline = deadlineOf(channel, turn)
  return deadline !== undefined && height === deadline - 1 && (previous?.isUnderpaid === true || isFeeRefusal(previous?.refusedFor))
}

/** EVID-4: what a race at this height starts from. A new block lets the last bid count. */
function baseOf (previous: Publication, height: number): Satoshi {
  return previous.height === height ? previous.base ?? previous.fee : previous.fee
}

/** BIP125: what replaces the other side's transaction pays its fee, a quarter more, and the incremental relay fee for itself. */
function outbidding ({ fee = ZERO_SAT }: ShownSpend, vsize: number, { relay }: Pick<Env, 'relay'>): Satoshi {
  return satoshi(fee + fee / 4n + feeFor(relay.incremental, vsize))
}

/** What is at stake, less an output above dust; of a bid that every server has refused for its fee not more than it can win (EVID-5). */
function budgetOf (channel: Established, ours: Publishable, env: Pick<Env, 'feeRate' | 'nextBlockRate'>, height: number): bigint {
  const stake = min(ours.share - dustLimit(partyOf(channel.terms, channel.role).closeScript), stakeAt(channel, ours, height, env.feeRate))
  // T2 has time: whether it was refused or not, it does not burn more than it can win.
  const isRefused = isFeeRefusal(channel.publication?.refusedFor)
  if (!isRefused && deadlineOf(channel, ours.turn) !== undefined) return stake
  const most = winnable(channel, { turn: ours.turn, share: ours.share, vsize: vsizeOf(channel, ours), height, nextBlock: env.nextBlockRate })
  return most === undefined ? stake : min(stake, most)
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
  if (onChain.spend !== undefined) return new PaychanError('ERR_ALREADY_CONFIRMED', `The channel is spent in block ${onChain.spend.height} already.`, { height: onChain.spend.height })
  if (publication.batch !== undefined) return new PaychanError('ERR_CANNOT_BUMP', `The transaction settles ${publication.batch.channels} channels; its fee rises by itself, block by block.`, { fee: publication.batch.fee })
  const wanted = rate ?? feeRate(max(publication.feeRate, env.nextBlockRate) * 5n / 4n)
  const next = higherBid(channel, publication, env, feeRate(max(wanted as bigint, publication.feeRate + 1n)))
  if (next !== undefined && next.feeRate >= wanted - 10n) return next
  const most = budgetOf(channel, ours, env, env.height)
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
  const { terms } = channel
  const spend = spendInSight(channel)
  if (spend !== undefined && (spend.height !== undefined || spend.kind === 'close')) {
    return to(channel, { type: 'close-refused', error: new PaychanError('ERR_CHANNEL_CLOSED', `The channel is already being closed by transaction ${spend.txid}.`) })
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
