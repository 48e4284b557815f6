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

/** The chain's view of a channel that is not on it yet. */
export const NOTHING_ON_CHAIN: OnChain = {
  fundingSeen: false,
  fundingHeight: undefined,
  spend: undefined,
  shown: []
}

/** The knowledge that differs between the two sides. */
export interface FundingKnowledge {
  readonly fundingTx: Uint8Array
  /** Client: the server's signature of T2. */
  readonly refundSignature: Uint8Array | undefined
  /**
   * In a renewal: see `Established.renewal`, and the first state, which the server holds already.
   */
  readonly renewal?: Established['renewal']
  readonly outside?: Established['outside']
  readonly ledger?: Ledger
}

/** Makes the established channel: nobody has paid, and the chain has shown nothing. */
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
    // A client writes before it hands T1 over, so it has what we said before (REEST-7).
    epochs:
      state.stage === 'refund-signed' ? { ...state.epochs, seen: state.epochs.ours } : NEW_EPOCHS
  }
}
