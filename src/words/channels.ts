/** A channel in words: what there is to say about it beside its balances. */
import { isUnwatched } from '../channel/unwatched.js'
import type { ChannelInfo, CloseResult } from '../node/api.js'
import { formatAmount } from '../types/units.js'
import { shortChannel } from './text.js'

/** Risks below 5 % are hidden. */
const SHOWN_RISK = 0.05

/** Remarks about a channel, a sentence each. */
export function notesOf(channel: ChannelInfo): string[] {
  const {
    reason,
    status,
    renews,
    renewFor,
    confirmations,
    minDepth,
    atRisk,
    risk,
    inFlight,
    turns,
    receivable,
    lastPaymentHeight,
    alone
  } = channel
  return [
    ...(isUnwatched(channel)
      ? ['not watched: no server tells what happens to it, and nothing is paid']
      : []),
    ...(reason === undefined ? [] : [reason]),
    ...(turns === undefined || status === 'closed'
      ? []
      : [
          turnText(turns),
          `receivable ${formatAmount(receivable)}`,
          `close by block ${lastPaymentHeight ?? '?'}`,
          maturityText(turns)
        ]),
    ...(renews === undefined || !['opening', 'confirming'].includes(status)
      ? []
      : [`renews ${shortChannel(renews)}`]),
    ...(renewFor === undefined || !['open', 'offline', 'confirming'].includes(status)
      ? []
      : [`renews itself for ${renewFor} blocks`]),
    ...(status === 'confirming' ? [`${confirmations} of ${minDepth ?? '?'} confirmations`] : []),
    ...(alone === undefined || !['offline', 'stopped', 'closing'].includes(status)
      ? []
      : [`without the peer our share comes home by the ${alone.by}, from block ${alone.from} on`]),
    ...(inFlight > 0n ? [`${formatAmount(inFlight)} not acknowledged`] : []),
    ...(atRisk > 0n
      ? [`${formatAmount(atRisk)} at risk: not worth the fee of settling alone`]
      : []),
    ...(risk !== undefined && risk >= SHOWN_RISK
      ? [
          `risk ${(risk * 100).toFixed(0)} %: so likely is it not to be in a block in time, by the fees seen`
        ]
      : [])
  ]
}

/** The turn's payer, and the number of turns left. */
export function turnText({ number, payer, left }: NonNullable<ChannelInfo['turns']>): string {
  return `turn ${number}: ${payer === 'us' ? 'we pay' : 'the peer pays'}, ${left} more`
}

/** The blocks from which each side can publish the newest state that it holds. */
function maturityText({ oursMatures, theirsMatures }: NonNullable<ChannelInfo['turns']>): string {
  return `our state matures at ${oursMatures ?? 'none'}, theirs at ${theirsMatures ?? 'none'}`
}

/** The result of `close`. */
export function closedWords({ channel, kind, txid }: CloseResult): string {
  const id = shortChannel(channel)
  const where = txid === undefined ? '' : ` in transaction ${txid}`
  switch (kind) {
    case 'close':
      return `Channel ${id} is closed by both sides${where}.`
    case 'settlement':
      return `Channel ${id} is being settled alone${where}.`
    case 'abandoned':
      return `Channel ${id} is abandoned: nothing had been funded.`
  }
}
