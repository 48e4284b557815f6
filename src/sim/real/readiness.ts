/** What of a channel is still to come that needs no block, as far as that can be seen from outside. */
import { BLOCKS_UNTIL_CLOSE } from '../../channel/closing.js'
import { RENEW_BEFORE } from '../../channel/renewed.js'
import type { ChannelInfo } from '../../node/api.js'

/** Whether this side renews it, or ends it in peace, with the tip at this height (TIME-5). */
export function isDue ({ role, status, ourBalance, renewFor, lastPaymentHeight }: ChannelInfo, height: number): boolean {
  if (!isIdle(status) || lastPaymentHeight === undefined) return false
  // Whoever asks for a close pays for it: with nothing in the channel it cannot.
  if (ourBalance > 0n && height === lastPaymentHeight + BLOCKS_UNTIL_CLOSE[role]) return true
  return role === 'client' && status === 'open' && renewFor !== undefined && height >= lastPaymentHeight - RENEW_BEFORE
}

export function isIdle (status: ChannelInfo['status']): boolean {
  return status === 'open' || status === 'stopped'
}

/** Something of it is on its way, between two nodes that are there: an opening, the word that T1 is deep enough, a stream after a restart, or a transaction that the chain does not show yet. */
export function isHalfDone ({ status, spend, confirmations, minDepth }: ChannelInfo): boolean {
  switch (status) {
    case 'opening': case 'offline': return true
    case 'confirming': return minDepth !== undefined && confirmations >= minDepth
    case 'closing': case 'settling': case 'refunding': return spend === undefined
    default: return false
  }
}
