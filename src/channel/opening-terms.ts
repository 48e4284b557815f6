/**
 * Step 1: the server's checks of an `OpenChannel`, the client's checks of an `AcceptChannel`, and
 * the terms that follow.
 */
import type { Policy } from './policy.js'
import {
  MAX_PAYMENTS_PER_UPDATE,
  type AcceptChannel,
  type Network,
  type OpenChannel
} from '../../protocols/paychan/1.0/index.js'
import { dustLimit } from '../bitcoin/sizes.js'
import { isStandardScript, p2wsh, payoutWitnessScript } from '../bitcoin/scripts.js'
import { fundingSpendVsize } from '../bitcoin/funding-spend.js'
import { sameBytes } from '../types/bytes.js'
import {
  formatAmount,
  addSat,
  blockDelta,
  blockHeight,
  feeFor,
  heightPlus,
  max,
  satoshi,
  type FeeRate,
  type Satoshi
} from '../types/units.js'
import { heightOf, type Env } from './env.js'
import { heightsBefore, PAYMENT_MARGIN } from './schedule.js'
import { limitsFrom, renewsFrom, type Party, type Terms } from './terms.js'
import { must } from './violation.js'

/**
 * A side's contribution to a channel: its party, and the 8 bytes that its keys derive from. The
 * other side hands these bytes back to a side that has lost them.
 */
export interface OwnPart extends Party {
  readonly derivation: Uint8Array
}

/** Checks an offer for the server. @throws Violation OPEN-1 to OPEN-6, KEY-1, KEY-3 */
export function checkOffer(offer: OpenChannel, network: Network, env: Env): void {
  must(
    offer.network === network,
    'OPEN-1',
    'ERR_WRONG_NETWORK',
    `This node is on ${network}, not on ${offer.network}.`
  )
  const { minStep } = env.policy
  must(
    offer.mode === 'one-way' ? offer.step === 0 : offer.step >= minStep,
    'OPEN-4',
    'ERR_STEP_REFUSED',
    offer.mode === 'one-way'
      ? 'A one-way channel has no turns, and a step of 0.'
      : `The turns of a two-way channel are at least ${minStep} blocks apart; ${offer.step} were asked for.`,
    { asked: offer.step, least: minStep }
  )
  must(
    offer.txVersion === 3,
    'OPEN-5',
    'ERR_VERSION_NOT_SUPPORTED',
    'Transactions are version 3 (BIP431); version 2 can be pinned.'
  )
  const { minCapacity, maxCapacity, maxBlocks, settleMargin, minDepth } = env.policy
  // Whatever is configured, there has to be room for one payment between the funding and the
  // settlement.
  const margin = offer.mode === 'one-way' ? settleMargin : offer.step
  const minBlocks = max(env.policy.minBlocks as number, margin + PAYMENT_MARGIN + minDepth + 1)
  must(
    offer.capacity >= minCapacity && offer.capacity <= maxCapacity,
    'OPEN-2',
    'ERR_CAPACITY_REFUSED',
    `This node takes channels of ${formatAmount(minCapacity)} to ${formatAmount(maxCapacity)}; ${formatAmount(offer.capacity)} were asked for.`,
    { asked: offer.capacity, least: minCapacity, most: maxCapacity }
  )
  const height = heightOf(env)
  const blocks = offer.refundHeight - height
  must(
    blocks >= minBlocks && blocks <= maxBlocks,
    'OPEN-3',
    'ERR_REFUND_HEIGHT_REFUSED',
    `The refund height has to be ${minBlocks} to ${maxBlocks} blocks above the tip (${height}); ${offer.refundHeight} is ${blocks}.`,
    { height, asked: offer.refundHeight, least: minBlocks, most: maxBlocks }
  )
  must(
    env.isPublicKey(offer.channelKey) && env.isPublicKey(offer.payoutKey),
    'KEY-1',
    'ERR_INVALID_KEY',
    'A key is not a point of the curve.'
  )
  must(
    !env.isKnownKey(offer.channelKey),
    'KEY-3',
    'ERR_KEY_REUSED',
    'This channel key has been used before; keys must never repeat.'
  )
  must(
    isStandardScript(offer.closeScript),
    'OPEN-6',
    'ERR_SCRIPT_NOT_STANDARD',
    'The script for the close is not one that nodes relay.'
  )
}

