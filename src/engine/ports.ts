/**
 * The engine's needs. Every adapter (`p2p`, `chain`, `store`, `wallet`) implements one of these and
 * imports none of the others; `src/testing` implements all of them in virtual time. Each port has a
 * contract suite in `test/contracts` that the real and the virtual adapter pass.
 */
import type { Message } from '../../protocols/paychan/1.0/index.js'
import type { FundingOutput } from '../bitcoin/funding-spend.js'
import type { Ecdsa, KeyPath } from '../bitcoin/keys.js'
import type { Transaction } from '../bitcoin/transaction.js'
import type { RelayRates } from '../channel/env.js'
import type { ShownTransaction } from '../channel/events.js'
import type { ChannelId, OutPoint, Txid } from '../types/bytes.js'
import { asError } from '../types/errors.js'
import type { RefusalKind } from '../types/refusals.js'
import type { BlockDelta, BlockHeight, FeeRate, Satoshi } from '../types/units.js'

export type { RelayRates } from '../channel/env.js'

/** Stops a subscription. May be called more than once. */
export type Unsubscribe = () => void

// ---------------------------------------------------------------------------------------- Store

/** One change of a batch: `value` undefined deletes the key. */
export interface Change {
  readonly key: string
  readonly value: Uint8Array | undefined
}

export type Entry = readonly [key: string, value: Uint8Array]

/**
 * Durable, ordered keys and values. Keys are ASCII paths such as `channel/<id>`.
 * Errors: `ERR_STORE_LOCKED` (another process has it), `ERR_STORE_FAILED` (the disk refused).
 */
export interface Store {
  get: (key: string) => Promise<Uint8Array | undefined>
  /** All entries whose key starts with `prefix`, in the order of their keys. */
  entries: (prefix: string) => AsyncIterable<Entry>
  /**
   * At most `count` entries whose key starts with `prefix` and comes before `before`, if that is
   * given; the last key first. One read of the disk: other work has its turn before it resolves.
   */
  last: (prefix: string, count: number, before?: string) => Promise<readonly Entry[]>
  /**
   * Applies the changes all or none, and resolves once they would survive a loss of power.
   * Batches that wait at the same time share one fsync; they are applied in the order of the calls.
   */
  commit: (changes: readonly Change[]) => Promise<void>
  close: () => Promise<void>
}

// ---------------------------------------------------------------------------------------- Chain

/** The newest block of the best chain that we have verified. */
export interface Tip {
  readonly height: BlockHeight
  readonly hash: string
}

/** A transaction that pays to, or spends from, a watched script: whole, witnesses included. */
export type ChainTransaction = ShownTransaction

export interface ScriptWatch {
  /**
   * Resolves with the first full history; rejects when the watch could not be set up (then there is
   * no watch).
   */
  readonly ready: Promise<void>
  /**
   * True when a server has told the history since it was connected, and has not failed to since. A
   * history that is looked up again after a block stays current meanwhile. When false, nobody
   * reports what happens to the script.
   */
  readonly isCurrent: boolean
  /**
   * False as long as one of several servers that can be reached has not told the history: what is
   * not in it yet may still come (EVID-6). Undefined where there is one server only.
   */
  readonly isToldByAll?: boolean
  readonly stop: Unsubscribe
}

/** A transaction that a watcher has in its records. */
export interface KnownTransaction {
  readonly raw: Uint8Array
  /** Hash of the block that it was proved to be in; undefined when that is not in the records. */
  readonly block: string | undefined
}

export interface ScriptWatcher {
  /**
   * Called with the whole history whenever it may have changed (level-triggered: reorgs take
   * entries away again). A transaction whose witness servers show differently is listed once with
   * each witness, because no proof covers the witness.
   */
  onHistory: (history: readonly ChainTransaction[]) => void
  /** Called when the server refuses or breaks the watch; it goes on trying. */
  onError: (error: Error) => void
  /**
   * The bytes of a transaction that the watcher keeps itself. Where the chain is shown the same
   * bytes, it need not keep a second copy; it trusts these bytes no more than others.
   */
  kept?: ((id: Txid) => Uint8Array | undefined) | undefined
  /**
   * A transaction that was in a block before, and of which only what its txid covers matters, not
   * its witness: its bytes are not fetched again, and it is not proved again in the same block.
   */
  known?: ((id: Txid) => KnownTransaction | undefined) | undefined
  /**
   * The one output of the script that matters. A server that does not tell all of a long history
   * may still tell what becomes of this output.
   */
  outPoint?: (() => OutPoint | undefined) | undefined
  /**
   * True when other scripts come first as a server is told what to watch: the server may limit how
   * many scripts it watches.
   */
  canWait?: (() => boolean) | undefined
}

