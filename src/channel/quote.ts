/**
 * The payments that are possible on a channel, with the limits that its payee has announced: the
 * one place that says so, for the payer that signs, the payee that checks, the plan of a payment
 * over several channels, and people.
 */
import type { Role } from '../bitcoin/keys.js'
import { max, min, satoshi, ZERO_SAT, type BlockHeight, type Satoshi } from '../types/units.js'
import { balances, signedBalance } from './ledger.js'
import { lastTurnAt, payerOf } from './schedule.js'
import { stakeOfPayee } from './stakes.js'
import type { Established } from './state.js'
import { refusalInForce } from './turns.js'

export interface Quote {
  /** True when paying takes the turn first. */
  readonly takesTurn: boolean
  /** The limit of all further payments together; 0 when there can be none. */
  readonly room: Satoshi
  /**
   * The least amount of the next payment: the first of a channel is worth settling (UPD-10), a turn
   * is worth its step (TURN-1).
   */
  readonly least: Satoshi
  /** The largest amount of one payment (UPD-6). */
  readonly most: Satoshi
}

const ONE_SAT = satoshi(1n) // UPD-13

/**
 * The payments that `role` could make on an open channel, in its turn or in the next one. A refusal
 * of the turn counts as long as it stands (TURN-5).
 */
export function quote(channel: Established, role: Role, height: BlockHeight | undefined): Quote {
  const { terms, ledger } = channel
  if (payerOf(ledger.turn) === role) return quoteInTurn(channel, signedBalance(ledger, terms))
  const { minTurnAmount, maxInFlightValue } = terms.limits
  const balance = balances(terms, ledger)[role]
  const isRefused = role === channel.role && refusalInForce(channel, height) !== undefined
  const isLast = height === undefined || ledger.turn + 1 > lastTurnAt(terms, height)
  return {
    takesTurn: true,
    room: isRefused || isLast || balance < minTurnAmount ? ZERO_SAT : balance,
    least: max(minTurnAmount, ONE_SAT),
    most: maxInFlightValue
  }
}

/** The payments that the payer of the turn could still make when it is left with `balance`. */
export function quoteInTurn(channel: Established, balance: bigint): Quote {
  const { capacity, limits } = channel.terms
  const stakeLeft = max(0n, limits.maxStake - stakeOfPayee(channel, balance)) // UPD-11
  return {
    takesTurn: false,
    room: satoshi(min(balance, stakeLeft)),
    least: balance === capacity ? max(limits.minFirstPayment, ONE_SAT) : ONE_SAT,
    most: limits.maxInFlightValue
  }
}
