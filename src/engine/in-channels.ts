/** Whether our share of a channel is in the channel, and not among the coins of the wallet. */
import { payerOf } from '../channel/schedule.js'
import type { Channel } from '../channel/state.js'

/** T1 is in sight, and what pays us out is not. */
export function isInChannel (channel: Channel): boolean {
  if (channel.stage !== 'established' || !channel.onChain.fundingSeen) return false
  const { spend } = channel.onChain
  // The wallet takes charge of the payer's output of a settlement once that is in a block.
  return spend === undefined || (spend.turn !== undefined && spend.kind === 'settlement' && payerOf(spend.turn) === channel.role && spend.height === undefined)
}
