/**
 * The one interface to a running node, behind the library, the local HTTP API and the command line.
 * Amounts are bigint satoshis, heights block heights, times milliseconds. Every method rejects with
 * a `PaychanError`.
 */
import type { ServerStatus } from '../chain/chain.js'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import type { Step } from '../channel/effects.js'
import type { News } from '../channel/news.js'
import type { Policy } from '../channel/policy.js'
import type { ChannelInfo } from '../channel/summary.js'
import type { PaymentInfo } from '../engine/payments.js'
import type { ChainStatus } from '../engine/ports.js'
import type { ChannelId, Txid } from '../types/bytes.js'
import type { BlockHeight, Satoshi } from '../types/units.js'
import type { CoinState } from '../wallet/node-wallet.js'
import type * as wallet from '../wallet/spending.js'
import type { WalletTransaction } from '../wallet/spending.js'
import type { AlarmEvent } from '../types/errors.js'

export type { Step } from '../channel/effects.js'
export type { News, NewsKind } from '../channel/news.js'
export type { ChannelInfo, ChannelStatus, OutsideFunding } from '../channel/summary.js'
export type { PaymentInfo } from '../engine/payments.js'
export type { CoinState } from '../wallet/node-wallet.js'
export type { TransactionKind, WalletTransaction } from '../wallet/spending.js'

export interface NodeInfo {
  readonly version: string
  readonly network: Network
  readonly peerId: string
  /** Full multiaddrs that others can connect to. */
  readonly multiaddrs: readonly string[]
  readonly dataDir: string
  readonly chain: {
    readonly status: ChainStatus
    readonly server: string
    readonly height: BlockHeight | undefined
    readonly hash: string | undefined
    readonly lastError: string | undefined
    readonly lastErrorCode?: string | undefined
    readonly servers: readonly ServerStatus[]
    /** While histories are being read: how many are known, of how many. */ readonly histories?:
      { readonly known: number; readonly total: number } | undefined
  }
  /**
   * `unwatched`: number of channels that no server reports on now; they take and make no payments.
   */
  readonly channels: { readonly open: number; readonly total: number; readonly unwatched: number }
  /**
   * Number of addresses of each branch used so far. Write it down beside the words (`restore
   * --used`).
   */
  readonly addresses?:
    { readonly receive: number; readonly change: number; readonly close: number } | undefined
  /** The limits of this node for channels that others open to it, and for its own. */
  readonly policy: Policy
  /** The ECDSA implementation that signs and verifies. */
  readonly ecdsa: string
}

export interface Balance {
  /** Coins of the wallet with at least one confirmation. */
  readonly confirmed: Satoshi
  /** Coins of the wallet that are still in the mempool. */
  readonly pending: Satoshi
  /** The part of `confirmed` that is set aside for funding transactions and sends under way. */
  readonly reserved: Satoshi
  /** The part of `confirmed` that its owner has locked, and that nothing spends. */
  readonly locked: Satoshi
  /** Our share of all channels that are not yet settled on the chain. */
  readonly inChannels: Satoshi
  /** The part of `inChannels` that no server reports on now, as last known. */
  readonly unwatched: Satoshi
  /** Payout outputs of settled channels that are ours and not yet swept. */
  readonly unswept: Satoshi
  readonly total: Satoshi
}

/** A coin of the wallet. */
export interface CoinInfo {
  /** `txid:vout`: the coin's name for `lockCoins`, and for the option `coins`. */
  readonly outPoint: string
  readonly amount: Satoshi
  readonly address: string
  /** Undefined in the mempool. */
  readonly height: BlockHeight | undefined
  readonly confirmations: number
  readonly label: string | undefined
  /**
   * `free`: may be chosen. `unconfirmed`: in no block yet, or the reward of a block that is not
   * mature.
   */
  readonly state: CoinState
  /** True also when the coin is reserved or unconfirmed. */
  readonly locked: boolean
  /** The channel whose funding transaction spends it. */
  readonly channel: ChannelId | undefined
  /** The send that spends the coin and that is in no mempool yet. */
  readonly spentBy: Txid | undefined
}

/** At most one of `satPerVByte` and `target`; without either, the usual rate for the task. */
export interface FeeChoice {
  /** The feerate in sat/vB, with at most 3 decimals. */
  readonly satPerVByte?: number
  /** Number of blocks, 1 to 1,008: takes the servers' estimate for a confirmation within it. */
  readonly target?: number
  /**
   * Allows a fee that exceeds the amount, or ten times the estimate; otherwise such a fee is
   * refused (`ERR_FEE_TOO_HIGH`).
   */
  readonly highFee?: boolean
}

