/**
 * Several one-way channels of a server settled by one transaction (`src/bitcoin/batch.ts`): 139 to
 * 143 vB a channel instead of 181. The batch bids along the same curve as a channel alone, towards
 * the nearest of its deadlines, with the stakes of all. A channel that something else may spend leaves
 * it, and bids for itself (TIME-9).
 */
import { batchShare, batchVsize, completeBatch, MAX_BATCH, type BatchMember } from '../bitcoin/batch.js'
import { dustLimit } from '../bitcoin/dust.js'
import { parseTransaction } from '../bitcoin/transaction.js'
import { feeFor, feeRate, formatAmount, max, min, satoshi, type BlockHeight, type FeeRate } from '../types/units.js'
import type { Txid } from '../types/bytes.js'
import { to, type Effect, type Transition } from './effects.js'
import type { Env, RelayRates } from './env.js'
import type { ChannelEvent } from './events.js'
import { curveRate } from './fee-curve.js'
import { publishable, stakeAt } from './publishable.js'
import { RELAY_FEE_RATE, SETTLED } from './publishing.js'
import { isFrozen, spendInSight, type Channel, type Established, type Publication } from './state.js'
import { partyOf } from './terms.js'

/** Of a channel with an output of its client's, at 10 channels; measured on bitcoind. */
const VSIZE_IN_BATCH = 143

/** A channel that is due takes others along that would be due within so many blocks: they are past their last payment. */
export const BATCH_WINDOW = 6

/** A batch as it was last signed. */
export interface Batch { readonly since: Publication['since'], readonly feeRate: FeeRate, readonly fee: bigint, readonly txid: Txid, readonly raw: Uint8Array }

/** A channel in a batch, with its channel key. */
export interface BatchChannel { readonly channel: Established, readonly sign: Env['sign'] }

/**
 * TIME-9: whether the end of a channel may depend on that of others, for those that join a batch and those that are in one.
 * Where anything else may spend it, or T1 is in no block, it bids for itself: a signed close, a renewal, something that we do
 * not know, the client's T2 from L on.
 */
function mayShare (channel: Established, height: BlockHeight): boolean {
  const { terms, onChain: { fundingHeight, spend, shown } } = channel
  return !isFrozen(channel) && fundingHeight !== undefined && height < terms.refundHeight && spend === undefined && shown.every(({ kind }) => kind !== 'unknown')
}

/** Whether a channel's newest state may go into a batch: one-way, ours to publish, and worth it. */
export function isBatchable (channel: Channel, rate: FeeRate, height: BlockHeight): channel is Established {
  if (channel.stage !== 'established' || channel.terms.mode !== 'one-way' || channel.role !== 'server') return false
  if (channel.publication !== undefined || spendInSight(channel) !== undefined || !mayShare(channel, height)) return false
  const ours = publishable(channel)
  return ours !== undefined && ours.share > feeFor(rate, VSIZE_IN_BATCH)
}

/** Whether a channel waits for a block in a batch, and stays in it. */
export function staysInBatch (channel: Channel, height: BlockHeight): channel is Established & { readonly publication: Publication } {
  return channel.stage === 'established' && channel.publication?.batch !== undefined && mayShare(channel, height)
}

/**
 * With a new tip: who may not stay in its batch is without a publication, and so bids alone at once (`publishIfDue`). Not in
 * between: the batch is out and pays it as well, and to take its place before the others have, it would have to pay for all of them.
 */
export function leaveBatch (channel: Established, height: BlockHeight | undefined): Established {
  const isOut = height !== undefined && channel.publication?.batch !== undefined && channel.onChain.spend === undefined && !staysInBatch(channel, height)
  return isOut ? { ...channel, publication: undefined } : channel
}

/**
 * The next bid of a batch: along the curve, above the one before (BIP125 rule 4); undefined when it
 * is not worth a transaction, or the one before stands. `mustChange`: that one cannot stand, since it was
 * refused for its fee, or somebody has left; then this one pays what replaces it, if all of them can.
 */
