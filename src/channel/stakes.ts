/**
 * What is at stake: how much better our newest state is for us than what could reach the chain
 * instead. It bounds what a publication may cost (nobody burns 1,207 sat to save 1), and what a
 * payee lets build up (UPD-11).
 */
import type { Role } from '../bitcoin/keys.js'
import { dustLimit } from '../bitcoin/sizes.js'
import { p2wsh, payoutWitnessScript } from '../bitcoin/scripts.js'
import { max, min, ZERO_SAT, type Satoshi } from '../types/units.js'
import { doubledDaily } from './fee-curve.js'
import { lockOf, payeeOf, payerOf, publishHeightOf } from './schedule.js'
import type { Established } from './state.js'
import type { Terms } from './terms.js'

/**
 * What T2 leaves the server: what it brought along, unless that is dust, which goes to the client.
 */
export function refundedToServer({
  serverBalance,
  server
}: Pick<Terms, 'serverBalance' | 'server'>): Satoshi {
  // Nothing, as most often, needs no script: this is asked with every payment.
  return serverBalance === 0n ||
    serverBalance < dustLimit(p2wsh(payoutWitnessScript(server.payoutKey)))
    ? ZERO_SAT
    : serverBalance
}

/**
 * UPD-11: the payee's share beyond the least that an earlier state leaves it, T2 included, when the
 * payer has `payerBalance`.
 */
export function stakeOfPayee(channel: Established, payerBalance: bigint): bigint {
  const { terms, ledger, ended } = channel
  const payee = payeeOf(ledger.turn)
  const share = terms.capacity - payerBalance
  const inRefund = refundedToServer(terms)
  const least = ended.reduce<bigint>(
    (least, { turn, payerBalance }) =>
      min(least, shareIn(terms.capacity, turn, payerBalance, payee)),
    payee === 'server' ? inRefund : terms.capacity - inRefund
  )
  return share - least
}

/** What a role has in a state. */
export function shareIn(capacity: bigint, turn: number, payerBalance: bigint, role: Role): bigint {
  return payerOf(turn) === role ? payerBalance : capacity - payerBalance
}

/**
 * Our share in the newest acknowledged state of every turn; index 0 is T2's, index k + 1 that of
 * turn k. Of a channel that the peer has handed back (RESTORE-6), the states of the peer may be
 * any: an older one that it has named as its newest would make ours look as if it were worth no
 * fee.
 */
export function sharesByTurn(channel: Established): readonly bigint[] {
  const { terms, ledger, ended, role } = channel
  const { capacity } = terms
  const inRefund = refundedToServer(terms)
  const refund = role === 'client' ? capacity - inRefund : inRefund
  const present =
    ledger.held === undefined
      ? []
      : [shareIn(capacity, ledger.turn, ledger.held.payerBalance, role)]
  const shares = [
    ...ended.map(({ turn, payerBalance }) => shareIn(capacity, turn, payerBalance, role)),
    ...present
  ]
  return [
    refund,
    ...(channel.restored === true
      ? shares.map((share, turn) => (payeeOf(turn) === role ? share : 0n))
      : shares)
  ]
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
  /**
   * The oldest turn of ours whose states have matured: the later it is, the more of the other
   * side's states have matured as well.
   */
  readonly slot: number
}

/**
 * STAKE-1, STAKE-2: x(k) less the least that the other side's older states leave us: those that it
 * can publish once the next lock has come. What can follow only later is worth a normal publication
 * now, F, and no more: ours can still be published then, but no window will be as free as this one.
 * (With turns of 17,000 against 1 sat and an F of 18,000 each difference is below F, and after 27
 * of them they are 237,987 together.)
 *
 * What the other side does not publish brings us nothing, however much of ours is in it. That loses
 * nothing either, for ours can still be published: STAKE-3 fetches it.
 */
export function stakeOf({ shares, turn, role, fee, slot }: StakeInput): bigint {
  const at = (k: number): bigint => shares[k + 1] ?? 0n
  let [next, later] = [at(turn), at(turn)]
  for (let j = role === 'client' ? 0 : -1; j < turn; j += 2) {
    if (j >= slot - 1) next = min(next, at(j))
    else later = min(later, at(j))
  }
  return max(at(turn) - next, min(fee, at(turn) - later))
}

/**
 * The oldest turn of ours that has matured, down to -1 for the client; at the newest it is `turn`
 * itself.
 */
export function maturedSlot(channel: Established, turn: number, height: number): number {
  const first = channel.role === 'client' ? -1 : 0
  let slot = turn
  while (slot - 2 >= first && lockOf(channel.terms, slot - 2) <= height) slot -= 2
  return slot
}

/**
 * The window in which our state of a turn competes at a height: it begins with the lock of the
 * oldest state of ours that has matured, and ends with that of the next older state of the other
 * side. With each lock that passes, more can take the place of ours, so each window is a race of
 * its own, for what is at stake in it. After the last lock of the other side the last one goes on;
 * T2 has none.
 */
export function windowOf(
  channel: Established,
  turn: number,
  height: number
): { readonly from: number; readonly deadline: number | undefined } {
  const slot = maturedSlot(channel, turn, height)
  const from = publishHeightOf(channel.terms, slot)
  return {
    from,
    deadline: turn < 0 ? undefined : (deadlineOf(channel, slot) ?? lastDeadlineOf(channel, turn))
  }
}

/**
 * The lock of the oldest state that the other side holds; none when all that could follow is T2 of
 * ours.
 */
export function lastDeadlineOf({ terms, role }: Established, turn: number): number | undefined {
  return turn < 0 ? undefined : role === 'server' ? terms.refundHeight : lockOf(terms, 0)
}

/**
 * Of a state of ours: the lock of the next older one, which the other side holds; none for T2 and
 * beyond. One-way: L.
 */
export function deadlineOf({ terms }: Established, turn: number): number | undefined {
  return turn < 0 ? undefined : lockOf(terms, turn - 1)
}

/**
 * A quarter of the share on the first day, twice as much with each further one: all of it after
 * two.
 */
const PATIENT_PART = 4n

/**
 * STAKE-3: what a publication may pay that nothing presses: the other side could have published all
 * that it holds and has not, or the user asks for it. It may never come, so all of the share is to
 * be fetched, however little of it the other side could take; but a day of blocks is cheaper than
 * most others, so it begins with a part.
 *
 * @param blocks - for how long it has been so
 */
export function patientBudget(share: bigint, blocks: number): bigint {
  return min(share, doubledDaily(share, blocks) / PATIENT_PART)
}