/** Makes the server's answer. */
export function acceptance(offer: OpenChannel, ours: OwnPart, env: Env): AcceptChannel {
  const { policy } = env
  const isTwoWay = offer.mode === 'two-way'
  const worthwhile = leastWorthSettling(offer.payoutKey, ours.closeScript, env.feeRate)
  return {
    type: 'AcceptChannel',
    channelKey: ours.channelKey,
    derivation: ours.derivation,
    payoutKey: ours.payoutKey,
    closeScript: ours.closeScript,
    minDepth: policy.minDepth,
    limits: {
      minFirstPayment: policy.minFirstPayment ?? worthwhile,
      maxStake: policy.maxStake,
      minTurnAmount: isTwoWay ? (policy.minTurnAmount ?? worthwhile) : 0n,
      maxInFlightUpdates: policy.maxInFlightUpdates,
      maxInFlightValue: policy.maxInFlightValue,
      maxRisk: policy.maxRisk
    },
    ...heightsBefore(
      blockHeight(offer.refundHeight),
      isTwoWay ? blockDelta(offer.step) : policy.settleMargin
    )
  }
}

/**
 * The smallest share that can be settled alone at a feerate: the fee of a state with both
 * outputs, and an output above dust, without which the transaction could not be relayed at all.
 */
export function leastWorthSettling(
  payerPayoutKey: Uint8Array,
  payeeScript: Uint8Array,
  rate: FeeRate
): Satoshi {
  return addSat(
    feeFor(rate, fundingSpendVsize([p2wsh(payoutWitnessScript(payerPayoutKey)), payeeScript])),
    dustLimit(payeeScript)
  )
}

/**
 * The least that this side, as server, takes as the first payment on a channel that somebody would
 * open to it now: for whoever asks for money and wants to say so. Each channel has its own limit,
 * at the fees of its opening (UPD-10).
 */
export function leastFirstPayment(
  { minFirstPayment }: Pick<Policy, 'minFirstPayment'>,
  rate: FeeRate
): Satoshi {
  // A close script of our own is P2WPKH; the size of a payout does not depend on its key.
  return minFirstPayment ?? leastWorthSettling(new Uint8Array(33).fill(2), P2WPKH_SCRIPT, rate)
}

const P2WPKH_SCRIPT = Uint8Array.from([0x00, 0x14, ...new Uint8Array(20)])

/**
 * Checks an acceptance for the client.
 *
 * @param renewsItself - the channel is to renew itself before its end
 * @throws Violation OPEN-6, OPEN-8, OPEN-10, RENEW-11, KEY-1, KEY-4
 */
