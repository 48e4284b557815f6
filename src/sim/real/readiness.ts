/**
 * What of a channel is still to come that needs no block, as far as that can be seen from outside.
 */
import { BLOCKS_UNTIL_CLOSE } from '../../channel/closing.js'
import { RENEW_BEFORE } from '../../channel/self-renewal.js'
import type { ChannelInfo } from '../../node/api.js'

/** Whether this side renews it, or ends it in peace, with the tip at this height (TIME-5). */
export function isDue(
  { role, status, ourBalance, renewFor, lastPaymentHeight }: ChannelInfo,
  height: number
): boolean {
  if (!isIdle(status) || lastPaymentHeight === undefined) return false
  // Whoever asks for a close pays for it: with nothing in the channel it cannot.
  if (ourBalance > 0n && height === lastPaymentHeight + BLOCKS_UNTIL_CLOSE[role]) return true
  return (
    role === 'client' &&
    status === 'open' &&
    renewFor !== undefined &&
    height >= lastPaymentHeight - RENEW_BEFORE
  )
}

/**
 * Whether an empty block at this height leaves it as it is, and what it has paid out. A two-way
 * channel may end because a turn is not used (TURN-7), which is not to be seen from outside; a
 * payout with a lock is swept one day.
 */
export function isAtRest(
  { status, mode, spend, renewFor, lastPaymentHeight }: ChannelInfo,
  height: number
): boolean {
  if (status === 'closed') return spend?.kind === 'close'
  return (
    status === 'open' &&
    mode === 'one-way' &&
    lastPaymentHeight !== undefined &&
    height < lastPaymentHeight - (renewFor === undefined ? 0 : RENEW_BEFORE)
  )
}

export function isIdle(status: ChannelInfo['status']): boolean {
  return status === 'open' || status === 'stopped'
}

/**
 * Something of it is on its way, between two nodes that are there: an opening, the word that T1 is
 * deep enough, a stream after a restart, or a transaction that the chain does not show yet.
 */
export function isHalfDone({ status, spend, confirmations, minDepth }: ChannelInfo): boolean {
  switch (status) {
    case 'opening':
    case 'offline':
      return true
    case 'confirming':
      return minDepth !== undefined && confirmations >= minDepth
    case 'closing':
    case 'settling':
    case 'refunding':
      return spend === undefined
    default:
      return false
  }
}
