/** Whether our share of a channel is in the channel, and not among the coins of the wallet. */
import { payerOf } from '../channel/schedule.js'
import type { Channel } from '../channel/state.js'

/** T1 is in sight, and what pays us out is not. */
export function isInChannel(channel: Channel): boolean {
  if (channel.stage !== 'established' || !channel.onChain.fundingSeen) return false
  if (channel.onChain.spend !== undefined) return false
  // The wallet takes charge of the payer's output of a settlement once that is in a block; what it
  // is paid besides it sees at once.
  const [shown] = channel.onChain.shown
  return (
    shown === undefined ||
    (shown.turn !== undefined &&
      shown.kind === 'settlement' &&
      payerOf(shown.turn) === channel.role)
  )
}
