/**
 * The bids of a publication: its budgets (the stake, and what may be spent patiently), the race for
 * the last block before the deadline, and the next bid that follows from them.
 */
import { dustLimit } from '../bitcoin/sizes.js'
import { SAFE_RELAY_RATE } from '../bitcoin/relay.js'
import { completeState } from '../bitcoin/template.js'
import {
  feeFor,
  feeRate,
  max,
  min,
  satoshi,
  subSat,
  ZERO_SAT,
  type FeeRate,
  type Satoshi
} from '../types/units.js'
import { isFeeRefusal } from '../types/refusals.js'
import type { Env } from './env.js'
import { curveRate, HURRY_RATE, isDear, patientRate } from './fee-curve.js'
import {
  closeLimit,
  countsAsRival,
  normalBid,
  PATIENCE,
  provenRace,
  rivals,
  winnable
} from './evidence.js'
import { stakeAt, vsizeOf, type Publishable } from './publishable.js'
import { isOlder, lockOf, payeeOf, publishHeightOf, type StateRef } from './schedule.js'
import { lastDeadlineOf, patientBudget, windowOf } from './stakes.js'
import type { Established, Publication, ShownSpend } from './state.js'
import { partyOf } from './terms.js'

/** The reason why a channel takes no payments once its user settles it. */
export const SETTLED = 'ERR_CHANNEL_SETTLED'

/**
 * STAKE-3: true when our user wants its money now. The code alone proves nothing: an `Error` of the
 * peer may name any code, and settles nothing.
 */
export function isSettledByUser({ stopped }: Pick<Established, 'stopped'>): boolean {
  return stopped?.code === SETTLED && stopped.settleNow
}

/**
 * TIME-10: true when a spend is shown that we do not know. It counts only with a signature of ours
 * (TIME-8), so we have signed it and forgotten that on this old copy of our data: a close, or a T1
 * that has moved our share to another channel. Our state in its place would bring less.
 */
export function isForgottenSpendShown({ onChain: { shown } }: Established): boolean {
  return shown.some(({ kind }) => kind === 'unknown')
}

/** TIME-10: true when it is settled early, only because the client has broken a rule. */
export function isEarly(channel: Established, height: number): boolean {
  const { terms, stopped } = channel
  return (
    terms.mode === 'one-way' &&
    height < terms.settleHeight &&
    stopped?.settleNow === true &&
    stopped.rule !== ''
  )
}

/**
 * TIME-10: nothing is lost before the settlement height, so until then a settlement costs at most
 * this part of the share, and waits while blocks are dear (`waitsForUsualFees`).
 */
const EARLY_PART = 16n

interface BidOptions {
  readonly previous?: Publication
  /** The rate of the last bid, or the rate that a mempool or a user asks for. */
  readonly leastRate?: FeeRate
  readonly most?: Satoshi
  /** The user asks for it, and may spend the whole share. */
  readonly byUser?: boolean
  /** The last bid is for another state of ours: what takes its place pays more (BIP125). */
  readonly replaces?: boolean
}

/**
 * Signs a publication at the rate of the moment, within the budgets; undefined when the stake is
 * not worth a transaction, or not one that can replace the last bid.
 */
