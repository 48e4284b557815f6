/**
 * What people ask of the wallet's coins, and what they are told.
 */
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

/* What people ask of the wallet's coins, and what they are told. */

export type { FeeChoice } from './fee-choice.js'

/** Without a choice it pays the servers' estimate to be in a block within 6. */
export interface SendOptions extends FeeChoice {
  /** An address of the node's network, or a `bitcoin:` URI (BIP321). */
  readonly to: string
  /**
   * Satoshis, or everything that is confirmed, free, and worth its fee; what a URI asks for when
   * left out.
   */
  readonly amount?: bigint | 'all'
  /**
   * Exactly these coins are spent, as `txid:vout`, locked ones too; the wallet chooses when left
   * out.
   */
  readonly coins?: readonly string[]
  /** That of a URI when left out. */
  readonly label?: string
  /** Only says what it would cost. */
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
  /** In virtual bytes; the most that it may be, after a dry run. */
  readonly vsize: number
  /** What comes back to the wallet. */
  readonly change: Satoshi
  /** What a URI says that it is for: the words of whoever wrote it. */
  readonly message: string | undefined
  /**
   * Whether a server has it; otherwise it is on disk, and goes out with the next block or
   * connection.
   */
  readonly broadcast: boolean
}

export interface BumpResult {
  /** `replacement`: a dearer version (BIP125); `child`: a transaction that pays for its parent. */
  readonly kind: 'replacement' | 'child'
  readonly txid: Txid
  /** The transaction that was replaced, or the parent. */
  readonly of: Txid
  /** What it pays now, the child alone if it is one. */
  readonly fee: Satoshi
  /** In sat per 1,000 vB; of parent and child together if it is a child. */
  readonly feeRate: FeeRate
  /** In virtual bytes, of the child alone if it is one. */
  readonly vsize: number
  readonly broadcast: boolean
}

/** `bump`: a child of ours that pays for its parent. The kinds of channels are told by the node. */
export type TransactionKind =
  'funding' | 'close' | 'settlement' | 'refund' | 'sweep' | 'send' | 'bump' | 'receive'

export interface WalletTransaction {
  readonly txid: Txid
  readonly kind: TransactionKind
  /** What it changes for the wallet's coins, in satoshis: below zero when they become less. */
  readonly amount: bigint
  /** Undefined when not all of its inputs are known. */
  readonly fee: Satoshi | undefined
  /** Undefined when it is in no block. */
  readonly height: BlockHeight | undefined
  readonly confirmations: number
  /** `waiting`: no mempool that we see has it; it is sent again with every block. */
  readonly status: 'waiting' | 'mempool' | 'confirmed'
  /** Its own label, or that of an address that it pays. */
  readonly label: string | undefined
}

/**
 * What a send is about: an address with an amount, or a `bitcoin:` URI that says the same (BIP321).
 */
export interface Payment {
  readonly address: string
  readonly amount: Satoshi | 'all'
  /** Empty for none. */
  readonly label: string
  readonly message: string | undefined
}

/**
 * A URI and whoever sends it have to agree: an amount that differs from that of the URI is a slip.
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
