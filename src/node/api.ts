/**
 * The one interface to a running node, behind the library, the local HTTP API and the command line.
 * Amounts are bigint satoshis, feerates numbers of sat/vB, heights block heights, times
 * milliseconds.
 */
import type { Multiaddr } from '@multiformats/multiaddr'
import type { ServerStatus } from '../chain/chain.js'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import type { News, Step } from '../channel/effects.js'
import type { Policy } from '../channel/policy.js'
import type { PaymentInfo } from '../engine/payments.js'
import type { ChainStatus } from '../engine/ports.js'
import type { ChannelId, Txid } from '../types/bytes.js'
import type { BlockHeight, Satoshi } from '../types/units.js'
import type { AlarmEvent } from '../types/errors.js'
import type { AccessApi } from './access.js'
import type { ChannelInfo, ChannelsApi } from './channels.js'
import type { NamedPeer } from './choose.js'
import type { Gate } from './running.js'
import type { RequestInfo, RequestsApi } from './requests-api.js'
import type { WalletApi } from './wallet.js'
import type { WaitOptions } from './waiting.js'
import type { WebhooksApi } from './webhooks.js'

export type { Role } from '../bitcoin/keys.js'
export type { ServerStatus } from '../chain/chain.js'
export type { Step } from '../channel/effects.js'
export type { News, NewsKind } from '../channel/effects.js'
export type { Policy, PolicyKey } from '../channel/policy.js'
export type { SpendKind } from '../channel/state.js'
export type { PaymentLimits } from '../channel/terms.js'
export type { Meter } from '../engine/ports.js'
export type { PaymentInfo } from '../engine/payments.js'
export type { ChainStatus } from '../engine/ports.js'
export type {
  BUDGET_SPANS,
  SCOPES,
  AccessApi,
  Budget,
  BudgetSpan,
  NewToken,
  Scope,
  TokenInfo,
  TokenOptions
} from './access.js'
export type {
  ChannelInfo,
  ChannelProgress,
  ChannelStatus,
  ChannelsApi,
  CloseOptions,
  CloseResult,
  OpenRequest,
  OutsideFunding,
  ProgressOptions,
  PsbtOptions,
  PsbtResult,
  RecoverResult,
  RenewOptions,
  SettleAllResult
} from './channels.js'
export type { NamedPeer } from './choose.js'
export type {
  PayRequestOptions,
  ReceiptInfo,
  RequestInfo,
  RequestOptions,
  RequestPayment,
  RequestsApi,
  RequestState,
  RequestTerms
} from './requests-api.js'
export type { WaitOptions } from './waiting.js'
export type {
  Balance,
  BumpOptions,
  BumpResult,
  CoinInfo,
  CoinState,
  FeeChoice,
  SendOptions,
  SendResult,
  TransactionKind,
  WalletApi,
  WalletTransaction
} from './wallet.js'
export type {
  NUMBERED_EVENTS,
  NewWebhook,
  NumberedEventType,
  WebhookInfo,
  WebhookOptions,
  WebhooksApi,
  WebhookStatus
} from './webhooks.js'

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