export type SendOptions = Omit<wallet.SendOptions, keyof wallet.FeeChoice> & FeeChoice

/** For a child: the rate of parent and child together. */
interface ShownRate {
  readonly satPerVByte: number
}

export type SendResult = Omit<wallet.SendResult, 'feeRate'> & ShownRate

export type BumpResult = Omit<wallet.BumpResult, 'feeRate'> & ShownRate

/** Feerates for a transaction, in sat/vB. */
export interface Fees {
  /** The server's mempool takes nothing below this rate. */
  readonly leastSatPerVByte: number
  /** The servers' estimates for a confirmation within `blocks`. */
  readonly estimates: ReadonlyArray<{ readonly blocks: number; readonly satPerVByte: number }>
}

export interface PeerInfo {
  readonly peerId: string
  readonly connected: boolean
  readonly multiaddrs: readonly string[]
  /** True when the peer speaks /paychan/1.0; undefined before it has said so. */
  readonly paychan: boolean | undefined
}

/**
 * Without a choice T1 pays the estimate for 6 blocks. With a target, a child raises the fee after
 * that many blocks; with a feerate that is left to `bumpFee`.
 */
export interface OpenRequest extends FeeChoice {
  /**
   * A PeerId that we are connected to, or its beginning or end if no other known peer has it; or a
   * full multiaddr.
   */
  readonly peer: string
  /** The capacity in satoshis, all of it the client's at first. */
  readonly amount: bigint
  /** L minus the height of the tip; the node's default when left out. */
  readonly blocks?: number
  /** Either side can pay on it, in turns. */
  readonly twoWay?: boolean
  /**
   * Blocks between the locks of two turns of a two-way channel; the node's default when left out.
   */
  readonly step?: number
  /**
   * Renews the channel before its end, for as many blocks again: the transaction that closes it
   * opens the next one.
   */
  readonly renew?: boolean
  /**
   * Exactly these coins fund it, as `txid:vout`, locked ones too; the wallet chooses when left out.
   */
  readonly coins?: readonly string[]
  /**
   * An outside wallet makes the funding transaction. The call resolves once that may begin
   * (`ChannelInfo.outside`); `fundingPsbt` does the rest.
   */
  readonly psbt?: true
  /** Cancels the opening, as long as the funding transaction has not left this node. */
  readonly signal?: AbortSignal
}

export interface PsbtOptions {
  /** For the signed transaction, as in `open`; `ready` when left out. */
  readonly wait?: 'broadcast' | 'ready'
}

export interface PsbtResult {
  readonly channel: ChannelInfo
  /** Warnings about what is allowed but unwise, one sentence each. */
  readonly warnings: readonly string[]
}

/** Without a choice the transaction pays enough for the next block. */
export interface RenewOptions extends FeeChoice {
  /** Satoshis of the wallet to add to the new channel; 0 when left out. */
  readonly amount?: bigint
  /**
   * Exactly these coins pay the amount and the fee, as `txid:vout`; the wallet chooses when left
   * out.
   */
  readonly coins?: readonly string[]
  /**
   * L of the new channel minus the height of the tip; when left out, the channel's own renewal
   * period, or the node's default.
   */
  readonly blocks?: number
  readonly wait?: 'broadcast' | 'ready'
  /** Cancels the renewal, as long as the funding transaction has not left this node. */
  readonly signal?: AbortSignal
}

export interface PayRequest {
  /**
   * A PeerId (or its beginning or end; also as the end of a multiaddr), or a channel id (at least 8
   * of its first digits).
   */
  readonly to: string
  /** Satoshis. */
  readonly amount: bigint
  readonly memo?: string
  /**
   * A name of 1 to 128 characters that no other payment has. When the outcome of a payment is
   * unknown, ask again with the same id, amount and payee: it is made once.
   */
  readonly id?: string
}

/**
 * A payment that was made. When it was split, the fields are those of its first part, and `amount`
 * is the whole.
 */
export interface PayResult extends PaymentInfo {
  /** The id in the request, or one drawn for a split payment; undefined for any other. */
  readonly requestId: string | undefined
  /**
   * True when a payment with this id had been made before: nothing was paid now. `time` is that
   * payment's.
   */
  readonly already: boolean
  /** The part that each channel carried. */
  readonly parts: readonly PaymentInfo[]
}

