/**
 * A stream to the peer comes and goes. On every new stream of a known channel both sides first say
 * where they stand (`Reestablish`); the payer sends again what the payee does not have (REEST-2).
 */
import type { ErrorMessage, Reestablish } from '../../protocols/paychan/1.0/index.js'
import { fromHex, sameBytes } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { abandon } from './abandoning.js'
import { to, type Effect, type Transition } from './effects.js'
import { acknowledge, updateMessage } from './paying.js'
import { payerOf } from './schedule.js'
import { isFrozen, isOpening, type Channel, type Established, type RefundSigned } from './state.js'
import { stop } from './stopping.js'
import { errorMessage, Violation } from './violation.js'

/** A new stream of a channel that both sides know. */
export function onConnected (channel: Channel, address: string | undefined): Transition {
  if (channel.stage !== 'established') return to(channel)
  // The address that worked last is the one to dial first, also after a restart.
  return to({ ...channel, link: 'up', address: address ?? channel.address }, { type: 'send', message: reestablish(channel) })
}

function reestablish (channel: Established | RefundSigned): Reestablish {
  const ledger = channel.stage === 'established' ? channel.ledger : undefined
  return {
    type: 'Reestablish',
    channelId: fromHex(channel.id),
    derivation: channel.terms.derivation,
    turn: ledger?.turn ?? 0,
    sequence: ledger?.held?.sequence ?? 0
  }
}

/** The stream ended. Before T1 has left, that ends the opening; a signed refund can still be used (FUND-1). */
export function onDisconnected (channel: Channel, reason: string): Transition {
  if (channel.stage === 'established') {
    const payments = channel.ledger.inFlight.flatMap((update) => update.payments)
    const unknown: Effect[] = payments.length > 0 ? [{ type: 'payments-unknown', payments, reason }] : []
    return to({ ...channel, link: 'down' }, ...unknown, { type: 'notify', what: 'the peer is disconnected' })
  }
  if (!isOpening(channel) || channel.stage === 'refund-signed') return to(channel)
  return abandon(channel, new PaychanError('ERR_PEER_UNREACHABLE', `The peer went away while the channel was opening${reason === '' ? '' : ` (${reason})`}; open it again.`))
}

/** The peer says where it stands. */
export function onReestablish (channel: Established | RefundSigned, message: Reestablish): Transition {
  if (!sameBytes(message.derivation, channel.terms.derivation)) {
    const violation = new Violation('REEST-1', 'ERR_WRONG_DERIVATION', 'The key derivation of the channel is another one.')
    return channel.stage === 'established' ? stop(channel, violation) : abandon(channel, violation, { type: 'send', message: errorMessage(violation, true) })
  }
  if (channel.stage === 'refund-signed') return to(channel, { type: 'send', message: reestablish(channel) })
  return payerOf(channel.ledger.turn) === channel.role ? resume(channel, message) : compare(channel, message)
}

/** The payer: what the payee holds is acknowledged, what it does not hold is sent again. */
function resume (channel: Established, message: Reestablish): Transition {
  const { ledger } = channel
  const held = ledger.held?.sequence ?? 0
  const newest = ledger.inFlight.at(-1)?.sequence ?? held
  if (message.turn !== ledger.turn || message.sequence < held) {
    return stop(channel, new Violation('REEST-4', 'ERR_PEER_FORGOT', `The peer holds update ${message.sequence} and has acknowledged ${held}; it was restored from an old copy.`, { sequence: message.sequence, held }))
  }
  if (message.sequence > newest) {
    return stop(channel, new Violation('REEST-4', 'ERR_BAD_ACK', `The peer claims to hold update ${message.sequence}; the newest is ${newest}.`, { sequence: message.sequence, newest }))
  }
  // A payee that holds nothing says 0 as well: Update 0 goes out again, and is acknowledged twice at the most.
  const seen = message.sequence > 0 ? acknowledge(channel, message.sequence) : to(channel)
  const state: Established = { ...seen.state, link: 'live' }
  const effects: Effect[] = [...seen.effects]
  if (!state.fundingAcknowledged) effects.push({ type: 'send', message: { type: 'Funding', fundingTx: state.fundingTx } })
  // CLOSE-6: once a close of ours is signed, what the peer has not stored is not sent any more.
  if (!isFrozen(state)) for (const update of state.ledger.inFlight) effects.push({ type: 'send', message: updateMessage(ledger, update) })
  return to(state, ...effects, ...readyAgain(state), { type: 'notify', what: 'reconnected' })
}

/** The payee: if the payer has seen acknowledgements that we do not know of, our copy is an old one (REEST-4). */
function compare (channel: Established, message: Reestablish): Transition {
  const held = channel.ledger.held?.sequence ?? 0
  if (message.turn !== channel.ledger.turn || message.sequence > held) {
    return stop(channel, new Violation('REEST-4', 'ERR_STATE_FORGOTTEN', `The peer knows of update ${message.sequence}, and this node holds ${held}: its data was restored from an old copy. The channel only closes now.`, { sequence: message.sequence, held }))
  }
  return to({ ...channel, link: 'live' }, ...readyAgain(channel), { type: 'notify', what: 'reconnected' })
}

function readyAgain (channel: Established): Effect[] {
  return channel.ready.ours ? [{ type: 'send', message: { type: 'ChannelReady' } }] : []
}

/** The peer refused something, or found a rule broken (ERR-3, ERR-4). It gets no Error in return (ERR-5). */
export function onError (channel: Channel, error: ErrorMessage): Transition {
  if (channel.stage === 'abandoned') return to(channel)
  if (isOpening(channel)) {
    return abandon(channel, new PaychanError('ERR_OPEN_REFUSED', `The peer refused: ${error.text}`, { peerCode: error.code, rule: error.rule }))
  }
  if (error.fatal) {
    const stopped = channel.stopped ?? { code: error.code, reason: `the peer says: ${error.text}`, rule: error.rule, settleNow: false }
    return to({ ...channel, stopped }, ...closeRefused(channel, error), { type: 'hang-up' }, { type: 'alarm', code: error.code, text: `The peer stopped the channel: ${error.text}` })
  }
  const payments = channel.ledger.inFlight.flatMap((update) => update.payments)
  const unknown: Effect[] = payments.length > 0 && error.code === 'ERR_CHANNEL_CLOSED' ? [{ type: 'payments-unknown', payments, reason: error.text }] : []
  return to(channel, ...unknown, ...closeRefused(channel, error), { type: 'notify', what: `the peer says: ${error.text} (${error.code})` })
}

function closeRefused (channel: Established, error: ErrorMessage): Effect[] {
  if (!channel.closes.some((close) => close.asker === channel.role)) return []
  return [{ type: 'close-refused', error: new PaychanError('ERR_CLOSE_REFUSED', `The peer refused the close: ${error.text}`, { peerCode: error.code, rule: error.rule }) }]
}
