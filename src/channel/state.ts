/**
 * A channel as one side sees it. Everything in here is on disk before an effect of it happens.
 *
 *     client:  offered -> accepted -> refund-requested -> established
 *     server:             accepted -> refund-signed    -> established
 *     either:  ... -> abandoned, as long as T1 has not left the client
 *
 * The chain's view (`onChain`) is kept apart from the words of the two sides to each other: the
 * chain may take anything back in a reorg, but a signature is never taken back.
 */
import type { OpenChannel } from '../../protocols/paychan/1.0/index.js'
import type { FundingOutput } from '../bitcoin/funding-spend.js'
import type { Role } from '../bitcoin/keys.js'
import type { ChannelId, OutPoint, Txid } from '../types/bytes.js'
import type { Facts } from '../types/errors.js'
import type { BlockDelta, BlockHeight, FeeRate, Satoshi } from '../types/units.js'
import type { Epochs } from './epochs.js'
import type { HeldState, Ledger } from './ledger.js'
import type { StateRef } from './schedule.js'
import type { Terms } from './terms.js'

/** The random bits that our keys of one channel derive from. */
export interface KeyBits {
  readonly high: number
  readonly low: number
}

interface Identified {
  readonly id: ChannelId
  /** The PeerId that the channel was opened with; no other peer may speak for the channel. */
  readonly peer: string
  /**
   * The address for reaching the peer again: the multiaddr dialled last, or the PeerId; on the
   * server the PeerId.
   */
  readonly address: string
  readonly keys: KeyBits
  /** Milliseconds since 1970. */
  readonly openedAt: number
}

/** A channel that this side has opened. */
interface ClientSide extends Identified {
  readonly role: 'client'
  /** The number of blocks for which the channel renews itself before its end (TIME-5). */
  readonly renewFor?: BlockDelta | undefined
  /**
   * The number of blocks that T1 may wait before this node pays for it by a child (FUND-5); the
   * usual number when undefined.
   */
  readonly patience?: BlockDelta | undefined
}

/** A channel that the peer has opened. */
interface ServerSide extends Identified {
  readonly role: 'server'
}

type Side = ClientSide | ServerSide

/** Picks the fields that a channel keeps through all its stages. */
export function identityOf(state: ClientSide): ClientSide
export function identityOf(state: ServerSide): ServerSide
export function identityOf(state: Side): Side
export function identityOf(state: Side): Side {
  const { id, peer, address, role, keys, openedAt } = state
  return role === 'client'
    ? {
        ...{ id, peer, address, role, keys, openedAt },
        renewFor: state.renewFor,
        patience: state.patience
      }
    : { id, peer, address, role, keys, openedAt }
}

/**
 * The inputs of a T1 that renews a channel: the funding output of that channel, and coins of the
 * wallet when it is topped up.
 */
export interface RenewalSource {
  readonly old: FundingOutput
  readonly fromWallet: boolean
}

/** The part of T1 that its opener has fixed: its fee and inputs. */
export interface FundingChoice {
  readonly feeRate?: FeeRate | undefined
  /** Exactly these coins of the wallet. */
  readonly coins?: readonly OutPoint[] | undefined
  /** The most that it may cost, whatever the estimate is by then; of a renewal nothing. */
  readonly mostFee?: Satoshi | undefined
}

/** Step 1: the client has asked. */
export interface Offered extends ClientSide {
  readonly stage: 'offered'
  readonly offer: OpenChannel
  readonly source: RenewalSource | undefined
  readonly choice?: FundingChoice | undefined
  readonly outside?: true | undefined
}

/**
 * Step 1 done: both know the terms. The client builds T1 and keeps it to itself (step 2).
 * `outside`: an outside wallet builds T1.
 */
export type Accepted = AcceptedClient | AcceptedServer

export interface AcceptedClient extends ClientSide {
  readonly stage: 'accepted'
  readonly terms: Terms
  readonly outside?: true | undefined
}

interface AcceptedServer extends ServerSide {
  readonly stage: 'accepted'
  readonly terms: Terms
}

