/** Transactions of the wallet, in words and tables. */
import { formatAmount } from '../daemon/amount.js'
import type { BumpResult, SendResult, WalletTransaction } from '../node/api.js'
import type { FeeRate } from '../types/units.js'
import type { Colors } from './output.js'
import { renderTable, type Cell } from './table.js'

/** Sat per 1,000 vB, as people write it. */
export function formatFeeRate (rate: FeeRate): string {
  const decimals = (rate % 1000n).toString().padStart(3, '0').replace(/0+$/, '')
  return `${rate / 1000n}${decimals === '' ? '' : `.${decimals}`} sat/vB`
}

const WAITING = 'No server has it yet: it is on disk, and goes out as soon as one answers.'

/** What `send` has come to, or would. */
export function renderSent ({ txid, to, amount, fee, feeRate, change, broadcast }: SendResult): string {
  const cost = `The fee is ${formatAmount(fee)} (${formatFeeRate(feeRate)}); ${formatAmount(change)} come back as change.`
  if (txid === undefined) return `This would send ${formatAmount(amount)} to ${to}. ${cost} Nothing was sent.`
  return `Sent ${formatAmount(amount)} to ${to}.\n${cost}\n${broadcast ? '' : `${WAITING}\n`}Transaction ${txid}`
}

/** What `bumpfee` has come to. */
export function renderBumped ({ kind, txid, of, fee, feeRate, broadcast }: BumpResult): string {
  const done = kind === 'replacement'
    ? `Transaction ${txid} replaces ${of}: its fee is ${formatAmount(fee)} (${formatFeeRate(feeRate)}).`
    : `Transaction ${txid} pays ${formatAmount(fee)} for the funding transaction ${of}: together they pay ${formatFeeRate(feeRate)}.`
  return broadcast ? done : `${done}\n${WAITING}`
}

function signed (amount: bigint): string {
  return amount < 0n ? `-${formatAmount(-amount)}` : `+${formatAmount(amount)}`
}

export function renderTransactions (transactions: readonly WalletTransaction[], colors: Colors): string {
  if (transactions.length === 0) return 'No transactions. Receive coins at an address from `paychan address`.'
  return renderTable([
    { title: 'BLOCK' }, { title: 'CONFIRMATIONS', align: 'right' }, { title: 'KIND' }, { title: 'AMOUNT', align: 'right' }, { title: 'FEE', align: 'right' }, { title: 'TXID' }, { title: 'LABEL' }
  ], transactions.map(({ txid, kind, amount, fee, height, confirmations, status, label = '' }): Cell[] => [
    height === undefined ? { text: status, style: colors.yellow } : String(height),
    String(confirmations),
    kind,
    signed(amount),
    fee === undefined ? '' : formatAmount(fee),
    txid,
    label
  ]), colors)
}
