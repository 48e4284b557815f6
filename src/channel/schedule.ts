/**
 * The payer of each turn, and the heights at which its states mature. A one-way channel is the
 * schedule with the single turn 0, whose states have no lock.
 *
 * | mode    | lock of T2 | lock of turn k     |
 * |---------|------------|--------------------|
 * | one-way | L          | 0                  |
 * | two-way | L          | L - (k + 1) x step |
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

/** The states of a turn, or T2, which is older than all of them. */
export type StateRef = number | 'refund'

/** The kind of transaction that a state is. */
export function kindOf(state: StateRef): 'refund' | 'settlement' {
  return state === 'refund' ? 'refund' : 'settlement'
}

/** The place of a state by age: 0 for T2, k + 1 for turn k. */
export function ageOf(state: StateRef): number {
  return state === 'refund' ? 0 : state + 1
}

export function isOlder(state: StateRef, than: StateRef): boolean {
  return ageOf(state) < ageOf(than)
}

/** The state so many turns before another one; undefined when there is none. */
export function stateBefore(state: StateRef, turns: number): StateRef | undefined {
  const age = ageOf(state) - turns
  return age < 0 ? undefined : age === 0 ? 'refund' : age - 1
}

/**
 * The payer of a state: the client in turn 0, then each in turn. In T2 the payer is the server,
 * with what it has brought along.
 */
export function payerOf(state: StateRef): Role {
  return state !== 'refund' && state % 2 === 0 ? 'client' : 'server'
}

/** True when a side pays at all: on a one-way channel only the client does. */
export function mayPay({ mode }: Pick<Terms, 'mode'>, role: Role): boolean {
  return mode === 'two-way' || role === 'client'
}

/** The nLockTime of a state. */
export function lockOf(
  terms: Pick<Terms, 'mode' | 'refundHeight' | 'step'>,
  state: StateRef
): BlockHeight {
  if (state === 'refund') return terms.refundHeight
  return terms.mode === 'one-way'
    ? blockHeight(0)
    : heightMinus(terms.refundHeight, blockDelta((state + 1) * terms.step))
}

/** The side that holds a state, and publishes it. */
export function payeeOf(state: StateRef): Role {
  return otherRole(payerOf(state))
}

/**
 * The height from which the payee publishes a state without the other side: when the state matures,
 * or at the height in the terms of a one-way channel (TIME-1, TIME-2).
 */
export function publishHeightOf(terms: Schedule, state: StateRef): BlockHeight {
  return terms.mode === 'one-way' && state !== 'refund' ? terms.settleHeight : lockOf(terms, state)
}

/** The last height at which the payer of a turn signs (UPD-12). */
export function lastPaymentHeightOf(terms: Schedule, turn: number): BlockHeight {
  return terms.mode === 'one-way'
    ? terms.lastPaymentHeight
    : heightMinus(lockOf(terms, turn), PAYMENT_MARGIN)
}

/** The state that has this lock; undefined when none has it. */
export function stateOfLock(terms: Schedule, lock: number): StateRef | undefined {
  if (lock === terms.refundHeight) return 'refund'
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
