/**
 * The one interface to a running node, behind the library, the local HTTP API and the command line.
 * Amounts are bigint satoshis, feerates numbers of sat/vB, heights block heights, times
 * milliseconds.
 */
import type { PayResult } from './plan-payment.js'
import type {
  NodeInfo,
  Fees,
  PeerInfo,
  PeerAlias,
  BackupRequest,
  BackupResult,
  PaymentFilter,
  PaymentDetails,
  EventsApi,
  KeptEventsApi
} from './answers.js'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { PaymentInfo } from '../engine/payments.js'
import type { Satoshi } from '../types/units.js'
import type { AccessApi } from './access.js'
import type { ChannelsApi } from './channels.js'
import type { NamedPeer } from './choose.js'
import type { Gate } from './running.js'
import type { RequestsApi } from './requests-api.js'
import type { WalletApi } from './wallet.js'
import type { WaitOptions } from './waiting.js'
import type { WebhooksApi } from './webhooks.js'

export type {
  BackupRequest,
  BackupResult,
  ChannelEvent,
  EventsApi,
  Fees,
  KeptEventsApi,
  NodeEvent,
  NodeInfo,
  NUMBERED_EVENTS,
  NumberedEventType,
  NumberedNodeEvent,
  PaymentDetails,
  PaymentFilter,
  PeerAlias,
  PeerInfo,
  RequestInfo,
  RequestState
} from './answers.js'
export type { PayResult } from './plan-payment.js'
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
  RequestOptions,
  RequestPayment,
  RequestsApi,
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
  NewWebhook,
  WebhookInfo,
  WebhookOptions,
  WebhooksApi,
  WebhookStatus
} from './webhooks.js'

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
