/**
 * The range of every field (WIRE-5, WIRE-6, WIRE-7, UPD-7, UPD-8). The same checks stand on both
 * sides of the codec: nothing out of range is ever sent, and nothing out of range is let in.
 * Whether a value is acceptable in its place is not asked here; the other rules of spec.md do.
 */
import { ProtocolError } from './errors.js'
import {
  MAX_AMOUNT,
  MAX_ERROR_CODE_BYTES,
  MAX_ERROR_TEXT_BYTES,
  MAX_MEMO_BYTES,
  MAX_PAYMENTS_PER_UPDATE,
  MAX_PREVIOUS_BYTES,
  MAX_RECORDED_STATES,
  MAX_SCRIPT_BYTES,
  MAX_TRANSACTION_BYTES
} from './limits.js'
import type {
  AcceptChannel,
  ChannelRecord,
  Limits,
  Message,
  OpenChannel,
  Payment,
  Reestablish,
  Renewal
} from './messages.js'
import { isLongerThan, isPlainText } from './text.js'

/** `LOCKTIME_THRESHOLD` of Bitcoin Core is 500,000,000: from there on `nLockTime` is a time. */
const MAX_HEIGHT = 499_999_999
const MAX_UINT32 = 0xffff_ffff
/** Depths, steps and windows: a block delta that BIP68 can express has 16 bits. */
const MAX_COUNT = 0xffff
/** A transaction's version as far as any is standard; which one is acceptable, OPEN-5 says. */
const MAX_TX_VERSION = 255

const ERROR_CODE = /^ERR_[A-Z0-9_]+$/
const RULE_ID = /^(?:[A-Z]+-[0-9]+)?$/

function refuse(rule: string, sentence: string): never {
  throw new ProtocolError(rule, sentence)
}

function amount(name: string, value: bigint): void {
  if (value < 0n || value > MAX_AMOUNT) {
    refuse('WIRE-5', `${name} is not an amount from 0 to 21 million bitcoin.`)
  }
}

function integer(name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    refuse('WIRE-5', `${name} is not a whole number from ${min} to ${max}.`)
  }
}

function oneOf(name: string, value: string, allowed: readonly string[]): void {
  if (!allowed.includes(value)) refuse('WIRE-5', `${name} is not one of ${allowed.join(', ')}.`)
}

function bytes(name: string, value: Uint8Array, min: number, max = min): void {
  if (value.length < min || value.length > max) {
    refuse(
      'WIRE-6',
      `${name} has ${value.length} bytes instead of ${min === max ? min : `${min} to ${max}`}.`
    )
  }
}

function key(name: string, value: Uint8Array): void {
  bytes(name, value, 33)
  // SEC 1: a compressed point starts with 02 (even y) or 03 (odd y).
  if (value[0] !== 2 && value[0] !== 3) refuse('WIRE-6', `${name} is not a compressed public key.`)
}

function text(name: string, value: string, maxBytes: number, rule: string): void {
  if (isLongerThan(value, maxBytes)) refuse(rule, `${name} is longer than ${maxBytes} bytes.`)
  if (!isPlainText(value)) refuse('WIRE-7', `${name} is not one line of well-formed text.`)
}

function code(value: string): void {
  text('code', value, MAX_ERROR_CODE_BYTES, 'WIRE-6')
  if (!ERROR_CODE.test(value)) {
    refuse('WIRE-7', 'code is not ERR_ and capital letters, digits or underscores.')
  }
}

function limits(value: Limits): void {
  amount('min_first_payment', value.minFirstPayment)
  amount('max_stake', value.maxStake)
  amount('min_turn_amount', value.minTurnAmount)
  integer('max_in_flight_updates', value.maxInFlightUpdates, 1, MAX_COUNT)
  amount('max_in_flight_value', value.maxInFlightValue)
  integer('max_risk', value.maxRisk, 1, 100)
}