export function bid(
  channel: Established,
  ours: Publishable,
  env: Env,
  {
    previous,
    leastRate = previous?.feeRate,
    most,
    byUser = false,
    replaces = false
  }: BidOptions = {}
): Publication | undefined {
  const { height } = env
  if (height === undefined) return undefined
  const script = partyOf(channel.terms, channel.role).closeScript
  const vsize = vsizeOf(channel, ours)
  const { from, deadline } = windowOf(channel, ours.state, height)
  // A node that comes back late begins where it would be by now.
  const since = previous?.since ?? {
    height: min(height, publishHeightOf(channel.terms, ours.state)),
    feeRate: env.feeRate
  }
  const budgets = budgetsOf(channel, ours, env, height, since.height)
  const budget = byUser ? budgets.share : max(budgets.race, budgets.patient)
  if (budget < feeFor(worthwhileRate(env), vsize)) return undefined
  const rateOf = (sats: bigint): FeeRate => feeRate((max(0n, sats) * 1000n) / BigInt(vsize))
  const race = provenRace(channel, ours.state, height)
  const isLast = isLastCall(channel, ours.state, previous, height)
  const least = leastRate ?? feeRate(0n)
  // The least rate of a mempool is the word of servers, as an estimate is, and moves a bid no
  // further (STAKE-4).
  const [estimate, nextBlock] = [
    max(env.feeRate, env.relay.minimum),
    max(env.nextBlockRate, env.relay.minimum)
  ]
  const input = {
    height,
    previous: byUser ? (previous?.feeRate ?? least) : least,
    passedOver:
      previous === undefined
        ? undefined
        : feeRate(rateOf(baseOf(previous, height)) + env.relay.incremental),
    estimate,
    nextBlock
  }
  const isBeforeTime = isEarly(channel, height)
  const curve =
    deadline === undefined
      ? feeRate(0n)
      : isBeforeTime
        ? estimate
        : curveRate({
            ...input,
            since: { ...since, height: max(since.height, from) },
            deadline,
            budget: rateOf(budgets.race),
            isContested: isLast || most !== undefined
          })
  const wanted =
    previous !== undefined && isLast
      ? min(
          curve,
          max(feeRate((previous.feeRate * 3n) / 2n), feeRate((env.nextBlockRate * 5n) / 4n))
        )
      : curve
  const patient = patientRate({
    ...input,
    since: { ...since, height: budgets.patientFrom },
    budget: rateOf(budgets.patient)
  })
  const base =
    previous === undefined ? normalBid(env.nextBlockRate, vsize) : baseOf(previous, height)
  const raced =
    race === undefined
      ? ZERO_SAT
      : min(outbidding(race, vsize, env), max(satoshi(base * 2n), feeFor(HURRY_RATE, vsize)))
  // One server takes it and one refuses it: which of the two lies cannot be told, so it costs at
  // most half of the stake.
  const isDisputed = isLast && previous?.refusedFor === undefined
  const wished = min(
    max(
      feeFor(
        max(
          max(wanted, patient),
          max(leastBidRate(env, deadline), byUser || replaces ? least : feeRate(0n))
        ),
        vsize
      ),
      raced
    ),
    satoshi(isDisputed ? budget / 2n : budget)
  )
  const fee = most === undefined ? wished : min(wished, most)
  if (isBeforeTime && !byUser && fee < feeFor(env.feeRate, vsize)) return undefined
  // Uses the largest possible size, before signing: with most blocks the bid stays as it is.
  if (previous !== undefined && fee < previous.fee + feeFor(env.relay.incremental, vsize)) {
    return undefined
  }
  const { txid, raw } = completeState(
    ours.template,
    ours.signature,
    [{ script, value: subSat(ours.share, fee) }],
    env.sign
  )
  return {
    kind: ours.kind,
    state: ours.state,
    payerBalance: ours.payerBalance,
    since,
    feeRate: feeRate((fee * 1000n) / BigInt(vsize)),
    fee,
    txid,
    raw,
    height,
    refusedFor: undefined,
    base,
    begun: previous === undefined ? height : previous.begun
  }
}

/** The least rate of a bid: a share that cannot pay it is not worth a transaction. */
export function worthwhileRate({ relay }: Pick<Env, 'relay'>): FeeRate {
  return min(relay.minimum, SAFE_RELAY_RATE)
}

/**
 * Before a deadline no bid is below the rate that every node relays: our servers may take a lower
 * one, while miners are behind nodes that do not.
 */
function leastBidRate(env: Pick<Env, 'relay'>, deadline: number | undefined): FeeRate {
  return deadline === undefined ? worthwhileRate(env) : SAFE_RELAY_RATE
}

/**
 * True in the last block before the deadline when a server has refused the last bid for its fee:
 * something in its mempool keeps the bid out, however little that may be worth to a miner, and
 * another server that says it has taken the bid may lie. The bid is raised at once, step by step
 * until no server refuses it: the whole budget in one step could be far more than needed.
 */
export function isLastCall(
  channel: Established,
  state: StateRef,
  previous: Publication | undefined,
  height: number
): boolean {
  const { deadline } = windowOf(channel, state, height)
  if (!isLastBlock(deadline, height)) return false
  return (
    isFeeRefusal(previous?.refusedFor) ||
    (previous?.isUnderpaid === true && isInTheWay(channel, height))
  )
}

function isLastBlock(deadline: number | undefined, height: number): boolean {
  return deadline !== undefined && height === deadline - 1
}

/**
 * True when a server shows a transaction for which it could refuse a bid that another server has
 * taken. A server that refuses the bid and shows nothing that it would replace lies. Our own
 * publications do not count: each bid pays enough more to replace the last, and all servers have
 * all of them.
 */
function isInTheWay({ role, onChain: { shown } }: Established, height: number): boolean {
  return shown.some(
    ({ state, lock }) => lock <= height && (state === undefined || payeeOf(state) !== role)
  )
}

