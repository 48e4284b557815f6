/**
 * The effects and the news of a channel, as data. The engine commits the new state first, then performs them in
 * order.
 */
import type { Message, Payment, Reestablish } from '../../protocols/paychan/1.0/index.js'
import type { ChannelId, OutPoint, Txid } from '../types/bytes.js'
import type { AlarmEvent, PaychanError } from '../types/errors.js'
import type { BlockHeight, FeeRate, Satoshi } from '../types/units.js'
import type { BroadcastPurpose, RenewalEvent } from './events.js'
import type { Channel, RenewalSource } from './state.js'

/** Our output as the payer of a state: `P2WSH(<payout key> OP_CHECKSIGVERIFY 1 OP_CSV)`. */
export interface CsvPayout {
  readonly outPoint: OutPoint
  readonly value: Satoshi
  readonly scriptPubKey: Uint8Array
}

/** The nine steps of the classic micropayment channel, and the three summaries. */
export type Step = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 'close' | 'settlement' | 'refund'

export type Effect =
  | { readonly type: 'send'; readonly message: Message }
  /**
   * Sends the message with the payments of the updates after `after` in it (REEST-8): they are read
   * from the log, and later messages wait for it.
   */
  | { readonly type: 'send-with-payments'; readonly message: Reestablish; readonly after: number }
  /** Ends the stream, after everything sent before. */
  | { readonly type: 'hang-up' }
  /**
   * Step 2: watches the funding script, and builds T1 only when the watch stands. Answered by
   * `funding-built` or `funding-failed`.
   */
  | {
      readonly type: 'build-funding'
      readonly scriptPubKey: Uint8Array
      readonly amount: Satoshi
      readonly feeRate: FeeRate
      readonly coins: readonly OutPoint[] | undefined
      readonly mostFee: Satoshi | undefined
      readonly source: RenewalSource | undefined
    }
  /**
   * Tells the other channel of a renewal on our side what it has to hear (renewing.ts, renewed.ts).
   */
  | { readonly type: 'tell'; readonly channel: ChannelId; readonly event: RenewalEvent }
  /** T1 never left: frees its inputs. */
  | { readonly type: 'release-funding' }
  /**
   * T1 waits for a block: the wallet pays for it by a child of its change, with a fee of at most
   * `most`, also when no server shows it.
   */
  | {
      readonly type: 'bump-funding'
      readonly funding: Txid
      readonly fundingTx: Uint8Array
      /** Enough blocks have passed over T1 to show that estimates are false (EVID-7). */
      readonly isLate: boolean
      readonly feeRate: FeeRate
      readonly most: Satoshi
    }
  | { readonly type: 'watch-funding'; readonly scriptPubKey: Uint8Array }
  /**
   * Answered by `broadcast-done` or `broadcast-failed`. `favour`: nothing of ours depends on it, so
   * it uses the budget that all strangers share (COST-2), and may come to nothing.
   */
  | {
      readonly type: 'broadcast'
      readonly purpose: BroadcastPurpose
      readonly raw: Uint8Array
      readonly favour?: true
    }
  /**
   * This node seems to run on an old copy of its data: asks the peer for the channels that were
   * opened or renewed since (RESTORE-8).
   */
  | { readonly type: 'ask-for-channels' }
  /** Hands an output of ours over to the wallet, which sweeps it. */
  | { readonly type: 'claim'; readonly payout: CsvPayout }
  /**
   * Tells the callers of `pay` the outcome: the newest payments that were sent up to update `upTo`
   * are acknowledged. `unknown` means: signed, sent, not acknowledged.
   */
  | {
      readonly type: 'payments-acknowledged'
      readonly payments: readonly Payment[]
      readonly upTo: number
    }
  | {
      readonly type: 'payments-unknown'
      readonly payments: readonly Payment[]
      readonly reason: string
    }
  | { readonly type: 'payment-refused'; readonly payment: Payment; readonly error: PaychanError }
  | { readonly type: 'payments-received'; readonly payments: readonly Payment[] }
  /** Tells the caller of `close` the outcome. */
  | {
      readonly type: 'close-done'
      readonly kind: 'close' | 'settlement' | 'abandoned'
      readonly txid: Txid | undefined
    }
  | { readonly type: 'close-refused'; readonly error: PaychanError }
  /**
   * News for people; `step` when it is one of the classic channel, or the way in which it ended.
   */
  | { readonly type: 'notify'; readonly news: News; readonly step?: Step; readonly txid?: Txid }
  | AlarmEvent

