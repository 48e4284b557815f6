/** A channel as people see it: one status word, both balances, and the heights that matter. */
import type { Mode } from '../../protocols/paychan/1.0/index.js'
import { addressFromScript } from '../bitcoin/address.js'
import { otherRole, type Role } from '../bitcoin/keys.js'
import { basePsbt, psbtText } from '../bitcoin/psbt.js'
import type { ChannelId, OutPoint, Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import {
  satoshi,
  ZERO_SAT,
  type BlockDelta,
  type BlockHeight,
  type Satoshi
} from '../types/units.js'
import type { Env } from './env.js'
import { confirmations, isBuried } from './funding.js'
import { quote, type Quote } from './quote.js'
import { channelRefusal } from './channel-refusal.js'
import { AWAITS_PEER } from './handed-back.js'
import { balances, inFlightValue, isBase } from './ledger.js'
import { newestHeld, shareAtRisk } from './publishable.js'
import { renewedChannel } from './renewing.js'
import { exposureOf, stakeNow } from './risk.js'
import {
  lastPaymentHeightOf,
  lastTurnAt,
  kindOf,
  lockOf,
  payeeOf,
  payerOf,
  publishHeightOf,
  stateBefore
} from './schedule.js'
import { awaitsInputs, awaitsSignatures, isGivenUp, isUnsigned } from './outside-funding.js'
import { fundingScriptOf, type PaymentLimits } from './terms.js'
import { refusalInForce } from './turns.js'
import { isFrozen, spendInSight, type Channel, type Established, type SpendKind } from './state.js'

/**
 * The status of a channel, in words that people read: `opening` (before T1 leaves), `confirming`
 * (T1 is not deep enough), `open`, `offline` (open, but the peer is not connected), `closing` (a
 * close is signed), `settling` (T3 is published), `refunding` (T2 is published), `stopped` (no more
 * payments; waits for its lock), `closed` (spent and buried), `abandoned` (T1 never left).
 */
export type ChannelStatus =
  | 'opening'
  | 'confirming'
  | 'open'
  | 'offline'
  | 'closing'
  | 'settling'
  | 'refunding'
  | 'stopped'
  | 'closed'
  | 'abandoned'

/** The funding transaction that an outside wallet is asked to make. */
export interface OutsideFunding {
  /** `inputs`: pay for the PSBT and do not sign it. `signatures`: sign it. */
  readonly needs: 'inputs' | 'signatures'
  /** The funding output: its address, and its exact value. */
  readonly address: string
  /** In satoshis. */
  readonly amount: Satoshi
  /** In base64 (BIP174). */
  readonly psbt: string
}

/**
 * A channel as it looks from this side, now. Amounts are in satoshis, heights block heights; what
 * no server or peer has told yet is undefined.
 */
export interface ChannelInfo {
  /** 64 hex digits; calls take 8 or more of the first ones. */
  readonly id: ChannelId
  /** The other side. */
  readonly peerId: string
  /** Our role. */
  readonly role: Role
  /** Where the channel stands; only on an `open` one can be paid. */
  readonly status: ChannelStatus
  /**
   * The reason, in a sentence, why it is stopped, abandoned or closing, or why the peer does not
   * let us pay.
   */
  readonly reason: string | undefined
  /** All that is in the channel: the value of the funding output. */
  readonly capacity: Satoshi
  /** Our share by the newest acknowledged state: what is in flight is still the payer's. */
  readonly ourBalance: Satoshi
  /** The rest of the capacity. */
  readonly theirBalance: Satoshi
  /** `one-way`: the client pays. `two-way`: both do, in turns. */
  readonly mode: Mode
  /**
   * The amount that we could pay now. On a two-way channel it counts even when paying takes the
   * turn, unless the peer has refused the turn.
   */
  readonly spendable: Satoshi
  /** The amount that the peer could pay us now. */
  readonly receivable: Satoshi
  /**
   * For a two-way channel: whose turn it is, the number of turns that can still follow from this
   * height on, and when the newest state that each side holds matures.
   */
  readonly turns:
    | {
        readonly number: number
        readonly payer: 'us' | 'peer'
        readonly left: number
        readonly step: number
        readonly oursMatures: BlockHeight | undefined
        readonly theirsMatures: BlockHeight | undefined
      }
    | undefined
  /** Signed and sent, not acknowledged, and not settled by a buried spend either. */
  readonly inFlight: Satoshi
  /**
   * The part of our share that is not worth the fee of settling it alone: it is lost if the peer
   * never comes back.
   */
  readonly atRisk: Satoshi
  /**
   * What we lose, net of fees, if an older state is in a block instead of our newest; zero when no
   * older one could be.
   */
  readonly stake: Satoshi
  /**
   * The transaction that brings our share home without the peer, and the height from which this
   * node publishes it by itself; undefined when we hold nothing that spends the funding output, or
   * when that output is spent. From then on blocks decide when it settles: a share waits while a
   * block is too dear for it (STAKE-3).
   */
  readonly alone: { readonly by: 'settlement' | 'refund'; readonly from: BlockHeight } | undefined
  /**
   * The chance (0 to 1) that an older state can be published before our newest state is in a block;
   * undefined when nothing is at stake. See `risk.ts`.
   */
  readonly risk: number | undefined
  /** The funding output; undefined before T1 is made. */
  readonly funding: OutPoint | undefined
  /**
   * The next task of an outside wallet: pay for the PSBT (and not sign it), or sign it. Undefined
   * when the wallet has nothing left to do.
   */
  readonly outside: OutsideFunding | undefined
  /** Confirmations of T1; 0 while it is in no block that was seen. */
  readonly confirmations: number
  /**
   * True when a server shows T1, in a block or waiting for one. A peer can hand over one that no
   * server takes: its channel waits, too.
   */
  readonly fundingSeen: boolean
  /** True when T1 is in a block, or two servers show it: one alone can make up what waits. */
  readonly fundingAgreed: boolean
  /**
   * True when a server tells what happens to the funding output. Otherwise the other fields show
   * what was known before, and nothing is paid.
   */
  readonly watched: boolean
  /** Confirmations of T1 from which the server takes payments. */
  readonly minDepth: number | undefined
  /** The last height at which the turn's payer may pay (UPD-12). */
  readonly lastPaymentHeight: BlockHeight | undefined
  /** The height at which the payee publishes the newest state if the channel is still open. */
  readonly settleHeight: BlockHeight | undefined
  /** L: from this height on the refund T2 may be in a block. */
  readonly refundHeight: BlockHeight
  /** The server's limits; undefined before it has announced them. */
  readonly limits: PaymentLimits | undefined
  /**
   * The channel whose closing transaction funds this one, and the channel that this one's closing
   * transaction funds.
   */
  readonly renews: ChannelId | undefined
  /** The channel that this one's closing transaction funds. */
  readonly renewedAs: ChannelId | undefined
  /** Client: the number of blocks for which it renews itself before its end. */
  readonly renewFor: BlockDelta | undefined
  /** Number of payments by us and to us; one of several parts counts each part. */
  readonly payments: { readonly sent: number; readonly received: number }
  /** The transaction that spends the funding output, once the chain shows one. */
  readonly spend:
    | { readonly kind: SpendKind; readonly txid: Txid; readonly height: BlockHeight | undefined }
    | undefined
}

/**
 * All that a summary rests on beside the channel's state: as long as these are the same values, so
 * is the summary.
 */
export const SUMMARY_SEES = [
  'policy',
  'height',
  'isWatched',
  'feeRate',
  'nextBlockRate',
  'feeHistory'
] as const

/** What a summary rests on beside the state (`SUMMARY_SEES`). */
export type SummaryEnv = Pick<Env, (typeof SUMMARY_SEES)[number]>

/** Summarises a channel as it looks from this side, now. */
export function summarise(channel: Channel, env: SummaryEnv): ChannelInfo {
  const risk = channel.stage === 'established' ? exposureOf(channel, env)?.risk : undefined
  return { ...shapeOf(channel, env), risk }
}

/**
 * A channel for whoever adds up all of them: without its risk, which takes longer than all the
 * rest.
 */
export interface Outline extends Shape {
  /** The height from which a block may take such a state; undefined when nothing is at stake. */
  readonly deadline: BlockHeight | undefined
}

export function outlineOf(channel: Channel, env: SummaryEnv): Outline {
  const atStake = channel.stage === 'established' ? stakeNow(channel, env) : undefined
  return { ...shapeOf(channel, env), deadline: atStake?.deadline }
}

type Shape = Omit<ChannelInfo, 'risk'>

function shapeOf(channel: Channel, env: SummaryEnv): Shape {
  const common = {
    id: channel.id,
    peerId: channel.peer,
    role: channel.role,
    status: statusOf(channel, env),
    reason: reasonOf(channel, env),
    watched: env.isWatched,
    outside: outsideOf(channel),
    renews: renewedChannel(channel),
    renewedAs: renewedAs(channel),
    renewFor: channel.role === 'client' ? channel.renewFor : undefined
  }
  if (channel.stage !== 'established') {
    const capacity =
      channel.stage === 'abandoned'
        ? channel.capacity
        : channel.stage === 'offered'
          ? satoshi(channel.offer.capacity)
          : channel.terms.capacity
    const refundHeight =
      channel.stage === 'abandoned'
        ? channel.refundHeight
        : channel.stage === 'offered'
          ? (channel.offer.refundHeight as BlockHeight)
          : channel.terms.refundHeight
    return {
      ...common,
      capacity,
      ourBalance: ZERO_SAT,
      theirBalance: ZERO_SAT,
      mode: modeOf(channel),
      spendable: ZERO_SAT,
      receivable: ZERO_SAT,
      turns: undefined,
      inFlight: ZERO_SAT,
      atRisk: ZERO_SAT,
      stake: ZERO_SAT,
      alone: undefined,
      funding: undefined,
      confirmations: 0,
      fundingSeen: false,
      fundingAgreed: false,
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

function figures(
  channel: Established,
  env: SummaryEnv
): Omit<
  Shape,
  | 'id'
  | 'peerId'
  | 'role'
  | 'status'
  | 'reason'
  | 'watched'
  | 'outside'
  | 'renews'
  | 'renewedAs'
  | 'renewFor'
> {
  const { terms, ledger } = channel
  const spend = spendInSight(channel)
  const shares = balances(terms, ledger)
  return {
    capacity: terms.capacity,
    ourBalance: shares[channel.role],
    theirBalance: channel.role === 'client' ? shares.server : shares.client,
    mode: terms.mode,
    spendable: payableNow(quote(channel, env)),
    receivable: payableNow(quote(channel, env, otherRole(channel.role))),
    turns: turnsOf(channel, env),
    inFlight: ledger.settledSequence === undefined ? inFlightValue(ledger, terms) : ZERO_SAT,
    atRisk: shareAtRisk(channel, env),
    alone: aloneOf(channel),
    stake: satoshi(stakeNow(channel, env)?.stake ?? 0n),
    funding: channel.outPoint,
    confirmations: confirmations(channel, env),
    fundingSeen: channel.onChain.fundingSeen,
    fundingAgreed:
      channel.onChain.fundingHeight !== undefined || channel.onChain.fundingShownByTwo === true,
    minDepth: terms.minDepth,
    lastPaymentHeight: lastPaymentHeightOf(terms, ledger.turn),
    settleHeight: publishHeightOf(terms, ledger.turn),
    refundHeight: terms.refundHeight,
    limits: terms.limits,
    payments: paymentCounts(channel),
    spend:
      spend === undefined ? undefined : { kind: spend.kind, txid: spend.txid, height: spend.height }
  }
}

function payableNow({ room, refusal }: Quote): Satoshi {
  return refusal === undefined ? room : ZERO_SAT
}

function aloneOf(channel: Established): ChannelInfo['alone'] {
  const held = channel.onChain.spend === undefined ? newestHeld(channel) : undefined
  return held === undefined
    ? undefined
    : {
        by: kindOf(held.state),
        from: publishHeightOf(channel.terms, held.state)
      }
}

function modeOf(channel: Exclude<Channel, Established>): Mode {
  switch (channel.stage) {
    case 'abandoned':
      return 'one-way'
    case 'offered':
      return channel.offer.mode
    default:
      return channel.terms.mode
  }
}

function turnsOf(channel: Established, { height }: Pick<Env, 'height'>): ChannelInfo['turns'] {
  const { terms, ledger, role } = channel
  if (terms.mode === 'one-way') return undefined
  const newest = isBase(channel) ? ledger.turn - 1 : ledger.turn
  const matures = (holder: Role): BlockHeight | undefined => {
    const state = payeeOf(newest) === holder ? newest : stateBefore(newest, 1)
    return state === undefined ? undefined : lockOf(terms, state)
  }
  return {
    number: ledger.turn,
    payer: payerOf(ledger.turn) === role ? 'us' : 'peer',
    left: height === undefined ? 0 : Math.max(0, lastTurnAt(terms, height) - ledger.turn),
    step: terms.step,
    oursMatures: matures(role),
    theirsMatures: matures(otherRole(role))
  }
}

function outsideOf(channel: Channel): OutsideFunding | undefined {
  if (!awaitsInputs(channel) && !awaitsSignatures(channel)) return undefined
  const { terms } = channel
  const script = fundingScriptOf(terms)
  const funded = isUnsigned(channel) ? channel.outside.psbt : undefined
  return {
    needs: funded === undefined ? 'inputs' : 'signatures',
    address: addressFromScript(script, terms.network),
    amount: terms.capacity,
    psbt: psbtText(funded ?? basePsbt(script, terms.capacity))
  }
}

/** Counts the payments in each direction, turn by turn. */
function paymentCounts({ ledger, ended, role }: Established): ChannelInfo['payments'] {
  const counts = { sent: 0, received: 0 }
  let before = 0
  for (const { turn, paymentCount } of [
    ...ended,
    { turn: ledger.turn, paymentCount: ledger.held?.paymentCount ?? 0 }
  ]) {
    counts[payerOf(turn) === role ? 'sent' : 'received'] += paymentCount - before
    before = paymentCount
  }
  return counts
}

/** Returns the status word of a channel. */
export function statusOf(channel: Channel, env: Pick<Env, 'height'>): ChannelStatus {
  if (channel.stage === 'abandoned') return 'abandoned'
  if (channel.stage !== 'established') return 'opening'
  if (isUnsigned(channel)) return isGivenUp(channel) ? 'abandoned' : 'opening'
  if (channel.onChain.spend !== undefined) return 'closed'
  if (channel.publication !== undefined) {
    return channel.publication.kind === 'refund' ? 'refunding' : 'settling'
  }
  if (isFrozen(channel) || channel.onChain.shown.length > 0) return 'closing'
  if (channel.stopped !== undefined) return 'stopped'
  if (
    !channel.ready.ours ||
    !channel.ready.theirs ||
    channel.ledger.held === undefined ||
    !isBuried(channel, env)
  ) {
    return 'confirming'
  }
  if (
    env.height !== undefined &&
    env.height > lastPaymentHeightOf(channel.terms, channel.ledger.turn)
  ) {
    return 'stopped'
  }
  return channel.link === 'live' ? 'open' : 'offline'
}

function reasonOf(channel: Channel, env: SummaryEnv): string | undefined {
  if (channel.stage === 'abandoned') return channel.reason
  if (channel.stage !== 'established') return undefined
  if (channel.copied !== undefined && spendInSight(channel) === undefined) return AWAITS_PEER
  if (channel.stopped !== undefined) return channel.stopped.reason
  const next = renewedAs(channel)
  if (next !== undefined) return `renewed as channel ${next.slice(0, 8)}`
  return channelRefusal(channel, env) instanceof PaychanError
    ? undefined
    : turnRefusal(channel, env)?.message
}

/** The reason why we cannot pay in the peer's turn, when the peer has given one. */
function turnRefusal(
  channel: Established,
  { height }: Pick<Env, 'height'>
): ReturnType<typeof refusalInForce> {
  return payerOf(channel.ledger.turn) === channel.role ? undefined : refusalInForce(channel, height)
}

/** The channel that renews this one, as long as no other transaction has ended this one. */
function renewedAs(channel: Channel): ChannelId | undefined {
  if (channel.stage !== 'established') return undefined
  const { closes } = channel
  const spend = spendInSight(channel)
  return (spend === undefined ? closes.at(-1) : closes.find(({ txid }) => txid === spend.txid))
    ?.renewedAs
}
