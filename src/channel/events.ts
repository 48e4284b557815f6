/** What can happen to a channel. */
import type { Message, Payment, Update } from '../../protocols/paychan/1.0/index.js'
import type { OutPoint, Txid } from '../types/bytes.js'
import type { BlockHeight, FeeRate, Satoshi } from '../types/units.js'
import type { Publication } from './state.js'

/** What a broadcast was for. */
export type BroadcastPurpose = 'funding' | 'close' | 'publication'

export interface FundingHistory {
  readonly funding: { readonly raw: Uint8Array, readonly height: BlockHeight | undefined } | undefined
  readonly spend: { readonly txid: Txid, readonly raw: Uint8Array, readonly height: BlockHeight | undefined } | undefined
}

export type ChannelEvent =
  // from whoever uses this node
  | { readonly type: 'pay', readonly payments: readonly Payment[] }
  /** Two-way channels: payments wait, and it is not our turn. */
  | { readonly type: 'ask-turn', readonly payments: readonly Payment[] }
  /** Two-way channels: nothing of ours is in the way of the turn that the peer has asked for. */
  | { readonly type: 'grant-turn' }
  | { readonly type: 'close' }
  | { readonly type: 'settle' }
  /** A higher fee for what this side has published, now. */
  | { readonly type: 'bump', readonly feeRate: FeeRate }
  /** The next bid of a batch with other channels; undefined: the batch has come apart. */
  | { readonly type: 'batched', readonly publication: Publication | undefined, readonly leads: boolean }
  /** Gives up an opening before T1 leaves; later it changes nothing. */
  | { readonly type: 'cancel' }
  // from the peer
  /** We have opened a stream; one that the peer opens begins with its `Reestablish`. */
  | { readonly type: 'connected', readonly address?: string | undefined, readonly stream?: number }
  | { readonly type: 'disconnected', readonly reason: string }
  | { readonly type: 'updates', readonly updates: readonly Update[] }
  /** `stream`: with the first message of a stream, its number; the engine keeps effects of one stream from another. */
  | { readonly type: 'message', readonly message: Exclude<Message, Update>, readonly stream?: number }
  // from the wallet
  | { readonly type: 'funding-built', readonly raw: Uint8Array, readonly outPoint: OutPoint, readonly fee: Satoshi }
  | { readonly type: 'funding-failed', readonly code: string, readonly reason: string }
  // from the chain
  | { readonly type: 'tip' }
  | { readonly type: 'history', readonly history: FundingHistory }
  | { readonly type: 'broadcast-done', readonly purpose: BroadcastPurpose, readonly txid: Txid }
  | { readonly type: 'broadcast-failed', readonly purpose: BroadcastPurpose, readonly txid: Txid, readonly kind: string, readonly reason: string }
  // from the clock
  | { readonly type: 'timeout' }
