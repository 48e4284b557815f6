/** The inputs of a node's wallet, and its methods beyond the port `Wallet`. */
import type { HDKey } from '../bitcoin/seed.js'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import type { Chain, Random, Store, Unsubscribe, Wallet } from '../engine/ports.js'
import type { ChannelId, OutPoint, Txid } from '../types/bytes.js'
import type { BlockHeight, Satoshi } from '../types/units.js'
import type { Branch } from './records.js'
import type {
  BumpResult,
  FeeChoice,
  SendOptions,
  SendResult,
  TransactionKind,
  WalletTransaction
} from './spending.js'

export interface WalletInit {
  /** The BIP32 master key (`rootFromWords`). */
  readonly root: HDKey
  readonly network: Network
  readonly store: Store
  readonly chain: Chain
  readonly random: Random
  /**
   * Called for watches that do not stand, refused broadcasts, servers that lie. The wallet goes on.
   */
  readonly onError: (error: Error) => void
}

/** A coin as the node shows it. */
export interface WalletCoin {
  readonly outPoint: OutPoint
  readonly value: Satoshi
  readonly address: string
  /** Undefined in the mempool. */
  readonly height: BlockHeight | undefined
  /** True when the coin can be spent in the next block. */
  readonly confirmed: boolean
  /** The channel whose T1 will spend it. */
  readonly reservedFor: ChannelId | undefined
  /** The send of ours that spends it, and that no mempool has yet. */
  readonly spentBy: Txid | undefined
  /** True when its owner has locked the coin, whatever its state. */
  readonly locked: boolean
  readonly confirmations: number
  /** The label of its address, or of its transaction. */
  readonly label: string | undefined
  readonly state: CoinState
}

/**
 * `free`: may be chosen. `reserved`: for a T1 or a send. `locked`: by its owner, spent only when
 * named. `unconfirmed`: in no block yet, or the reward of a block that is not mature.
 */
export type CoinState = 'free' | 'reserved' | 'locked' | 'unconfirmed'

export interface WalletBalance {
  /** Coins with a confirmation (block rewards: once they are mature), reserved ones included. */
  readonly confirmed: Satoshi
  /** Coins in the mempool, and block rewards that are not mature. */
  readonly pending: Satoshi
  /** Payout outputs of channels, in the chain or in the mempool, that nothing spends yet. */
  readonly unswept: Satoshi
  /**
   * The part of `confirmed` that is set aside for T1s and sends that the chain has not shown yet.
   */
  readonly reserved: Satoshi
  /** The part of `confirmed` that its owner has locked, and that nothing spends. */
  readonly locked: Satoshi
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
  /**
   * A fresh receive address; its index is on disk before this resolves. The newest one again while
   * `MOST_UNUSED` in a row are not paid.
   */
  newAddress: () => Promise<string>
  /**
   * Pays to an address from free confirmed coins, or from the named ones; on disk before it leaves.
   * Errors: `ERR_INVALID_ADDRESS`, `ERR_INVALID_URI`, `ERR_URI_UNSUPPORTED`, `ERR_INVALID_AMOUNT`,
   * `ERR_INVALID_FEERATE`, `ERR_FEERATE_TOO_LOW`, `ERR_INVALID_TARGET`, `ERR_INVALID_LABEL`,
   * `ERR_INSUFFICIENT_FUNDS` (facts: asked, available, fee, and the locked sum),
   * `ERR_TOO_MANY_COINS`, `ERR_INVALID_OUTPOINT`, `ERR_COIN_UNKNOWN`, `ERR_COIN_SPENT`,
   * `ERR_COIN_UNCONFIRMED`, `ERR_COIN_RESERVED` (facts: coin), `ERR_CHAIN_UNAVAILABLE`,
   * `ERR_BROADCAST_REFUSED` (facts: txid; it is kept and sent again).
   */
  send: (options: SendOptions) => Promise<SendResult>
  /**
   * Raises the fee of a send (by a replacement) or of a T1 (by a child). A replacement pays at
   * least the rate that replaces, except when a feerate says otherwise. Errors: `ERR_COIN_LOCKED`
   * (the change of T1 is), `ERR_INVALID_TARGET`, `ERR_CANNOT_BUMP`, `ERR_ALREADY_CONFIRMED`,
   * `ERR_FEERATE_TOO_LOW` (facts: asked, least), `ERR_NO_CHANGE`, `ERR_INSUFFICIENT_FUNDS`,
   * `ERR_INVALID_FEERATE`, `ERR_BROADCAST_REFUSED`.
   */
  bumpFee: (
    txid: string,
    choice?: FeeChoice,
    fundingOf?: (id: Txid) => Uint8Array | undefined
  ) => Promise<BumpResult>
  /**
   * All transactions of the wallet, the newest first; `channelKind` tells the kind of a transaction
   * for a channel.
   */
  transactions: (channelKind: (id: Txid) => TransactionKind | undefined) => WalletTransaction[]
  /**
   * Gives a txid or an address a label of at most 128 characters; an empty one takes it away.
   * Errors: `ERR_INVALID_LABEL`, `ERR_INVALID_ADDRESS`.
   */
  label: (of: string, text: string) => Promise<void>
  /** All coins, the largest first. */
  coins: () => WalletCoin[]
  /**
   * Keeps these coins from being chosen from now on, also after a restart. Errors:
   * `ERR_COIN_UNKNOWN`, `ERR_COIN_SPENT`.
   */
  lockCoins: (coins: readonly OutPoint[]) => Promise<void>
  /**
   * Takes locks away, also those of coins that the chain does not show now. Errors: as `lockCoins`.
   */
  unlockCoins: (coins: readonly OutPoint[]) => Promise<void>
  balance: () => WalletBalance
  /** Number of addresses of each branch that are used so far. */
  used: () => Readonly<Record<Branch, number>>
  /** Called whenever coins, balance or reservations may have changed. */
  onChange: (listener: () => void) => Unsubscribe
  /** The channels that have coins set aside for their T1. */
  reservedFor: () => ChannelId[]
  /** Resolves once all work caused by the events so far is done (sweeps, records). */
  idle: () => Promise<void>
}
