/**
 * The columns of `payments`, `transactions` and `channels` as CSV. Names stay; new ones come last.
 */
import type { ChannelInfo, PaymentInfo, WalletTransaction } from '../node/api.js'
import type { CsvColumn } from './csv.js'

function isoTime(milliseconds: number): string {
  const date = new Date(milliseconds)
  return Number.isNaN(date.getTime()) ? '' : date.toISOString()
}

export const PAYMENT_CSV: ReadonlyArray<CsvColumn<PaymentInfo>> = [
  { name: 'time_utc', cell: ({ time }) => isoTime(time) },
  { name: 'id', cell: ({ id }) => id },
  { name: 'channel', cell: ({ channel }) => channel },
  { name: 'peer_id', cell: ({ peerId }) => peerId },
  { name: 'direction', cell: ({ direction }) => direction },
  { name: 'amount_sat', cell: ({ amount }) => amount },
  { name: 'status', cell: ({ status }) => status },
  { name: 'memo', cell: ({ memo }) => memo }
]

/** `amount_sat` is what it changes for the wallet, negative for what leaves it. */
export const TRANSACTION_CSV: ReadonlyArray<CsvColumn<WalletTransaction>> = [
  { name: 'txid', cell: ({ txid }) => txid },
  { name: 'kind', cell: ({ kind }) => kind },
  { name: 'amount_sat', cell: ({ amount }) => amount },
  { name: 'fee_sat', cell: ({ fee }) => fee },
  { name: 'block_height', cell: ({ height }) => height },
  { name: 'confirmations_blocks', cell: ({ confirmations }) => confirmations },
  { name: 'status', cell: ({ status }) => status },
  { name: 'label', cell: ({ label }) => label }
]

export const CHANNEL_CSV: ReadonlyArray<CsvColumn<ChannelInfo>> = [
  { name: 'id', cell: ({ id }) => id },
  { name: 'peer_id', cell: ({ peerId }) => peerId },
  { name: 'role', cell: ({ role }) => role },
  { name: 'mode', cell: ({ mode }) => mode },
  { name: 'status', cell: ({ status }) => status },
  { name: 'reason', cell: ({ reason }) => reason },
  { name: 'capacity_sat', cell: ({ capacity }) => capacity },
  { name: 'our_balance_sat', cell: ({ ourBalance }) => ourBalance },
  { name: 'their_balance_sat', cell: ({ theirBalance }) => theirBalance },
  { name: 'spendable_sat', cell: ({ spendable }) => spendable },
  { name: 'receivable_sat', cell: ({ receivable }) => receivable },
  { name: 'in_flight_sat', cell: ({ inFlight }) => inFlight },
  { name: 'at_risk_sat', cell: ({ atRisk }) => atRisk },
  { name: 'payments_sent', cell: ({ payments }) => payments.sent },
  { name: 'payments_received', cell: ({ payments }) => payments.received },
  { name: 'confirmations_blocks', cell: ({ confirmations }) => confirmations },
  { name: 'last_payment_height', cell: ({ lastPaymentHeight }) => lastPaymentHeight },
  { name: 'settle_height', cell: ({ settleHeight }) => settleHeight },
  { name: 'refund_height', cell: ({ refundHeight }) => refundHeight },
  { name: 'funding_txid', cell: ({ funding }) => funding?.txid },
  { name: 'funding_vout', cell: ({ funding }) => funding?.vout },
  { name: 'spend_kind', cell: ({ spend }) => spend?.kind },
  { name: 'spend_txid', cell: ({ spend }) => spend?.txid }
]