/** The reason why one server has not taken a transaction. */
export interface Refusal {
  readonly kind: RefusalKind
  readonly reason: string
}

/** The servers' answers to a transaction. */
export interface Verdict {
  readonly txid: Txid
  /**
   * Number of servers that have it in their mempool, out of those asked. The others refuse it, or
   * have not answered. 0 only when the same transaction waits in the line of each already, or a
   * newer one has taken its place there: whoever sent that one hears.
   */
  readonly taken: number
  readonly of: number
  readonly refusals: readonly Refusal[]
}

/**
 * COST-3: tells whether money of ours depends on a transaction, or only a stranger's wish. `money`
 * when left out. What has no deadline waits for a place at each server (COST-6), in the order in
 * which those came for whom it is; of one's own the newest waits. Publications wait only behind
 * others that a server has refused, and that have as much at stake (`Claim`).
 */
export type Weight = 'money' | 'favour' | { readonly patientFor: string } | Claim

/** COST-9: what a publication has to be sent for, beside others that a server may refuse. */
export interface Claim {
  /** The channel: of each the newest publication waits. */
  readonly publicationOf: string
  /** What is lost when it is not in a block in time, in satoshis. */
  readonly stake: bigint
  readonly feeRate: FeeRate
  /** False while no server shows T1 in a block (TIME-12). */
  readonly isFundingThere: boolean
}

/**
 * `connecting` until the first tip is verified; `down` while there is no server; `synced`
 * otherwise.
 */
export type ChainStatus = 'connecting' | 'synced' | 'down'

/**
 * A view of the chain. It starts, and keeps retrying, while no server answers.
 * Errors: `ERR_CHAIN_UNAVAILABLE`, `ERR_BROADCAST_REFUSED` (facts: txid, kind, reason),
 * `ERR_CHAIN_BUSY`, `ERR_CHAIN_LIED`.
 */
export interface Chain {
  readonly status: ChainStatus
  /** The servers behind it, of which those that are `used` tell something; left out: one. */
  readonly servers?: ReadonlyArray<{ readonly state: string }>
  /** Undefined until the first header is verified. */
  readonly tip: Tip | undefined
  /** Tells every new tip (also after a reorg, when it may be lower), and at once a known one. */
  onTip: (listener: (tip: Tip) => void) => Unsubscribe
  onStatus: (listener: (status: ChainStatus) => void) => Unsubscribe
  /**
   * Watches a scriptPubKey, across reconnects, until stopped. `ready` waits while the server is
   * down. When a tip and a history change with the same block, the histories are delivered first.
   */
  watchScript: (scriptPubKey: Uint8Array, watcher: ScriptWatcher) => ScriptWatch
  /**
   * Resolves once a server has taken the transaction, or has it already, and the others have
   * answered or had the time to. Rejects when no server takes it: with a refusal for the fee, if
   * there is one, whatever the other refusals say. A favour goes behind all else, and is refused at
   * once where others wait already (`ERR_CHAIN_BUSY`). What is patient waits for as long as no
   * server has a place for it.
   */
  broadcast: (transaction: Transaction, weight?: Weight) => Promise<Verdict>
  /**
   * An estimate to confirm within `target` blocks, within bounds; a fallback when the server has
   * none.
   */
  estimateFeeRate: (target: BlockDelta) => Promise<FeeRate>
  /**
   * The fee rates that the server's mempool asks for, within bounds; Bitcoin Core's long-standing 1
   * sat/vB when the server does not say.
   */
  relayRates: () => Promise<RelayRates>
  /**
   * Resolves once all that the servers have told until now has been taken in: histories and tips
   * are with their listeners, and what was asked before is answered. A server that is not there
   * tells nothing, and is not waited for.
   */
  caughtUp: () => Promise<void>
}

// ---------------------------------------------------------------------------------------- Peers

/** One `/paychan/1.0` stream. Messages arrive in order; after `onClosed` nothing does. */
export interface Link {
  /** The authenticated PeerId of the other side. */
  readonly peer: string
  /** The full multiaddr at which we dialled the peer; undefined when it dialled us. */
  readonly address?: string | undefined
  /**
   * Sends in order; messages of one turn of the event loop may share a frame. No-op once closed.
   */
  send: (message: Message) => void
  /** Ends the stream in order, after all sent messages. */
  close: () => void
}

export interface LinkListener {
  /** A returned promise holds the peer back: its next message comes once the promise resolves. */
  onMessage: (message: Message) => void | Promise<void>
  /**
   * Called when the stream ended. `error` has a code of its own when the codec refused a message.
   */
  onClosed: (error: Error | undefined) => void
}

