/**
 * Paying for what is used, over HTTP and over libp2p: a price for a server, a `fetch` that pays it,
 * and streams that are paid as they go.
 *
 * @module paychan/metering
 */
export {
  Gate,
  type Admission,
  type Admitted,
  type GateOptions,
  type PricedRequest,
  type PricedReceipt,
  type SoldUnit
} from './gate.js'
export {
  payingFetch,
  readPaidSessions,
  receiptOf,
  type PaidSession,
  type PayingFetch,
  type PayingOptions
} from './paying-fetch.js'
export {
  buyStream,
  StreamSales,
  type PaidStream,
  type PurchaseOptions,
  type SaleOptions,
  type StreamBill
} from './paid-stream.js'
export {
  booksDirectory,
  openBooks,
  type AccountRecord,
  type BookEntry,
  type Books
} from './books.js'
export type { PaidRecord, SessionRecord } from './sessions.js'
export type { Run } from './sessions.js'
export {
  X402Buyer,
  X402Seller,
  type X402BuyerOptions,
  type X402Outcome,
  type X402Verdict
} from './x402-scheme.js'
export type {
  X402Offer,
  X402Payload,
  X402Requirement,
  X402Resource,
  X402Settlement,
  X402Writable
} from './x402.js'
export type { Per } from './stream-meter.js'
export {
  MppxBuyer,
  MppxSeller,
  type MppxAnswered,
  type MppxBuyerOptions,
  type MppxChallenge,
  type MppxCredential,
  type MppxErrors,
  type MppxRoute,
  type MppxSellerOptions,
  type MppxSubmitted,
  type MppxTransport
} from './mppx.js'
export type { StreamUnit } from './event-stream.js'
export type { ServedHandler, ServedRequest } from './gate.js'
export type { AccountsOptions } from './accounts.js'
export type { ChainId } from './session-terms.js'
export type { PayeeNode, TillOptions } from './till.js'
export type { CreditsOptions, Following, PaidNode } from './credits.js'
export type { Challenge, Receipt } from './payment-auth.js'
export type { PayerNode, PurseOptions } from './purse.js'
export { isFreePath } from './proxy.js'
export { servePriced, type PricedProxy, type ProxyOptions } from './proxy.js'
