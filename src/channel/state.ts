/**
 * A channel as one side sees it. Everything in here is on disk before an effect of it happens.
 *
 *     client:  offered -> accepted -> refund-requested -> established
 *     server:             accepted -> refund-signed    -> established
 *     either:  ... -> abandoned, as long as T1 has not left the client
 *
 * What the chain shows (`onChain`) is kept apart from what the two sides have said to each other:
 * the chain may take anything back in a reorg, a signature never.
 */
import type { OpenChannel } from '../../protocols/paychan/1.0/index.js'
import type { Role } from '../bitcoin/keys.js'
import type { ChannelId, OutPoint, Txid } from '../types/bytes.js'
import type { Facts } from '../types/errors.js'
import type { BlockHeight, FeeRate, Satoshi } from '../types/units.js'
import type { Epochs } from './epochs.js'
import type { Ledger } from './ledger.js'
import type { Terms } from './terms.js'

/** The random bits that our keys of one channel derive from. */
export interface KeyBits { readonly high: number, readonly low: number }

interface Identified {
  readonly id: ChannelId
  /** The PeerId that the channel was opened with; nobody else may speak for it. */
  readonly peer: string
  /** How to reach it again: the multiaddr that was dialled last, or the PeerId; the PeerId on the server. */
  readonly address: string
  readonly role: Role
  readonly keys: KeyBits
  /** Milliseconds since 1970. */
  readonly openedAt: number
}

/** What a channel keeps through all its stages. */
export function identityOf<R extends Role> ({ id, peer, address, role, keys, openedAt }: Identified & { readonly role: R }): Identified & { readonly role: R } {
  return { id, peer, address, role, keys, openedAt }
}

/** Step 1: the client has asked. */
export interface Offered extends Identified { readonly stage: 'offered', readonly role: 'client', readonly offer: OpenChannel }

/** Step 1 done: both know the terms. The client builds T1 and keeps it to itself (step 2). */
export interface Accepted extends Identified { readonly stage: 'accepted', readonly terms: Terms }

/** Step 3: the client has T1 and has asked for the signature of T2. */
export interface RefundRequested extends Identified {
  readonly stage: 'refund-requested'
  readonly role: 'client'
  readonly terms: Terms
  readonly outPoint: OutPoint
  readonly fundingTx: Uint8Array
}

/** Step 4: the server has signed T2 for an outpoint whose transaction it has not seen. */
export interface RefundSigned extends Identified {
  readonly stage: 'refund-signed'
  readonly role: 'server'
  readonly terms: Terms
  readonly outPoint: OutPoint
  readonly link: LinkState
  readonly epochs: Epochs
}

/** T1 never left, or never came. The keys stay known for good (KEY-3). */
export interface Abandoned extends Identified {
  readonly stage: 'abandoned'
  readonly capacity: Satoshi
  readonly refundHeight: BlockHeight
  readonly code: string
  readonly reason: string
  readonly facts: Facts
  /** Server: the outpoint whose T2 was signed is never signed for again (REF-2). */
  readonly outPoint: OutPoint | undefined
  /** The server's key, when it was known. */
  readonly theirKey: Uint8Array | undefined
}

export type SpendKind = 'close' | 'settlement' | 'refund' | 'unknown'

/** A transaction that spends the funding output. */
export interface Spend {
  readonly kind: SpendKind
  /** Of a settlement, by its lock. */
  readonly turn: number | undefined
  readonly txid: Txid
  readonly raw: Uint8Array
  /** Undefined while it is in the mempool. */
  readonly height: BlockHeight | undefined
  /** What it gives the client; undefined when we cannot tell. */
  readonly clientBalance: Satoshi | undefined
}

export interface OnChain {
  /** T1 is in the mempool or in a block. */
  readonly fundingSeen: boolean
  readonly fundingHeight: BlockHeight | undefined
  readonly spend: Spend | undefined
}

