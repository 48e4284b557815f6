/** The events of a channel. */
import type {
  ChannelRecord,
  Message,
  Network,
  Payment,
  Update
} from '../../protocols/paychan/1.0/index.js'
import type { FundingOutput } from '../bitcoin/funding-spend.js'
import type { Transaction } from '../bitcoin/transaction.js'
import type { ChannelId, OutPoint, Txid } from '../types/bytes.js'
import type { PaychanError } from '../types/errors.js'
import type { BlockHeight, FeeRate, Satoshi } from '../types/units.js'

/** The purpose of a broadcast. */
export type BroadcastPurpose = 'funding' | 'close' | 'publication'

export interface FundingHistory {
  readonly funding: ShownTransaction | undefined
  /** T1 as servers show it, where they differ in its witnesses; `funding` alone when left out. */
  readonly fundings?: readonly Transaction[]
  /**
   * All transactions that a server shows as spends of its output. At most one of them is in a
   * block; that one is listed more than once where servers differ in its witness.
   */
  readonly spends: readonly ShownTransaction[]
  /** Payments to the funding script that are not T1, and the transactions that spend them. */
  readonly strays: readonly ShownTransaction[]
}

/** A transaction of the history of a script. */
export interface ShownTransaction {
  readonly transaction: Transaction
  /** The proved height of its block; undefined in the mempool. */
  readonly height: BlockHeight | undefined
  /**
   * The hash of that block, in hex as in a header of its child; left out where nobody proves it.
   */
  readonly block?: string | undefined
  /**
   * Without a height: the number of servers that show it now; undefined means one. Making it up
   * costs a server nothing.
   */
  readonly shownBy?: number | undefined
}

/** T1 of a renewal as the old channel has to sign it. */
export interface RenewalDraft {
  /** The new channel. */
  readonly by: ChannelId
  /** T1 without the witness of the old channel's input. */
  readonly fundingTx: Transaction
  /** Transactions that show the server that the other inputs are SegWit (FUND-2). */
  readonly previous: readonly Uint8Array[]
  /** Known to the client, which has built T1; 0 on the server's side. */
  readonly fee: Satoshi
  /** The newest state of the old channel, as the new one takes it over (RENEW-1). */
  readonly turn: number
  readonly sequence: number
  readonly serverBalance: Satoshi
}

/** The messages between the two channels of a renewal, on one side. */
export type RenewalEvent =
  /** To the old channel, on the client's side: its peer has all that it needs (RENEW-3). */
  | { readonly type: 'sign-renewal'; readonly draft: RenewalDraft }
  /** To the old channel, on the server's side: the client has signed. */
  | {
      readonly type: 'complete-renewal'
      readonly draft: RenewalDraft
      readonly signature: Uint8Array
    }
  /** To the new channel: the old channel has signed T1. */
  | {
      readonly type: 'renewal-signed'
      readonly signature: Uint8Array
      /** The funding output that T1 spends. */
      readonly old: FundingOutput
    }
  | { readonly type: 'renewal-completed'; readonly raw: Uint8Array }
  | { readonly type: 'renewal-refused'; readonly error: PaychanError }
  /** To the new channel, on the server's side: the old one cannot say yet (RESTORE-10). */
  | { readonly type: 'renewal-waits' }
  /** Another spend of the old funding output is buried: T1 can never be in a block (RENEW-7). */
  | { readonly type: 'funding-lost'; readonly by: Txid }

export type ChannelEvent =
  | RenewalEvent
  /** A coin of T1 was spent in its place, for good (FUND-6, RENEW-7). */
  | { readonly type: 'coin-lost'; readonly by: Txid }
  // from the user of this node
  | { readonly type: 'pay'; readonly payments: readonly Payment[] }
  /** Two-way channels: payments wait, and it is not our turn. */
  | { readonly type: 'ask-turn'; readonly payments: readonly Payment[] }
  /** Two-way channels: nothing of ours delays the turn that the peer has asked for. */
  | { readonly type: 'grant-turn' }
  /** `feeRate`: a person names it; the usual one when undefined. */
  | { readonly type: 'close'; readonly feeRate?: FeeRate | undefined }
  | { readonly type: 'settle' }
  /** Raises the fee of the transaction that this side has published, now. */
  | { readonly type: 'bump'; readonly feeRate: FeeRate }
  /** Gives up an opening before T1 leaves; later it changes nothing. */
  | { readonly type: 'cancel' }
  /**
   * Server: other peers ask for channels (OPEN-11). `byTwo`: this node has two servers or more, so
   * that the word of one is not enough.
   */
  | { readonly type: 'make-room'; readonly forCustomer: boolean; readonly byTwo: boolean }
  /** RESTORE-7: a new tip, and a server has told all that it has of the channel's script. */
  | { readonly type: 'let-unproven-go' }
  // from the peer
  /** We have opened a stream; a stream that the peer opens begins with the peer's `Reestablish`. */
  | { readonly type: 'connected'; readonly address?: string | undefined; readonly stream?: number }
  | { readonly type: 'disconnected'; readonly reason: string }
  | { readonly type: 'updates'; readonly updates: readonly Update[] }
  /**
   * `stream`: the number of the stream, with its first message; by it the engine keeps the effects
   * of one stream from another.
   */
  | {
      readonly type: 'message'
      readonly message: Exclude<Message, Update>
      readonly stream?: number
    }
  /** The peer's list of our payments (REEST-8) contradicts what this node knows of payment `id`. */
  | { readonly type: 'list-contradicted'; readonly id: string }
  /** RESTORE-4: the peer's record of this channel, whose keys are ours. */
  | { readonly type: 'handed-back'; readonly record: ChannelRecord; readonly network: Network }
  // from the wallet, or from an outside wallet: then with `psbt`, and not signed
  | {
      readonly type: 'funding-built'
      readonly raw: Uint8Array
      readonly outPoint: OutPoint
      readonly fee: Satoshi
      readonly previous?: readonly Uint8Array[]
      readonly psbt?: Uint8Array
    }
  /** T1 of an outside wallet with its witnesses, checked. */
  | { readonly type: 'funding-signed'; readonly raw: Uint8Array }
  | { readonly type: 'funding-failed'; readonly code: string; readonly reason: string }
  // from the chain
  | { readonly type: 'tip' }
  | { readonly type: 'history'; readonly history: FundingHistory }
  /**
   * A server has taken it. `isRefused`: another server refuses it; `refusedForFee`: for its fee.
   */
  | {
      readonly type: 'broadcast-done'
      readonly purpose: BroadcastPurpose
      readonly txid: Txid
      readonly isRefused: boolean
      readonly refusedForFee: boolean
    }
  | {
      readonly type: 'broadcast-failed'
      readonly purpose: BroadcastPurpose
      readonly txid: Txid
      readonly kind: string
      readonly reason: string
    }
  // from the clock
  | { readonly type: 'timeout' }
