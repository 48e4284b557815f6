/** What an engine is made of. */
import type { Network } from '../../protocols/paychan/1.0/index.js'
import type { Policy } from '../channel/policy.js'
import type { FeeRate } from '../types/units.js'
import type { EngineEvent } from './engine-events.js'
import type { FeeView } from './fee-estimates.js'
import type { Chain, Clock, Peers, Random, Signer, Store, Wallet } from './ports.js'

export interface EngineOptions {
  readonly network: Network
  readonly policy: Policy
  readonly store: Store
  readonly chain: Chain
  readonly peers: Peers
  readonly wallet: Wallet
  readonly signer: Signer
  readonly clock: Clock
  readonly random: Random
  /** Taken until the chain has given its first estimate. */
  readonly initialFeeRate: FeeRate
  readonly timeouts?: Partial<Timeouts>
  readonly onEvent: (event: EngineEvent) => void
  /** False while nobody wants to hear of each payment; always wanted when left out. */
  readonly isListening?: () => boolean
  /**
   * Called when a channel is in another state: what `nextDue` has said before need not hold any
   * more.
   */
  readonly onChange?: () => void
  /**
   * Whether to tell of risks (`RiskWatch`), which cost milliseconds with every block; yes when left
   * out.
   */
  readonly watchesRisk?: boolean
  /**
   * What the chain takes, shared with other engines; when left out, an engine asks its own chain
   * and remembers.
   */
  readonly fees?: FeeView
}

/** Milliseconds. Every wait for somebody else ends. */
export interface Timeouts {
  /** OPEN-9: from the offer until T1 leaves. */
  readonly opening: number
  /**
   * OPEN-9: how long a person has to pay for T1 with another wallet. A server waits so much longer
   * for `RefundRequest`.
   */
  readonly outside: number
  /**
   * From an update, `Funding` or `Reestablish` until its answer; then the stream is given up, and a
   * payment is unknown.
   */
  readonly ack: number
  /** From a close request until its answer. */
  readonly close: number
  /** How long a payment waits for a peer to be dialled again. */
  readonly reconnect: number
  /** How long a new tip waits for the fees of its height. */
  readonly fees: number
}

export const DEFAULT_TIMEOUTS: Timeouts = {
  opening: 60_000,
  outside: 600_000,
  ack: 30_000,
  close: 60_000,
  reconnect: 5_000,
  fees: 5_000
}
