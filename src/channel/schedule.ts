/**
 * Who pays in which turn, and when the states of a turn mature. A one-way channel is the schedule
 * with the single turn 0, whose states have no lock.
 *
 * | mode    | lock of T2 (turn -1) | lock of turn k >= 0 |
 * |---------|----------------------|---------------------|
 * | one-way | L                    | 0                   |
 * | two-way | L                    | L - (k + 1) x step  |
 */
import type { Role } from '../bitcoin/keys.js'
import { blockDelta, blockHeight, heightMinus, type BlockDelta, type BlockHeight } from '../types/units.js'
import type { Terms } from './terms.js'

/** Blocks between the last payment and the height at which it is settled: the time to close in peace. */
export const PAYMENT_MARGIN = blockDelta(12)

/** The payer of a turn: the client in turn 0, then each in turn. */
export function payerOf (turn: number): Role {
  return turn % 2 === 0 ? 'client' : 'server'
}

/** The nLockTime of the states of a turn. */
export function lockOf (terms: Pick<Terms, 'mode' | 'refundHeight' | 'step'>, turn: number): BlockHeight {
  if (turn === -1) return terms.refundHeight
  return terms.mode === 'one-way' ? blockHeight(0) : heightMinus(terms.refundHeight, blockDelta((turn + 1) * terms.step))
}

/** The heights of a one-way channel that its server announces (TIME-1, UPD-12). */
export function oneWayHeights (refundHeight: BlockHeight, settleMargin: BlockDelta): { settleHeight: BlockHeight, lastPaymentHeight: BlockHeight } {
  const settleHeight = heightMinus(refundHeight, settleMargin)
  return { settleHeight, lastPaymentHeight: heightMinus(settleHeight, PAYMENT_MARGIN) }
}
