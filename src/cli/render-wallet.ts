/** Transactions of the wallet, in words and tables. */
import { formatAmount } from '../types/units.js'
import type { BumpResult, CoinInfo, Fees, SendResult, WalletTransaction } from '../node/api.js'
import type { Colors } from './output.js'
import { type Cell, renderTable } from './table.js'
import { printable, shortChannel } from '../words/text.js'

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
