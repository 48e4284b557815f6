/**
 * Several one-way channels of a server settled by one transaction (`src/bitcoin/batch.ts`): 139 to
 * 143 vB a channel instead of 181. The batch bids along the same curve as a channel alone, towards
 * the nearest of its deadlines, with the stakes of all. A channel that is contested leaves it, and
 * fights for itself.
 */
import { batchShare, batchVsize, completeBatch, MAX_BATCH, type BatchMember } from '../bitcoin/batch.js'
import { dustLimit } from '../bitcoin/dust.js'
import { parseTransaction } from '../bitcoin/transaction.js'
import { feeFor, feeRate, formatAmount, max, min, satoshi, type BlockHeight, type FeeRate } from '../types/units.js'
import type { Txid } from '../types/bytes.js'
import { to, type Transition } from './effects.js'
import type { Env, RelayRates } from './env.js'
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

/** Whether a channel's newest state may go into a batch: one-way, ours to publish, worth it, in its funding's block, and nobody has signed a close or spent it. */
export function isBatchable (channel: Channel, rate: FeeRate): channel is Established {
  if (channel.stage !== 'established' || channel.terms.mode !== 'one-way' || channel.role !== 'server') return false
  const { publication, onChain } = channel
  if (isFrozen(channel) || onChain.fundingHeight === undefined || spendInSight(channel) !== undefined || publication !== undefined) return false
  const ours = publishable(channel)
  return ours !== undefined && ours.share > feeFor(rate, VSIZE_IN_BATCH)
}

/** Whether a channel is still in a batch that waits for its block. */
export function isInBatch (channel: Channel): channel is Established & { readonly publication: Publication } {
  return channel.stage === 'established' && channel.publication?.batch !== undefined && channel.onChain.spend === undefined
}

/**
 * The next bid of a batch: along the curve, above the one before (BIP125 rule 4); undefined when it
 * is not worth a transaction, or the one before stands.
 */
export function bidBatch (members: readonly BatchChannel[], { height, feeRate: estimate, nextBlockRate: nextBlock, relay }: { readonly height: BlockHeight, readonly feeRate: FeeRate, readonly nextBlockRate: FeeRate, readonly relay: RelayRates }, previous: Batch | undefined, leastRate = previous?.feeRate): Batch | undefined {
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
  const rate = curveRate({ since, height, deadline, previous: leastRate ?? feeRate(0n), passedOver: previous?.feeRate, estimate, nextBlock, budget: feeRate(max(0n, budget) * 1000n / BigInt(vsize)), isContested: false })
  const fee = min(feeFor(max(rate, relay.minimum), vsize), satoshi(max(0n, budget)))
  if (fee < feeFor(RELAY_FEE_RATE, vsize) || (previous !== undefined && fee < previous.fee + feeFor(relay.incremental, vsize))) return undefined
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

/** The channel joins a batch, follows its next bid, or (without a publication) leaves it and is published alone. `leads`: it broadcasts for all. */
export function onBatched (channel: Channel, publication: Publication | undefined, leads: boolean): Transition {
  if (channel.stage !== 'established' || channel.role !== 'server') return to(channel)
  const { publication: before, onChain } = channel
  if (onChain.spend !== undefined || isFrozen(channel) || (before !== undefined && before.batch === undefined)) return to(channel)
  // Whatever becomes of the batch, the state has been out: there are no payments any more.
  const stopped = channel.stopped ?? { code: SETTLED, reason: 'settled on the chain', rule: '', settleNow: true }
  const state: Established = { ...channel, publication, stopped: { ...stopped, settleNow: true } }
  if (publication === undefined) return to(state)
  return to(state,
    ...leads ? [{ type: 'broadcast', purpose: 'publication', raw: publication.raw } as const] : [],
    ...before?.txid === publication.txid ? [] : [{ type: 'notify', step: 'settlement', txid: publication.txid, what: `published T3 in ${publication.txid} together with ${(publication.batch?.channels ?? 1) - 1} others, fee ${formatAmount(publication.batch?.fee ?? publication.fee)} in all` } as const])
}
