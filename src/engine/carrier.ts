/** The short way to a channel for a payment: one that is open and has enough. Everything else is planned (src/node). */
import { spendable } from '../channel/paying.js'
import type { Channel } from '../channel/state.js'
import { payerOf } from '../channel/schedule.js'
import { statusOf } from '../channel/summary.js'
import type { ChannelId } from '../types/bytes.js'
import type { BlockHeight } from '../types/units.js'

/**
 * Of the open channels that `to` means, by its id or by the PeerId of its payee, the one with the
 * least that is still enough for `amount`. Undefined when there is none, and for the first payment
 * of a channel, which the payee wants to be worth settling (UPD-10).
 */
export function carrierOf (channels: Iterable<{ readonly state: Channel }>, to: string, amount: bigint, height: BlockHeight | undefined): ChannelId | undefined {
  let best: { readonly id: ChannelId, readonly room: bigint } | undefined
  for (const { state: channel } of channels) {
    if (channel.stage !== 'established' || payerOf(channel.ledger.turn) !== channel.role || (channel.id !== to && channel.peer !== to)) continue
    const room = spendable(channel)
    const isFirst = (channel.ledger.held?.paymentCount ?? 0) === 0
    if (amount <= 0n || room < amount || isFirst || amount > channel.terms.limits.maxInFlightValue) continue
    if ((best === undefined || room < best.room) && statusOf(channel, { height }) === 'open') best = { id: channel.id, room }
  }
  return best?.id
}
