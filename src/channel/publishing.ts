/**
 * The summaries without the other side: the server publishes T3 before L, the client T2 at L, and
 * each replaces its own transaction by one with a higher fee when a block passes without it
 * (BIP125). Whoever publishes pays the fee out of its own share, never more than the share.
 */
import { dustLimit } from '../bitcoin/dust.js'
import { completeState, payerOutput, stateVsize, type StateTemplate } from '../bitcoin/template.js'
import { parseTransaction } from '../bitcoin/transaction.js'
import { formatAmount, feeFor, feeRate, max, min, satoshi, subSat, ZERO_SAT, type FeeRate, type Satoshi } from '../types/units.js'
import type { Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { to, type Effect, type Transition } from './effects.js'
import type { Env } from './env.js'
import { heldBalance } from './ledger.js'
import { refundTemplateOf } from './opening-client.js'
import { stateTemplate } from './signing.js'
import type { Channel, Established, Publication, Spend } from './state.js'
import { partyOf } from './terms.js'

/** 1 sat/vB: Bitcoin Core's default minimum relay fee and incremental relay fee before release 29, still what many servers ask for. */
const RELAY_FEE_RATE = feeRate(1000n)

/** 20 sat/vB: 181 vB of a T3 then cost 3,620 sat, which is not worth an attack. */
const HURRY_RATE = feeRate(20_000n)

/** What this side can publish alone: the newest state that it holds, with the other side's signature. */
interface Publishable { readonly kind: Publication['kind'], readonly template: StateTemplate, readonly signature: Uint8Array, readonly share: Satoshi }

function publishable (channel: Established): Publishable | undefined {
  const { terms, ledger } = channel
  if (channel.role === 'client') {
    if (channel.refundSignature === undefined) return undefined
    return { kind: 'refund', template: refundTemplateOf(terms, channel.outPoint), signature: channel.refundSignature, share: terms.capacity }
  }
  const signature = ledger.held?.signature
  if (signature === undefined) return undefined
  const template = stateTemplate(channel, heldBalance(ledger, terms.capacity))
  return { kind: 'settlement', template, signature, share: subSat(terms.capacity, payerOutput(template)?.value ?? ZERO_SAT) }
}

/** Whether the moment has come to publish alone by the height of the tip (TIME-1, TIME-2, TIME-3). A close that is unconfirmed changes nothing (CLOSE-8). */
function isDue (channel: Established, env: Env): boolean {
  const { onChain, terms, stopped } = channel
  if (env.height === undefined || !onChain.fundingSeen || onChain.spend?.height !== undefined) return false
  if (channel.role === 'client') return env.height >= terms.refundHeight
  return env.height >= terms.settleHeight || stopped?.settleNow === true || rivalOf(channel) !== undefined
}

/**
 * What the other side has in the mempool or in a block against us. Our own kind is an earlier bid of
 * ours, and a close (CLOSE-8) is no state that the other side could keep: it is only stuck.
 */
function rivalOf ({ role, onChain: { spend } }: Established): Spend | undefined {
  const ours: Publication['kind'] = role === 'client' ? 'refund' : 'settlement'
  return spend === undefined || spend.kind === ours || spend.kind === 'close' ? undefined : spend
}

/** Our share that a transaction of our own could not bring home at the present estimate. */
export function shareAtRisk (channel: Established, env: Env): Satoshi {
  const ours = publishable(channel)
  if (ours === undefined || channel.role === 'client' || channel.onChain.spend?.height !== undefined) return ZERO_SAT
  const heldShare = subSat(channel.terms.capacity, heldBalance(channel.ledger, channel.terms.capacity))
  return ours.share < leastShare(channel, ours, env.feeRate) ? heldShare : ZERO_SAT
}

function vsizeOf (channel: Established, ours: Publishable): number {
  return stateVsize(ours.template, [partyOf(channel.terms, channel.role).closeScript])
}

function leastShare (channel: Established, ours: Publishable, rate: FeeRate): Satoshi {
  return satoshi(feeFor(rate, vsizeOf(channel, ours)) + dustLimit(partyOf(channel.terms, channel.role).closeScript))
}

/** Starts publishing when it is due and worth it. Called after every event, so it must be cheap when nothing is due. */
export function publishIfDue (channel: Established, env: Env): Transition<Established> {
  if (channel.publication !== undefined || !isDue(channel, env)) return to(channel)
  const publication = bid(channel, env, env.feeRate)
  return publication === undefined || canWait(channel, publication, env) ? to(channel) : published(channel, publication)
}

/** A peer that breaks a rule while fees are high must not cost us most of a small share: there is time until the settlement height. */
function canWait (channel: Established, { fee }: Publication, env: Env): boolean {
  const { stopped, terms, onChain } = channel
  const onlyForViolation = stopped?.settleNow === true && stopped.rule !== '' && onChain.spend === undefined && env.height !== undefined && env.height < terms.settleHeight
  return onlyForViolation && fee * 2n > terms.capacity - heldBalance(channel.ledger, terms.capacity)
}

/** On a new tip, also after a reorg took a bid out of its block (TIME-4): the next bid, or the same transaction once more when the share allows no higher one. */
export function republish (channel: Established, env: Env): Transition<Established> {
  const { publication } = channel
  if (publication === undefined || channel.onChain.spend?.height !== undefined || env.height === undefined) return to(channel)
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
  const next = higherBid(channel, publication, env)
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

/** BIP125 rule 4: at least 1 sat/vB more than before; a quarter more, so that a few blocks reach any fee. */
function higherBid (channel: Established, publication: Publication, env: Env): Publication | undefined {
  const step = max(publication.feeRate / 4n, RELAY_FEE_RATE as bigint)
  const next = bid(channel, env, feeRate(max(env.feeRate as bigint, publication.feeRate + step)))
  if (next === undefined) return undefined
  const least = publication.fee + BigInt(parseTransaction(next.raw).vsize)
  return next.fee >= least ? next : undefined
}

/** Signs a publication at a fee rate, capped by the budget; undefined when the share is not worth a transaction. */
function bid (channel: Established, env: Env, wanted: FeeRate): Publication | undefined {
  const ours = publishable(channel)
  if (ours === undefined || env.height === undefined) return undefined
  const script = partyOf(channel.terms, channel.role).closeScript
  const vsize = vsizeOf(channel, ours)
  const budget = budgetOf(channel, ours, dustLimit(script))
  if (budget < feeFor(RELAY_FEE_RATE, vsize)) return undefined
  const fee = min(feeFor(wanted, vsize), satoshi(budget))
  const raw = completeState(ours.template, ours.signature, [{ script, value: subSat(ours.share, fee) }], env.sign)
  return { kind: ours.kind, feeRate: feeRate(fee * 1000n / BigInt(vsize)), fee, txid: parseTransaction(raw).txid, raw, height: env.height, refusedFor: undefined }
}

/** Our share less an output above dust; against a transaction of the other side that is in sight, what we would gain over it. */
function budgetOf (channel: Established, ours: Publishable, dust: Satoshi): bigint {
  const uncontested = ours.share - dust
  const theirs = rivalOf(channel)?.clientBalance
  if (theirs === undefined) return uncontested
  const withTheirs = channel.role === 'client' ? theirs : channel.terms.capacity - theirs
  return min(uncontested, ours.share - withTheirs)
}

function published (channel: Established, publication: Publication, ...first: Effect[]): Transition<Established> {
  const name = publication.kind === 'settlement' ? 'T3' : 'T2'
  return to({ ...channel, publication },
    ...first,
    broadcastOf(publication),
    { type: 'notify', step: publication.kind, txid: publication.txid, what: `published ${name} ${publication.txid}, fee ${formatAmount(publication.fee)}` })
}

/** The server's user wants its money now, without the client. */
export function onSettle (channel: Channel): Transition {
  if (channel.stage !== 'established' || channel.role !== 'server') {
    const when = channel.stage === 'established' ? ` The refund is published by itself at height ${channel.terms.refundHeight}.` : ''
    return to(channel, { type: 'close-refused', error: new PaychanError('ERR_NOTHING_TO_SETTLE', `Only the server of an established channel can settle it alone.${when}`) })
  }
  if (channel.onChain.spend !== undefined) {
    return to(channel, { type: 'close-refused', error: new PaychanError('ERR_CHANNEL_CLOSED', `The channel is already being closed by transaction ${channel.onChain.spend.txid}.`) })
  }
  if (channel.publication !== undefined) return to(channel, broadcastOf(channel.publication))
  const ours = publishable(channel)
  if (ours === undefined || ours.share < leastShare(channel, ours, RELAY_FEE_RATE)) {
    return to(channel, { type: 'close-refused', error: new PaychanError('ERR_NOTHING_TO_SETTLE', 'Our share is not worth the fee of a transaction.', { share: ours?.share ?? 0n }) })
  }
  return to({ ...channel, stopped: { code: 'ERR_CHANNEL_SETTLED', reason: 'settled on the chain by its user', rule: '', settleNow: true } })
}
