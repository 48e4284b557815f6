/** A node's wallet beyond the port `Wallet`: its inputs and methods; what a send asks. */
import type { Network } from '../../protocols/paychan/1.0/index.js'
import type { HDKey } from '../bitcoin/seed.js'
import { isBitcoinUri, parseBitcoinUri, type PaymentUri } from '../bitcoin/uri.js'
import type { Chain, Random, Store, Unsubscribe, Wallet } from '../engine/ports.js'
import type { ChannelId, OutPoint, Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import {
  type BlockHeight,
  type FeeRate,
  formatAmount,
  type Satoshi,
  satoshi
} from '../types/units.js'
import type { FeeChoice } from './fee-choice.js'
import { checkLabel } from './notes.js'
import type { Branch } from './records.js'

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

/* The requests of people to spend the wallet's coins, and the answers. */

export type { FeeChoice } from './fee-choice.js'

/** A send; without a fee choice it pays the servers' estimate to be in a block within 6. */
export interface SendOptions extends FeeChoice {
  /** An address of the node's network, or a `bitcoin:` URI (BIP321). */
  readonly to: string
  /**
   * Satoshis, or everything that is confirmed, free, and worth its fee; the URI's amount when left
   * out.
   */
  readonly amount?: bigint | 'all'
  /**
   * Spends exactly these coins, as `txid:vout`, locked ones too; the wallet chooses when left out.
   */
  readonly coins?: readonly string[]
  /** The label; that of the URI when left out. */
  readonly label?: string
  /** Only reports the cost. */
  readonly dryRun?: boolean
}

export interface SendResult {
  /** Undefined after a dry run. */
  readonly txid: Txid | undefined
  readonly to: string
  readonly amount: Satoshi
  readonly fee: Satoshi
  /** In sat per 1,000 vB. */
  readonly feeRate: FeeRate
  /** Size in virtual bytes; after a dry run, the most that it may be. */
  readonly vsize: number
  /** The amount that comes back to the wallet. */
  readonly change: Satoshi
  /** The purpose that a URI states, in the words of its author. */
  readonly message: string | undefined
  /**
   * True when a server has it; otherwise it is on disk, and goes out with the next block or
   * connection.
   */
  readonly broadcast: boolean
}

export interface BumpResult {
  /** `replacement`: a version that pays more (BIP125); `child`: it pays for its parent. */
  readonly kind: 'replacement' | 'child'
  readonly txid: Txid
  /** The transaction that was replaced, or the parent. */
  readonly of: Txid
  /** The new fee; that of the child alone if it is one. */
  readonly fee: Satoshi
  /** In sat per 1,000 vB; for a child, of parent and child together. */
  readonly feeRate: FeeRate
  /** In virtual bytes; for a child, of the child alone. */
  readonly vsize: number
  readonly broadcast: boolean
}

/** `bump`: a child of ours that pays for its parent. The node adds the kinds of channels. */
export type TransactionKind =
  'funding' | 'close' | 'settlement' | 'refund' | 'sweep' | 'send' | 'bump' | 'receive'

/** A transaction that changes what the wallet has. */
export interface WalletTransaction {
  /** The transaction, in the byte order that people read. */
  readonly txid: Txid
  /** What it was made for. */
  readonly kind: TransactionKind
  /** The change of the wallet's coins in satoshis: below zero when they become less. */
  readonly amount: bigint
  /** Undefined when not all of its inputs are known. */
  readonly fee: Satoshi | undefined
  /** Undefined when it is in no block. */
  readonly height: BlockHeight | undefined
  /** 0 when it is in no block. */
  readonly confirmations: number
  /** `waiting`: no mempool that we see has it; it is sent again with every block. */
  readonly status: 'waiting' | 'mempool' | 'confirmed'
  /** Its own label, or that of an address that it pays. */
  readonly label: string | undefined
}

/**
 * The target of a send: an address with an amount, or a `bitcoin:` URI that says the same (BIP321).
 */
export interface Payment {
  readonly address: string
  readonly amount: Satoshi | 'all'
  /** Empty for none. */
  readonly label: string
  readonly message: string | undefined
}

/**
 * Reads the target of a send. An amount that differs from that of the URI is a slip.
 *
 * @throws PaychanError those of `parseBitcoinUri`, `ERR_INVALID_AMOUNT` (facts: asked, uri),
 *   `ERR_INVALID_LABEL`
 */
export function paymentOf(
  { to, amount, label }: Pick<SendOptions, 'to' | 'amount' | 'label'>,
  network: Network
): Payment {
  const uri: PaymentUri = isBitcoinUri(to) ? parseBitcoinUri(to, network) : { address: to }
  const asked = amount === 'all' || amount === undefined ? amount : satoshi(amount)
  if (uri.amount !== undefined && asked !== undefined && asked !== uri.amount) {
    throw new PaychanError(
      'ERR_INVALID_AMOUNT',
      `The URI asks for ${formatAmount(uri.amount)}, and ${asked === 'all' ? 'all' : formatAmount(asked)} was given. Leave the amount out, or send to the address alone.`,
      { asked: asked === 'all' ? undefined : asked, uri: uri.amount }
    )
  }
  const wanted = asked ?? uri.amount
  if (wanted === undefined) {
    throw new PaychanError(
      'ERR_INVALID_AMOUNT',
      'How much is to be sent? Give an amount, or `all`.'
    )
  }
  return {
    address: uri.address,
    amount: wanted,
    label: checkLabel(label ?? uri.label ?? ''),
    message: uri.message
  }
}