function payment(value: Payment): void {
  bytes('payment id', value.id, 16)
  amount('payment amount', value.amount)
  text('memo', value.memo, MAX_MEMO_BYTES, 'UPD-8')
}

/**
 * The payments of an `Update` (UPD-7). A reader asks before it reads one more, so that too many
 * cost no memory.
 *
 * @throws ProtocolError `UPD-7` when there are more than an `Update` may have.
 */
export function checkPaymentCount(count: number): void {
  if (count > MAX_PAYMENTS_PER_UPDATE) {
    refuse('UPD-7', `An Update has more than ${MAX_PAYMENTS_PER_UPDATE} payments.`)
  }
}

function renewal(value: Renewal): void {
  bytes('channel_id', value.channelId, 32)
  integer('turn', value.turn, 0, MAX_UINT32)
  integer('sequence', value.sequence, 0, MAX_UINT32)
  amount('server_balance', value.serverBalance)
}

function reestablish(message: Reestablish): void {
  const { signature, payments, sequence } = message
  integer('turn', message.turn, 0, MAX_UINT32)
  if (signature.length > 0) bytes('signature', signature, 64)
  // Without a signature there is no state, and nothing to be said of one; but a later turn begins
  // with one that needs none.
  const hasState = signature.length > 0 || message.turn > 0
  integer('sequence', sequence, 0, hasState ? MAX_UINT32 : 0)
  amount('payer_balance', message.payerBalance)
  if (!hasState && message.payerBalance !== 0n) {
    refuse('WIRE-5', 'payer_balance is not 0, and there is no signature.')
  }
  integer('signed', message.signed, 0, MAX_UINT32)
  integer('payments_after', message.paymentsAfter, 0, sequence)
  if (payments.length > 0 && message.paymentsAfter === sequence) {
    refuse('WIRE-5', 'payments are listed of updates that there are not.')
  }
  payments.forEach(payment)
  integer('epoch', message.epoch, 1, MAX_UINT32)
  integer('peer_epoch', message.peerEpoch, 0, MAX_UINT32)
}

function openChannel(message: OpenChannel): void {
  oneOf('network', message.network, ['mainnet', 'testnet', 'testnet4', 'signet', 'regtest'])
  key('channel_key', message.channelKey)
  key('payout_key', message.payoutKey)
  bytes('close_script', message.closeScript, 1, MAX_SCRIPT_BYTES)
  amount('capacity', message.capacity)
  integer('refund_height', message.refundHeight, 0, MAX_HEIGHT)
  oneOf('mode', message.mode, ['one-way', 'two-way'])
  integer('step', message.step, 0, MAX_COUNT)
  integer('tx_version', message.txVersion, 0, MAX_TX_VERSION)
  if (message.renews !== undefined) renewal(message.renews)
  bytes('derivation', message.derivation, 8)
}

function acceptChannel(message: AcceptChannel): void {
  key('channel_key', message.channelKey)
  bytes('derivation', message.derivation, 8)
  key('payout_key', message.payoutKey)
  bytes('close_script', message.closeScript, 1, MAX_SCRIPT_BYTES)
  integer('min_depth', message.minDepth, 0, MAX_COUNT)
  limits(message.limits)
  integer('last_payment_height', message.lastPaymentHeight, 0, MAX_HEIGHT)
  integer('settle_height', message.settleHeight, 0, MAX_HEIGHT)
}

function channelRecord(message: ChannelRecord): void {
  openChannel(message.open)
  acceptChannel(message.accept)
  bytes('funding_tx', message.fundingTx, 1, MAX_TRANSACTION_BYTES)
  integer('funding_output', message.fundingOutput, 0, MAX_UINT32)
  bytes('refund_signature', message.refundSignature, 64)
  if (message.states.length > MAX_RECORDED_STATES) {
    refuse('WIRE-6', `A ChannelRecord has more than ${MAX_RECORDED_STATES} states.`)
  }
  for (const { sequence, payerBalance, signature } of message.states) {
    integer('sequence', sequence, 0, MAX_UINT32)
    amount('payer_balance', payerBalance)
    if (signature.length > 0) bytes('signature', signature, 64)
  }
}