/** A payment that is to be made. */
export interface PayRequest extends WaitOptions {
  /** A peer (also as the end of a multiaddr), or a channel id (at least 8 of its first digits). */
  readonly to: NamedPeer
  /** Satoshis. */
  readonly amount: Satoshi
  /** One line of at most 128 bytes of UTF-8, which the payee reads; empty when left out. */
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

/** `node.payments`: what was paid and received. */
export interface PaymentsApi {
  /**
   * Lists what was paid and received, the newest first: what fits all parts of the filter; at most
   * `limit` payments, else all. Amounts are in satoshis, times in milliseconds since 1970. Reads
   * from the newest payment back, no further than `limit` or `since` asks. Waits for the disk and
   * for other reads of a log, of which two go on at once, and for no peer.
   *
   * @throws PaychanError `ERR_NO_CHANNEL`, `ERR_AMBIGUOUS_CHANNEL`, `ERR_INVALID_PEER`,
   *   `ERR_AMBIGUOUS_PEER`, `ERR_TOO_MANY_CALLS`
   * @example
   * const [newest] = await node.payments.list({ limit: 1 })
   */
  list: (filter?: PaymentFilter) => Promise<PaymentInfo[]>
  /**
   * Finds one payment: by the name that it was made with (`PayRequest.id`), or by its id, of which
   * the first 8 digits are enough. Amounts are in satoshis, times in milliseconds since 1970. By an
   * id it reads the whole log. Waits for the disk and for other reads of a log, and for no peer.
   *
   * @throws PaychanError `ERR_NO_PAYMENT`, `ERR_AMBIGUOUS_PAYMENT`, `ERR_TOO_MANY_CALLS`
   * @example
   * const { status, parts } = await node.payments.get('invoice 17')
   */
  get: (id: string) => Promise<PaymentDetails>
}

/** `node.chain`: what the Electrum servers show. */
export interface ChainApi {
  /**
   * Returns the feerates to choose from, in sat/vB. The Electrum servers are asked anew once there
   * is another block and 30 seconds are over, or after 10 minutes, whoever calls and however often.
   * Waits for their answers then.
   *
   * @throws PaychanError `ERR_CHAIN_UNAVAILABLE`, `ERR_WAIT_ENDED`
   * @example
   * const { leastSatPerVByte, estimates } = await node.chain.fees()
   */
  fees: (options?: WaitOptions) => Promise<Fees>
  /**
   * Waits until the node has verified a block at `height`, and its wallet and channels have seen
   * that block.
   *
   * @throws PaychanError `ERR_WAIT_ENDED`; `ERR_WRONG_CHAIN`, `ERR_WRONG_NETWORK`,
   *   `ERR_STORE_FAILED`, `ERR_NODE_STOPPED`, `ERR_NODE_NOT_RUNNING`: it would wait for ever
   * @example
   * await devnet.mine(1)
   * await node.chain.untilHeight(devnet.height)
   */
  untilHeight: (height: number, options?: WaitOptions) => Promise<void>
}

/** `node.peers`: other nodes, and the names that they were given. */
export interface PeersApi {
  /**
   * Lists the peers that are connected, and those that this host remembers. Waits for none of them.
   *
   * @example
   * const connected = (await node.peers.list()).filter((peer) => peer.connected)
   */
  list: () => Promise<PeerInfo[]>
  /**
   * Connects to a peer at a full multiaddr; resolves once the connection stands. A signal gives the
   * dial up, unless somebody else waits for it.
   *
   * @throws PaychanError `ERR_INVALID_PEER`, `ERR_INVALID_MULTIADDR`, `ERR_PEER_UNREACHABLE`,
   *   `ERR_WAIT_ENDED`
   * @example
   * const { paychan } = await node.peers.connect('/ip4/192.0.2.1/tcp/9801/p2p/12D3KooW...')
   */
  connect: (multiaddr: string | Multiaddr, options?: WaitOptions) => Promise<PeerInfo>
  /**
   * Gives a peer a name, usable wherever a peer is named; a name belongs to one peer.
   *
   * @throws PaychanError `ERR_INVALID_ALIAS`, `ERR_INVALID_PEER`, `ERR_AMBIGUOUS_PEER`
   * @example
   * await node.peers.alias('12D3KooW...', 'bakery')
   */
  alias: (peer: NamedPeer, name: string) => Promise<PeerAlias>
  /**
   * Takes a name away; it may be given to another peer then.
   *
   * @throws PaychanError `ERR_NO_ALIAS`
   * @example
   * await node.peers.unalias('bakery')
   */
  unalias: (name: string) => Promise<void>
  /**
   * Lists the names that peers have been given, in alphabetical order.
   *
   * @example
   * for (const { name, peerId } of await node.peers.aliases()) console.log(name, peerId)
   */
  aliases: () => Promise<PeerAlias[]>
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

/**
 * A running node. Every call may reject with `ERR_NODE_STOPPED` and `ERR_STORE_FAILED` beside the
 * codes that it names; `docs/errors.md` says what each code means, and what to do.
 */
export interface NodeApi {
  /** Coins of the chain: addresses, balance, sends, fees of what waits. */
  readonly wallet: WalletApi
  /** Channels: opened, renewed, closed, recovered. */
  readonly channels: ChannelsApi
  /** Payments that were made and received. */
  readonly payments: PaymentsApi
  /** Payment requests: made, read and paid, with receipts. */
  readonly requests: RequestsApi
  /** The answers of the Electrum servers. */
  readonly chain: ChainApi
  /** Other nodes. */
  readonly peers: PeersApi
  /** Tokens, by which programs use this node over the API on TCP. */
  readonly access: AccessApi
  /** Receivers to whom this node posts its events. */
  readonly webhooks: WebhooksApi
  /** Everything that happens. */
  readonly events: EventsApi
  /**
   * Tells who the node is, what it accepts, and how it sees the chain. Waits for no server.
   *
   * @example
   * const { peerId, multiaddrs, chain } = await node.info()
   */
  info: () => Promise<NodeInfo>
  /**
   * Pays satoshis; resolves once the payee has acknowledged, which means that the payment is on the
   * payee's disk. A PeerId is paid on one channel when one is enough, else on several; each is
   * checked before anything is signed. A signal ends the wait and not the payment, which may still
   * be made: with an id, ask again.
   *
   * @throws PaychanError `ERR_INVALID_PEER`, `ERR_AMBIGUOUS_PEER`, `ERR_INVALID_AMOUNT`,
   *   `ERR_INSUFFICIENT_BALANCE` (facts: asked, left), `ERR_NO_CHANNEL`,
   *   `ERR_BELOW_MIN_FIRST_PAYMENT`, `ERR_STAKE_TOO_HIGH`, `ERR_TOO_MANY_WAITING` (facts: waiting,
   *   most), `ERR_CHANNEL_NOT_OPEN`, `ERR_CHANNEL_EXPIRED`, `ERR_PAYMENT_UNKNOWN` (signed and sent,
   *   the connection broke before the ack); with an id, or split: `ERR_PAYMENT_PARTIAL` (facts: id,
   *   asked, paid, unknown), `ERR_PAYMENT_CONFLICT` (the id belongs to another payment),
   *   `ERR_INVALID_PAYMENT_ID`, `ERR_WAIT_ENDED`, `ERR_LIST_FALSE` (this node had lost payments,
   *   and the payee lied about them: compare both sides' books, and pay the debt without an id),
   *   `ERR_PAYMENTS_FORGOTTEN` (this one may be among the payments that this node has lost; do the
   *   same)
   * @example
   * await node.pay({ to: '12D3KooW...', amount: satoshi(1_000n), memo: 'coffee', id: 'invoice 17'
   * })
   */
  pay: (request: PayRequest) => Promise<PayResult>
  /**
   * Writes an encrypted backup of everything, as it is at one moment, into one file; resolves once
   * the file is on the disk. It never replaces a file that is not a backup of this node, or one
   * whose data this node has not gone through. A backup that is put back (`paychan restore --from`)
   * is an old copy: its peers have to come back, and channels may only close then.
   *
   * @throws PaychanError `ERR_BACKUP_EXISTS`, `ERR_BACKUP_UNWRITABLE`, `ERR_PASSPHRASE_TOO_SHORT`
   * @example
   * await node.backup({ file: '/mnt/usb/alice.backup', passphrase: 'several words in a row' })
   */
  backup: (request: BackupRequest) => Promise<BackupResult>
  /**
   * Stops the node. Resolves once what was under way has ended, and the data directory is free for
   * another process. May be called more than once.
   *
   * @example
   * await node.stop()
   */
  stop: () => Promise<void>
}

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

/** A node in this process, as `createNode` makes it. */
export interface LocalNode extends NodeApi {
  /** All that happens; with `keepsEvents` also what happened before. */
  readonly events: KeptEventsApi
  /**
   * What a server of the API on TCP needs: who may ask, and what was answered before.
   *
   * @internal
   */
  readonly gate: () => Gate
  /**
   * For tests: resolves once all that the Electrum servers have told until now has been taken in,
   * what they were asked before is answered, and what that means for the channels is on the disk. A
   * server that is not there is not waited for.
   *
   * @throws PaychanError `ERR_NODE_STOPPED`
   * @internal
   */
  readonly caughtUp: () => Promise<void>
}
