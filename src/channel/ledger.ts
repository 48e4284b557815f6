/**
 * The balances of both sides. The payer of a turn signs an ever smaller balance of its own. A
 * payment that the payee has acknowledged is on the payee's disk; one that it has not is in flight:
 * signed, so spent, but unconfirmed.
 */
import type { Payment } from '../../protocols/paychan/1.0/index.js'
import type { Role } from '../bitcoin/keys.js'
import { toHex } from '../types/bytes.js'
import { satoshi, type Satoshi, subSat, ZERO_SAT } from '../types/units.js'
import { payerOf } from './schedule.js'
import type { Terms } from './terms.js'

/** A state of a turn that the payee holds. */
export interface HeldState {
  readonly sequence: number
  readonly payerBalance: Satoshi
  /** Number of payments up to and with this sequence. */
  readonly paymentCount: number
  /** The payer's signature over the state; only the payee keeps it. */
  readonly signature: Uint8Array | undefined
}

/** An update that the payer has signed and the payee has not acknowledged. */
export interface InFlightUpdate {
  readonly sequence: number
  readonly payerBalance: Satoshi
  readonly payments: readonly Payment[]
  readonly signature: Uint8Array
}

export interface Ledger {
  readonly turn: number
  /** Undefined until the payee holds Update 0. */
  readonly held: HeldState | undefined
  /** Oldest first; always empty on the payee's side. */
  readonly inFlight: readonly InFlightUpdate[]
  /**
   * Set once the funding output is spent for good: updates after this sequence never reached the
   * chain.
   */
  readonly settledSequence: number | undefined
}

/** The ledger before the first update. */
export const NEW_LEDGER: Ledger = {
  turn: 0,
  held: undefined,
  inFlight: [],
  settledSequence: undefined
}

/**
 * TURN-6: true when the acknowledged state is still the one that the turn began with, which is
 * signed in the turn before.
 */
export function isBase({
  ledger,
  ended
}: {
  readonly ledger: Ledger
  readonly ended: ReadonlyArray<{ readonly sequence: number }>
}): boolean {
  return ledger.turn > 0 && ledger.held?.sequence === ended.at(-1)?.sequence
}

/** The balances at the beginning, by the terms. */
type Beginning = Pick<Terms, 'capacity' | 'serverBalance'>

/**
 * The client's balance before anything is paid: all that the server does not bring along (UPD-9).
 */
export function initialBalance({ capacity, serverBalance }: Beginning): Satoshi {
  return subSat(capacity, serverBalance)
}

/** The payer's balance in the newest state that the payee acknowledged. */
export function heldBalance(ledger: Ledger, terms: Beginning): Satoshi {
  return ledger.held?.payerBalance ?? initialBalance(terms)
}

/** The payer's balance after everything that it has signed, acknowledged or not (UPD-18). */
export function signedBalance(ledger: Ledger, terms: Beginning): Satoshi {
  return ledger.inFlight.at(-1)?.payerBalance ?? heldBalance(ledger, terms)
}

/** The sequence of the next update. */
export function nextSequence(ledger: Ledger): number {
  return (ledger.inFlight.at(-1)?.sequence ?? ledger.held?.sequence ?? -1) + 1
}

/** The value that is signed and not acknowledged, in satoshis. */
export function inFlightValue(ledger: Ledger, terms: Beginning): Satoshi {
  return subSat(heldBalance(ledger, terms), signedBalance(ledger, terms))
}

/**
 * REEST-9: true when so many updates can lead from the balance of one state to that of another:
 * each pays at least 1 sat (UPD-7, UPD-13). No signature covers a sequence, so a peer could name
 * any: the highest one that the wire carries leaves no number for another update.
 */
export function canLeadTo(
  before: Pick<HeldState, 'sequence' | 'payerBalance'>,
  after: { readonly sequence: number; readonly payerBalance: bigint }
): boolean {
  return BigInt(after.sequence - before.sequence) <= before.payerBalance - after.payerBalance
}

/** Both balances in the newest acknowledged state; they add up to the capacity. */
export function balances(terms: Beginning, ledger: Ledger): Record<Role, Satoshi> {
  const payerHas = heldBalance(ledger, terms)
  const payeeHas = subSat(terms.capacity, payerHas)
  return payerOf(ledger.turn) === 'client'
    ? { client: payerHas, server: payeeHas }
    : { client: payeeHas, server: payerHas }
}

/** The payments of updates, in order. */
export function paymentsOf(
  updates: ReadonlyArray<{ readonly payments: readonly Payment[] }>
): readonly Payment[] {
  const [first, ...others] = updates
  // Nearly always there is one; `flatMap` would call back for each payment.
  return first === undefined
    ? []
    : others.length === 0
      ? first.payments
      : first.payments.concat(...others.map(({ payments }) => payments))
}

/** The sum of payments. */
export function totalOf(payments: readonly Payment[]): Satoshi {
  return satoshi(payments.reduce<bigint>((sum, payment) => sum + payment.amount, ZERO_SAT))
}

/* Payment ids, 16 bytes each (UPD-14). */

/**
 * True when no two payments have the same id. Compares whole ids only when their first 30 bits do
 * not settle it.
 */
export function allDifferent(payments: readonly Payment[]): boolean {
  if (payments.length < 2) return true
  const heads = new Set<number>()
  for (const { id } of payments) heads.add(headOf(id))
  return (
    heads.size === payments.length ||
    new Set(payments.map(({ id }) => toHex(id))).size === payments.length
  )
}

/** 30 bits: a number that V8 keeps without an object of its own. */
function headOf(id: Uint8Array): number {
  return ((id[0] ?? 0) << 22) | ((id[1] ?? 0) << 14) | ((id[2] ?? 0) << 6) | ((id[3] ?? 0) >> 2)
}
