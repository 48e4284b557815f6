/**
 * What a node answers with and tells, as data. Amounts are bigint satoshis, feerates numbers of
 * sat/vB, heights block heights, times milliseconds.
 */
import type { ServerStatus } from '../chain/chain.js'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import type { News, Step } from '../channel/effects.js'
import type { Policy } from '../channel/policy.js'
import type { PaymentInfo } from '../engine/payments.js'
import type { ChainStatus } from '../engine/ports.js'
import type { ChannelId, Txid } from '../types/bytes.js'
import type { BlockHeight, Satoshi } from '../types/units.js'
import type { AlarmEvent } from '../types/errors.js'
import type { ChannelInfo } from '../channel/summary.js'
import type { NamedPeer } from './choose.js'

/** Who a node is, what it accepts, and how it sees the chain. */
export interface NodeInfo {
  /** The release, as in `package.json`. */
  readonly version: string
  /** The Bitcoin network of all its channels and coins. */
  readonly network: Network
  /** The name of this node among peers. */
  readonly peerId: string
  /** Full multiaddrs that others can connect to. */
  readonly multiaddrs: readonly string[]
  /** The directory of its data, for the process of the node. */
  readonly dataDir: string
  /**
   * The view of the chain: `height` and `hash` of the tip, undefined before one is verified;
   * `server`, the one with the best tip; the newest problem as a sentence and as a code.
   */
  readonly chain: {
    readonly status: ChainStatus
    readonly server: string
    readonly height: BlockHeight | undefined
    readonly hash: string | undefined
    readonly lastError: string | undefined
    readonly lastErrorCode?: string | undefined
    readonly servers: readonly ServerStatus[]
    /** While histories are being read: how many are known, of how many. */
    readonly histories?: { readonly known: number; readonly total: number } | undefined
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
  /**
   * The least that this node would take now as the first payment on a channel that is opened to it
   * (UPD-10): `policy.minFirstPayment`, or what a settlement costs at the present estimate.
   */
  readonly leastFirstPayment: Satoshi
  /** The ECDSA implementation that signs and verifies. */
  readonly ecdsa: string
}

/** Feerates for a transaction, in sat/vB. */
export interface Fees {
  /** The server's mempool takes nothing below this rate. */
  readonly leastSatPerVByte: number
  /** The servers' estimates for a confirmation within `blocks`. */
  readonly estimates: ReadonlyArray<{ readonly blocks: number; readonly satPerVByte: number }>
}

/** A peer that is connected, or that this host remembers. */
export interface PeerInfo {
  /** The name of the peer. */
  readonly peerId: string
  /** True while a connection stands. */
  readonly connected: boolean
  /** The addresses at which it was seen, or can be dialled. */
  readonly multiaddrs: readonly string[]
  /** True when the peer speaks /paychan/1.0; undefined before it has said so. */
  readonly paychan: boolean | undefined
  /** The name that `alias` gave it; undefined when it has none. */
  readonly alias?: string | undefined
}

/** A name that a person gave to a peer. */
export interface PeerAlias {
  /** 1 to 32 small letters, digits, `.`, `-` or `_`. */
  readonly name: string
  /** The peer that has the name. */
  readonly peerId: string
}

/** News of a channel, as an event tells it. */
export type ChannelEvent = Extract<NodeEvent, { readonly type: 'channel' }>

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
  /** Something was received for a request of this node; `state` says whether it is paid. */
  | { readonly type: 'request'; readonly request: RequestInfo }
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

/** The place of a backup, and what encrypts it. */
export interface BackupRequest {
  /** The path of the file, for the process of the node; its directory must exist. */
  readonly file: string
  /** At least 8 characters. The file is worth nothing without it. */
  readonly passphrase: string
}

/** A backup that was made. */
export interface BackupResult {
  /** The whole path. */
  readonly file: string
  /** The name of this backup, by which a later one knows it. */
  readonly id: string
  /** Milliseconds since 1970. */
  readonly madeAt: number
  /** The network of the node. */
  readonly network: Network
  /** The node that it is of. */
  readonly peerId: string
  /** Number of channels in it, closed ones too, and of all records. */
  readonly channels: number
  /** Number of all records in it. */
  readonly records: number
}

/** The payments of a list; each part that is left out lets all pass. */
export interface PaymentFilter {
  /** At least 8 of the first digits of a channel's id. */
  readonly channel?: string
  /** The other side of the channel, by PeerId or alias. */
  readonly peer?: NamedPeer
  /** Milliseconds since 1970, by this node's clock: not before. */
  readonly since?: number
  /** Milliseconds since 1970: before. */
  readonly until?: number
  /** Those that were sent, or those that were received. */
  readonly direction?: PaymentInfo['direction']
  /** Those with this outcome. */
  readonly status?: PaymentInfo['status']
  /** A part of the memo; capital and small letters are the same. */
  readonly memo?: string
  /** The most payments to return; all when left out. */
  readonly limit?: number
}

/** A payment with its parts: fields of the first one, but for the amount, which is the whole. */
export interface PaymentDetails extends PaymentInfo {
  /** The name that it was found by; undefined when it was found by an id. */
  readonly name: string | undefined
  /** The part that each channel carried, with its own amount and outcome. */
  readonly parts: readonly PaymentInfo[]
}

/** `node.events`: all that happens, as it happens. */
export interface EventsApi {
  /**
   * Calls the listener with every event from now on, until the function that it returns is called.
   * Amounts are in satoshis. It waits for nothing and throws nothing; an error in a listener
   * becomes a warning of the process, and does not affect the payment.
   *
   * @example
   * const stop = node.events.on((event) => {
   *   if (event.type === 'payment') console.log(event.payment.amount)
   * })
   */
  on: (listener: (event: NodeEvent) => void) => () => void
}

/** The events that have a number: they are kept, and posted. */
export const NUMBERED_EVENTS = ['channel', 'payment', 'request', 'alarm'] as const

/** One of the kinds of events that have a number. */
export type NumberedEventType = (typeof NUMBERED_EVENTS)[number]

/** An event with its place among all that this node has told. */
export interface NumberedNodeEvent {
  /** From 1 on; it only grows, also over restarts. */
  readonly number: number
  /** False for a part of several payments that were made together: more parts have this number. */
  readonly isLast: boolean
  /** The event, as a listener hears it. */
  readonly event: NodeEvent
}

/**
 * `node.events` of a node in this process that keeps them (`keepsEvents`): also those of before.
 */
export interface KeptEventsApi extends EventsApi {
  /**
   * Events with numbers that only grow, for a reader that comes back: all after the number that it
   * has read, then each as it comes; those from now on when it names none. They are kept for 30
   * days, 100,000 at most; when some are gone, an alarm `ERR_EVENTS_LOST` comes first. Channels and
   * requests are told as they are now. What passes (the chain, servers, risks) has no number, and
   * is told by `on` only.
   *
   * @throws PaychanError `ERR_EVENTS_NOT_KEPT`
   * @example
   * for await (const { number, event } of node.events.after(17)) console.log(number, event.type)
   */
  after: (number?: number, signal?: AbortSignal) => AsyncGenerator<NumberedNodeEvent>
  /**
   * The number of the newest event, 0 before the first: where a reader begins that wants to miss
   * nothing from now on.
   *
   * @throws PaychanError `ERR_EVENTS_NOT_KEPT`
   * @example
   * const seen = node.events.newest()
   */
  newest: () => number
}

/**
 * `open`: it may be paid; `partly`: less than its amount has come; `paid`; `expired`. One that is
 * reusable is open until it expires.
 */
export type RequestState = 'open' | 'partly' | 'paid' | 'expired'

/** A request that this node has made. */
export interface RequestInfo {
  /** 16 hex digits. */
  readonly id: string
  /** The text to hand over: `paychan1...`. */
  readonly text: string
  /** The same as a `bitcoin:` URI (BIP321). */
  readonly uri: string
  /** Whether it may still be paid. */
  readonly state: RequestState
  /** Undefined when the payer chooses. */
  readonly amount: Satoshi | undefined
  /** Its purpose; empty for none. */
  readonly memo: string
  /** Milliseconds since 1970. */
  readonly made: number
  /** Milliseconds since 1970; undefined when it never expires. */
  readonly expires: number | undefined
  /** True when it may be paid more than once. */
  readonly reusable: boolean
  /** The sum received for it, from all payers together. */
  readonly received: Satoshi
  /** Number of payments; one that was split counts each part. */
  readonly payments: number
  /** The peer that has paid it, and when; undefined for one that is reusable. */
  readonly paidBy: string | undefined
  /** Milliseconds since 1970; undefined for one that is reusable, or not paid. */
  readonly paidAt: number | undefined
  /** The payee takes no less on a channel that is new. */
  readonly leastFirstPayment: Satoshi
}