export interface CloseResult {
  readonly channel: ChannelId
  readonly kind: 'close' | 'settlement' | 'abandoned'
  /** The transaction that was broadcast; undefined when nothing had to be. */
  readonly txid: Txid | undefined
}

/** The channels lost by this node that a peer handed back. */
export interface RecoverResult {
  readonly peerId: string
  /** The channels that are restored. They only close. */
  readonly recovered: readonly ChannelInfo[]
  /** Number of channels the peer named that this node has anyway. */
  readonly known: number
  /** Channels that the peer named and could not prove. */
  readonly refused: ReadonlyArray<{
    readonly channel: ChannelId
    readonly code: string
    readonly reason: string
  }>
}

export interface SettleAllResult {
  readonly settled: readonly CloseResult[]
  /**
   * Settlements that no server has taken yet, or that something else prevented. A settlement is
   * sent again with every block.
   */
  readonly failed: ReadonlyArray<{
    readonly channel: ChannelId
    readonly code: string
    readonly reason: string
  }>
  /** Channels with a share of ours that is not worth its fee now, or that are closing already. */
  readonly leftOut: readonly ChannelId[]
}

/**
 * Everything that happens, for progress displays and logs. After the alarm `ERR_STORE_FAILED`
 * nothing follows: the disk failed, and the node stops by itself.
 */
export type NodeEvent =
  | {
      readonly type: 'channel'
      readonly channel: ChannelInfo
      readonly news: News
      readonly step?: Step | undefined
      readonly txid?: Txid | undefined
    }
  | { readonly type: 'payment'; readonly payment: PaymentInfo }
  /** `reason`: why the node is not synced, as far as known. */
  | {
      readonly type: 'chain'
      readonly status: ChainStatus
      readonly height: BlockHeight | undefined
      readonly reason?: string | undefined
    }
  /**
   * Reading the watched histories takes a while after a start or a reconnection: sent about once a
   * second, and once more when all are known. Until then some channels may be out of date.
   */
  | { readonly type: 'histories'; readonly known: number; readonly total: number }
  /**
   * The chance (0 to 1) that a channel's newest state is not confirmed in time has risen to
   * `policy.riskAlarm` percent (`isHigh`), or is below again; `stake`: the possible loss.
   */
  | {
      readonly type: 'risk'
      readonly channel: ChannelId
      readonly risk: number
      readonly stake: Satoshi
      readonly isHigh: boolean
    }
  /**
   * News about an Electrum server: it was dropped, and why; or its certificate was seen for the
   * first time.
   */
  | {
      readonly type: 'server'
      readonly server: string
      readonly code: string
      readonly text: string
    }
  /**
   * The first of repeated alarms is told at once; then, after growing pauses (10 s to 1 h), how
   * often it recurred (`count`) and for which channels.
   */
  | (AlarmEvent & {
      readonly channel: ChannelId | undefined
      readonly count?: number | undefined
      readonly channels?: readonly ChannelId[] | undefined
    })

