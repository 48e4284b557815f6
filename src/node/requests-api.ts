/** Payment requests and receipts, as programs use them. */
import type { RequestInfo } from './answers.js'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import type { Satoshi } from '../types/units.js'
import type { PayResult } from './plan-payment.js'
import type { WaitOptions } from './waiting.js'

/** Seconds for which a request may be paid unless its maker says how long: a day. */
export const REQUEST_LIFETIME_S = 86_400

/** What a payment request asks for. */
export interface RequestOptions {
  /** Satoshis; the payer chooses when left out. */
  readonly amount?: Satoshi | undefined
  /** Its purpose: one line of at most 128 bytes. It becomes the memo of the payment. */
  readonly memo?: string | undefined
  /** Seconds from now on, up to ten years, or `never`; a day when left out. */
  readonly expiresIn?: number | 'never' | undefined
  /** True when it may be paid more than once. */
  readonly reusable?: boolean | undefined
  /**
   * A name of the one that asks for it, in a program that makes requests for others: one name has a
   * quarter of the room for requests at most. Left out for a maker that may have all of it. On the
   * API over TCP each token without the scope `manage` is such a name.
   */
  readonly maker?: string | undefined
}

/** The content of a request of somebody else. */
export interface RequestTerms {
  /** 16 hex digits. */
  readonly id: string
  /** The network on which it is to be paid. */
  readonly network: Network
  /** The PeerId that is paid. */
  readonly payee: string
  /** Full multiaddrs of the payee. */
  readonly multiaddrs: readonly string[]
  /** Undefined when the payer chooses. */
  readonly amount: Satoshi | undefined
  /** Its purpose, which becomes the memo of the payment; empty for none. */
  readonly memo: string
  /** Milliseconds since 1970, by the payee's clock. */
  readonly made: number
  /** Milliseconds since 1970; undefined when it never expires. */
  readonly expires: number | undefined
  /** True when it may be paid more than once. */
  readonly reusable: boolean
  /** Satoshis: the payee takes no less on a channel that is new. */
  readonly leastFirstPayment: Satoshi
}

/** A payment request that is to be paid. */
export interface PayRequestOptions extends WaitOptions {
  /** A request (`paychan1...`), or a `bitcoin:` URI that has one. */
  readonly request: string
  /** Satoshis: where the request leaves it to the payer, or to pay more than it asks. */
  readonly amount?: Satoshi | undefined
  /**
   * A name for the payment of a reusable request, 1 to 128 characters: asked for again with the
   * same one, it is not paid twice. Without a name a payment whose outcome was unknown goes on, and
   * what was paid is not asked for again. Any other request is paid once in any case.
   */
  readonly id?: string | undefined
}

/** The payment of a request, with its receipt. */
export interface RequestPayment extends PayResult {
  /** The id of the request. */
  readonly request: string
  /** The receipt, signed by the payee; undefined while there is none. */
  readonly receipt: string | undefined
  /**
   * The reason why there is no receipt. The payment is made all the same; ask again with `receipt`.
   */
  readonly receiptProblem: string | undefined
}

/** A receipt that this node was given. */
export interface ReceiptInfo {
  /** The text to hand over: `paychanreceipt1...`. */
  readonly text: string
  /** The network on which it was paid. */
  readonly network: Network
  /** The id of the request. */
  readonly request: string
  /** Tells payments of one reusable request apart; undefined for any other. */
  readonly nonce: string | undefined
  /** The PeerId that signed the receipt. */
  readonly payee: string
  /** The PeerId that has paid. */
  readonly payer: string
  /** What was received, in satoshis. */
  readonly amount: Satoshi
  /** The purpose of the request; empty for none. */
  readonly memo: string
  /** Milliseconds since 1970, by the payee's clock. */
  readonly paid: number
}

/** `node.requests`: payment requests made, read and paid, with receipts. */
export interface RequestsApi {
  /**
   * Makes a request to be paid: a signed text that says who, where and how much. It may be paid for
   * a day, unless `expiresIn` says otherwise. A node counts what comes for 100,000 requests at a
   * time; beyond it one that is paid or has expired gives way, or else the oldest that nobody has
   * begun to pay, and one for which nothing was paid is forgotten then. Waits for the disk, and for no peer.
   *
   * @throws PaychanError `ERR_INVALID_AMOUNT`, `ERR_INVALID_MEMO`, `ERR_MEMO_TOO_LONG`,
   *   `ERR_INVALID_EXPIRY`, `ERR_TOO_MANY_REQUESTS`
   * @example
   * const { text } = await node.requests.make({ amount: satoshi(3_000n), memo: 'two coffees' })
   */
  make: (options?: RequestOptions) => Promise<RequestInfo>
  /**
   * Lists the requests of this node, the newest first, and reads no more than `limit` of them.
   * Waits for the disk and for other reads of a log, and for no peer.
   *
   * @throws PaychanError `ERR_TOO_MANY_CALLS`
   * @example
   * const open = (await node.requests.list()).filter(({ state }) => state === 'open')
   */
  list: (filter?: { readonly limit?: number | undefined }) => Promise<RequestInfo[]>
  /**
   * Reads a request of somebody else, checks its signature and its network, and pays nothing.
   *
   * @throws PaychanError `ERR_INVALID_PAYMENT_REQUEST` (facts: rule), `ERR_REQUEST_NETWORK`
   * @example
   * const { payee, amount, memo } = await node.requests.read('paychan1...')
   */
  read: (request: string) => Promise<RequestTerms>
  /**
   * Pays a request once, however often it is asked for, and fetches the receipt; one that is
   * reusable once for each name, and once for each call without a name that came to an end.
   * Connects to the payee, and asks it first whether the request is still open; opens no channel.
   * Resolves once the payment is on the payee's disk; waits up to 10 s more for the receipt. A
   * signal that comes before anything is signed keeps it so; later it ends the wait: ask again.
   *
   * @throws PaychanError as `pay`, and `ERR_INVALID_PAYMENT_REQUEST`, `ERR_REQUEST_NETWORK`,
   *   `ERR_REQUEST_EXPIRED`, `ERR_REQUEST_PAID`, `ERR_REQUEST_UNKNOWN`, `ERR_REQUEST_AMOUNT`,
   *   `ERR_PEER_UNREACHABLE`, `ERR_NO_REQUESTS_SPOKEN`, `ERR_BAD_ANSWER`,
   *   `ERR_WAIT_ENDED`; `ERR_NO_CHANNEL` (facts: payee, amount): open one first
   * @example
   * const { receipt } = await node.requests.pay({ request: 'paychan1...' })
   */
  pay: (options: PayRequestOptions) => Promise<RequestPayment>
  /**
   * The receipt for a request that this node has paid; asks the payee when it is not here yet.
   * Dials no payee without a channel.
   *
   * @param request - the id of the request, or its text
   * @param id - the name of the payment, for a reusable request; without it, the payment that has
   *   no receipt yet, or the only one that has
   * @throws PaychanError `ERR_NO_RECEIPT`, `ERR_PEER_UNREACHABLE`, `ERR_BAD_ANSWER`,
   *   `ERR_TOO_MANY_CALLS`, `ERR_WAIT_ENDED`
   * @example
   * const { text } = await node.requests.receipt('1f2e3d4c5b6a7988')
   */
  receipt: (request: string, id?: string, options?: WaitOptions) => Promise<ReceiptInfo>
}
