/** Renders channels: one line each in the columns that fit, or one channel with all its details. */
import { formatAmount } from '../types/units.js'
import type { ChannelInfo, ChannelStatus } from '../node/api.js'
import type { Colors } from './output.js'
import { renderFields, renderTable, type Cell, type Column } from './table.js'
import { channelFields, notesOf } from '../words/channels.js'
import { shortChannel, shortPeer } from '../words/text.js'

/**
 * Columns with a number are left out when space is short, the highest first: `channel ID` shows
 * them.
 */
const COLUMNS: readonly Column[] = [
  { title: 'CHANNEL' },
  { title: 'PEER' },
  { title: 'ROLE', leftOut: 2 },
  { title: 'STATUS' },
  { title: 'CAPACITY', align: 'right', leftOut: 4 },
  { title: 'OURS', align: 'right' },
  { title: 'THEIRS', align: 'right', leftOut: 1 },
  { title: 'SPENDABLE', align: 'right' },
  { title: 'REFUND AT', align: 'right', leftOut: 3 }
]

function styleOf(status: ChannelStatus, colors: Colors): (text: string) => string {
  switch (status) {
    case 'open':
      return colors.green
    case 'opening':
    case 'confirming':
    case 'closing':
      return colors.yellow
    case 'offline':
    case 'settling':
    case 'refunding':
    case 'stopped':
      return colors.magenta
    case 'closed':
    case 'abandoned':
      return colors.dim
  }
}

/** Renders channels in at most `width` columns; remarks stand below their channel. */
export function renderChannels(
  channels: readonly ChannelInfo[],
  colors: Colors,
  width: number
): string {
  if (channels.length === 0) return 'No channels. Open one with `paychan open PEER AMOUNT`.'
  return renderTable(
    COLUMNS,
    channels.map((channel) => ({
      cells: [
        shortChannel(channel.id),
        shortPeer(channel.peerId),
        channel.role,
        { text: channel.status, style: styleOf(channel.status, colors) },
        formatAmount(channel.capacity),
        formatAmount(channel.ourBalance),
        formatAmount(channel.theirBalance),
        formatAmount(channel.spendable),
        `block ${channel.refundHeight}`
      ] satisfies Cell[],
      note: notesOf(channel).join('; ')
    })),
    colors,
    width
  )
}

/** Renders all details of one channel, at most `width` columns wide, ids whole. */
export function renderChannel(channel: ChannelInfo, colors: Colors, width: number): string {
  return renderFields(channelFields(channel), colors, width)
}
