/**
 * The server's side of the opening, steps 1 to 6:
 *
 *     (OpenChannel) -> AcceptChannel -> (RefundRequest) -> RefundSignature, blind
 *                   -> (Funding) -> T1 is broadcast -> FundingBroadcast
 */
import type {
  Funding,
  Network,
  OpenChannel,
  RefundRequest
} from '../../protocols/paychan/1.0/index.js'
import { MAX_TRANSACTION_BYTES } from '../../protocols/paychan/1.0/index.js'
import { checkFundingTx, readFunding } from '../bitcoin/funding.js'
import type { Transaction } from '../bitcoin/transaction.js'
import { parseRefundRequest } from '../bitcoin/refund.js'
import { payerSighash } from '../bitcoin/template.js'
import type { ChannelId } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { blockHeight, satoshi } from '../types/units.js'
import { abandon } from './stopping.js'
import { establishServer } from './establishing.js'
import { NEW_EPOCHS } from './epochs.js'
import { become, type Transition } from './effects.js'
import type { Env } from './env.js'
import type { FundingHistory } from './events.js'
import { refundTemplateOf } from './opening-client.js'
import { onHistory } from './onchain.js'
import { acceptance, checkOffer, termsOf, type OwnPart } from './opening-terms.js'
import { identityOf, type Accepted, type KeyBits, type RefundSigned } from './state.js'
import { fundingScriptOf } from './terms.js'
import { attempt, errorMessage, must, Violation } from './violation.js'

/** The server's own draw for a channel that a peer asks for. */
interface AcceptRequest {
  readonly id: ChannelId
  readonly peer: string
  readonly network: Network
  readonly keys: KeyBits
  readonly ours: OwnPart
}

/**
 * Step 1: answers an offer. The commit before the effects is KEY-2: the bits of K2 are on disk
 * before K2 is sent.
 *
 * @throws Violation when the offer is refused; then there is no channel.
 */
export function acceptChannel(
  request: AcceptRequest,
  offer: OpenChannel,
  env: Env
): Transition<Accepted> {
  checkOffer(offer, request.network, env)
  const accept = acceptance(offer, request.ours, env)
  const { id, peer, keys } = request
  const state: Accepted = {
    stage: 'accepted',
    role: 'server',
    id,
    peer,
    address: peer,
    keys,
    openedAt: env.now,
    terms: termsOf(offer, accept)
  }
  return become(
    state,
    { type: 'send', message: accept },
    {
      type: 'notify',
      step: 1,
      news: {
        kind: 'offer-taken',
        capacity: satoshi(offer.capacity),
        refundHeight: blockHeight(offer.refundHeight)
      }
    }
  )
}

/**
 * Step 3 arrived; step 4: signs T2 for an outpoint that this side has never heard of, under a key
 * that never repeats.
 */
export function onRefundRequest(state: Accepted, message: RefundRequest, env: Env): Transition {
  const { terms } = state
  const request = attempt(refundRule, () => {
    const outPoint = parseRefundRequest(message.refundTx, {
      version: terms.txVersion,
      refundHeight: terms.refundHeight
    })
    must(
      !env.isKnownOutPoint(outPoint),
      'REF-2',
      'ERR_OUTPOINT_REUSED',
      'A refund of this output has been signed before.'
    )
    return outPoint
  })
  if (request instanceof Violation) {
    return abandon(state, request, { type: 'send', message: errorMessage(request, true) })
  }
  const signed: RefundSigned = {
    ...identityOf(state),
    role: 'server',
    stage: 'refund-signed',
    terms,
    outPoint: request,
    initial: undefined,
    requested: undefined,
    link: 'live',
    epochs: NEW_EPOCHS
  }
  const signature = env.sign(payerSighash(refundTemplateOf(terms, signed.outPoint)))
  return become(
    signed,
    // T1 may come from the chain when its client cannot hand it over any more.
    { type: 'watch-funding', scriptPubKey: fundingScriptOf(terms) },
    { type: 'send', message: { type: 'RefundSignature', signature } },
    { type: 'notify', step: 4, news: { kind: 'refund-signed', refundHeight: terms.refundHeight } }
  )
}

/** Step 6: T1 arrived; it goes to the chain. */
export function onFunding(state: RefundSigned, message: Funding): Transition {
  const { terms } = state
  const script = fundingScriptOf(terms)
  const checked = attempt(ruleOfFunding, () => {
    checkFunding(state, readFunding(message.fundingTx))
  })
  if (checked instanceof Violation) {
    return abandon(state, checked, { type: 'send', message: errorMessage(checked, true) })
  }
  const established = establishServer(state, message.fundingTx)
  return become(
    established,
    { type: 'watch-funding', scriptPubKey: script },
    // COST-2: sends T1 once, and never again before it was in a block: its client sends it as well.
    { type: 'broadcast', purpose: 'funding', raw: message.fundingTx, favour: true },
    { type: 'notify', step: 6, txid: state.outPoint.txid, news: { kind: 'funding-received' } }
  )
}

/** @throws PaychanError as `checkFundingTx` */
function checkFunding({ terms, outPoint }: RefundSigned, tx: Transaction): void {
  checkFundingTx(tx, { outPoint, script: fundingScriptOf(terms), capacity: terms.capacity })
}

function ruleOfFunding(code: string): string {
  return code === 'ERR_FUNDING_NOT_SEGWIT' ? 'FUND-2' : 'FUND-1'
}

/**
 * OPEN-9: the client has sent T1 to the chain, and has not handed it over, or could not: the
 * channel is there all the same.
 */
export function onFundingSeen(state: RefundSigned, history: FundingHistory, env: Env): Transition {
  if (history.funding === undefined) return become(state)
  const { transaction } = history.funding
  // Its witnesses are the word of servers (EVID-9); no client hands over a larger one (WIRE-6).
  if (transaction.raw.length > MAX_TRANSACTION_BYTES) return become(state)
  const checked = attempt(ruleOfFunding, () => {
    checkFunding(state, transaction)
  })
  if (checked instanceof Violation) return become(state)
  // The client has not handed T1 over: what it has of our words is not known (REEST-7).
  const established = {
    ...establishServer(state, transaction.raw, state.initial),
    fundingAccepted: true,
    epochs: state.epochs
  }
  const shown = onHistory(established, history, env)
  return become(
    shown.state,
    {
      type: 'notify',
      step: 6,
      txid: state.outPoint.txid,
      news: { kind: 'funding-came-from-chain' }
    },
    ...shown.effects
  )
}

/** OPEN-9: a T1 that is in no block by the last payment carries no payments any more (FUND-4). */
export function giveUpRefund(state: RefundSigned, env: Env): Transition {
  if (env.height === undefined || env.height <= state.terms.lastPaymentHeight) return become(state)
  const error = new PaychanError(
    'ERR_OPEN_TIMEOUT',
    `T1 has not come up to height ${state.terms.lastPaymentHeight}, the last for payments; open another channel.`
  )
  return abandon(state, error, { type: 'send', message: errorMessage(error, true) })
}

/** The rule of spec.md behind each refusal of an unsigned T2. */
function refundRule(code: string): string {
  switch (code) {
    case 'ERR_REFUND_LOCK':
      return 'REF-3'
    case 'ERR_REFUND_SEQUENCE':
      return 'REF-4'
    case 'ERR_REFUND_VERSION':
      return 'REF-5'
    default:
      return 'REF-1'
  }
}
