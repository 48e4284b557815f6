/**
 * What the results say of a channel and of all of them, whether it was between simulated nodes or
 * real ones.
 */
import type { CapitalTotals, ChannelResult } from '../results.js'
import type { PlannedOpening } from '../plan.js'
import { summaryOf } from './payments.js'

/**
 * Payments of one direction: how many callers were told that they are made, their sum, and the sum
 * of those of which nobody was told.
 */
export interface Flow {
  made: number
  volume: number
  unknown: number
}

/** What is kept of a channel as it goes. */
export interface TrackedChannel {
  readonly number: number
  readonly opening: Pick<PlannedOpening, 'step'>
  readonly client: { readonly name: string }
  readonly server: { readonly name: string }
  readonly capacity: number
  readonly forth: Flow
  readonly back: Flow
  /** Index of the first curve point with a balance; -1 before there is one. */
  readonly firstSample: number
  readonly balances: readonly number[]
}

export function channelResult(
  channel: TrackedChannel,
  { end, turns, fundedAt, spentAt }: Pick<ChannelResult, 'end' | 'turns' | 'fundedAt' | 'spentAt'>
): ChannelResult {
  const { number, opening, client, server, capacity, forth, back, firstSample, balances } = channel
  return {
    number,
    client: client.name,
    server: server.name,
    capacity,
    step: opening.step ?? 0,
    fundedAt,
    spentAt,
    end,
    turns,
    payments: { forth: forth.made, back: back.made },
    volume: { forth: forth.volume, back: back.volume },
    firstSample: Math.max(0, firstSample),
    balances
  }
}

/** `sampled`: what the curves say of capital. */
export function capitalTotals(
  sampled: Pick<CapitalTotals, 'locked' | 'idle'>,
  channels: readonly ChannelResult[]
): CapitalTotals {
  const lifetimes = channels.flatMap(({ fundedAt, spentAt }) =>
    fundedAt === null || spentAt === null ? [] : [spentAt - fundedAt]
  )
  return {
    ...sampled,
    lifetime: summaryOf(lifetimes),
    turns: channels.reduce((sum, { turns }) => sum + turns, 0)
  }
}