export function bidBatch (members: readonly BatchChannel[], { height, feeRate: estimate, nextBlockRate: nextBlock, relay }: { readonly height: BlockHeight, readonly feeRate: FeeRate, readonly nextBlockRate: FeeRate, readonly relay: RelayRates }, previous?: Batch, mustChange = false): Batch | undefined {
  const [first] = members
  if (first === undefined || members.length > MAX_BATCH) return undefined
  const script = partyOf(first.channel.terms, 'server').closeScript
  const states = members.flatMap(({ channel, sign }): BatchMember[] => {
    const ours = publishable(channel)
    return ours === undefined ? [] : [{ template: ours.template, signature: ours.signature, sign }]
  })
  const vsize = batchVsize(states, script)
  const stake = members.reduce((sum, { channel }) => sum + stakeOfMember(channel, height, estimate), 0n)
  const budget = min(batchShare(states) - dustLimit(script), stake)
  const since = previous?.since ?? { height, feeRate: estimate }
  const deadline = members.reduce<number>((least, { channel }) => min(least, channel.terms.refundHeight), Infinity)
  const lastRate = previous?.feeRate ?? feeRate(0n)
  const passedOver = previous === undefined ? undefined : feeRate(previous.feeRate + relay.incremental)
  const rate = curveRate({ since, height, deadline, previous: mustChange ? feeRate(lastRate * 5n / 4n) : lastRate, passedOver, estimate, nextBlock, budget: feeRate(max(0n, budget) * 1000n / BigInt(vsize)), isContested: false })
  const wanted = feeFor(max(rate, relay.minimum), vsize)
  const least = previous === undefined ? feeFor(RELAY_FEE_RATE, vsize) : satoshi(previous.fee + feeFor(relay.incremental, vsize))
  const fee = min(mustChange ? max(wanted, least) : wanted, satoshi(max(0n, budget)))
  if (fee < least) return undefined
  const raw = completeBatch(states, script, fee)
  return { since, feeRate: feeRate(fee * 1000n / BigInt(vsize)), fee, txid: parseTransaction(raw).txid, raw }
}

/** A batch that its user has asked for may cost what the members hold; one that is due, what is at stake in them. */
function stakeOfMember (channel: Established, height: number, estimate: FeeRate): bigint {
  const ours = publishable(channel)
  if (ours === undefined) return 0n
  return channel.terms.settleHeight > height ? ours.share : stakeAt(channel, ours, height, estimate)
}

/** What a member keeps of a batch: the whole transaction, and its part of the fee. */
export function publicationOf ({ since, feeRate, fee, txid, raw }: Batch, count: number, height: Publication['height']): Publication {
  return { kind: 'settlement', turn: 0, since, feeRate, fee: satoshi((fee + BigInt(count) - 1n) / BigInt(count)), txid, raw, height, refusedFor: undefined, batch: { channels: count, fee: satoshi(fee) } }
}

/** The channel joins a batch, follows its next bid, or (without a publication) leaves it and is published alone. `leads`: it broadcasts for all. `byUser`: a user has asked for it, and may be served before it is due (STAKE-3). */
export function onBatched (channel: Channel, { publication, leads, byUser = false }: Extract<ChannelEvent, { type: 'batched' }>): Transition {
  if (channel.stage !== 'established' || channel.role !== 'server') return to(channel)
  const { publication: before, onChain } = channel
  const broadcast: Effect[] = leads && publication !== undefined ? [{ type: 'broadcast', purpose: 'publication', raw: publication.raw }] : []
  // Things have happened since the batch was made. The others count on its broadcast all the same.
  if (onChain.spend !== undefined || isFrozen(channel) || (before !== undefined && before.batch === undefined)) return to(channel, ...broadcast)
  // Whatever becomes of the batch, the state has been out: there are no payments any more.
  const stopped = channel.stopped ?? { code: byUser ? SETTLED : 'ERR_CHANNEL_EXPIRED', reason: 'settled on the chain, together with others', rule: '', settleNow: true }
  const state: Established = { ...channel, publication, stopped: { ...stopped, settleNow: true } }
  if (publication === undefined) return to(state)
  return to(state,
    ...broadcast,
    ...before?.txid === publication.txid ? [] : [{ type: 'notify', step: 'settlement', txid: publication.txid, what: `published T3 in ${publication.txid} together with ${(publication.batch?.channels ?? 1) - 1} others, fee ${formatAmount(publication.batch?.fee ?? publication.fee)} in all` } as const])
}
