/** Renders the node's answers, in words and tables. Every amount has its unit. */
import { formatAmount } from '../types/units.js'
import type {
  Balance,
  ChannelInfo,
  NodeInfo,
  PaymentDetails,
  PaymentInfo,
  PeerInfo,
  SettleAllResult
} from '../node/api.js'
import type { Policy } from '../channel/policy.js'
import type { Colors } from './output.js'
import { type Cell, type Column, renderFields, renderTable } from './table.js'
import {
  chainText,
  formatTime,
  printable,
  serverText,
  shortChannel,
  shortPeer
} from '../words/text.js'
import { paymentFields } from '../words/payments.js'

/** The limits for channels that others open to this node. */
function takes({
  minCapacity,
  maxCapacity,
  minBlocks,
  maxBlocks,
  maxChannelsPerPeer,
  minDepth
}: Policy): string {
  return `channels of ${formatAmount(minCapacity)} to ${formatAmount(maxCapacity)}, for ${minBlocks} to ${maxBlocks} blocks, ${maxChannelsPerPeer} a peer; payments after ${minDepth} ${minDepth === 1 ? 'confirmation' : 'confirmations'}`
}

/** The limits for payments in such a channel. */
function inAChannel({
  minFirstPayment,
  maxStake,
  maxRisk,
  maxInFlightUpdates,
  maxInFlightValue
}: Policy): string {
  const first =
    minFirstPayment === undefined ? 'worth settling' : `at least ${formatAmount(minFirstPayment)}`
  return `first payment ${first}, at most ${formatAmount(maxStake)} at stake${maxRisk >= 100 ? '' : `, with a risk of ${maxRisk} %`}; in flight ${maxInFlightUpdates} updates, ${formatAmount(maxInFlightValue)}`
}

/** `apiSocket` is known where the node was started. */
export function renderInfo(
  info: NodeInfo,
  colors: Colors,
  width: number,
  apiSocket?: string
): string {
  return renderFields(
    [
      ['version', info.version],
      ['network', info.network],
      ['peer id', info.peerId],
      ...(info.multiaddrs.length === 0
        ? [['peer address', 'none: nobody can connect to this node'] as const]
        : info.multiaddrs.map((address) => ['peer address', address] as const)),
      ['chain', chainText(info.chain)],
      ...(info.chain.servers.length < 2
        ? []
        : info.chain.servers.map((server) => ['server', serverText(server)] as const)),
      [
        'channels',
        `${info.channels.open} open, ${info.channels.total} in all${info.channels.unwatched === 0 ? '' : `, ${info.channels.unwatched} not watched: no server tells what happens to ${info.channels.unwatched === 1 ? 'it' : 'them'}`}`
      ],
      ...(info.addresses === undefined ? [] : [['used', usedText(info.addresses)] as const]),
      ['takes', takes(info.policy)],
      ['payments', inAChannel(info.policy)],
      ['data', info.dataDir],
      ...(apiSocket === undefined ? [] : [['API', apiSocket] as const]),
      ['ecdsa', info.ecdsa]
    ],
    colors,
    width
  )
}

/** The address counts to write down beside the words. */
function usedText({ receive, change, close }: NonNullable<NodeInfo['addresses']>): string {
  return `${receive} addresses (receive), ${change} (change), ${close} (close)`
}

export function renderBalance(balance: Balance, colors: Colors): string {
  const rows = [
    ['confirmed', balance.confirmed],
    ['  of it reserved', balance.reserved],
    ['  of it locked', balance.locked],
    ['pending', balance.pending],
    ['in channels', balance.inChannels],
    ...(balance.unwatched === 0n ? [] : [['  of it not watched', balance.unwatched] as const]),
    ['unswept', balance.unswept],
    ['total', balance.total]
  ] as const
  const amounts = rows.map(([, amount]) => formatAmount(amount))
  const width = Math.max(...amounts.map((text) => text.length))
  return renderFields(
    rows.map(([name], i) => [name, (amounts[i] ?? '').padStart(width)]),
    colors
  )
}