/** A cooperative close that one of us has signed (CLOSE-6: no way back). */
export interface SignedClose {
  readonly asker: Role
  readonly fee: Satoshi
  readonly txid: Txid
  /** Our signature. */
  readonly signature: Uint8Array
  /** Complete, when we have both signatures: then it is ours to broadcast. */
  readonly raw: Uint8Array | undefined
}

/** A transaction that we publish alone, and how far its fee has come. */
export interface Publication {
  readonly kind: 'settlement' | 'refund'
  /** -1 for T2. */
  readonly turn: number
  /** Where the race began: height and rate of the first bid. */
  readonly since: { readonly height: BlockHeight, readonly feeRate: FeeRate }
  readonly feeRate: FeeRate
  readonly fee: Satoshi
  readonly txid: Txid
  readonly raw: Uint8Array
  /** Of the tip when it was last signed. */
  readonly height: BlockHeight
  /** Why the last broadcast failed, when it was not for its fee: then a higher one would not help. */
  readonly refusedFor: string | undefined
  /** Of a transaction that settles several channels: how many, and its whole fee; `fee` is this channel's part. */
  readonly batch: { readonly channels: number, readonly fee: Satoshi } | undefined
}

/** No payments any more. */
export interface Stopped { readonly code: string, readonly reason: string, readonly rule: string, readonly settleNow: boolean }

/** The last state of a turn that is over: who has its signature can still publish it. */
export interface EndedTurn {
  readonly turn: number
  readonly sequence: number
  readonly payerBalance: Satoshi
  /** Payments of the channel up to its end. */
  readonly paymentCount: number
  /** The payer's; ours only when we were the payee. */
  readonly signature: Uint8Array | undefined
}

/** The next turn, as far as we want it, and as far as the peer does. */
export interface TurnWishes {
  /** The turn that we have asked for, and have no answer to. */
  readonly asked: number | undefined
  /** Why we cannot have it; for callers of `pay`. `notBefore`: the height from which on asking may help, 0 for never; undefined when we have not even asked. */
  readonly refused: { readonly code: string, readonly message: string, readonly facts: Facts, readonly notBefore: number | undefined } | undefined
  /** The peer has asked; `sequence`: of our newest update at that time. */
  readonly theirs: { readonly sequence: number } | undefined
  /** The height at which we granted the present turn, until it is used. */
  readonly grantedAt: BlockHeight | undefined
}

export const NO_WISHES: TurnWishes = { asked: undefined, refused: undefined, theirs: undefined, grantedAt: undefined }

/** `down`: no stream. `up`: a stream, `Reestablish` sent. `live`: both sides know where they stand. */
export type LinkState = 'down' | 'up' | 'live'

export interface Established extends Identified {
  readonly stage: 'established'
  readonly terms: Terms
  readonly outPoint: OutPoint
  readonly fundingTx: Uint8Array
  /** Client: the server's signature of T2 (REF-7). */
  readonly refundSignature: Uint8Array | undefined
  /** Client: the server has confirmed T1. Server: T1 was accepted by a mempool. */
  readonly fundingAcknowledged: boolean
  readonly ready: { readonly ours: boolean, readonly theirs: boolean }
  readonly ledger: Ledger
  /** The turns before the present one, oldest first. */
  readonly ended: readonly EndedTurn[]
  readonly wishes: TurnWishes
  readonly closes: readonly SignedClose[]
  readonly stopped: Stopped | undefined
  readonly publication: Publication | undefined
  readonly onChain: OnChain
  readonly link: LinkState
  readonly epochs: Epochs
}

export type Channel = Offered | Accepted | RefundRequested | RefundSigned | Established | Abandoned

/** CLOSE-6: a side that has signed a close takes no update, turn or ack any more. */
export function isFrozen (channel: Established): boolean {
  return channel.closes.length > 0
}

/** The stages before T1 leaves the client. */
export function isOpening (channel: Channel): channel is Offered | Accepted | RefundRequested | RefundSigned {
  return channel.stage !== 'established' && channel.stage !== 'abandoned'
}
