/**
 * The news of a channel, as data: each kind, and the unit of each of its facts. The local API's
 * schema follows from this table; sentences are made where people read
 * (`src/words/channels.ts`).
 */
import type { ChannelId } from '../types/bytes.js'
import type { BlockHeight, Satoshi } from '../types/units.js'

interface FactTypes {
  sat: Satoshi
  height: BlockHeight
  number: number
  text: string
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
  'funding-refused': { reason: 'text' },
  'first-state-signed': { client: 'sat', server: 'sat' },
  'first-state-stored': {},
  'first-state-acknowledged': {},
  'funding-mined': { height: 'height' },
  ready: { confirmations: 'number', minDepth: 'number' },
  open: {},
  abandoned: { reason: 'text' },
  'given-up': { reason: 'text' },
  // The peer
  disconnected: {},
  reconnected: {},
  'not-reconnected': { reason: 'text' },
  'peer-says': { code: 'text', text: 'text' },
  // Turns
  'turn-granted': { turn: 'number', matures: 'height' },
  'turn-taken': { turn: 'number', matures: 'height' },
  // The end
  'close-asked-for': { fee: 'sat' },
  'close-signed': { fee: 'sat' },
  'close-broadcast': {},
  'close-unknown': { txid: 'text' },
  'close-refused': { reason: 'text' },
  /** `kind`: `settlement` or `refund`. */
  published: { transaction: 'text', fee: 'sat' },
  'publication-refused': { transaction: 'text', reason: 'text' },
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
