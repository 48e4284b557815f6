/**
 * The client's side of the opening, steps 1 to 6:
 *
 *     offer -> (AcceptChannel) -> T1 is built and held back -> RefundRequest -> (RefundSignature)
 *           -> verified and on disk -> Funding, and T1 is broadcast
 */
import type {
  AcceptChannel,
  Network,
  OpenChannel,
  RefundSignature,
  Renewal
} from '../../protocols/paychan/1.0/index.js'
import { FUNDING_WITNESS_BYTES, fundingSpendVsize } from '../bitcoin/funding-spend.js'
import { SAFE_RELAY_RATE } from '../bitcoin/relay.js'
import { refundTemplate, unsignedRefund } from '../bitcoin/refund.js'
import { parseTransaction } from '../bitcoin/transaction.js'
import { payerSighash, type StateTemplate } from '../bitcoin/template.js'
import type { ChannelId, OutPoint } from '../types/bytes.js'
import {
  blockHeight,
  formatAmount,
  feeFor,
  heightPlus,
  max,
  min,
  satoshi,
  subSat,
  type BlockDelta,
  type FeeRate,
  type Satoshi
} from '../types/units.js'
import { PaychanError } from '../types/errors.js'
import { become, type Transition } from './effects.js'
import { heightOf, type Env } from './env.js'
import type { ChannelEvent } from './events.js'
import { abandon } from './stopping.js'
import { initialBalance } from './ledger.js'
import { establishClient } from './establishing.js'
import { awaitSignatures } from './outside-funding.js'
import { checkAcceptance, termsOf, type OwnPart } from './opening-terms.js'
import { PAYMENT_MARGIN } from './schedule.js'
import { usualRenewalRate } from './renewal-terms.js'
import { sendInitialOfRenewal } from './renewing.js'
import {
  identityOf,
  type AcceptedClient,
  type FundingChoice,
  type KeyBits,
  type Offered,
  type RefundRequested,
  type RenewalSource
} from './state.js'
import { fundingOutput, fundingScriptOf, type Terms } from './terms.js'
import { attempt, errorMessage, must, Violation } from './violation.js'

/** The request of `open`, with the keys and the script drawn for it. */
interface OfferRequest {
  readonly id: ChannelId
  readonly peer: string
  readonly address: string
  readonly network: Network
  readonly keys: KeyBits
  readonly ours: OwnPart
  readonly capacity: Satoshi
  readonly blocks: BlockDelta
  /** The step of a two-way channel; undefined for a one-way channel. */
  readonly step?: BlockDelta | undefined
  /**
   * Number of blocks for which it renews itself before its end; undefined when it is to be closed.
   */
  readonly renewFor?: BlockDelta | undefined
  /** The channel that this one renews, and the inputs of T1. */
  readonly renewal?: { readonly renews: Renewal; readonly source: RenewalSource } | undefined
  readonly choice?: FundingChoice | undefined
  /** Number of blocks that T1 may wait before a child pays for it. */
  readonly patience?: BlockDelta | undefined
  /** An outside wallet makes T1. */
  readonly outside?: true | undefined
}

/**
 * Checks everything that can be refused before a peer is dialled or a key drawn.
 *
 * @throws PaychanError `ERR_INVALID_AMOUNT`, `ERR_INVALID_HEIGHT`, `ERR_INVALID_STEP`
 */