/** Renders peers in at most `width` columns. */
export function renderPeers(peers: readonly PeerInfo[], colors: Colors, width: number): string {
  if (peers.length === 0) return 'No peers. Connect with `paychan connect MULTIADDR`.'
  const areNamed = peers.some(({ alias }) => alias !== undefined)
  return renderTable(
    [
      { title: 'PEER' },
      ...(areNamed ? [{ title: 'NAME' }] : []),
      { title: 'CONNECTED' },
      { title: 'PAYCHAN' },
      { title: 'ADDRESS', below: true }
    ],
    peers.map(({ peerId, connected, paychan, multiaddrs, alias }) => [
      peerId,
      ...(areNamed ? [alias ?? ''] : []),
      connected ? 'yes' : 'no',
      paychan === undefined ? '?' : paychan ? 'yes' : 'no',
      // The address ends in the peer id, shown already.
      (multiaddrs[0] ?? '').replace(`/p2p/${peerId}`, '')
    ]),
    colors,
    width
  )
}

/** `Connected to ...`, and whether a channel can be opened there. */
export function renderConnected({ peerId, paychan }: PeerInfo): string {
  return `Connected to ${peerId}.${paychan === false ? ' It does not speak paychan.' : ''}`
}

const PAYMENT_COLUMNS: readonly Column[] = [
  { title: 'TIME' },
  { title: 'CHANNEL', leftOut: 2 },
  { title: 'PEER', leftOut: 1 },
  { title: 'DIRECTION' },
  { title: 'AMOUNT', align: 'right' },
  { title: 'STATUS' },
  { title: 'MEMO', below: true }
]

/** Renders payments in at most `width` columns. */
export function renderPayments(
  payments: readonly PaymentInfo[],
  colors: Colors,
  width: number
): string {
  if (payments.length === 0) return 'No payments.'
  return renderTable(
    PAYMENT_COLUMNS,
    payments.map(({ time, channel, peerId, direction, amount, status, memo }): Cell[] => [
      formatTime(time),
      shortChannel(channel),
      shortPeer(peerId),
      direction,
      formatAmount(amount),
      status === 'acknowledged' ? status : { text: status, style: colors.yellow },
      memo
    ]),
    colors,
    width
  )
}

/** Renders all details of one payment, ids whole. */
export function renderPayment(payment: PaymentDetails, colors: Colors, width: number): string {
  const whole = renderFields(paymentFields(payment), colors, width)
  const { parts } = payment
  return parts.length > 1 ? `${whole}\n\n${renderPayments(parts, colors, width)}` : whole
}

/** The result of `open`. */
export function renderOpened(channel: ChannelInfo): string {
  const id = shortChannel(channel.id)
  const start = `Channel ${id} with ${shortPeer(channel.peerId)}: ${formatAmount(channel.capacity)}, refund at block ${channel.refundHeight}.`
  if (channel.status === 'open') return `${start}\nPay with: paychan pay ${id} AMOUNT`
  return `${start}\nIt is ${channel.status}; see it with: paychan channels`
}

/** The result of `settle --all`. */
export function renderSettled({ settled, failed, leftOut }: SettleAllResult): string {
  return [
    settled.length === 0
      ? failed.length === 0
        ? 'Nothing to settle.'
        : 'No channel is being settled yet.'
      : `${settled.length} ${settled.length === 1 ? 'channel is' : 'channels are'} being settled in ${settled.map(({ txid }) => txid).join(', ')}.`,
    ...failed.map(
      ({ channel, code, reason }) =>
        `Channel ${shortChannel(channel)} is not: ${printable(reason)} (${code})`
    ),
    ...(leftOut.length === 0
      ? []
      : [
          `Left out, as not worth the fee now or closing already: ${leftOut.map(shortChannel).join(', ')}.`
        ])
  ].join('\n')
}