/**
 * Errors: `ERR_PEER_UNREACHABLE`, `ERR_PEER_UNKNOWN`, `ERR_NO_PAYCHAN` (the peer does not speak
 * it).
 */
export interface Peers {
  readonly self: string
  /** Opens a stream to a peer by PeerId or full multiaddr. */
  open: (peer: string, listener: (link: Link) => LinkListener) => Promise<Link>
  /** Hands every stream that a peer opens to `accept`. */
  onIncoming: (accept: (link: Link) => LinkListener) => Unsubscribe
}

// --------------------------------------------------------------------------------------- Signer

/**
 * Channel keys, derived from the seed (`KeyPath` says which), and ECDSA. Synchronous: a signature
 * takes tens of microseconds. Secrets never leave it.
 */
export interface Signer extends Ecdsa {
  publicKey: (path: KeyPath) => Uint8Array
  /** A low-S, 64-byte compact ECDSA signature (RFC 6979) of a 32-byte digest. */
  sign: (path: KeyPath, digest: Uint8Array) => Uint8Array
}

// --------------------------------------------------------------------------------------- Wallet

/** T1 as the wallet built it: signed, confirmed SegWit inputs only, version 3, held back. */
export interface BuiltFunding {
  readonly raw: Uint8Array
  readonly outPoint: OutPoint
  readonly fee: Satoshi
  /** For a renewal: the transactions that the wallet's inputs spend from, without witnesses. */
  readonly previous?: readonly Uint8Array[]
}

export interface FundingBump {
  readonly funding: Txid
  readonly fundingTx: Uint8Array
  readonly feeRate: FeeRate
  readonly most: Satoshi
  /** True when T1 has waited so many blocks that estimates must be wrong: both are raised. */
  readonly isLate: boolean
  /** True when a server refused T1 for its fee the last time it was sent. */
  readonly isRefused: boolean
}

export interface FundingRequest {
  readonly channel: ChannelId
  readonly scriptPubKey: Uint8Array
  readonly amount: Satoshi
  readonly feeRate: FeeRate
  /**
   * The funding output of a channel that is renewed. T1 spends it as well, and it counts towards
   * the amount; the wallet pays for the rest and does not sign for this output.
   */
  readonly beside?: FundingOutput | undefined
  /** Spends exactly these coins; the wallet chooses when left out. */
  readonly coins?: readonly OutPoint[] | undefined
  /** Fails with `ERR_FEE_TOO_HIGH` when T1 would cost more. */
  readonly mostFee?: Satoshi | undefined
  /** L of the channel. */
  readonly refundHeight?: BlockHeight | undefined
}

/**
 * An output `P2WSH(<key> OP_CHECKSIGVERIFY 1 OP_CSV)` that is ours, on the chain or about to be.
 */
export interface CsvOutput {
  readonly outPoint: OutPoint
  readonly value: Satoshi
  readonly scriptPubKey: Uint8Array
  readonly key: KeyPath
}

/**
 * The part of the on-chain wallet that channels need. Errors: `ERR_INSUFFICIENT_FUNDS` (facts:
 * asked, available).
 */