export function checkRequest(
  { capacity, blocks, step }: Pick<OfferRequest, 'capacity' | 'blocks' | 'step'>,
  { policy }: Pick<Env, 'policy'>
): void {
  if (capacity < policy.minCapacity) {
    throw new PaychanError(
      'ERR_INVALID_AMOUNT',
      `A channel holds at least ${formatAmount(policy.minCapacity)}; ${formatAmount(capacity)} were asked for.`,
      { asked: capacity, least: policy.minCapacity }
    )
  }
  if (blocks < 1) {
    throw new PaychanError(
      'ERR_INVALID_HEIGHT',
      `A channel cannot last ${blocks} blocks; give a larger --blocks.`,
      { asked: blocks }
    )
  }
  if (step === undefined) return
  if (step < policy.minStep) {
    throw new PaychanError(
      'ERR_INVALID_STEP',
      `Turns are at least ${policy.minStep} blocks apart; ${step} were asked for.`,
      { asked: step, least: policy.minStep }
    )
  }
  if (blocks <= step + PAYMENT_MARGIN + 1) {
    throw new PaychanError(
      'ERR_INVALID_HEIGHT',
      `A two-way channel whose turns are ${step} blocks apart has no room for a payment in ${blocks} blocks; give a larger --blocks, or a smaller --step.`,
      { asked: blocks, step }
    )
  }
}

/**
 * Step 1: asks the server for a channel.
 *
 * @throws PaychanError `ERR_CHAIN_UNAVAILABLE`, `ERR_INVALID_AMOUNT`, `ERR_INVALID_HEIGHT`
 */
export function offerChannel(request: OfferRequest, env: Env): Transition<Offered> {
  checkRequest(request, env)
  const offer: OpenChannel = {
    type: 'OpenChannel',
    network: request.network,
    channelKey: request.ours.channelKey,
    payoutKey: request.ours.payoutKey,
    closeScript: request.ours.closeScript,
    capacity: request.capacity,
    refundHeight: heightPlus(heightOf(env), request.blocks),
    mode: request.step === undefined ? 'one-way' : 'two-way',
    step: request.step ?? 0,
    txVersion: 3,
    ...(request.renewal === undefined ? {} : { renews: request.renewal.renews }),
    derivation: request.ours.derivation
  }
  const { id, peer, address, keys, renewFor, patience, choice } = request
  const state: Offered = {
    stage: 'offered',
    role: 'client',
    id,
    peer,
    address,
    keys,
    openedAt: env.now,
    renewFor,
    patience,
    offer,
    source: request.renewal?.source,
    choice,
    outside: request.outside
  }
  return become(
    state,
    { type: 'send', message: offer },
    {
      type: 'notify',
      step: 1,
      news: {
        kind: 'offer-sent',
        capacity: request.capacity,
        refundHeight: blockHeight(offer.refundHeight)
      }
    }
  )
}

/** Step 1, answered; step 2 begins: T1 is built and kept. */
export function onAcceptChannel(state: Offered, accept: AcceptChannel, env: Env): Transition {
  const violation = attempt('OPEN-8', () => {
    checkAcceptance(state.offer, accept, env, state.renewFor !== undefined)
  })
  if (violation instanceof Violation) {
    return abandon(state, violation, { type: 'send', message: errorMessage(violation, true) })
  }
  const terms = termsOf(state.offer, accept)
  const accepted: AcceptedClient = {
    ...identityOf(state),
    stage: 'accepted',
    terms,
    outside: state.outside
  }
  if (state.outside === true) {
    return become(accepted, {
      type: 'notify',
      step: 1,
      news: { kind: 'terms-taken', payer: 'outside' }
    })
  }
  const usual = state.source === undefined ? usualFundingRate(env) : usualRenewalRate(env)
  return become(
    accepted,
    {
      type: 'build-funding',
      scriptPubKey: fundingScriptOf(terms),
      amount: terms.capacity,
      feeRate: state.choice?.feeRate ?? usual,
      coins: state.choice?.coins,
      mostFee: state.source === undefined ? state.choice?.mostFee : undefined,
      source: state.source
    },
    { type: 'notify', step: 1, news: { kind: 'terms-taken', payer: 'wallet' } }
  )
}

/**
 * EVID-7: the feerate of T1 when nobody has named one: the estimate, and at least the rate that
 * every node relays. The channel waits for T1, and the estimate of one server can be a lie.
 */
