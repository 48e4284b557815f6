/**
 * The holdings of a node's channels: whether a share is in the channel or among the coins of the
 * wallet, and which channels can be paid on.
 */
import { quote, type Quote } from '../channel/quote.js'
import { mayPay, payerOf } from '../channel/schedule.js'
import type { Channel, Established } from '../channel/state.js'
import { type ChannelStatus, statusOf } from '../channel/summary.js'
import type { ChannelId } from '../types/bytes.js'
import type { BlockHeight } from '../types/units.js'

/* The place of our share of a channel: in the channel, or among the coins of the wallet. */

/** True when T1 is in sight, and the transaction that pays us out is not. */
export function isInChannel(channel: Channel): channel is Established {
  if (channel.stage !== 'established' || !channel.onChain.fundingSeen) return false
  if (channel.onChain.spend !== undefined) return false
  // The wallet takes charge of the payer's output of a settlement once that is in a block; what it
  // is paid besides it sees at once.
  const [shown] = channel.onChain.shown
  return (
    shown === undefined ||
    (shown.state !== undefined && shown.state !== 'refund' && payerOf(shown.state) === channel.role)
  )
}

/*
 * The channels that can be paid on, and the short way to one that can carry a payment as it is.
 * Everything else is planned (src/node).
 */

/** A channel with a peer, and the amount that this node could pay on it. */
export interface Payable {
  readonly id: ChannelId
  readonly peerId: string
  readonly status: ChannelStatus
  /** True when this node pays on the channel at all: on a one-way channel only its client does. */
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
 * Finds the open channel for a payment without taking the turn. `to` is a channel's id or the
 * PeerId of its payee. Of those with room for `amount`, takes the one with the least room;
 * undefined when there is none.
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
