/**
 * Which channels can be paid on, and the short way to one that can carry a payment as it is.
 * Everything else is planned (src/node).
 */
import { quote, type Quote } from '../channel/quote.js'
import { mayPay } from '../channel/schedule.js'
import type { Channel } from '../channel/state.js'
import { statusOf, type ChannelStatus } from '../channel/summary.js'
import type { ChannelId } from '../types/bytes.js'
import type { BlockHeight } from '../types/units.js'

/** A channel with a peer, and what this node could pay on it. */
export interface Payable {
  readonly id: ChannelId
  readonly peerId: string
  readonly status: ChannelStatus
  /** Whether this node pays on it at all: on a one-way channel only its client does. */
  readonly isOurs: boolean
  /** Undefined until the channel is established. */
  readonly quote: Quote | undefined
}

export function payableOf(channel: Channel, height: BlockHeight | undefined): Payable {
  const { id, peer, role } = channel
  const isEstablished = channel.stage === 'established'
  return {
    id,
    peerId: peer,
    status: statusOf(channel, { height }),
    isOurs: isEstablished ? mayPay(channel.terms, role) : role === 'client',
    quote: isEstablished ? quote(channel, role, height) : undefined
  }
}

/**
 * Of the open channels that `to` means, by its id or by the PeerId of its payee, the one with the
 * least room that is still enough for `amount`, and without taking the turn. Undefined when there
 * is none.
 */
export function channelFor(
  channels: Iterable<{ readonly state: Channel }>,
  to: string,
  amount: bigint,
  height: BlockHeight | undefined
): ChannelId | undefined {
  let best: { readonly id: ChannelId; readonly room: bigint } | undefined
  for (const { state: channel } of channels) {
    if (channel.stage !== 'established' || (channel.id !== to && channel.peer !== to)) continue
    const { takesTurn, room, least, most } = quote(channel, channel.role, height)
    if (takesTurn || amount < least || amount > room || amount > most) continue
    if ((best === undefined || room < best.room) && statusOf(channel, { height }) === 'open') {
      best = { id: channel.id, room }
    }
  }
  return best?.id
}
