/** A channel as people see it: one status word, who has what, and the heights that matter. */
import type { Role } from '../bitcoin/keys.js'
import type { ChannelId, OutPoint, Txid } from '../types/bytes.js'
import { satoshi, ZERO_SAT, type BlockHeight, type Satoshi } from '../types/units.js'
import type { Env } from './env.js'
import { confirmations, isBuried } from './funding-depth.js'
import { balances, inFlightValue, signedBalance } from './ledger.js'
import { refusalOf, spendable } from './paying.js'
import { shareAtRisk } from './publishing.js'
import { payerOf } from './schedule.js'
import type { PaymentLimits } from './terms.js'
import { isFrozen, type Channel, type Established, type SpendKind } from './state.js'

/**
 * Where a channel is, in words that people read: `opening` (before T1 leaves), `confirming` (T1 is
 * not deep enough), `open`, `offline` (open, but the peer is not connected), `closing` (a close is
 * signed), `settling` (T3 is published), `refunding` (T2 is published), `stopped` (no payments any
 * more; waits for its lock), `closed` (spent and buried), `abandoned` (T1 never left).
 */
export type ChannelStatus =
  | 'opening' | 'confirming' | 'open' | 'offline' | 'closing' | 'settling' | 'refunding' | 'stopped' | 'closed' | 'abandoned'

export interface ChannelInfo {
  readonly id: ChannelId
  readonly peerId: string
  /** Our role. */
  readonly role: Role
  readonly status: ChannelStatus
  /** Why it is stopped, abandoned or closing, in a sentence. */
  readonly reason: string | undefined
  readonly capacity: Satoshi
  readonly ourBalance: Satoshi
  readonly theirBalance: Satoshi
  /** What we could pay now. */
  readonly spendable: Satoshi
  /** Signed and sent, not yet acknowledged. */
  readonly inFlight: Satoshi
  /** Our share that would not be worth the fee of settling it alone: lost if the peer is gone for good. */
  readonly atRisk: Satoshi
  readonly funding: OutPoint | undefined
  readonly confirmations: number
  readonly minDepth: number | undefined
  readonly lastPaymentHeight: BlockHeight | undefined
  readonly settleHeight: BlockHeight | undefined
  readonly refundHeight: BlockHeight
  /** What the server takes; undefined before it has said so. */
  readonly limits: PaymentLimits | undefined
  readonly payments: { readonly sent: number, readonly received: number }
  /** The transaction that spends the funding output, once the chain shows one. */
  readonly spend: { readonly kind: SpendKind, readonly txid: Txid, readonly height: BlockHeight | undefined } | undefined
}

/** What a channel looks like from here, now. */
export function summarise (channel: Channel, env: Env): ChannelInfo {
  const common = { id: channel.id, peerId: channel.peer, role: channel.role, status: statusOf(channel, env), reason: reasonOf(channel) }
  if (channel.stage !== 'established') {
    const capacity = channel.stage === 'abandoned' ? channel.capacity : channel.stage === 'offered' ? satoshi(channel.offer.capacity) : channel.terms.capacity
    const refundHeight = channel.stage === 'abandoned' ? channel.refundHeight : channel.stage === 'offered' ? channel.offer.refundHeight as BlockHeight : channel.terms.refundHeight
    return {
      ...common,
      capacity,
      ourBalance: ZERO_SAT,
      theirBalance: ZERO_SAT,
      spendable: ZERO_SAT,
      inFlight: ZERO_SAT,
      atRisk: ZERO_SAT,
      funding: undefined,
      confirmations: 0,
      minDepth: undefined,
      lastPaymentHeight: undefined,
      settleHeight: undefined,
      refundHeight,
      limits: undefined,
      payments: { sent: 0, received: 0 },
      spend: undefined
    }
  }
  return { ...common, ...figures(channel, env) }
}

function figures (channel: Established, env: Env): Omit<ChannelInfo, 'id' | 'peerId' | 'role' | 'status' | 'reason'> {
  const { terms, ledger, onChain } = channel
  const shares = balances(terms, ledger)
  const paying = payerOf(ledger.turn) === channel.role
  const count = ledger.held?.paymentCount ?? 0
  const canPay = refusalOf(channel, PROBE, signedBalance(ledger, terms.capacity), env)?.code
  return {
    capacity: terms.capacity,
    ourBalance: shares[channel.role],
    theirBalance: channel.role === 'client' ? shares.server : shares.client,
    spendable: canPay === undefined || canPay === 'ERR_BELOW_MIN_FIRST_PAYMENT' ? spendable(channel) : ZERO_SAT,
    inFlight: inFlightValue(ledger, terms.capacity),
    atRisk: shareAtRisk(channel, env),
    funding: channel.outPoint,
    confirmations: confirmations(channel, env),
    minDepth: terms.minDepth,
    lastPaymentHeight: terms.lastPaymentHeight,
    settleHeight: terms.settleHeight,
    refundHeight: terms.refundHeight,
    limits: terms.limits,
    payments: { sent: paying ? count : 0, received: paying ? 0 : count },
    spend: onChain.spend === undefined ? undefined : { kind: onChain.spend.kind, txid: onChain.spend.txid, height: onChain.spend.height }
  }
}

/** The smallest payment there is: asks whether anything at all could be paid. */
const PROBE = { id: new Uint8Array(16), amount: 1n, memo: '' }

/** One word for where a channel is. */
export function statusOf (channel: Channel, env: Pick<Env, 'height'>): ChannelStatus {
  if (channel.stage === 'abandoned') return 'abandoned'
  if (channel.stage !== 'established') return 'opening'
  if (channel.onChain.spend?.height !== undefined) return 'closed'
  if (channel.publication !== undefined) return channel.publication.kind === 'refund' ? 'refunding' : 'settling'
  if (isFrozen(channel) || channel.onChain.spend !== undefined) return 'closing'
  if (channel.stopped !== undefined) return 'stopped'
  if (!channel.ready.ours || !channel.ready.theirs || channel.ledger.held === undefined || !isBuried(channel, env)) return 'confirming'
  if (env.height !== undefined && env.height > channel.terms.lastPaymentHeight) return 'stopped'
  return channel.link === 'live' ? 'open' : 'offline'
}

function reasonOf (channel: Channel): string | undefined {
  if (channel.stage === 'abandoned') return channel.reason
  return channel.stage === 'established' ? channel.stopped?.reason : undefined
}
