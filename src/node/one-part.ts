/** The payment that one channel carries alone, which is the usual one. */
import type { Part } from '../engine/keyed-payments.js'
import type { ChannelId } from '../types/bytes.js'
import type { PaymentInfo, PayResult } from './api.js'

/** The channel of a plan with one part. */
export function soleChannel(plan: readonly Part[]): ChannelId | undefined {
  return plan.length === 1 ? plan[0]?.channel : undefined
}

/**
 * Spelled out: copying an object with `...` and adding to it costs several times as much as the
 * rest of `pay`.
 */
export function inOnePart(payment: PaymentInfo): PayResult {
  const { id, channel, peerId, direction, amount, memo, status, time } = payment
  return {
    id,
    channel,
    peerId,
    direction,
    amount,
    memo,
    status,
    time,
    requestId: undefined,
    parts: [payment],
    already: false
  }
}
