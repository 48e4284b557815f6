/**
 * The stake of a channel: how much better our newest state is for us than any state that could
 * reach the chain instead. It bounds the cost of a publication (nobody burns 1,207 sat to save 1),
 * and what a payee lets build up (UPD-11).
 */
import type { Role } from '../bitcoin/keys.js'
import { dustLimit } from '../bitcoin/sizes.js'
import { p2wsh, payoutWitnessScript } from '../bitcoin/scripts.js'
import { max, min, ZERO_SAT, type BlockHeight, type Satoshi } from '../types/units.js'
import { doubledDaily } from './fee-curve.js'
import {
  ageOf,
  lockOf,
  payeeOf,
  payerOf,
  publishHeightOf,
  stateBefore,
  type StateRef
} from './schedule.js'
import type { EitherSide, Established } from './state.js'
import type { Terms } from './terms.js'

/**
 * The part of T2 that goes to the server: what it brought along; if that is dust, the client gets
 * it.
 */
export function refundedToServer({
  serverBalance,
  server
}: Pick<Terms, 'serverBalance' | 'server'>): Satoshi {
  // Mostly nothing, which needs no script: this is asked with every payment.
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

/** The share of a role in a state. */
export function shareIn(
  capacity: bigint,
  state: StateRef,
  payerBalance: bigint,
  role: Role
): bigint {
  return payerOf(state) === role ? payerBalance : capacity - payerBalance
}

/**
 * Our share in T2 and in the newest acknowledged state of every turn, by their age. On a channel
 * that the peer has handed back (RESTORE-6), the states of the peer may be any: if it named an
 * older one as its newest, ours would look as if it were worth no fee.
 */
export function sharesByTurn(channel: EitherSide): readonly bigint[] {
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

/** The stake of publishing a state of ours now. */
interface StakeInput {
  /** The shares of `sharesByTurn`, up to the state at least. */
  readonly shares: readonly bigint[]
  /** The state, whose payee is `role`. */
  readonly state: StateRef
  readonly role: Role
  /** The cost of a publication at the present estimate. */
  readonly fee: bigint
  /**
   * The oldest state of ours that has matured: the later it is, the more of the other side's states
   * have matured as well.
   */
  readonly slot: StateRef
}

/**
 * STAKE-1, STAKE-2: x(k) less the least that the other side's older states leave us, counting those
 * that it can publish once the next lock has come. A state that can follow only later justifies a
 * normal publication now, F, and no more: ours can still be published then, but no later window
 * will be as free as this one. (With turns of 17,000 against 1 sat and an F of 18,000 each
 * difference is below F, and after 27 of them they are 237,987 together.)
 *
 * A state that the other side does not publish brings us nothing, however large our part in it.
 * That loses nothing either: ours can still be published, and STAKE-3 fetches our share.
 */
export function stakeOf({ shares, state, role, fee, slot }: StakeInput): bigint {
  const ours = shares[ageOf(state)] ?? 0n
  let [next, later] = [ours, ours]
  for (let age = role === 'client' ? 1 : 0; age < ageOf(state); age += 2) {
    const share = shares[age] ?? 0n
    if (age >= ageOf(slot) - 1) next = min(next, share)
    else later = min(later, share)
  }
  return max(ours - next, min(fee, ours - later))
}

/** The oldest state of ours that has matured, and `state` itself at the most. */
export function maturedSlot(
  { terms }: Pick<EitherSide, 'terms'>,
  state: StateRef,
  height: number
): StateRef {
  const older = stateBefore(state, 2)
  return older === undefined || lockOf(terms, older) > height
    ? state
    : maturedSlot({ terms }, older, height)
}

/**
 * The window in which a state of ours competes at a height: it begins with the lock of the
 * oldest state of ours that has matured, and ends with the lock of the next older state of the
 * other side. With each lock that passes, more states can replace ours, so each window is a race of
 * its own, for its own stake. After the last lock of the other side the last window goes on; T2 has
 * no deadline.
 */
export function windowOf(
  channel: Established,
  state: StateRef,
  height: number
): { readonly from: number; readonly deadline: number | undefined } {
  const slot = maturedSlot(channel, state, height)
  return {
    from: publishHeightOf(channel.terms, slot),
    deadline:
      state === 'refund' ? undefined : (deadlineOf(channel, slot) ?? lastDeadlineOf(channel, state))
  }
}

/**
 * COST-9: what is lost when the publication of a channel is in no block in time; nothing for T2,
 * which has no deadline.
 */
export function publishedStake(channel: Established, height: number): bigint {
  const { publication, role } = channel
  if (publication === undefined || publication.state === 'refund') return 0n
  const { state, fee } = publication
  const slot = maturedSlot(channel, state, height)
  return stakeOf({ shares: sharesByTurn(channel), state, role, fee, slot })
}

/**
 * The lock of the oldest state that the other side holds; undefined when only our T2 could follow.
 */
export function lastDeadlineOf({ terms, role }: Established, state: StateRef): number | undefined {
  return state === 'refund' ? undefined : lockOf(terms, role === 'server' ? 'refund' : 0)
}

/**
 * The lock of the state before ours, which the other side holds; undefined for T2. On a one-way
 * channel it is L.
 */
export function deadlineOf(
  { terms }: Pick<EitherSide, 'terms'>,
  state: StateRef
): BlockHeight | undefined {
  const before = stateBefore(state, 1)
  return before === undefined ? undefined : lockOf(terms, before)
}

/**
 * A quarter of the share on the first day, doubled with each further day: all of it after two days.
 */
const PATIENT_PART = 4n

/**
 * STAKE-3: the budget of a publication without pressure: the other side could have published all
 * that it holds and has not, or the user asks for it. The other side may never publish, so the
 * whole share is to be fetched, however little of it is at risk; but some block of a day is cheaper
 * than most others, so the budget begins with a part.
 *
 * @param blocks - number of blocks since the pressure ended
 */
export function patientBudget(share: bigint, blocks: number): bigint {
  return min(share, doubledDaily(share, blocks) / PATIENT_PART)
}
