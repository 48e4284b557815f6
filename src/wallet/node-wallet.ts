/** What the wallet of a node is given, and what it offers beyond the port `Wallet`. */
import type { HDKey } from '@scure/bip32'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import type { Chain, Random, Store, Unsubscribe, Wallet } from '../engine/ports.js'
import type { ChannelId, OutPoint, Txid } from '../types/bytes.js'
import type { BlockHeight, Satoshi } from '../types/units.js'
import type { BumpResult, SendOptions, SendResult, TransactionKind, WalletTransaction } from './spending-types.js'

export interface WalletInit {
  /** The BIP32 master key (`rootFromWords`). */
  readonly root: HDKey
  readonly network: Network
  readonly store: Store
  readonly chain: Chain
  readonly random: Random
  /** Told of watches that do not stand, refused broadcasts, servers that lie. The wallet goes on. */
  readonly onError: (error: Error) => void
}

/** A coin as the node shows it. */
export interface WalletCoin {
  readonly outPoint: OutPoint
  readonly value: Satoshi
  readonly address: string
  /** Undefined in the mempool. */
  readonly height: BlockHeight | undefined
  /** Can be spent in the next block. */
  readonly confirmed: boolean
  /** The channel whose T1 will spend it. */
  readonly reservedFor: ChannelId | undefined
  /** The send of ours that spends it, and that no mempool has yet. */
  readonly spentBy: Txid | undefined
}

export interface WalletBalance {
  /** Coins with a confirmation (block rewards: once they are mature), reserved ones included. */
  readonly confirmed: Satoshi
  /** Coins in the mempool, and block rewards that are not mature. */
  readonly pending: Satoshi
  /** Payout outputs of channels, in the chain or in the mempool, that nothing spends yet. */
  readonly unswept: Satoshi
  /** The part of `confirmed` that is set aside for T1s and sends that the chain has not shown yet. */
  readonly reserved: Satoshi
}

/** The wallet of a node. */
export interface NodeWallet extends Wallet {
  /**
   * Reads what is on disk and begins to watch; does not wait for a server.
   * Errors: `ERR_STORE_FAILED`, `ERR_STORE_VERSION`, `ERR_STORE_CORRUPT`.
   */
  start: () => Promise<void>
  /** Stops watching; resolves once nothing more is written. */
  stop: () => Promise<void>
  /** A fresh receive address; its index is on disk before this resolves. */
  newAddress: () => Promise<string>
  /**
   * Pays to an address from confirmed coins that nobody else needs; on disk before it leaves.
   * Errors: `ERR_INVALID_ADDRESS`, `ERR_INVALID_AMOUNT`, `ERR_INVALID_FEERATE`, `ERR_INVALID_LABEL`,
   * `ERR_INSUFFICIENT_FUNDS` (facts: asked, available, fee), `ERR_TOO_MANY_COINS`,
   * `ERR_CHAIN_UNAVAILABLE`, `ERR_BROADCAST_REFUSED` (facts: txid; it is kept and sent again).
   */
  send: (options: SendOptions) => Promise<SendResult>
  /**
   * Raises what a send (a replacement) or a T1 (a child) pays. `rate` is in sat per 1,000 vB.
   * Errors: `ERR_CANNOT_BUMP`, `ERR_ALREADY_CONFIRMED`, `ERR_FEERATE_TOO_LOW` (facts: asked, least),
   * `ERR_NO_CHANGE`, `ERR_INSUFFICIENT_FUNDS`, `ERR_INVALID_FEERATE`, `ERR_BROADCAST_REFUSED`.
   */
  bumpFee: (txid: string, rate?: bigint) => Promise<BumpResult>
  /** All transactions of the wallet, the newest first; `channelKind` tells what one is for a channel. */
  transactions: (channelKind: (id: Txid) => TransactionKind | undefined) => WalletTransaction[]
  /** Gives a txid or an address a label of at most 128 characters; an empty one takes it away. Errors: `ERR_INVALID_LABEL`, `ERR_INVALID_ADDRESS`. */
  label: (of: string, text: string) => Promise<void>
  /** The largest first. */
  coins: () => WalletCoin[]
  balance: () => WalletBalance
  /** Called whenever coins, balance or reservations may have changed. */
  onChange: (listener: () => void) => Unsubscribe
  /** The channels for whose T1 coins are set aside. */
  reservedFor: () => ChannelId[]
  /** Resolves once everything that the events so far asked for is done (sweeps, records). */
  idle: () => Promise<void>
}
