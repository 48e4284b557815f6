/**
 * The Electrum server's port to a chain. The embedded regtest chain is one backend; a bitcoind
 * behind its RPC can be another, which is why everything here is asynchronous.
 */
import type { Txid, OutPoint } from '../types/bytes.js'
import type { BlockHeight, FeeRate, Satoshi } from '../types/units.js'

declare const kind: unique symbol

/** Electrum's name of a scriptPubKey: 64 hex digits, its SHA256 in reversed order. */
export type ScriptHash = string & { readonly [kind]: 'scripthash' }

export interface BlockRef {
  readonly height: BlockHeight
  readonly hash: string
}

/** A transaction and its place; `block` is undefined while it is in the mempool. */
export interface LocatedTransaction {
  readonly txid: Txid
  readonly raw: Uint8Array
  readonly block: (BlockRef & { readonly time: number }) | undefined
}

export interface ConfirmedEntry {
  readonly txid: Txid
  readonly height: BlockHeight
}

export interface MempoolEntry {
  readonly txid: Txid
  readonly fee: Satoshi
  /** True when it spends an output of another transaction of the mempool. */
  readonly unconfirmedParents: boolean
}

/**
 * Transactions that pay to a script or spend from it. Entries may leave it again: replaced, or in a
 * block that was taken back.
 */
export interface ScriptHistory {
  /** In the order of the chain. */
  readonly confirmed: readonly ConfirmedEntry[]
  /** First those without unconfirmed parents, then by txid. */
  readonly mempool: readonly MempoolEntry[]
}

export interface Utxo {
  readonly outPoint: OutPoint
  readonly value: Satoshi
  /** Undefined while its transaction is in the mempool. */
  readonly height: BlockHeight | undefined
}

/**
 * The coins of a script. `spentByMempool` are the confirmed ones that a transaction of the mempool
 * spends.
 */
export interface ScriptCoins {
  readonly unspent: readonly Utxo[]
  readonly spentByMempool: readonly Utxo[]
}

/**
 * Feerates of the mempool: `relay` always, `minimum` since it was full, `incremental` more for a
 * replacement.
 */
export interface FeeRates {
  readonly minimum: FeeRate
  readonly relay: FeeRate
  readonly incremental: FeeRate
}

/**
 * The answer to a transaction. A refusal's `reason` is Bitcoin Core's, details included, such as
 * `min relay fee not met, 100 < 141`. As with `sendrawtransaction`, a transaction that is in the
 * mempool already is accepted, a confirmed one is refused with
 * `Transaction outputs already in utxo set`.
 */
export type SubmitResult =
  | { readonly accepted: true; readonly txid: Txid }
  | { readonly accepted: false; readonly reason: string }

/** The answer to a package: its refused transactions, with reasons as in `SubmitResult`. */
export interface PackageResult {
  readonly refused: ReadonlyArray<{ readonly txid: Txid; readonly reason: string }>
}

/**
 * The fate of the transactions in the blocks that a reorganisation takes back; the others of the
 * mempool stay if they can.
 */
export interface ReorgOptions {
  /**
   * `wait`, the default: they are in the mempool again, and the new blocks are empty. `mine`: the
   * first new block has them; a later one has those that a lock delays. `second`: as `mine`, but
   * the first new block is empty. `drop`: they are gone, as if never sent.
   */
  readonly transactions?: 'wait' | 'mine' | 'second' | 'drop' | undefined
  /** Removed with all that spends them, in every mode. */
  readonly without?: readonly Txid[] | undefined
  /** Complete transactions for the first new block, such as a conflict of a removed one. */
  readonly instead?: readonly Uint8Array[] | undefined
}

/** The scripts whose history may have changed. */
export interface ChainChange {
  readonly touched: ReadonlySet<ScriptHash>
}

/** `block`: the tip has changed. `mempool`: transactions came in or were replaced. */
export type ChainEvent = 'block' | 'mempool'

export interface ChainBackend {
  /** The software whose rules apply: `embedded`, or the name that a bitcoind reports. */
  readonly software: string
  tip: () => Promise<BlockRef>
  /** The 80 bytes of the header at a height; undefined above the tip. */
  header: (height: number) => Promise<Uint8Array | undefined>
  /** The txids of the block at a height in their order; undefined above the tip. */
  blockTxids: (height: number) => Promise<readonly Txid[] | undefined>
  transaction: (txid: string) => Promise<LocatedTransaction | undefined>
  scriptHistory: (script: ScriptHash) => Promise<ScriptHistory>
  scriptCoins: (script: ScriptHash) => Promise<ScriptCoins>
  /** Fee and virtual size of every transaction of the mempool. */
  mempool: () => Promise<
    ReadonlyArray<{ readonly txid: Txid; readonly fee: Satoshi; readonly vsize: number }>
  >
  /**
   * The lowest fee rate that is within the next `target` blocks if nothing else comes; undefined
   * while these would not be full.
   */
  estimateFeeRate: (target: number) => Promise<FeeRate | undefined>
  feeRates: () => Promise<FeeRates>
  submit: (raw: Uint8Array) => Promise<SubmitResult>
  /** Gives the answer that `submit` would give to a new transaction; changes nothing. */
  test: (raw: Uint8Array) => Promise<SubmitResult>
  /**
   * As `submitpackage`: parents and their child, in this order, judged by their joint fee when one
   * pays too little alone.
   */
  submitPackage: (raws: readonly Uint8Array[]) => Promise<PackageResult>
  /** Mines blocks at once; their coinbases pay to `to`, or to the backend's own wallet. */
  mine: (blocks: number, to?: Uint8Array) => Promise<readonly BlockRef[]>
  /**
   * Replaces the newest `depth` blocks by one more than that. Returns the new blocks.
   *
   * @throws PaychanError `ERR_INVALID_DEPTH`
   */
  reorg: (depth: number, options?: ReorgOptions) => Promise<readonly BlockRef[]>
  /**
   * Pays from the backend's own coins; the transaction waits in the mempool.
   *
   * @throws PaychanError `ERR_INSUFFICIENT_FUNDS`, `ERR_BROADCAST_REFUSED`
   */
  fund: (script: Uint8Array, amount: Satoshi) => Promise<Txid>
  /** Calls back after each change; returns a function that stops it. */
  on: (event: ChainEvent, listener: (change: ChainChange) => void) => () => void
}

/** `DUST_RELAY_TX_FEE` of Bitcoin Core's policy.h, in sat/kvB. */
export const DUST_RELAY_FEE_RATE = 3_000n

/* The reasons for refusing a transaction or a block, in the words of Bitcoin Core. */

/**
 * Thrown by the rules. `reason` is the short code that Bitcoin Core's `testmempoolaccept` calls
 * `reject-reason`; `message` adds the details, as `sendrawtransaction` does.
 *
 * @example throw new Rejected('min relay fee not met', '100 < 141')
 */
export class Rejected extends Error {
  override readonly name = 'Rejected'

  constructor(
    readonly reason: string,
    details?: string
  ) {
    super(details === undefined ? reason : `${reason}, ${details}`)
  }
}
