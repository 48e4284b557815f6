/** What can happen to a channel. */
import type { Message, Payment, Update } from '../../protocols/paychan/1.0/index.js'
import type { Transaction } from '../bitcoin/transaction.js'
import type { ChannelId, OutPoint, Txid } from '../types/bytes.js'
import type { PaychanError } from '../types/errors.js'
import type { BlockHeight, FeeRate, Satoshi } from '../types/units.js'

/** What a broadcast was for. */
export type BroadcastPurpose = 'funding' | 'close' | 'publication'

export interface FundingHistory {
  readonly funding: ShownTransaction | undefined
  /**
   * Whatever a server shows as spends of its output. At most one of them is in a block; it is there
   * more than once where servers differ in its witness.
   */
  readonly spends: readonly ShownTransaction[]
  /**
   * What else there is: payments to the funding script that are not T1, and what becomes of them.
   */
  readonly strays: readonly ShownTransaction[]
}

/** A transaction of the history of a script. */
export interface ShownTransaction {
  readonly transaction: Transaction
  /** Of its block, which is proved; undefined in the mempool. */
  readonly height: BlockHeight | undefined
  /**
   * Without a height: how many servers show it now; undefined means one. That costs a server
   * nothing to make up.
   */
  readonly shownBy?: number | undefined
}

/** T1 of a renewal as the old channel has to sign it. */
export interface RenewalDraft {
  /** The new channel. */
  readonly by: ChannelId
  /** Without the witness of the old channel's input. */
  readonly fundingTx: Transaction
  /** What shows the server that the other inputs are SegWit (FUND-2). */
  readonly previous: readonly Uint8Array[]
  /** Known to the client, who has built it; 0 on the server's side. */
  readonly fee: Satoshi
  /** The newest state of the old channel, as the new one takes it over (RENEW-1). */
  readonly turn: number
  readonly sequence: number
  readonly serverBalance: Satoshi
}

/** What passes between the two channels of a renewal, on one side. */
export type RenewalEvent =
  /** To the old one, on the client's side: its peer has all that it needs (RENEW-3). */
  | { readonly type: 'sign-renewal'; readonly draft: RenewalDraft }
  /** To the old one, on the server's side: the client has signed. */
  | {
      readonly type: 'complete-renewal'
      readonly draft: RenewalDraft
      readonly signature: Uint8Array
    }
  /** To the new one. */
  | { readonly type: 'renewal-signed'; readonly signature: Uint8Array }
  | { readonly type: 'renewal-completed'; readonly raw: Uint8Array }
  | { readonly type: 'renewal-refused'; readonly error: PaychanError }
  /** Another spend of the old funding output is buried: T1 can never be in a block (RENEW-7). */
  | { readonly type: 'funding-lost'; readonly by: Txid }

export type ChannelEvent =
  | RenewalEvent
  // from whoever uses this node
  | { readonly type: 'pay'; readonly payments: readonly Payment[] }
  /** Two-way channels: payments wait, and it is not our turn. */
  | { readonly type: 'ask-turn'; readonly payments: readonly Payment[] }
  /** Two-way channels: nothing of ours is in the way of the turn that the peer has asked for. */
  | { readonly type: 'grant-turn' }
  | { readonly type: 'close' }
  | { readonly type: 'settle' }
  /** A higher fee for what this side has published, now. */
  | { readonly type: 'bump'; readonly feeRate: FeeRate }
  /** Gives up an opening before T1 leaves; later it changes nothing. */
  | { readonly type: 'cancel' }
  /** Server: other peers ask for channels (OPEN-11). */
  | { readonly type: 'make-room' }
  // from the peer
  /** We have opened a stream; one that the peer opens begins with its `Reestablish`. */
  | { readonly type: 'connected'; readonly address?: string | undefined; readonly stream?: number }
  | { readonly type: 'disconnected'; readonly reason: string }
  | { readonly type: 'updates'; readonly updates: readonly Update[] }
  /**
   * `stream`: with the first message of a stream, its number; the engine keeps effects of one
   * stream from another.
   */
  | {
      readonly type: 'message'
      readonly message: Exclude<Message, Update>
      readonly stream?: number
    }
  /**
   * What the peer has listed of our payments (REEST-8) contradicts what this node knows of payment
   * `id`.
   */
  | { readonly type: 'list-contradicted'; readonly id: string }
  // from the wallet, or from an outside one: then with `psbt`, and not signed
  | {
      readonly type: 'funding-built'
      readonly raw: Uint8Array
      readonly outPoint: OutPoint
      readonly fee: Satoshi
      readonly previous?: readonly Uint8Array[]
      readonly psbt?: Uint8Array
    }
  /** Of an outside wallet, checked: T1 with its witnesses. */
  | { readonly type: 'funding-signed'; readonly raw: Uint8Array }
  | { readonly type: 'funding-failed'; readonly code: string; readonly reason: string }
  // from the chain
  | { readonly type: 'tip' }
  | { readonly type: 'history'; readonly history: FundingHistory }
  /**
   * A server has taken it. `isRefused`: another one refuses it; `refusedForFee`: for its fee.
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