/** Step 3: the client has T1 and has asked for the signature of T2. */
export interface RefundRequested extends ClientSide {
  readonly stage: 'refund-requested'
  readonly terms: Terms
  readonly outPoint: OutPoint
  /** In a renewal T1 lacks the witness of the old channel's input. */
  readonly fundingTx: Uint8Array
  readonly fundingFee: Satoshi
  /** The transactions whose coins T1 spends, except the old channel's, without witnesses. */
  readonly previous: readonly Uint8Array[]
  /** T1 of an outside wallet, which is not signed yet. */
  readonly psbt?: Uint8Array | undefined
  /**
   * RENEW-3: T2's signature, and whether the server holds the first state: T1 is signed only then.
   * `isConnected`: the stream of the opening is still there.
   */
  readonly secured:
    | {
        readonly refundSignature: Uint8Array
        readonly acknowledged: boolean
        readonly isConnected: boolean
      }
    | undefined
}

/** Step 4: the server has signed T2 for an outpoint whose transaction it has not seen. */
export interface RefundSigned extends ServerSide {
  readonly stage: 'refund-signed'
  readonly terms: Terms
  readonly outPoint: OutPoint
  /** RENEW-3: the first state of a renewal: the server holds it before it signs T1. */
  readonly initial: HeldState | undefined
  /** RENEW-5: T1 as the client has signed it, while the old channel is asked to sign it too. */
  readonly requested:
    | {
        readonly fundingTx: Uint8Array
        readonly signature: Uint8Array
        readonly previous: readonly Uint8Array[]
      }
    | undefined
  readonly link: LinkState
  readonly epochs: Epochs
}

/** T1 never left, or never came. The keys stay known for good (KEY-3). */
export type Abandoned = Side & {
  readonly stage: 'abandoned'
  readonly capacity: Satoshi
  readonly refundHeight: BlockHeight
  readonly code: string
  readonly reason: string
  readonly facts: Facts
  /** Server: the outpoint that it has signed T2 for, and never signs for again (REF-2). */
  readonly outPoint: OutPoint | undefined
  /** The server's key, if it was known. */
  readonly theirKey: Uint8Array | undefined
}

/**
 * How a channel ended: with both signatures by agreement, by the newest state (T3), by the refund
 * (T2), or in a way that this node does not know.
 */
export type SpendKind = 'close' | 'settlement' | 'refund' | 'unknown'

/** A transaction that spends the funding output, identified by its lock and its payer (EVID-2). */
interface Spending {
  readonly kind: SpendKind
  /** The state that it is, by its lock; undefined for a close and what we do not know. */
  readonly state: StateRef | undefined
  readonly txid: Txid
  readonly raw: Uint8Array
  /** The amount that it gives the client; undefined when we cannot tell. */
  readonly clientBalance: Satoshi | undefined
}

/** A spend with a proof that it is in a block. */
export interface Spend extends Spending {
  readonly height: BlockHeight
}

/**
 * A spend that servers show as unconfirmed, and that both sides have signed (TIME-8). Nothing that
 * costs more than a normal bid may rest on it (evidence.ts).
 */
export interface ShownSpend extends Spending {
  readonly height: undefined
  /** Number of servers that show it. */
  readonly shownBy: number
  /**
   * Its fee; undefined when an input beside the funding output makes the fee unknown, or brings
   * unconfirmed ancestors along.
   */
  readonly fee: Satoshi | undefined
  /** Virtual bytes. */
  readonly vsize: number
  /** nLockTime. */
  readonly lock: number
  /**
   * The tip at which a state of this side was first shown without a break: the blocks since then
   * have passed over it. Undefined when that tip is not known.
   */
  readonly since?: BlockHeight | undefined
}

export interface OnChain {
  /** T1 is in the mempool or in a block. */
  readonly fundingSeen: boolean
  /** Set while T1 is in no block and two servers show it: one can make it up alone. */
  readonly fundingShownByTwo?: true
  readonly fundingHeight: BlockHeight | undefined
  /** The hash of the block that T1 was proved to be in: it is not proved again at each start. */
  readonly fundingBlock?: string | undefined
  readonly spend: Spend | undefined
  /** The spends of the other side come first. */
  readonly shown: readonly ShownSpend[]
  readonly firstShown?: FirstShown | undefined
}

/**
 * The heights at which spends were first shown. They stay: whoever hides a spend for a moment, or
 * shows one after the other, is passed over by the same blocks.
 */
export interface FirstShown {
  /** Of a state of the other side, by two servers. */
  readonly states?: BlockHeight | undefined
  /** Of a spend that is not a state. */
  readonly others?: BlockHeight | undefined
}