/** A payment that is written together with the state (one packed value an update). */
export interface PaymentLogEntry {
  readonly sequence: number
  readonly direction: 'sent' | 'received'
  readonly time: number
  readonly payments: readonly Payment[]
  /**
   * Forgotten, and known again from the peer's list (REEST-8): the sequence after which the updates
   * were forgotten.
   */
  readonly forgottenAfter?: number
}

/**
 * The result of a transition: `log` and `state` are committed in one batch, then come the effects.
 */
export interface Transition<S extends Channel = Channel> {
  readonly state: S
  readonly log: readonly PaymentLogEntry[]
  readonly effects: readonly Effect[]
}

/** Makes a transition without payments to log. */
export function become<S extends Channel>(state: S, ...effects: Effect[]): Transition<S> {
  return { state, log: [], effects }
}

/*
 * The news of a channel, as data: each kind, and the unit of each of its facts. The local API's
 * schema follows from this table; sentences are made where people read
 * (`src/words/channels.ts`).
 */

interface FactTypes {
  sat: Satoshi
  height: BlockHeight
  number: number
  text: string
  /**
   * Stable, for programs: an error code of `docs/reference`, or why servers refused a transaction
   * (`fee-too-low`, `missing-inputs`, `unavailable`, ...). `unknown` in events of earlier versions.
   */
  code: string
  channel: ChannelId
}

export type FactUnit = keyof FactTypes

/**
 * The news by kind. The transaction, if any, and the step of the classic channel stand beside the
 * news (`notify`).
 */
export const NEWS = {
  // The opening
  'offer-sent': { capacity: 'sat', refundHeight: 'height' },
  'offer-taken': { capacity: 'sat', refundHeight: 'height' },
  /** `payer` of T1: our `wallet`, or an `outside` wallet. */
  'terms-taken': { payer: 'text' },
  /** `by`: our `wallet`, an `outside` wallet that has not signed yet, or a `renewal`. */
  'funding-built': { by: 'text', fee: 'sat', vsize: 'number' },
  'refund-asked-for': { refundHeight: 'height' },
  'refund-signed': { refundHeight: 'height' },
  'refund-secured': { payer: 'text' },
  /** `by` as in `funding-built`. */
  'funding-sent': { by: 'text' },
  'funding-received': {},
  'funding-completed': {},
  'funding-came-from-chain': {},
  'funding-refused': { code: 'code', reason: 'text' },
  'first-state-signed': { client: 'sat', server: 'sat' },
  'first-state-stored': {},
  'first-state-acknowledged': {},
  'funding-mined': { height: 'height' },
  ready: { confirmations: 'number', minDepth: 'number' },
  open: {},
  abandoned: { code: 'code', reason: 'text' },
  'given-up': { code: 'code', reason: 'text' },
  // The peer
  disconnected: {},
  reconnected: {},
  'not-reconnected': { code: 'code', reason: 'text' },
  'peer-says': { code: 'code', text: 'text' },
  // Turns
  'turn-granted': { turn: 'number', matures: 'height' },
  'turn-taken': { turn: 'number', matures: 'height' },
  // The end
  'close-asked-for': { fee: 'sat' },
  'close-signed': { fee: 'sat' },
  'close-broadcast': {},
  'close-unknown': { txid: 'text' },
  'close-refused': { code: 'code', reason: 'text' },
  /** `kind`: `settlement` or `refund`. */
  published: { transaction: 'text', fee: 'sat' },
  'publication-refused': { transaction: 'text', code: 'code', reason: 'text' },
  /** `transaction`: `close`, `settlement`, `refund` or `unknown`. */
  'spend-shown': { transaction: 'text' },
  'spend-mined': { transaction: 'text', height: 'height' },
  'renewed-as': { channel: 'channel' },
  /**
   * The peer handed it back, after this node had lost it; `state`: the number of the newest state
   * that was named.
   */
  'handed-back': { share: 'sat', capacity: 'sat', state: 'number' }
} as const satisfies Readonly<Record<string, Readonly<Record<string, FactUnit>>>>

type Table = typeof NEWS

/** The kinds of news, as `NEWS` lists them with their facts. */
export type NewsKind = keyof Table

/**
 * Something that happened to a channel: its kind, and the facts that this kind has. Amounts are in
 * satoshis, heights block heights.
 */
export type News<Kind extends NewsKind = NewsKind> = {
  readonly [K in Kind]: { readonly kind: K } & {
    readonly [Fact in keyof Table[K]]: FactTypes[Table[K][Fact] & FactUnit]
  }
}[Kind]