/** @throws ProtocolError when a field of `message` is out of range. */
export function checkMessage(message: Message): void {
  switch (message.type) {
    case 'OpenChannel':
      openChannel(message)
      return
    case 'AcceptChannel':
      acceptChannel(message)
      return
    case 'RefundRequest':
      bytes('refund_tx', message.refundTx, 1, MAX_TRANSACTION_BYTES)
      return
    case 'RefundSignature':
      bytes('signature', message.signature, 64)
      return
    case 'Funding':
      bytes('funding_tx', message.fundingTx, 1, MAX_TRANSACTION_BYTES)
      return
    case 'FundingBroadcast':
      bytes('txid', message.txid, 32)
      return
    case 'Update':
      checkPaymentCount(message.payments.length)
      integer('turn', message.turn, 0, MAX_UINT32)
      integer('sequence', message.sequence, 0, MAX_UINT32)
      amount('payer_balance', message.payerBalance)
      message.payments.forEach(payment)
      bytes('signature', message.signature, 64)
      return
    case 'UpdateAck':
      integer('turn', message.turn, 0, MAX_UINT32)
      integer('sequence', message.sequence, 0, MAX_UINT32)
      return
    case 'ChannelReady':
      return
    case 'TurnRequest':
      integer('turn', message.turn, 0, MAX_UINT32)
      amount('amount', message.amount)
      return
    case 'TurnGrant':
      integer('turn', message.turn, 0, MAX_UINT32)
      integer('sequence', message.sequence, 0, MAX_UINT32)
      return
    case 'TurnRefuse':
      integer('turn', message.turn, 0, MAX_UINT32)
      code(message.code)
      integer('not_before', message.notBefore, 0, MAX_HEIGHT)
      text('text', message.text, MAX_ERROR_TEXT_BYTES, 'WIRE-6')
      return
    case 'RenewalRequest':
      bytes('funding_tx', message.fundingTx, 1, MAX_TRANSACTION_BYTES)
      bytes('signature', message.signature, 64)
      for (const each of message.previous) bytes('previous', each, 1, MAX_PREVIOUS_BYTES)
      if (message.previous.reduce((sum, { length }) => sum + length, 0) > MAX_PREVIOUS_BYTES) {
        refuse('WIRE-6', `previous has more than ${MAX_PREVIOUS_BYTES} bytes in all.`)
      }
      return
    case 'CloseRequest':
      integer('turn', message.turn, 0, MAX_UINT32)
      integer('sequence', message.sequence, 0, MAX_UINT32)
      amount('client_balance', message.clientBalance)
      amount('server_balance', message.serverBalance)
      bytes('client_script', message.clientScript, 1, MAX_SCRIPT_BYTES)
      bytes('server_script', message.serverScript, 1, MAX_SCRIPT_BYTES)
      amount('fee', message.fee)
      bytes('signature', message.signature, 64)
      return
    case 'CloseDone':
      bytes('txid', message.txid, 32)
      return
    case 'Reestablish':
      bytes('channel_id', message.channelId, 32)
      bytes('derivation', message.derivation, 8)
      reestablish(message)
      return
    case 'RestoreRequest':
      if (message.after.length > 0) bytes('after', message.after, 32)
      return
    case 'ChannelRecord':
      channelRecord(message)
      return
    case 'RestoreDone':
      return
    case 'Error':
      code(message.code)
      text('rule', message.rule, MAX_ERROR_CODE_BYTES, 'WIRE-6')
      text('text', message.text, MAX_ERROR_TEXT_BYTES, 'WIRE-6')
      if (!RULE_ID.test(message.rule)) refuse('WIRE-7', 'rule is not the id of a rule.')
  }
}