export interface NodeApi {
  info: () => Promise<NodeInfo>
  /** A fresh receive address of the wallet. */
  address: () => Promise<string>
  balance: () => Promise<Balance>
  /**
   * Pays to an address, or what a `bitcoin:` URI asks for (BIP321), from the named coins, or else
   * from confirmed coins that nothing else needs; on disk before it leaves. Errors:
   * `ERR_INVALID_ADDRESS`, `ERR_INVALID_URI`, `ERR_URI_UNSUPPORTED`, `ERR_INVALID_AMOUNT` (also
   * when it differs from that of the URI), `ERR_INVALID_FEERATE`, `ERR_FEERATE_TOO_LOW` (facts, in
   * sat/vB: satPerVByte, least), `ERR_FEE_TOO_HIGH` (facts: fee, amount; or satPerVByte, estimate),
   * `ERR_INVALID_TARGET`, `ERR_INVALID_LABEL`, `ERR_INSUFFICIENT_FUNDS` (facts: asked, available,
   * fee, locked), `ERR_TOO_MANY_COINS`, `ERR_INVALID_OUTPOINT`, `ERR_COIN_UNKNOWN`,
   * `ERR_COIN_SPENT`, `ERR_COIN_UNCONFIRMED`, `ERR_COIN_RESERVED` (facts: coin),
   * `ERR_CHAIN_UNAVAILABLE`, `ERR_BROADCAST_REFUSED` (facts: txid; the transaction is kept, and
   * sent again with every block).
   */
  send: (options: SendOptions) => Promise<SendResult>
  /**
   * Raises the fee of a send or of a sweep (by a replacement) or of a funding transaction (by a
   * child, for it is never replaced), also of one that no server shows. For a child, the choice
   * applies to parent and child together. Errors: `ERR_COIN_LOCKED` (the change of T1 is locked),
   * `ERR_INVALID_TARGET`, `ERR_CANNOT_BUMP`, `ERR_ALREADY_CONFIRMED`, `ERR_FEERATE_TOO_LOW`,
   * `ERR_FEE_TOO_HIGH`, `ERR_NO_CHANGE`, `ERR_INSUFFICIENT_FUNDS`, `ERR_INVALID_FEERATE`,
   * `ERR_BROADCAST_REFUSED`.
   */
  bumpFee: (txid: string, choice?: FeeChoice) => Promise<BumpResult>
  /** Returns the feerates to choose from. Errors: `ERR_CHAIN_UNAVAILABLE`. */
  fees: () => Promise<Fees>
  /** The wallet's coins, the largest first. */
  coins: () => Promise<CoinInfo[]>
  /**
   * Locks coins (`txid:vout`): from now on, restarts included, nothing spends them unless they are
   * named. Errors: `ERR_INVALID_OUTPOINT`, `ERR_COIN_UNKNOWN`, `ERR_COIN_SPENT` (facts: coin).
   */
  lockCoins: (coins: readonly string[]) => Promise<void>
  /**
   * Unlocks coins, also those that a reorganisation has taken from the chain. Errors: as
   * `lockCoins`.
   */
  unlockCoins: (coins: readonly string[]) => Promise<void>
  /** The wallet's transactions, the newest first. */
  transactions: (filter?: { readonly limit?: number }) => Promise<WalletTransaction[]>
  /**
   * Labels a txid or an address; an empty label removes it. Errors: `ERR_INVALID_LABEL`,
   * `ERR_INVALID_ADDRESS`.
   */
  label: (of: string, text: string) => Promise<void>
  connect: (multiaddr: string) => Promise<PeerInfo>
  peers: () => Promise<PeerInfo[]>
  /**
   * Asks a peer (as for `open`) for the channels with this node that this node has lost. Restored
   * channels only close. Known channels stay as they are. Errors: `ERR_INVALID_PEER`,
   * `ERR_AMBIGUOUS_PEER` (facts: asked, matches), `ERR_INVALID_MULTIADDR`, `ERR_PEER_UNREACHABLE`,
   * `ERR_PEER_UNKNOWN`, `ERR_NO_PAYCHAN`, `ERR_CHAIN_UNAVAILABLE`, `ERR_RESTORE_TIMEOUT`,
   * `ERR_RESTORE_REFUSED` (facts: peerCode), `ERR_OUT_OF_ORDER`, `ERR_TOO_MANY_REFUSED`.
   */
  recover: (peer: string) => Promise<RecoverResult>
  /**
   * Opens a channel as its client; resolves once an Electrum server of this node has taken T1
   * (`wait: 'broadcast'`) or once the channel can be paid on (`wait: 'ready'`, the default). If no
   * server takes T1 at once, `wait: 'broadcast'` rejects with `ERR_FUNDING_NOT_TAKEN` (facts:
   * channel, txid). The channel stays, since the peer has T1 as well, and T1 is sent again with
   * every block: do not open it again. Errors: `ERR_INVALID_PEER`, `ERR_AMBIGUOUS_PEER` (facts:
   * asked, matches), `ERR_INVALID_MULTIADDR`, `ERR_PEER_UNREACHABLE`, `ERR_NO_PAYCHAN`,
   * `ERR_INSUFFICIENT_FUNDS`, `ERR_CHAIN_UNAVAILABLE`, `ERR_OPEN_REFUSED` (facts: peerCode),
   * `ERR_INVALID_AMOUNT`, those of `send` about feerates and coins; after `signal`:
   * `ERR_CANCELLED`, or `ERR_CANCEL_TOO_LATE` (facts: channel, txid), and the channel opens all the
   * same.
   */
  open: (request: OpenRequest & { readonly wait?: 'broadcast' | 'ready' }) => Promise<ChannelInfo>
  /**
   * Hands over the funding transaction of a channel that was opened with `psbt`, in base64 or hex.
   * First the funded PSBT, not signed: resolves once the refund T2 is signed by the peer and on
   * disk. Then the same PSBT signed, or the signed transaction: resolves as `open` does; with
   * `wait: 'broadcast'` also when no server takes it for now, and a warning says so. A refused PSBT
   * changes nothing; another one may follow. Errors: `ERR_PSBT_...` (facts: input, fee, txid, ...),
   * `ERR_PSBT_NOT_EXPECTED`, `ERR_NO_CHANNEL`, `ERR_BROADCAST_REFUSED`, `ERR_CHAIN_UNAVAILABLE`,
   * and the reason for a cancelled opening.
   */
  fundingPsbt: (channel: string, psbt: string, options?: PsbtOptions) => Promise<PsbtResult>
  /**
   * Closes a channel and opens the next one with the same peer in one transaction; both balances go
   * over, and `amount` of the wallet is added to ours. Resolves with the new channel as `open`
   * does, but with `wait: 'broadcast'` as soon as this side has signed T1 and handed it to the
   * peer, which completes and broadcasts it. The fee comes out of our share of the channel; with an
   * amount, out of the wallet. Errors: `ERR_NO_CHANNEL`, `ERR_NOT_THE_CLIENT`,
   * `ERR_CHANNEL_NOT_OPEN`, `ERR_CHANNEL_CLOSED`, `ERR_CHANNEL_STOPPED`, `ERR_CHANNEL_EXPIRED`,
   * `ERR_RENEWAL_UNDER_WAY`, `ERR_LATER_UPDATES`, `ERR_INSUFFICIENT_BALANCE`,
   * `ERR_COINS_TOO_LARGE`, and those of `open`.
   */
  renew: (channel: string, options?: RenewOptions) => Promise<ChannelInfo>
  /**
   * Pays; resolves once the payee has acknowledged, which means that the payment is on the payee's
   * disk. A PeerId is paid on one channel when one is enough, else on several; each is checked
   * before anything is signed. Errors: `ERR_INVALID_PEER`, `ERR_AMBIGUOUS_PEER`,
   * `ERR_INVALID_AMOUNT`, `ERR_INSUFFICIENT_BALANCE` (facts: asked, left), `ERR_NO_CHANNEL`,
   * `ERR_BELOW_MIN_FIRST_PAYMENT`, `ERR_STAKE_TOO_HIGH`, `ERR_TOO_MANY_WAITING` (facts: waiting,
   * most), `ERR_CHANNEL_NOT_OPEN`, `ERR_CHANNEL_EXPIRED`, `ERR_PAYMENT_UNKNOWN` (signed and sent,
   * the connection broke before the ack); with an id, or split: `ERR_PAYMENT_PARTIAL` (facts: id,
   * asked, paid, unknown), `ERR_PAYMENT_CONFLICT` (the id belongs to another payment),
   * `ERR_INVALID_PAYMENT_ID`, `ERR_LIST_FALSE` (this node had lost payments, and the payee lied
   * about them: compare both sides' books, and pay the debt without an id),
   * `ERR_PAYMENTS_FORGOTTEN` (this one may be among the payments that this node has lost; do the
   * same).
   */
  pay: (request: PayRequest) => Promise<PayResult>
  channels: () => Promise<ChannelInfo[]>
  payments: (filter?: {
    readonly channel?: string
    readonly limit?: number
  }) => Promise<PaymentInfo[]>
  /**
   * Settles every one-way channel in which this node is the server, without the clients, each by
   * its own transaction. Channels not worth their fee are left out; a failure does not stop the
   * others.
   *
   * Rejects with `ERR_CHAIN_UNAVAILABLE`.
   */
  settleAll: () => Promise<SettleAllResult>
  /** Closes cooperatively; with `force`, a server publishes T3 by itself. */
  close: (channel: string, options?: { readonly force?: boolean }) => Promise<CloseResult>
  onEvent: (listener: (event: NodeEvent) => void) => () => void
  stop: () => Promise<void>
}

/** The calls of `NodeApi` that have an answer. */
export type NodeVerb = Exclude<keyof NodeApi, 'onEvent'>

/** The calls that the local API serves (`src/daemon/verbs.ts`). */
export const NODE_VERBS = [
  'info',
  'address',
  'balance',
  'send',
  'bumpFee',
  'fees',
  'coins',
  'lockCoins',
  'unlockCoins',
  'transactions',
  'label',
  'connect',
  'peers',
  'recover',
  'open',
  'fundingPsbt',
  'renew',
  'pay',
  'channels',
  'payments',
  'settleAll',
  'close',
  'stop'
] as const satisfies readonly NodeVerb[]
