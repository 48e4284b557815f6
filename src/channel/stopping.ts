/** The end of payments on a channel that cannot go on. What was received stays received. */
import { to, type Transition } from './effects.js'
import { payerOf } from './schedule.js'
import type { Established } from './state.js'
import { errorMessage, type Violation } from './violation.js'

/**
 * The peer broke a rule (UPD-16): it is told which, the stream ends, and the channel closes with
 * the last good state. The payee settles at once; the payer has to wait for its refund.
 */
export function stop (channel: Established, violation: Violation): Transition<Established> {
  const message = errorMessage(violation, true)
  if (channel.stopped !== undefined) return to(channel, { type: 'send', message }, { type: 'hang-up' })
  const settleNow = payerOf(channel.ledger.turn) !== channel.role
  const state: Established = { ...channel, stopped: { code: violation.code, reason: violation.message, rule: violation.rule, settleNow } }
  return to(state,
    { type: 'send', message },
    { type: 'hang-up' },
    { type: 'alarm', code: violation.code, text: `The peer broke rule ${violation.rule}: ${violation.message}` })
}

/**
 * REEST-4: one side has forgotten states. Nobody is to be paid on top of what it does not know, so
 * there are no payments any more; the stream stays, for a close in peace, and the newest state is
 * published by height as ever.
 */
export function closeOnly (channel: Established, violation: Violation): Transition<Established> {
  if (channel.stopped !== undefined) return to(channel)
  const { code, message, rule } = violation
  return to({ ...channel, stopped: { code, reason: message, rule, settleNow: false } },
    { type: 'send', message: errorMessage(violation, true) },
    { type: 'alarm', code, text: message })
}
