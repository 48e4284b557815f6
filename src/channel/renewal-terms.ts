/**
 * The limits of a renewal: what it may cost (RENEW-4), and what it may be for a server that
 * has money in the old channel: it keeps the kind of channel (RENEW-8), bounds the wait for that
 * money (RENEW-9), and needs a client that has a reason to be there (RENEW-10).
 */
import type { OpenChannel } from '../../protocols/paychan/1.0/index.js'
import { SAFE_RELAY_RATE } from '../bitcoin/relay.js'
import {
  LOCK_BELOW_TIP,
  mostRenewalFee,
  type RenewalBounds,
  renewalVsize
} from '../bitcoin/renewal.js'
import { adviceOf } from '../types/error-advice.js'
import { PaychanError } from '../types/errors.js'
import {
  type BlockHeight,
  feeFor,
  type FeeRate,
  feeRate,
  formatAmount,
  formatFeeRate,
  heightPlus,
  max,
  min,
  type Satoshi
} from '../types/units.js'
import { usualRate } from './close-fee.js'
import { type Env, heightOf } from './env.js'
import { balances } from './ledger.js'
import { leastWorthSettling } from './opening-terms.js'
import { newestHeld } from './publishable.js'
import { lastPaymentHeightOf, lockOf } from './schedule.js'
import type { Established } from './state.js'
import { fundingScriptOf, type Terms } from './terms.js'
import { must } from './violation.js'

/**
 * Server: checks that the old channel may be renewed as the new one.
 *
 * @throws Violation RENEW-8 to RENEW-10
 */
export function checkRenewalTerms(offer: OpenChannel, old: Established, env: Env): void {
  const { terms } = old
  must(
    offer.mode === terms.mode && offer.step === terms.step,
    'RENEW-8',
    'ERR_RENEWAL_KIND',
    `A renewal is of the same kind as the channel that it renews: ${kindOf(terms)}, not ${kindOf(offer)}. ${adviceOf('ERR_RENEWAL_KIND')}`,
    { mode: terms.mode, step: terms.step }
  )
  const { server } = balances(terms, old.ledger)
  if (server === 0n) return // What it may lose is that of any new channel.
  const lock = lockOf({ ...terms, refundHeight: offer.refundHeight as BlockHeight }, 0)
  const most = latestLock(old, env)
  must(
    lock <= most,
    'RENEW-9',
    'ERR_REFUND_HEIGHT_REFUSED',
    `The ${formatAmount(server)} of this node would be locked until height ${lock}, and it lets them be until ${most} at the most (its policy maxRenewalWait). Ask for a refund height of ${most + terms.step} at the most.`,
    { lock, most }
  )
  const left = offer.capacity - server
  const least = leastForClient(old, offer.closeScript, env.feeRate)
  must(
    left >= least,
    'RENEW-10',
    'ERR_RENEWAL_TOO_POOR',
    `The client would have ${formatAmount(left)} in the new channel, for which nobody publishes a refund; it takes ${formatAmount(least)}. ${adviceOf('ERR_RENEWAL_TOO_POOR')}`,
    { left, least }
  )
}

/**
 * The height until which the server's money may be locked: the policy's limit counted from now, or
 * the present lock when that is later.
 */
function latestLock(old: Established, env: Env): BlockHeight {
  const held = newestHeld(old)
  const anew = heightPlus(heightOf(env), env.policy.maxRenewalWait)
  return held === undefined ? anew : max(anew, lockOf(old.terms, held.state))
}

/**
 * The client's least balance for which its refund of the new channel is worth the fee: T2 has the
 * outputs of a T3, and both channels have scripts of the same length.
 */
export function leastForClient(old: Established, closeScript: Uint8Array, rate: FeeRate): Satoshi {
  return leastWorthSettling(old.terms.server.payoutKey, closeScript, rate)
}

function kindOf({ mode, step }: Pick<OpenChannel, 'mode' | 'step'>): string {
  return mode === 'one-way' ? 'one-way' : `two-way with turns ${step} blocks apart`
}

/*
 * The fee of a renewal's T1, and the time in which it may spend coins beside the old funding output
 * (RENEW-4). Signed by both, T1 is in the way of every state of the old channel: a T3 that takes
 * its place pays more than all of its fee (BIP125 rule 3), while the client pays nothing for a T1
 * that is replaced.
 *
 * Both sides judge by the estimate for an hour, of several servers the lower median. What the next
 * block takes is no part of it: one server in two may raise that up to fourfold, for bids in a
 * race.
 */

