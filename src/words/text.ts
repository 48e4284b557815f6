/** Texts and names as people are shown them. */
import type { NodeEvent, NodeInfo } from '../node/api.js'
import { formatAmount } from '../types/units.js'

/**
 * Text of a stranger (a memo, a reason), safe for a terminal: control characters, which could move
 * the cursor or recolour an amount, and marks that reverse the direction of writing are shown as
 * U+FFFD.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/gu, '\ufffd')
}

/** A detail: its name, and its value. */
export type Field = readonly [name: string, value: string]

/** Number of digits of a channel id that tables show, and that commands accept. */
const SHORT_DIGITS = 8

/** The first digits of a channel id. */
export function shortChannel(id: string): string {
  return id.slice(0, SHORT_DIGITS)
}

/** The last characters of a peer id: the first ones are the same for all Ed25519 keys. */
export function shortPeer(peerId: string): string {
  return peerId.length <= SHORT_DIGITS ? peerId : `…${peerId.slice(-SHORT_DIGITS)}`
}

/** `2027-01-15 08:00:00Z`: the same in every time zone. */
export function formatTime(milliseconds: number): string {
  const date = new Date(milliseconds)
  return Number.isNaN(date.getTime())
    ? '?'
    : date
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, 'Z')
}

/* A node's sight of the chain, in words. */

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
