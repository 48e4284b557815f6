/**
 * What the node answers with lists: put in the order, and cut to the length, in which people want
 * them.
 */
import type { LoggedPayment } from '../engine/payments.js'
import type { ChannelInfo, PaymentInfo, SettleAllResult } from './api.js'

/**
 * The payments of a log that is oldest first, the newest first: by the order of the log, for a
 * clock may be set back.
 */
export async function newestFirst(
  log: AsyncIterable<LoggedPayment>,
  limit?: number
): Promise<PaymentInfo[]> {
  const all: LoggedPayment[] = []
  for await (const logged of log) all.push(logged)
  // What was paid in one update has one place: turned around before it is sorted.
  const sorted = all
    .reverse()
    .sort((a, b) => b.order - a.order)
    .map(({ payment }) => payment)
  return limit === undefined ? sorted : sorted.slice(0, limit)
}

/**
 * What was settled, what was tried in vain, and the one-way channels with a share of ours that were
 * not tried.
 */
export function settledOf(
  { settled, failed }: Pick<SettleAllResult, 'settled' | 'failed'>,
  channels: readonly ChannelInfo[]
): SettleAllResult {
  const done = new Set([...settled, ...failed].map(({ channel }) => channel))
  const leftOut = channels.filter(
    ({ id, role, mode, ourBalance, status }) =>
      role === 'server' &&
      mode === 'one-way' &&
      ourBalance > 0n &&
      status !== 'closed' &&
      !done.has(id)
  )
  return {
    settled: settled.map(({ channel, kind, txid }) => ({ channel, kind, txid })),
    failed,
    leftOut: leftOut.map(({ id }) => id)
  }
}
