/** Which channel `pay` and `close` mean. */
import { PaychanError } from '../types/errors.js'
import { formatAmount } from '../types/units.js'
import type { ChannelInfo } from './api.js'

/** A PeerId is never shorter than this and never hex; a channel id is hex. */
const CHANNEL_PREFIX = /^[0-9a-f]{8,64}$/

/**
 * The channel that an id, or at least 8 of its first digits, names.
 *
 * @throws PaychanError `ERR_NO_CHANNEL`, `ERR_AMBIGUOUS_CHANNEL`
 */
export function channelByPrefix (channels: readonly ChannelInfo[], prefix: string): ChannelInfo {
  if (!CHANNEL_PREFIX.test(prefix)) throw new PaychanError('ERR_NO_CHANNEL', `'${prefix}' is not a channel: give at least 8 digits of an id that \`paychan channels\` lists.`, { asked: prefix })
  const matches = channels.filter((channel) => channel.id.startsWith(prefix))
  const [first, second] = matches
  if (first === undefined) throw new PaychanError('ERR_NO_CHANNEL', `No channel starts with ${prefix}; \`paychan channels\` lists them.`, { asked: prefix })
  if (second !== undefined) throw new PaychanError('ERR_AMBIGUOUS_CHANNEL', `${matches.length} channels start with ${prefix}; give more digits.`, { asked: prefix, matches: matches.length })
  return first
}

/**
 * The channel to pay on: the one that was named, or, for a PeerId, the open channel to that peer
 * with the least that is still enough, so that large channels stay free for large payments.
 *
 * @throws PaychanError `ERR_NO_CHANNEL`, `ERR_INSUFFICIENT_BALANCE`, `ERR_AMBIGUOUS_CHANNEL`
 */
export function channelToPay (channels: readonly ChannelInfo[], to: string, amount: bigint): ChannelInfo {
  if (CHANNEL_PREFIX.test(to)) return channelByPrefix(channels, to)
  const ours = channels.filter((channel) => channel.peerId === to && channel.role === 'client')
  const alive = ours.filter((channel) => channel.status === 'open' || channel.status === 'offline' || channel.status === 'confirming')
  if (alive.length === 0) {
    throw new PaychanError('ERR_NO_CHANNEL', `There is no channel to pay ${to} on; open one with \`paychan open ${to} AMOUNT\`.`, { peer: to, closed: ours.length })
  }
  const enough = alive.filter((channel) => left(channel) >= amount).sort(byFit)
  const [best] = enough
  if (best !== undefined) return best
  const most = alive.map(left).reduce((a, b) => a > b ? a : b)
  throw new PaychanError('ERR_INSUFFICIENT_BALANCE', `Asked to pay ${formatAmount(amount)}, but the largest of ${alive.length === 1 ? 'one channel' : `${alive.length} channels`} to that peer has ${formatAmount(most)} left.`, { asked: amount, left: most })
}

/** Open ones first; those that can be reconnected next. */
function rank (channel: ChannelInfo): number {
  return channel.status === 'open' ? 0 : channel.status === 'offline' ? 1 : 2
}

function left (channel: ChannelInfo): bigint {
  return channel.status === 'open' ? channel.spendable : channel.ourBalance - channel.inFlight
}

/** The better one first: the lower rank, and of the same rank the one that keeps less idle. */
function byFit (a: ChannelInfo, b: ChannelInfo): number {
  if (rank(a) !== rank(b)) return rank(a) - rank(b)
  return left(a) < left(b) ? -1 : 1
}
