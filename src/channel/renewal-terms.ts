/**
 * The limits of a renewal for a server that has money in the old channel. The renewal keeps the
 * kind of channel (RENEW-8), bounds the wait for that money (RENEW-9), and needs a client that has
 * a reason to be there (RENEW-10).
 */
import { adviceOf } from '../types/error-advice.js'
import type { OpenChannel } from '../../protocols/paychan/1.0/index.js'
import {
  formatAmount,
  heightPlus,
  max,
  type BlockHeight,
  type FeeRate,
  type Satoshi
} from '../types/units.js'
import { heightOf, type Env } from './env.js'
import { balances } from './ledger.js'
import { leastWorthSettling } from './opening-terms.js'
import { newestHeld } from './publishable.js'
import { lockOf } from './schedule.js'
import type { Established } from './state.js'
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
