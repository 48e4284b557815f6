/** The channel at the moment when T1 leaves the client, or reaches the server. */
import { NEW_EPOCHS } from './epochs.js'
import { NEW_LEDGER, type Ledger } from './ledger.js'
import {
  identityOf,
  NO_WISHES,
  type Established,
  type OnChain,
  type RefundRequested,
  type RefundSigned
} from './state.js'

/** Nothing of a channel is on the chain yet. */
export const NOTHING_ON_CHAIN: OnChain = {
  fundingSeen: false,
  fundingHeight: undefined,
  spend: undefined,
  shown: []
}

/** What the two sides know differently. */
export interface FundingKnowledge {
  readonly fundingTx: Uint8Array
  /** The client's: the server's signature of T2. */
  readonly refundSignature: Uint8Array | undefined
  /**
   * In a renewal: see `Established.renewal`, and the first state, which the server holds already.
   */
  readonly renewal?: Established['renewal']
  readonly outside?: Established['outside']
  readonly ledger?: Ledger
}

/** Nobody has paid, and the chain has shown nothing. */
export function establish(
  state: RefundRequested | RefundSigned,
  knowledge: FundingKnowledge
): Established {
  return {
    ...identityOf(state),
    stage: 'established',
    terms: state.terms,
    outPoint: state.outPoint,
    ledger: NEW_LEDGER,
    ...knowledge,
    fundingAcknowledged: false,
    ready: { ours: false, theirs: false },
    ended: [],
    wishes: NO_WISHES,
    closes: [],
    stopped: undefined,
    publication: undefined,
    onChain: NOTHING_ON_CHAIN,
    link:
      state.stage === 'refund-signed'
        ? state.link
        : state.secured?.isConnected === false
          ? 'down'
          : 'live',
    // What a client has handed over it has written first, so it has what we said before (REEST-7).
    epochs:
      state.stage === 'refund-signed' ? { ...state.epochs, seen: state.epochs.ours } : NEW_EPOCHS
  }
}
