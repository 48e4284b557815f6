/**
 * What a bid of an honest side may pay at the most: by its own curve, or by what a refusal for fees
 * lets it bid at once; and while an older state of the other side is in the mempools in earnest,
 * twice its bid of the block before. Whatever only servers show, or what could never be mined,
 * raises nothing.
 */
import { curveRate, patientRate } from '../../channel/fee-curve.js'
import { SETTLED } from '../../channel/bidding.js'
import { publishable, stakeAt, vsizeOf } from '../../channel/publishable.js'
import { payeeOf, turnOfLock } from '../../channel/schedule.js'
import { lastDeadlineOf, windowOf } from '../../channel/stakes.js'
import type { Established, Publication } from '../../channel/state.js'
import type { FeeView } from '../../engine/fee-estimates.js'
import { feeRate, max } from '../../types/units.js'
import type { Contest } from '../../testing/chain.js'
import type { Bid } from './publications.js'

export interface Surroundings {
  /** Of the same state, oldest first. */
  readonly before: readonly Bid[]
  readonly fees: Pick<FeeView, 'current'>
  readonly contests: readonly Contest[]
}

/** A refusal for fees lets a bid rise at once to twice the estimate, or to so much. */
const HURRY_RATE = 20
/** A quarter more for each block in which it did not help. */
const RAISE = 5 / 4

/** In sat/vB. */
export function boundOf(
  state: Established,
  publication: Publication,
  { before, fees, contests }: Surroundings
): number {
  const ours = publishable(state)
  if (ours === undefined) return Infinity
  const { feeRate: estimate, nextBlockRate: nextBlock } = fees.current
  const { since, height, turn } = publication
  const last = before.at(-1)
  const earlier = before.findLast((bid) => bid.height < height)
  const previous = feeRate(BigInt(Math.round(Math.min(last?.rate ?? 0, last?.most ?? 0) * 1_000)))
  const { from, deadline } = windowOf(state, turn, height)
  const lastDeadline = lastDeadlineOf(state, turn)
  const isPatient =
    lastDeadline === undefined || height >= lastDeadline || state.stopped?.code === SETTLED
  // STAKE-3: once nothing presses any more, all of the share may be fetched.
  const worth = isPatient ? ours.share : stakeAt(state, ours, height, estimate)
  const budget = feeRate((worth * 1_000n) / BigInt(vsizeOf(state, ours)))
  const input = {
    since,
    height,
    previous: last === undefined ? since.feeRate : previous,
    estimate,
    budget
  }
  const curve =
    deadline === undefined
      ? 0
      : Number(
          curveRate({
            ...input,
            since: { ...since, height: max(since.height, from) },
            deadline,
            passedOver: undefined,
            nextBlock,
            isContested: true
          })
        ) / 1_000
  const patient = isPatient ? Number(patientRate(input)) / 1_000 : 0
  const refused = Math.max((2 * Number(estimate)) / 1_000, HURRY_RATE)
  const raced = contests.some((contest) => isRival(state, turn, contest))
    ? 2 * Math.min(earlier?.rate ?? refused, earlier?.most ?? refused)
    : 0
  return Math.max(curve, patient, refused * RAISE, raced)
}

/** An older state of the other side that could be mined alone. */
function isRival({ terms, role }: Established, ours: number, { transaction }: Contest): boolean {
  const turn = turnOfLock(terms, transaction.lockTime)
  return (
    transaction.inputs.length === 1 && turn !== undefined && turn < ours && payeeOf(turn) !== role
  )
}
