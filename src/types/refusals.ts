/** Refusals: those of mempools for their reasons, and those of nodes that left nothing behind. */
import { type ErrorCode, kindOf } from './error-codes.js'

export type RefusalKind =
  'non-final' | 'missing-inputs' | 'fee-too-low' | 'insufficient-fee' | 'dust' | 'other'

/** True when a higher fee may help: it is too low for the mempool, or for what it would replace. */
export function isFeeRefusal(kind: string | undefined): boolean {
  return kind === 'fee-too-low' || kind === 'insufficient-fee'
}

/*
 * Refusals that prove that nothing was done: each comes before anything is written, signed or sent,
 * in every call that can end with it. After any other error the call may have been done: a code
 * that is not named here proves nothing.
 */

/** Requests are looked at before anything is done for it. */
const EARLY_KINDS: ReadonlySet<string> = new Set(['usage', 'missing', 'denied'])

const EARLY_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  // Too much is under way, or kept
  'ERR_API_TOO_FAST',
  'ERR_TOO_MANY_CALLS',
  'ERR_TOO_MANY_REQUESTS',
  'ERR_TOO_MANY_WAITING',
  'ERR_TOO_MANY_KEYS',
  'ERR_WINDOW_FULL',
  'ERR_TOO_MANY_TOKENS',
  'ERR_TOO_MANY_WEBHOOKS',

  // The wallet plans before it signs
  'ERR_INSUFFICIENT_FUNDS',
  'ERR_TOO_MANY_COINS',
  'ERR_COINS_TOO_LARGE',
  'ERR_COIN_SPENT',
  'ERR_COIN_UNCONFIRMED',
  'ERR_COIN_RESERVED',
  'ERR_COIN_LOCKED',
  'ERR_FEERATE_TOO_LOW',
  'ERR_FEE_TOO_HIGH',
  'ERR_CANNOT_BUMP',
  'ERR_ALREADY_CONFIRMED',
  'ERR_NO_CHANGE',

  // Without the chain, or the peer, nothing begins; what goes on without them has other codes
  'ERR_CHAIN_UNAVAILABLE',
  'ERR_NOT_WATCHED',
  'ERR_PEER_UNREACHABLE',
  'ERR_PEER_UNKNOWN',
  'ERR_NO_PAYCHAN',
  'ERR_NO_REQUESTS_SPOKEN',
  'ERR_BAD_ANSWER',

  // Openings that were given up before T1 had left
  'ERR_OPEN_REFUSED',
  'ERR_CANCELLED',
  'ERR_NOT_THE_CLIENT',
  'ERR_RENEWAL_UNDER_WAY',

  // Payments of which no part was signed
  'ERR_CHANNEL_NOT_OPEN',
  'ERR_CHANNEL_CLOSED',
  'ERR_CHANNEL_STOPPED',
  'ERR_CHANNEL_EXPIRED',
  'ERR_NOT_THE_PAYER',
  'ERR_INSUFFICIENT_BALANCE',
  'ERR_BELOW_MIN_FIRST_PAYMENT',
  'ERR_STAKE_TOO_HIGH',
  'ERR_ABOVE_IN_FLIGHT_LIMIT',
  'ERR_BELOW_MIN_TURN',
  'ERR_NO_TURN_LEFT',
  'ERR_TURN_TOO_EARLY',
  'ERR_TURN_REFUSED',
  'ERR_PAYMENT_CONFLICT',
  'ERR_REQUEST_EXPIRED',
  'ERR_REQUEST_PAID',
  'ERR_REQUEST_UNKNOWN'
])

/** True for a code that proves that nothing was done; never for one that is not ours. */
export function isEarlyRefusal(code: string): boolean {
  return EARLY_CODES.has(code) || EARLY_KINDS.has(kindOf(code))
}