/** Returns the proved spend, else one that is shown: for people, and where a lie costs nothing. */
export function spendInSight({
  onChain: { spend, shown }
}: Established): Spend | ShownSpend | undefined {
  return spend ?? shown[0]
}

/** A cooperative close that one of us has signed (CLOSE-6: no way back). */
export interface SignedClose {
  readonly asker: Role
  readonly fee: Satoshi
  readonly txid: Txid
  /** Our signature. */
  readonly signature: Uint8Array
  /** The complete close, once we have both signatures: it is then ours to broadcast. */
  readonly raw: Uint8Array | undefined
  /**
   * The tip when we completed it, or the first one that we saw after that; undefined when we have
   * not, and until then.
   */
  readonly completedAt?: BlockHeight | undefined
  /** In a renewal: the channel that this transaction funds. Only the client knows its fee. */
  readonly renewedAs?: ChannelId | undefined
}

/** A transaction that we publish alone, and the progress of its fee. */
export interface Publication {
  readonly kind: 'settlement' | 'refund'
  readonly state: StateRef
  /**
   * The start of the race: the height at which publishing was due, and the estimate at the first
   * bid.
   */
  readonly since: { readonly height: BlockHeight; readonly feeRate: FeeRate }
  readonly feeRate: FeeRate
  readonly fee: Satoshi
  readonly txid: Txid
  readonly raw: Uint8Array
  /** The height of the tip when it was last signed. */
  readonly height: BlockHeight
  /**
   * The reason for which every server that could be asked refused it; undefined while that is not
   * known, and once a server has taken it.
   */
  readonly refusedFor: string | undefined
  /** A server has refused it for its fee, though another server may have taken it. */
  readonly isUnderpaid?: true
  /**
   * The bid that stood when the tip came: at one height a race may at most double it. Older records
   * lack it.
   */
  readonly base?: Satoshi
  /** The tip of the first bid. Older records lack it. */
  readonly begun?: BlockHeight | undefined
  /**
   * The tip at which this bid was sent again, to learn whether a mempool really prefers a rival:
   * once for each, for the other side can make up any number of rivals.
   */
  readonly probedAt?: BlockHeight
  /** The payer's balance in it. Older records lack it. */
  readonly payerBalance?: Satoshi
}

/** A channel that takes no more payments. */
export interface Stopped {
  readonly code: string
  readonly reason: string
  readonly rule: string
  readonly settleNow: boolean
}

/** The last state of a turn that is over: whoever has its signature can still publish it. */
export interface EndedTurn {
  readonly turn: number
  readonly sequence: number
  readonly payerBalance: Satoshi
  /** Payments of the channel up to the end of this turn. */
  readonly paymentCount: number
  /** The payer's signature; kept only when we were the payee. */
  readonly signature: Uint8Array | undefined
}

/** The wishes of both sides for the next turn. */
export interface TurnWishes {
  /** The turn that we have asked for, while the answer is due. */
  readonly asked: number | undefined
  /**
   * The reason why we cannot have the turn, for callers of `pay`. `notBefore`: the height from
   * which asking may help, 0 for never; undefined when we have not even asked.
   */
  readonly refused:
    | {
        readonly code: string
        readonly message: string
        readonly facts: Facts
        readonly notBefore: number | undefined
      }
    | undefined
  /** The peer has asked for the turn; `sequence`: our newest update at that time. */
  readonly theirs: { readonly sequence: number } | undefined
  /** The height at which we granted the present turn; kept until the turn is used. */
  readonly grantedAt: BlockHeight | undefined
}

export const NO_WISHES: TurnWishes = {
  asked: undefined,
  refused: undefined,
  theirs: undefined,
  grantedAt: undefined
}

/**
 * `down`: no stream. `up`: a stream, `Reestablish` sent. `live`: both sides know where they stand.
 */
type LinkState = 'down' | 'up' | 'live'

/** T1 is made by an outside wallet. */
interface FundedOutside {
  readonly psbt: Uint8Array | undefined
  readonly isSigned: boolean
  /** The last transaction seen that pays to the funding script without being T1. */
  readonly stray?: { readonly txid: Txid; readonly height: BlockHeight | undefined } | undefined
}

