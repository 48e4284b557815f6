/** The requests of people to spend the wallet's coins, and the answers. */
import type { Network } from '../../protocols/paychan/1.0/index.js'
import { isBitcoinUri, parseBitcoinUri, type PaymentUri } from '../bitcoin/uri.js'
import type { Txid } from '../types/bytes.js'
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
