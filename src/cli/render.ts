/** Renders the node's answers, in words and tables. Every amount has its unit. */
import type { Policy } from '../channel/policy.js'
import type {
  Balance,
  BumpResult,
  ChannelInfo,
  ChannelStatus,
  CoinInfo,
  Fees,
  NodeInfo,
  PaymentDetails,
  PaymentInfo,
  PeerInfo,
  ReceiptInfo,
  RequestInfo,
  RequestPayment,
  SendResult,
  SettleAllResult,
  WalletTransaction
} from '../node/api.js'
import { formatAmount } from '../types/units.js'
import { channelFields, notesOf } from '../words/channels.js'
import { forWhat, paidWords, paymentFields, until } from '../words/payments.js'
import {
  chainText,
  formatTime,
  printable,
  serverText,
  shortChannel,
  shortPeer
} from '../words/text.js'
import type { Colors } from './output.js'
import { type Cell, type Column, renderFields, renderTable, widthOf } from './table.js'

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

/* Renders channels: one line each in the columns that fit, or one channel with all its details. */

/**
 * Columns with a number are left out when space is short, the highest first: `channel ID` shows
 * them.
 */
const CHANNEL_COLUMNS: readonly Column[] = [
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
    CHANNEL_COLUMNS,
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

/* Payment requests and receipts in words and tables. */

/** A request that was just made, for a person: the words, the QR code, the text. */
export function renderMade(
  request: RequestInfo,
  qr: string | undefined,
  colors: Colors,
  width: number
): string {
  const { id, amount, memo, text } = request
  const sum = amount === undefined ? 'an amount of the payer’s choice' : formatAmount(amount)
  const words = `Request ${id}: ${sum}${forWhat(memo)}. ${until(request)}`
  const fits = qr !== undefined && qr.split('\n').every((line) => widthOf(line) <= width)
  return [words, '', ...(fits ? [onDark(qr, colors), ''] : []), text].join('\n')
}

/** White on black, whatever the terminal's own colours are: readers want dark squares on light. */
function onDark(qr: string, colors: Colors): string {
  return qr
    .split('\n')
    .map((line) => colors.bgBlack(colors.whiteBright(line)))
    .join('\n')
}

const REQUEST_COLUMNS: readonly Column[] = [
  { title: 'MADE' },
  { title: 'REQUEST' },
  { title: 'STATE' },
  { title: 'ASKED', align: 'right' },
  { title: 'RECEIVED', align: 'right' },
  { title: 'UNTIL', leftOut: 1 },
  { title: 'BY', leftOut: 2 },
  { title: 'MEMO', below: true }
]

export function renderRequests(
  requests: readonly RequestInfo[],
  colors: Colors,
  width: number
): string {
  if (requests.length === 0) return 'No requests. Make one with: paychan request AMOUNT'
  return renderTable(
    REQUEST_COLUMNS,
    requests.map(
      ({ made, id, state, amount, received, payments, expires, reusable, ...rest }): Cell[] => [
        formatTime(made),
        id,
        state === 'paid'
          ? { text: state, style: colors.green }
          : state === 'partly'
            ? { text: state, style: colors.yellow }
            : reusable && state === 'open'
              ? 'reusable'
              : state,
        amount === undefined ? 'any' : formatAmount(amount),
        `${formatAmount(received)}${payments > 1 ? ` (${payments})` : ''}`,
        expires === undefined ? 'never' : formatTime(expires),
        rest.paidBy === undefined ? '' : shortPeer(rest.paidBy),
        rest.memo
      ]
    ),
    colors,
    width
  )
}

/** A receipt in words, and its worth. */
export function renderReceipt(receipt: ReceiptInfo): string {
  const { amount, memo, payee, payer, paid, request, network } = receipt
  return [
    `Valid: ${formatAmount(amount)} were paid on ${network} at ${formatTime(paid)}, by the payee's clock.`,
    `  payee    ${payee} (signed this)`,
    `  payer    ${payer}`,
    `  request  ${request}`,
    ...(memo === '' ? [] : [`  memo     ${printable(memo)}`])
  ].join('\n')
}

/** The result of paying a request. */
export function renderRequestPaid(payment: RequestPayment): string {
  const { receipt } = payment
  return receipt === undefined
    ? paidWords(payment)
    : `${paidWords(payment)}\nReceipt, signed by the payee (check it anywhere with: paychan receipt verify):\n${receipt}`
}

/* Transactions of the wallet, in words and tables. */

const WAITING = 'No server has it yet: it is on disk, and goes out as soon as one answers.'

/** The result of `send`, or of a dry run. */
export function renderSent({
  txid,
  to,
  amount,
  fee,
  satPerVByte,
  vsize,
  change,
  message,
  broadcast
}: SendResult): string {
  const cost = `The fee is ${formatAmount(fee)} (${satPerVByte} sat/vB, ${vsize} vB); ${formatAmount(change)} come back as change.`
  const purpose = message === undefined ? '' : ` The payee says: ${printable(message)}`
  if (txid === undefined) {
    return `This would send ${formatAmount(amount)} to ${to}. ${cost} Nothing was sent.${purpose}`
  }
  return `Sent ${formatAmount(amount)} to ${to}.${purpose}\n${cost}\n${broadcast ? '' : `${WAITING}\n`}Transaction ${txid}`
}

/** The result of `bumpfee`. */
export function renderBumped({
  kind,
  txid,
  of,
  fee,
  satPerVByte,
  vsize,
  broadcast
}: BumpResult): string {
  const done =
    kind === 'replacement'
      ? `Transaction ${txid} replaces ${of}: its fee is ${formatAmount(fee)} (${satPerVByte} sat/vB, ${vsize} vB).`
      : `Transaction ${txid} pays ${formatAmount(fee)} (${vsize} vB) for the funding transaction ${of}: together they pay ${satPerVByte} sat/vB.`
  return broadcast ? done : `${done}\n${WAITING}`
}

function signed(amount: bigint): string {
  return amount < 0n ? `-${formatAmount(-amount)}` : `+${formatAmount(amount)}`
}

/** Renders transactions in at most `width` columns. */
export function renderTransactions(
  transactions: readonly WalletTransaction[],
  colors: Colors,
  width: number
): string {
  if (transactions.length === 0) {
    return 'No transactions. Receive coins at an address from `paychan address`.'
  }
  return renderTable(
    [
      { title: 'BLOCK' },
      { title: 'CONFIRMATIONS', align: 'right', leftOut: 2 },
      { title: 'KIND' },
      { title: 'AMOUNT', align: 'right' },
      { title: 'FEE', align: 'right', leftOut: 1 },
      { title: 'TXID', below: true },
      { title: 'LABEL', below: true }
    ],
    transactions.map(
      ({ txid, kind, amount, fee, height, confirmations, status, label = '' }): Cell[] => [
        height === undefined ? { text: status, style: colors.yellow } : String(height),
        String(confirmations),
        kind,
        signed(amount),
        fee === undefined ? '' : formatAmount(fee),
        txid,
        label
      ]
    ),
    colors,
    width
  )
}

/** Feerates for a person to choose from. */
export function renderFees({ leastSatPerVByte, estimates }: Fees, colors: Colors): string {
  const rows = estimates.map(({ blocks, satPerVByte }): Cell[] => [
    `${blocks} ${blocks === 1 ? 'block' : 'blocks'}`,
    `${satPerVByte} sat/vB`
  ])
  return `${renderTable([{ title: 'WITHIN' }, { title: 'ESTIMATE', align: 'right' }], rows, colors)}\nThe server takes nothing below ${leastSatPerVByte} sat/vB.`
}

/** Renders coins in at most `width` columns. */
export function renderCoins(coins: readonly CoinInfo[], colors: Colors, width: number): string {
  if (coins.length === 0) return 'No coins. Receive some at an address from `paychan address`.'
  return renderTable(
    [
      { title: 'COIN', below: true },
      { title: 'AMOUNT', align: 'right' },
      { title: 'CONFIRMATIONS', align: 'right', leftOut: 1 },
      { title: 'STATE' },
      { title: 'ADDRESS', below: true },
      { title: 'LABEL', below: true }
    ],
    coins.map((coin): Cell[] => [
      coin.outPoint,
      formatAmount(coin.amount),
      String(coin.confirmations),
      coin.state === 'free' ? coin.state : { text: stateText(coin), style: colors.yellow },
      coin.address,
      coin.label ?? ''
    ]),
    colors,
    width
  )
}

function stateText({ state, locked, channel, spentBy }: CoinInfo): string {
  const by =
    channel !== undefined
      ? ` for channel ${shortChannel(channel)}`
      : spentBy !== undefined
        ? ` for send ${spentBy.slice(0, 8)}`
        : ''
  return `${state}${by}${locked && state !== 'locked' ? ', locked' : ''}`
}
