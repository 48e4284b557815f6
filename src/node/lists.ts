/** What the node answers with lists: put in the order, and cut to the length, in which people want them. */
import type { ChannelInfo, CloseResult, PaymentInfo, SettleAllResult } from './api.js'

/** The payments of a log that is oldest first, the newest first. */
export async function newestFirst (log: AsyncIterable<PaymentInfo>, limit?: number): Promise<PaymentInfo[]> {
  const all: PaymentInfo[] = []
  for await (const payment of log) all.push(payment)
  // What was paid in one update has one time: turned around before it is sorted.
  const sorted = all.reverse().sort((a, b) => b.time - a.time)
  return limit === undefined ? sorted : sorted.slice(0, limit)
}

/** What was settled, and the one-way channels with a share of ours that were not. */
export function settledOf (settled: readonly CloseResult[], channels: readonly ChannelInfo[]): SettleAllResult {
  const done = new Set(settled.map(({ channel }) => channel))
  const leftOut = channels.filter(({ id, role, mode, ourBalance, status }) => role === 'server' && mode === 'one-way' && ourBalance > 0n && status !== 'closed' && !done.has(id))
  return { settled: settled.map(({ channel, kind, txid }) => ({ channel, kind, txid })), leftOut: leftOut.map(({ id }) => id) }
}
