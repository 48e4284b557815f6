/** A node's sight of the chain, in words. */
import type { NodeEvent, NodeInfo } from '../node/api.js'
import { formatAmount } from '../types/units.js'
import { printable, shortChannel } from './text.js'

/** The height up to which a node sees, and its servers. */
export function chainText({
  status,
  server,
  height,
  lastError,
  histories
}: NodeInfo['chain']): string {
  const where = height === undefined ? '' : ` at block ${height}`
  return `${status}${where}, ${server}${lastError === undefined || status === 'synced' ? '' : ` (${lastError})`}${histories === undefined ? '' : `, ${historiesText(histories)}`}`
}

/** `reading histories: 3,200 of 10,000`: until all are known, a channel may be out of date. */
export function historiesText({
  known,
  total
}: {
  readonly known: number
  readonly total: number
}): string {
  return `reading histories: ${known.toLocaleString('en-US')} of ${total.toLocaleString('en-US')}`
}

/** One Electrum server, and its problem. */
export function serverText({
  url,
  state,
  height,
  problem
}: NodeInfo['chain']['servers'][number]): string {
  return `${url} ${state}${height === undefined ? '' : ` at block ${height}`}${problem === undefined ? '' : `: ${printable(problem)}`}`
}

/** An alarm, with the channel that it is about; one that recurred names its channels itself. */
export function alarmText({ text, channel, count }: Extract<NodeEvent, { type: 'alarm' }>): string {
  return channel === undefined || count !== undefined
    ? text
    : `Channel ${shortChannel(channel)}: ${text}`
}

/** A change of the risk that a channel's newest state comes too late. */
export function riskText({ risk, stake, isHigh }: Extract<NodeEvent, { type: 'risk' }>): string {
  const percent = `${(risk * 100).toFixed(0)} %`
  return isHigh
    ? `by the fees seen, ${formatAmount(stake)} are at stake with a risk of ${percent} that our state is in no block in time; think of closing the channel`
    : `the risk is ${percent} again`
}