type Estimate = Pick<Env, 'feeRate'>

/** While blocks are cheap, what 600 vB cost at this rate is always let through: 12,000 sat. */
const ALWAYS_LET = feeRate(20_000n)

/** A quarter above the estimate, for 600 vB: 3.3 T3s of 181 vB at the same rate. */
function mostRate({ feeRate: hour }: Estimate): FeeRate {
  return max(feeRate((hour * 5n) / 4n), ALWAYS_LET)
}

/**
 * Half of the estimate: the other side pays a tenth above its own, which may be half of ours. Not
 * below what every node relays (EVID-7), unless the estimate is.
 */
function leastRate({ feeRate: hour }: Estimate): FeeRate {
  return min(hour, max(feeRate(hour / 2n), SAFE_RELAY_RATE))
}

/** The bounds that T1 has to keep for this side to sign it for the old channel. */
export function renewalBounds(
  { terms, ledger }: Established,
  env: Estimate,
  height: BlockHeight
): RenewalBounds {
  return {
    height,
    lastPaymentHeight: lastPaymentHeightOf(terms, ledger.turn),
    leastRate: leastRate(env),
    mostRate: mostRate(env)
  }
}

/**
 * The usual feerate of a renewal's T1, as that of a close: a tenth above the estimate for an hour,
 * and the rate that every node relays (EVID-7). Nothing is lost when the next block does not have
 * T1.
 */
export function usualRenewalRate(env: Estimate): FeeRate {
  return max(usualRate(env), SAFE_RELAY_RATE)
}

/**
 * Checks a feerate that somebody names. A renewal below the own estimate is refused here, though a
 * server with the same estimate would take half of it: the server's may be higher.
 *
 * @param coins - of the wallet, at the least
 * @throws PaychanError `ERR_RENEWAL_FEE` when the server would refuse T1, as far as this side can
 *   tell
 */
export function requireRate(asked: FeeRate, env: Estimate, terms: Terms, coins: number): void {
  const vsize = renewalVsize(coins, [fundingScriptOf(terms)])
  const least = env.feeRate
  const most = feeRate((mostRenewalFee(mostRate(env)) * 1000n) / BigInt(vsize))
  if (asked < least || asked > most) {
    throw new PaychanError(
      'ERR_RENEWAL_FEE',
      `The server signs a renewal that pays ${formatFeeRate(least)} to ${formatFeeRate(most)} by the present estimates; ${formatFeeRate(asked)} were asked for. ${adviceOf('ERR_RENEWAL_FEE')}`,
      { asked, least, most }
    )
  }
}

/**
 * Server: checks the fee of a renewal whose capacity is below that of the old channel. Without
 * coins of the wallet the difference is all that T1 can pay, so the client is told before its
 * signature freezes the old channel.
 *
 * @throws Violation RENEW-4
 */
export function checkRenewalFee(offer: OpenChannel, { terms }: Established, env: Estimate): void {
  const paid = terms.capacity - offer.capacity
  const vsize = renewalVsize(0, [fundingScriptOf(terms)])
  const least = feeFor(leastRate(env), vsize)
  must(
    paid <= 0n || paid >= least,
    'RENEW-4',
    'ERR_RENEWAL_FEE',
    `The renewal leaves ${formatAmount(paid)} for the fee of its transaction, and this node signs none below ${formatAmount(least)} (${formatFeeRate(leastRate(env))} at ${vsize} vB). Ask for it again with a higher feerate.`,
    { paid, least }
  )
}

/**
 * Client: no coins are added from the last height for payments on (RENEW-4), and none in the last
 * blocks before: the server may have seen a later tip, and a refusal would come after the signature
 * that freezes the channel.
 *
 * @throws PaychanError `ERR_CHANNEL_EXPIRED`
 */
export function requireCoinsInTime(
  { terms, ledger }: Established,
  { height }: Pick<Env, 'height'>
): void {
  const last = lastPaymentHeightOf(terms, ledger.turn)
  const until = last - LOCK_BELOW_TIP
  if (height !== undefined && height >= until) {
    throw new PaychanError(
      'ERR_CHANNEL_EXPIRED',
      `Coins of the wallet are added to a channel below height ${until}, ${LOCK_BELOW_TIP} blocks before its payments end; it is too late for that. Renew it without an amount (\`paychan renew\`), and top the next one up.`,
      { height, until }
    )
  }
}