/** EVID-4: the base of a race at this height. With a new block the last bid counts. */
export function baseOf(previous: Publication, height: number): Satoshi {
  return previous.height === height ? (previous.base ?? previous.fee) : previous.fee
}

/**
 * BIP125: a replacement of the other side's transaction pays its fee, a quarter more, and the
 * incremental relay fee for itself.
 */
export function outbidding(
  { fee = ZERO_SAT }: ShownSpend,
  vsize: number,
  { relay }: Pick<Env, 'relay'>
): Satoshi {
  return satoshi(fee + fee / 4n + feeFor(relay.incremental, vsize))
}

/**
 * True while blocks are dear, and only the peer has made it time: in that it has broken a rule
 * (TIME-10), or by naming turns that we had not known (RESTORE-4). Then neither that nor what could
 * follow at later locks (STAKE-1) is a reason to publish yet: else the peer chooses the hour, weeks
 * early.
 */
export function waitsForUsualFees(
  channel: Established,
  env: Pick<Env, 'nextBlockRate' | 'feeHistory'>,
  height: number
): boolean {
  return (isEarly(channel, height) || isBroughtForward(channel, height)) && isDear(env)
}

function isBroughtForward({ terms, knownTurn }: Established, height: number): boolean {
  return knownTurn !== undefined && height < lockOf(terms, knownTurn)
}

interface Budgets {
  /**
   * The loss if another state is in a block instead of ours; for a bid that servers have refused
   * for its fee, at most what it can win (EVID-5, EVID-10).
   */
  readonly race: bigint
  /** STAKE-3: the amount that may be paid patiently, and the height from which on. */
  readonly patient: bigint
  readonly patientFrom: number
  /** Our whole share, less an output above dust. */
  readonly share: bigint
}

export function budgetsOf(
  channel: Established,
  ours: Publishable,
  env: Pick<Env, 'feeRate' | 'nextBlockRate' | 'feeHistory'>,
  height: number,
  since: number
): Budgets {
  const share = ours.share - dustLimit(partyOf(channel.terms, channel.role).closeScript)
  const { deadline } = windowOf(channel, ours.state, height)
  const waits = waitsForUsualFees(channel, env, height)
  // Without a fee, what could follow at later locks counts for nothing.
  const rate = waits ? feeRate(0n) : env.feeRate
  const early = waits ? 0n : ours.share / EARLY_PART
  const stake = min(
    min(share, stakeAt(channel, ours, height, rate)),
    isEarly(channel, height) ? early : share
  )
  const from = patientFrom(channel, ours.state, since, height)
  const patient =
    height < from || isEarly(channel, height)
      ? 0n
      : min(
          share,
          max(
            patientBudget(ours.share, height - from),
            feeFor(SAFE_RELAY_RATE, vsizeOf(channel, ours)) as bigint
          )
        )
  const race = {
    state: ours.state,
    share: ours.share,
    vsize: vsizeOf(channel, ours),
    height,
    nextBlock: env.nextBlockRate,
    estimate: env.feeRate
  }
  const { publication } = channel
  const isRefused = isFeeRefusal(publication?.refusedFor)
  const passedOver =
    publication === undefined || !isLastBlock(deadline, height)
      ? undefined
      : baseOf(publication, height)
  // T2 has time: refused or not, it does not burn more than it can win.
  const limits = [
    isRefused || deadline === undefined ? winnable(channel, race) : undefined,
    publication !== undefined && (isRefused || publication.isUnderpaid === true)
      ? closeLimit(channel, { ...publication, passedOver }, race)
      : undefined
  ].filter((limit) => limit !== undefined)
  const [first, ...others] = limits
  const most = first === undefined ? undefined : others.reduce((a, b) => max(a, b), first)
  return {
    race: most === undefined ? stake : min(stake, most),
    patient: most === undefined ? patient : min(patient, most),
    patientFrom: from,
    share
  }
}

/**
 * STAKE-3: the height from which there is no pressure: the other side could have published all that
 * it holds, or our user wants its money now. An older state that could be mined is given a day:
 * what it leaves us needs no fee of ours.
 */
function patientFrom(channel: Established, state: StateRef, since: number, height: number): number {
  const last = lastDeadlineOf(channel, state) ?? publishHeightOf(channel.terms, state)
  const from = isSettledByUser(channel) ? Math.min(since, last) : last
  return rivals(channel).some(
    (spend) => isOlder(spend.state, state) && countsAsRival(channel, spend, height)
  )
    ? from + PATIENCE
    : from
}