export interface Wallet {
  /**
   * The scriptPubKey of a fresh receive address; the index is on disk before this resolves. Or the
   * first of `seen` in the order of their indexes, once so many addresses in a row are not paid:
   * receive addresses that peers have seen, and that nothing can be paid to any more, nor was.
   */
  newScript: (seen?: () => readonly Uint8Array[]) => Promise<Uint8Array>
  /**
   * The scriptPubKey of an index of the chain that servers give to their peers (`CloseScripts`). It
   * is watched once `recognise` has seen it.
   */
  closeScript: (index: number) => Uint8Array
  /**
   * True when a scriptPubKey is one of the receive addresses or close scripts searched so far. If
   * so it is watched from now on, and an address is never given out again; this is on disk before
   * it resolves. `ERR_CHAIN_UNAVAILABLE` while the wallet still searches. When a record whose keys
   * are ours names the script (`isProven`), the search goes much farther (RESTORE-4).
   */
  recognise: (scriptPubKey: Uint8Array, isProven?: boolean) => Promise<boolean>
  /**
   * The fee of a T1 built from the coins of this moment, before anybody is asked for a channel.
   * Throws `ERR_INSUFFICIENT_FUNDS`, or `ERR_CHAIN_UNAVAILABLE` while the coins are not known yet;
   * when coins are named, also `ERR_COIN_UNKNOWN`, `ERR_COIN_SPENT`, `ERR_COIN_UNCONFIRMED`,
   * `ERR_COIN_RESERVED`. It may be above `mostFee`, where no choice of coins costs less.
   */
  checkFunds: (
    amount: Satoshi,
    feeRate: FeeRate,
    coins?: readonly OutPoint[],
    mostFee?: Satoshi
  ) => Satoshi
  /** Builds and signs T1 and reserves its inputs for `channel`, on disk, before this resolves. */
  buildFunding: (request: FundingRequest) => Promise<BuiltFunding>
  /** Frees the inputs of a T1 that never left this node, or can be in no block any more. */
  releaseFunding: (channel: ChannelId) => Promise<void>
  /**
   * The transaction that has spent a coin of a channel's T1 in its place, 6 deep: T1 can be in no
   * block any more (FUND-6, RENEW-7). Undefined while there is none.
   */
  fundingLostTo: (channel: ChannelId) => Txid | undefined
  /**
   * Raises the fee rate of a T1 that waits for a block, shown or not, to `feeRate`: a child spends
   * its change, with a fee of at most `most`. Adds a quarter more with each call while servers
   * refuse T1, or both, for the fee, or T1 is late (EVID-7). Does nothing when T1 has no change.
   */
  bumpFunding: (request: FundingBump) => Promise<void>
  /**
   * Takes charge of a payout output: watches it, counts it, sweeps it once it is spendable and
   * worth it.
   */
  claim: (output: CsvOutput) => Promise<void>
}

// ---------------------------------------------------------------------------------- Clock, Random

export interface Clock {
  /** Milliseconds since 1970, for records that people read; never for a decision about money. */
  now: () => number
  /** Calls back after `ms` milliseconds. */
  after: (ms: number, callback: () => void) => Unsubscribe
}

export interface Random {
  bytes: (length: number) => Uint8Array
}

/** All of them: the parts of the world that an engine uses. */
export interface Ports {
  readonly store: Store
  readonly chain: Chain
  readonly peers: Peers
  readonly wallet: Wallet
  readonly signer: Signer
  readonly clock: Clock
  readonly random: Random
}

/* The meter of a node: it counts and times the work, for whoever looks after the node. */

/** Times are in milliseconds. Without a meter nothing is timed. */
export interface Meter {
  /** A clock that only goes forward. */
  readonly now: () => number
  /** Called when a commit is on the disk; its time includes the wait for the write before it. */
  readonly committed: (ms: number) => void
  /** Called when a payment of ours is acknowledged; its time begins where its channel takes it. */
  readonly acknowledged: (ms: number) => void
  /** Called when a call to pay ends with an error. */
  readonly failed: (amount: Satoshi, error: unknown) => void
}

/* Waits with an end, on a clock that tests can turn. */

/** Settles as `promise` does; or, after `ms` milliseconds, as `late` returns or throws. */
export function within<T>(
  clock: Clock,
  ms: number,
  promise: Promise<T>,
  late: () => T
): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => {
      try {
        resolve(late())
      } catch (error) {
        reject(asError(error))
      }
    })
    promise.then(
      (value) => {
        cancel()
        resolve(value)
      },
      (error: unknown) => {
        cancel()
        reject(asError(error))
      }
    )
  })
}

/** Rejects with `error` when a promise takes longer than `ms` milliseconds. */
export function withTimeout<T>(
  clock: Clock,
  promise: Promise<T>,
  ms: number,
  error: Error
): Promise<T> {
  return within(clock, ms, promise, () => {
    throw error
  })
}

/*
 * Work that nobody waits for. A throw in it would be a rejection without a handler, or an exception
 * of a timer, and end the process with all its channels: it is told instead, and ends that work
 * alone. Where a promise is not waited for, one of these has it: the linter takes no `void`.
 */

/** Called for an error that nobody else would see. */
export type OnError = (error: Error) => void

/** Does work in the background. Never throws: what the work throws, now or later, is told. */
export function inBackground(work: () => unknown, onError: OnError): void {
  contained(work, onError).catch(() => {})
}

/** Resolves, never rejects, once work is done or has failed; a failure is told. */
export async function contained(work: () => unknown, onError: OnError): Promise<void> {
  try {
    await work()
  } catch (error) {
    try {
      onError(asError(error))
    } catch {
      // There is nobody left to tell.
    }
  }
}

/** The same clock, whose timers tell what they throw. */
export function guardedClock(clock: Clock, onError: OnError): Clock {
  return {
    now: () => clock.now(),
    after: (ms, callback) =>
      clock.after(ms, () => {
        inBackground(callback, onError)
      })
  }
}