export function usualFundingRate({ feeRate }: Pick<Env, 'feeRate'>): FeeRate {
  return max(feeRate, SAFE_RELAY_RATE)
}

/** Step 2 done; step 3: T2, unsigned, goes to the server. */
export function onFundingBuilt(
  state: AcceptedClient,
  {
    raw,
    outPoint,
    fee,
    previous = [],
    psbt
  }: Omit<Extract<ChannelEvent, { type: 'funding-built' }>, 'type'>,
  env: Env
): Transition {
  const { terms } = state
  const requested: RefundRequested = {
    ...identityOf(state),
    stage: 'refund-requested',
    terms,
    outPoint,
    fundingTx: raw,
    fundingFee: fee,
    previous,
    psbt,
    secured: undefined
  }
  const template = refundTemplateOf(terms, outPoint)
  const vsize =
    parseTransaction(raw).vsize +
    (terms.renews === undefined ? 0 : Math.ceil(FUNDING_WITNESS_BYTES / 4))
  return become(
    requested,
    {
      type: 'notify',
      step: 2,
      txid: outPoint.txid,
      news: {
        kind: 'funding-built',
        by: psbt !== undefined ? 'outside' : terms.renews === undefined ? 'wallet' : 'renewal',
        fee,
        vsize
      }
    },
    {
      type: 'send',
      message: {
        type: 'RefundRequest',
        refundTx: unsignedRefund(template, proposedRefundOutput(terms, env))
      }
    },
    {
      type: 'notify',
      step: 3,
      news: { kind: 'refund-asked-for', refundHeight: terms.refundHeight }
    }
  )
}

/**
 * Step 4 arrived. Step 5: verify; then step 6: T1 leaves. The commit before the effects is REF-7.
 */
export function onRefundSignature(
  state: RefundRequested,
  message: RefundSignature,
  env: Env
): Transition {
  const { terms, outPoint } = state
  const digest = payerSighash(refundTemplateOf(terms, outPoint))
  const violation = attempt('REF-7', () => {
    must(
      env.verify(terms.server.channelKey, digest, message.signature),
      'REF-7',
      'ERR_BAD_REFUND_SIGNATURE',
      "The server's signature of the refund is wrong; T1 was not handed over."
    )
  })
  if (violation instanceof Violation) {
    return abandon(state, violation, { type: 'send', message: errorMessage(violation, true) })
  }
  if (terms.renews !== undefined) return sendInitialOfRenewal(state, message.signature, env)
  if (state.psbt !== undefined) return awaitSignatures(state, state.psbt, message.signature)
  const established = establishClient(state, { refundSignature: message.signature })
  return become(
    established,
    { type: 'notify', step: 5, news: { kind: 'refund-secured', payer: 'wallet' } },
    { type: 'send', message: { type: 'Funding', fundingTx: state.fundingTx } },
    { type: 'broadcast', purpose: 'funding', raw: state.fundingTx },
    {
      type: 'notify',
      step: 6,
      txid: state.outPoint.txid,
      news: { kind: 'funding-sent', by: 'wallet' }
    }
  )
}

/** T2 of a channel: the server is its payer, with what it brought along (REF-6, RENEW-2). */
export function refundTemplateOf(terms: Terms, outPoint: OutPoint): StateTemplate {
  return refundTemplate(
    fundingOutput(terms, outPoint),
    terms.txVersion,
    terms.refundHeight,
    terms.server.payoutKey,
    terms.serverBalance
  )
}

/**
 * The output that the unsigned T2 shows. The server signs NONE|ANYONECANPAY, so the client may
 * still choose another fee on the day; at most half of the client's share is proposed as a fee.
 */
function proposedRefundOutput(terms: Terms, env: Env): { script: Uint8Array; value: Satoshi } {
  const script = terms.client.closeScript
  const share = initialBalance(terms)
  return {
    script,
    value: subSat(share, min(feeFor(env.feeRate, fundingSpendVsize([script])), satoshi(share / 2n)))
  }
}
