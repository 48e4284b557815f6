/** The channel at the moment when T1 leaves the client, or reaches the server. */
import { NEW_EPOCHS } from './epochs.js'
import { NEW_LEDGER, type HeldState, type Ledger } from './ledger.js'
import {
  identityOf,
  NO_WISHES,
  type ClientChannel,
  type OnChain,
  type RefundRequested,
  type RefundSigned,
  type ServerChannel
} from './state.js'

/** The chain's view of a channel that is not on it yet. */
export const NOTHING_ON_CHAIN: OnChain = {
  fundingSeen: false,
  fundingHeight: undefined,
  spend: undefined,
  shown: []
}

/** A channel on which nobody has paid, and of which the chain has shown nothing. */
const NOTHING_PAID = {
  ready: { ours: false, theirs: false },
  ended: [],
  wishes: NO_WISHES,
  closes: [],
  stopped: undefined,
  publication: undefined,
  onChain: NOTHING_ON_CHAIN
}

/** Makes the channel of the client that holds T2's signature. `ledger`: of a renewal. */
export function establishClient(
  state: RefundRequested,
  knowledge: Pick<ClientChannel, 'refundSignature' | 'renewal' | 'outside'> & {
    readonly ledger?: Ledger
  }
): ClientChannel {
  const { terms, outPoint, fundingTx, secured } = state
  return {
    ...identityOf(state),
    ...{ stage: 'established', terms, outPoint, ledger: NEW_LEDGER, fundingTx },
    ...knowledge,
    fundingAcknowledged: false,
    ...NOTHING_PAID,
    link: secured?.isConnected === false ? 'down' : 'live',
    epochs: NEW_EPOCHS
  }
}

/** Makes the channel of the server that has T1. `held`: the first state of a renewal. */
export function establishServer(
  state: RefundSigned,
  fundingTx: Uint8Array,
  held?: HeldState
): ServerChannel {
  const { terms, outPoint, link, epochs } = state
  return {
    ...identityOf(state),
    ...{ stage: 'established', terms, outPoint, ledger: { ...NEW_LEDGER, held }, fundingTx },
    fundingAccepted: false,
    ...NOTHING_PAID,
    link,
    // A client writes before it hands T1 over, so it has what we said before (REEST-7).
    epochs: { ...epochs, seen: epochs.ours }
  }
}
