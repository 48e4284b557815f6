/**
 * What is at stake: how much better our newest state is for us than what could reach the chain
 * instead. It bounds what a publication may cost (nobody burns 1,207 sat to save 1), and what a
 * payee lets build up (UPD-11).
 */
import { otherRole, type Role } from '../bitcoin/keys.js'
import { dustLimit } from '../bitcoin/dust.js'
import { p2wsh, payoutWitnessScript } from '../bitcoin/scripts.js'
import { max, min, ZERO_SAT, type Satoshi } from '../types/units.js'
import { lockOf, payeeOf, payerOf } from './schedule.js'
import type { Established } from './state.js'
import type { Terms } from './terms.js'

/** What T2 leaves the server: what it brought along, unless that is dust, which goes to the client. */
export function refundedToServer ({ serverBalance, server }: Pick<Terms, 'serverBalance' | 'server'>): Satoshi {
  // Nothing, as most often, needs no script: this is asked with every payment.
  return serverBalance === 0n || serverBalance < dustLimit(p2wsh(payoutWitnessScript(server.payoutKey))) ? ZERO_SAT : serverBalance
}

/** UPD-11: the payee's share beyond the least that an earlier state leaves it, T2 included, when the payer has `payerBalance`. */
export function stakeOfPayee (channel: Established, payerBalance: bigint): bigint {
  const { terms, ledger, ended } = channel
  const payee = payeeOf(ledger.turn)
  const share = terms.capacity - payerBalance
  const inRefund = refundedToServer(terms)
  const least = ended.reduce<bigint>((least, { turn, payerBalance }) => min(least, shareIn(terms.capacity, turn, payerBalance, payee)), payee === 'server' ? inRefund : terms.capacity - inRefund)
  return share - least
}

/** What a role has in a state. */
export function shareIn (capacity: bigint, turn: number, payerBalance: bigint, role: Role): bigint {
  return payerOf(turn) === role ? payerBalance : capacity - payerBalance
}

/**
 * Our share in the newest acknowledged state of every turn; index 0 is T2's, index k + 1 that of turn k.
 * Of a channel that the peer has handed back (RESTORE-6), the states of the peer may be any: an older one
 * that it has named as its newest would make ours look as if it were worth no fee.
 */
export function sharesByTurn (channel: Established): readonly bigint[] {
  const { terms, ledger, ended, role } = channel
  const { capacity } = terms
  const inRefund = refundedToServer(terms)
  const refund = role === 'client' ? capacity - inRefund : inRefund
  const present = ledger.held === undefined ? [] : [shareIn(capacity, ledger.turn, ledger.held.payerBalance, role)]
  const shares = [...ended.map(({ turn, payerBalance }) => shareIn(capacity, turn, payerBalance, role)), ...present]
  return [refund, ...channel.restored === true ? shares.map((share, turn) => payeeOf(turn) === role ? share : 0n) : shares]
}

/** The stake of publishing our state of a turn now. */
export interface StakeInput {
  /** As `sharesByTurn`, up to the turn of the state at least. */
  readonly shares: readonly bigint[]
  /** Of the state; its payee is `role`. */
  readonly turn: number
  readonly role: Role
  /** What a publication costs at the present estimate. */
  readonly fee: bigint
  /** The oldest turn of ours whose states have matured: the later it is, the more of the other side's states have matured as well. */
  readonly slot: number
}

/**
 * x(k) less the worst that can follow if we stay silent: the other side publishes one of its older
 * states, or we publish our next older one ourselves when it matures and pay F for it:
 *
 *     stake(k) = x(k) - min(x(k-1), V(k-2))      V(j) = max(x(j) - F, min(x(j-1), V(j-2)))
 *
 * Differences of neighbours are not enough: with lopsided turns each can be below F while together
 * they are the whole channel. Once states after k-1 have matured too, the least of them counts.
 */
export function stakeOf ({ shares, turn, role, fee, slot }: StakeInput): bigint {
  const at = (k: number): bigint => shares[k + 1] ?? 0n
  const first = role === 'client' ? -1 : 0
  // Beyond T2 nothing ever comes: what we do not publish then stays locked up for both.
  if (slot <= -1) return at(turn)
  let continued: bigint | undefined // V(j)
  for (let j = first; j <= slot - 2; j += 2) {
    const silent = j === -1 ? 0n : continued === undefined ? at(j - 1) : min(at(j - 1), continued)
    continued = max(max(at(j) - fee, silent), 0n)
  }
  let worst = at(slot - 1)
  if (continued !== undefined) worst = min(worst, continued)
  for (let j = slot + 1; j < turn; j += 2) worst = min(worst, at(j))
  return max(at(turn) - worst, 0n)
}

/** The oldest turn of ours that has matured, down to -1 for the client; at the newest it is `turn` itself. */
export function maturedSlot (channel: Established, turn: number, height: number): number {
  const first = channel.role === 'client' ? -1 : 0
  let slot = turn
  while (slot - 2 >= first && lockOf(channel.terms, slot - 2) <= height) slot -= 2
  return slot
}

/** The lock of the next older state that the other side holds; none for T2 and beyond. One-way: L. */
export function deadlineOf (channel: Established, turn: number): number | undefined {
  if (turn < 0) return undefined
  return payeeOf(turn - 1) === otherRole(channel.role) ? lockOf(channel.terms, turn - 1) : undefined
}
