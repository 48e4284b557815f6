/**
 * Tells whether a new tip can change anything in a channel, without trying. Most channels have
 * nothing to do for most of their life, and a node with 10,000 of them has a block every ten
 * minutes: a channel that is not due costs it two comparisons.
 *
 * Every rule here belongs to one of `onTip` in transition.ts or of the engine's renewals, and errs
 * on the side of "due". A property test compares them with the transitions themselves.
 */
import { BLOCKS_UNTIL_CLOSE } from './closing.js'
import { CLAIM_AGAIN_BLOCKS } from './onchain.js'
import { newestHeld } from './publishable.js'
import { renewedChannel } from './renewing.js'
import { lastPaymentHeightOf, publishHeightOf } from './schedule.js'
import { RENEW_BEFORE } from './self-renewal.js'
import { isFrozen, type Channel, type Established } from './state.js'
import { unusedFrom } from './turns.js'

/** A height above every possible one. */
export const NEVER = Number.POSITIVE_INFINITY

/**
 * The first height, `from` or above, at which a tip may change the channel or have an effect, if
 * nothing else happens to the channel before.
 *
 * @example nextDue(channel, height + 1) > height + 1 // the next block has nothing to tell this
 *   channel
 */
export function nextDue(channel: Channel, from: number): number {
  switch (channel.stage) {
    // Every block may show that a renewal can never be funded any more.
    case 'refund-requested':
      return channel.terms.renews === undefined ? NEVER : from
    case 'refund-signed':
      return channel.terms.renews === undefined
        ? Math.max(from, channel.terms.lastPaymentHeight + 1)
        : from
    case 'established':
      return establishedDue(channel, from)
    default:
      return NEVER
  }
}

function establishedDue(channel: Established, from: number): number {
  const { onChain, publication, closes, stopped, terms, wishes, role } = channel
  const { fundingHeight, spend } = onChain
  if (spend !== undefined) return spentDue(channel, spend.height, from)
  // T1 is sent again, a bid is raised, a close goes out once more, a rival is watched.
  const isUnderWay =
    publication !== undefined ||
    onChain.shown.length > 0 ||
    stopped?.settleNow === true ||
    closes.some(({ raw }) => raw !== undefined)
  const mayAskAgain = wishes.refused !== undefined && wishes.refused.notBefore === undefined
  if (fundingHeight === undefined || isUnderWay || mayAskAgain) return from
  const last = lastPaymentHeightOf(terms, channel.ledger.turn)
  const heights = [last + BLOCKS_UNTIL_CLOSE[role]]
  if (!channel.ready.ours && stopped === undefined) heights.push(fundingHeight + terms.minDepth - 1)
  const unused = unusedFrom(channel)
  if (unused !== undefined) heights.push(unused)
  if (wishes.refused?.notBefore !== undefined && wishes.refused.notBefore > 0) {
    heights.push(wishes.refused.notBefore)
  }
  const held = newestHeld(channel)
  if (held !== undefined) heights.push(publishHeightOf(terms, held.state))
  if (channel.role === 'client' && channel.renewFor !== undefined && !isFrozen(channel)) {
    heights.push(last - RENEW_BEFORE)
  }
  return Math.max(from, Math.min(...heights))
}

/**
 * The spend is in a block: its payout is claimed for some blocks more, until the spend is deep
 * enough to be final.
 */
function spentDue(channel: Established, spentAt: number, from: number): number {
  // A renewal: each block may show that its coins went elsewhere for good.
  if (renewedChannel(channel) !== undefined && channel.onChain.fundingHeight === undefined) {
    return from
  }
  // Holds also when a reorganisation has left the spend in its block, and the tip lower.
  if (from <= spentAt + CLAIM_AGAIN_BLOCKS) return from
  return channel.ledger.settledSequence === undefined ? from : NEVER
}
