/**
 * The payer of each turn, and the heights at which its states mature. A one-way channel is the
 * schedule with the single turn 0, whose states have no lock.
 *
 * | mode    | lock of T2 (turn -1) | lock of turn k >= 0 |
 * |---------|----------------------|---------------------|
 * | one-way | L                    | 0                   |
 * | two-way | L                    | L - (k + 1) x step  |
 */
import { otherRole, type Role } from '../bitcoin/keys.js'
import {
  blockDelta,
  blockHeight,
  heightMinus,
  type BlockDelta,
  type BlockHeight
} from '../types/units.js'
import type { Terms } from './terms.js'

type Schedule = Pick<Terms, 'mode' | 'refundHeight' | 'step' | 'settleHeight' | 'lastPaymentHeight'>

/** A day of blocks. */
export const DAY = 144

/** Blocks between the last payment and the settlement height: the time to close in peace. */
export const PAYMENT_MARGIN = blockDelta(12)

/**
 * TURN-3: the states of a new turn mature at least this number of blocks above the tip: room to pay
 * in the turn, and to close in peace.
 */
export const TURN_MARGIN = blockDelta(24)

/**
 * The payer of a turn: the client in turn 0, then each in turn. In T2 (turn -1) the payer is the
 * server, with nothing.
 */
export function payerOf(turn: number): Role {
  return turn % 2 === 0 ? 'client' : 'server'
}

/** True when a side pays at all: on a one-way channel only the client does. */
export function mayPay({ mode }: Pick<Terms, 'mode'>, role: Role): boolean {
  return mode === 'two-way' || role === 'client'
}

/** The nLockTime of the states of a turn. */
export function lockOf(
  terms: Pick<Terms, 'mode' | 'refundHeight' | 'step'>,
  turn: number
): BlockHeight {
  if (turn === -1) return terms.refundHeight
  return terms.mode === 'one-way'
    ? blockHeight(0)
    : heightMinus(terms.refundHeight, blockDelta((turn + 1) * terms.step))
}

/** The side that holds the states of a turn, and publishes them. */
export function payeeOf(turn: number): Role {
  return otherRole(payerOf(turn))
}

/**
 * The height from which the payee of a turn publishes its state without the other side: when the
 * state matures, or at the height in the terms of a one-way channel (TIME-1, TIME-2).
 */
export function publishHeightOf(terms: Schedule, turn: number): BlockHeight {
  return terms.mode === 'one-way' && turn >= 0 ? terms.settleHeight : lockOf(terms, turn)
}

/** The last height at which the payer of a turn signs (UPD-12). */
export function lastPaymentHeightOf(terms: Schedule, turn: number): BlockHeight {
  return terms.mode === 'one-way'
    ? terms.lastPaymentHeight
    : heightMinus(lockOf(terms, turn), PAYMENT_MARGIN)
}

/** The turn whose states have this lock; -1 for T2, undefined when none has it. */
export function turnOfLock(terms: Schedule, lock: number): number | undefined {
  if (lock === terms.refundHeight) return -1
  if (terms.mode === 'one-way') return lock === 0 ? 0 : undefined
  const turn = (terms.refundHeight - lock) / terms.step - 1
  return Number.isInteger(turn) && turn >= 0 && lock > 0 ? turn : undefined
}

/** The last turn that may begin at a height (TURN-3); below 1 when none may. */
export function lastTurnAt(terms: Schedule, height: number): number {
  return terms.mode === 'one-way'
    ? 0
    : Math.floor((terms.refundHeight - height - TURN_MARGIN) / terms.step) - 1
}

/**
 * The heights that the server announces: a number of blocks before L (`settleMargin` of a one-way
 * channel, the step of a two-way channel), and 12 before that (TIME-1, UPD-12).
 */
export function heightsBefore(
  refundHeight: BlockHeight,
  margin: BlockDelta
): { settleHeight: BlockHeight; lastPaymentHeight: BlockHeight } {
  const settleHeight = heightMinus(refundHeight, margin)
  return { settleHeight, lastPaymentHeight: heightMinus(settleHeight, PAYMENT_MARGIN) }
}