/** The part of an established channel that both sides have. */
export interface Funded {
  readonly stage: 'established'
  readonly terms: Terms
  readonly outPoint: OutPoint
  readonly fundingTx: Uint8Array
  readonly ready: { readonly ours: boolean; readonly theirs: boolean }
  readonly ledger: Ledger
  /** The turns before the present one, oldest first. */
  readonly ended: readonly EndedTurn[]
  readonly wishes: TurnWishes
  readonly closes: readonly SignedClose[]
  readonly stopped: Stopped | undefined
  /**
   * This side may run on an old copy of its data (REEST-4), or has lost its balances, so it may not
   * know of all its payments. That holds whatever has stopped the channel first, or stops it later.
   */
  readonly mayHaveForgotten?: true | undefined
  readonly publication: Publication | undefined
  readonly onChain: OnChain
  readonly link: LinkState
  readonly epochs: Epochs
  /**
   * This side has lost its data, and has the channel from its peer (RESTORE-6): the peer may hold
   * more of the channel than it has told.
   */
  readonly restored?: true | undefined
  /**
   * This side's data was put back from a backup, and the peer has not said since where the channel
   * stands (RESTORE-10). `dueSince`: the height at which a state was first seen to be due.
   */
  readonly copied?: { readonly dueSince: BlockHeight | undefined } | undefined
  /**
   * Updates that were in flight on an old copy of our data, when the peer gave back later turns:
   * other updates may have taken their numbers, so nobody knows whether they were paid (REEST-8).
   */
  readonly doubted?: { readonly after: number; readonly upTo: number } | undefined
  /** The newest turn that this side itself knew when its peer gave back later ones (RESTORE-4). */
  readonly knownTurn?: number | undefined
  /** T1 was in a block, and a reorganisation took it out: sending T1 again may be due (COST-2). */
  readonly reorged?: true | undefined
  /** Refusals in a row by servers of a close, or of T1 of a renewal (COST-5). */
  readonly unwanted?:
    { readonly txid: Txid; readonly refusals: number; readonly height: BlockHeight } | undefined
}

/** An established channel that this side has opened. */
export interface ClientChannel extends ClientSide, Funded {
  /**
   * In a renewal: our signature of the old channel's input, as long as T1 lacks the server's
   * signature (RENEW-5).
   */
  readonly renewal?:
    | {
        readonly signature: Uint8Array
        readonly previous: readonly Uint8Array[]
        /** The funding output that T1 spends; records of earlier versions lack it. */
        readonly old?: FundingOutput
      }
    | undefined
  /**
   * An outside wallet makes T1. Until T1 is signed, `fundingTx` lacks its witnesses; the PSBT is
   * kept until T1 is in a block.
   */
  readonly outside?: FundedOutside | undefined
  /** The server's signature of T2 (REF-7). */
  readonly refundSignature: Uint8Array
  /** FUND-3: the server has said that it has T1, or holds a state, which comes after T1. */
  readonly fundingAcknowledged: boolean
}

/** An established channel that the peer has opened. */
export interface ServerChannel extends ServerSide, Funded {
  /** FUND-3: a mempool or a block has T1, which the client is told. */
  readonly fundingAccepted: boolean
}

/** A channel whose T1 has left the client, or is on its way to an outside wallet. */
export type Established = ClientChannel | ServerChannel

/** The part of an established channel that both sides have, from the side of `role`. */
export interface EitherSide extends Funded {
  readonly role: Role
}

export type Channel = Offered | Accepted | RefundRequested | RefundSigned | Established | Abandoned

/**
 * CLOSE-6: true when this side has signed a close: it then takes no update, turn or ack any more.
 */
export function isFrozen(channel: Established): boolean {
  return channel.closes.length > 0
}

/** True in the stages before T1 leaves the client. */
export function isOpening(
  channel: Channel
): channel is Offered | Accepted | RefundRequested | RefundSigned {
  return channel.stage !== 'established' && channel.stage !== 'abandoned'
}

/**
 * RENEW-5: true while the old channel is asked to sign T1. Until it has answered, nothing else may
 * end the opening: T1 could be signed already.
 */
export function isSigning(channel: Channel): channel is RefundRequested | RefundSigned {
  return (
    (channel.stage === 'refund-requested' && channel.secured?.acknowledged === true) ||
    (channel.stage === 'refund-signed' && channel.requested !== undefined)
  )
}