export function checkAcceptance(
  offer: OpenChannel,
  accept: AcceptChannel,
  env: Env,
  renewsItself = false
): void {
  must(
    env.isPublicKey(accept.channelKey) && env.isPublicKey(accept.payoutKey),
    'KEY-1',
    'ERR_INVALID_KEY',
    'A key of the server is not a point of the curve.'
  )
  must(
    !sameBytes(accept.channelKey, offer.channelKey) && !env.isKnownKey(accept.channelKey),
    'KEY-4',
    'ERR_KEY_REUSED',
    'The server named a key that has been used before.'
  )
  must(
    isStandardScript(accept.closeScript),
    'OPEN-6',
    'ERR_SCRIPT_NOT_STANDARD',
    "The server's script for the close is not one that nodes relay."
  )
  const { minDepth, lastPaymentHeight, settleHeight, limits } = accept
  must(
    minDepth >= 1 && minDepth <= env.policy.maxMinDepth,
    'OPEN-8',
    'ERR_TERMS_REFUSED',
    `The server asks for ${minDepth} confirmations; this node waits for 1 to ${env.policy.maxMinDepth}.`,
    { asked: minDepth, most: env.policy.maxMinDepth }
  )
  must(
    settleHeight < offer.refundHeight && lastPaymentHeight <= settleHeight - PAYMENT_MARGIN,
    'OPEN-8',
    'ERR_TERMS_REFUSED',
    "The server's heights for the last payment and the settlement do not fit the refund height.",
    { lastPaymentHeight, settleHeight, refundHeight: offer.refundHeight }
  )
  // OPEN-10: the heights of a two-way channel follow from its step.
  const { settleHeight: lock0, lastPaymentHeight: last0 } = heightsBefore(
    blockHeight(offer.refundHeight),
    blockDelta(offer.step)
  )
  must(
    offer.mode === 'one-way'
      ? limits.minTurnAmount === 0n
      : settleHeight === lock0 &&
          lastPaymentHeight === last0 &&
          limits.minTurnAmount <= offer.capacity,
    'OPEN-10',
    'ERR_TERMS_REFUSED',
    "The server's heights and limits do not fit the mode of the channel.",
    { mode: offer.mode, step: offer.step, settleHeight, lastPaymentHeight }
  )
  const earliestReady = heightPlus(heightOf(env), blockDelta(minDepth))
  must(
    lastPaymentHeight > earliestReady,
    'OPEN-8',
    'ERR_TERMS_REFUSED',
    `The last payment would be at height ${lastPaymentHeight}, and the channel is ready at ${earliestReady} at the earliest; open it for more blocks.`,
    { lastPaymentHeight, earliestReady }
  )
  const asked = offer.refundHeight - heightOf(env)
  const usable = lastPaymentHeight - earliestReady
  must(
    (offer.renews === undefined && !renewsItself) || 2 * usable >= asked,
    'RENEW-11',
    'ERR_TERMS_REFUSED',
    `The server leaves ${usable} of ${asked} blocks for payments, and a channel that is renewed has to have half of them. Ask for ${2 * (asked - usable)} blocks or more.`,
    { asked, usable }
  )
  must(
    limits.minFirstPayment <= offer.capacity &&
      limits.minFirstPayment <= limits.maxStake &&
      limits.minFirstPayment <= limits.maxInFlightValue &&
      limits.maxInFlightUpdates >= 1 &&
      limits.maxInFlightValue >= 1n,
    'OPEN-8',
    'ERR_TERMS_REFUSED',
    `The server's limits leave no room for a payment on ${formatAmount(offer.capacity)}.`,
    {
      minFirstPayment: limits.minFirstPayment,
      maxStake: limits.maxStake,
      payments: MAX_PAYMENTS_PER_UPDATE
    }
  )
}

/** The terms that an offer and its acceptance make. */
export function termsOf(offer: OpenChannel, accept: AcceptChannel): Terms {
  return {
    network: offer.network,
    mode: offer.mode,
    step: offer.step,
    txVersion: offer.txVersion,
    capacity: satoshi(offer.capacity),
    serverBalance: satoshi(offer.renews?.serverBalance ?? 0n),
    renews: offer.renews === undefined ? undefined : renewsFrom(offer.renews),
    refundHeight: blockHeight(offer.refundHeight),
    client: {
      channelKey: offer.channelKey,
      payoutKey: offer.payoutKey,
      closeScript: offer.closeScript
    },
    server: {
      channelKey: accept.channelKey,
      payoutKey: accept.payoutKey,
      closeScript: accept.closeScript
    },
    derivation: accept.derivation,
    clientDerivation: offer.derivation,
    minDepth: accept.minDepth,
    limits: limitsFrom(accept.limits),
    lastPaymentHeight: blockHeight(accept.lastPaymentHeight),
    settleHeight: blockHeight(accept.settleHeight)
  }
}
