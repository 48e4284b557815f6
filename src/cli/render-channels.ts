/** Renders channels: one line each in the columns that fit, or one channel with all its details. */
import { formatAmount } from '../types/units.js'
import type { ChannelInfo, ChannelStatus } from '../node/api.js'
import type { Colors } from './output.js'
import { renderFields, renderTable, type Cell, type Column } from './table.js'
import { notesOf, turnText } from '../words/channels.js'
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
  const {
    limits,
    funding,
    spend,
    payments,
    turns,
    renews,
    renewedAs,
    minDepth,
    lastPaymentHeight,
    settleHeight
  } = channel
  const block = (name: string, height: number | undefined): Array<readonly [string, string]> =>
    height === undefined ? [] : [[name, `block ${height}`]]
  return renderFields(
    [
      ['channel', channel.id],
      ['peer', channel.peerId],
      ['status', channel.status],
      [
        'role',
        channel.role === 'client' ? 'client: this node opened it' : 'server: the peer opened it'
      ],
      [
        'kind',
        channel.mode === 'two-way'
          ? 'two-way: both sides pay, in turns'
          : 'one-way: the client pays'
      ],
      ['capacity', formatAmount(channel.capacity)],
      ['ours', formatAmount(channel.ourBalance)],
      ['theirs', formatAmount(channel.theirBalance)],
      ['spendable', formatAmount(channel.spendable)],
      ['receivable', formatAmount(channel.receivable)],
      [
        'payments',
        `${payments.sent.toLocaleString('en')} sent, ${payments.received.toLocaleString('en')} received`
      ],
      ...(turns === undefined
        ? []
        : [['turn', `${turnText(turns)}, ${turns.step} blocks apart`] as const]),
      ...(funding === undefined
        ? []
        : [
            ['funding', `${funding.txid}:${funding.vout}`] as const,
            [
              'confirmations',
              `${channel.confirmations}${minDepth === undefined ? '' : ` (${minDepth} needed)`}`
            ] as const
          ]),
      ...(spend === undefined
        ? []
        : [
            [
              'spent by',
              `${spend.kind} ${spend.txid}${spend.height === undefined ? ', in no block yet' : `, in block ${spend.height}`}`
            ] as const
          ]),
      ...block('last payment', lastPaymentHeight),
      ...block('settled at', settleHeight),
      ...block('refund at', channel.refundHeight),
      ...(limits === undefined
        ? []
        : [
            [
              'limits',
              `first payment at least ${formatAmount(limits.minFirstPayment)}, at most ${formatAmount(limits.maxStake)} at stake; in flight ${limits.maxInFlightUpdates} updates, ${formatAmount(limits.maxInFlightValue)}`
            ] as const
          ]),
      ...(renews === undefined ? [] : [['renews', renews] as const]),
      ...(renewedAs === undefined ? [] : [['renewed as', renewedAs] as const]),
      ...notesOf(channel).map((note, i) => [i === 0 ? 'note' : '', note] as const)
    ],
    colors,
    width
  )
}
