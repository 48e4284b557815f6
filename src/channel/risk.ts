/**
 * The chance that the other side can publish an older state before the newest state that we hold is
 * in a block, from the fees that were seen.
 *
 * The model: the rate for the next block will go on as it once did. Every stretch of the history as
 * long as the race is scaled to the present level, and played against the bids of the fee curve;
 * the risk is the share of stretches in which no bid is enough. While less than a day of blocks has
 * been seen, the missing part counts as stretches of which half rise tenfold at once and stay
 * there: pessimistic, since nothing is known. The risk is never 0: a rise that was never seen can
 * still come.
 */
import { dustLimit } from '../bitcoin/sizes.js'
import { otherRole } from '../bitcoin/keys.js'
import { payerOutput } from '../bitcoin/template.js'
import {
  type BlockHeight,
  feeRate,
  subSat,
  ZERO_SAT,
  type FeeRate,
  type Satoshi
} from '../types/units.js'
import type { Env } from './env.js'
import { curveRate } from './fee-curve.js'
import { publishable, stakeAt, vsizeOf, type Publishable } from './publishable.js'
import { DAY, publishHeightOf } from './schedule.js'
import { stateTemplate } from './signing.js'
import { deadlineOf } from './stakes.js'
import type { EitherSide, Established } from './state.js'
import { partyOf } from './terms.js'

/** A day of blocks: less history than that is padded. */
const ENOUGH_HISTORY = DAY
/** The assumed rise of the stretches that were not seen. */
const SUDDEN_RISE = 10n

interface RiskInput {
  /** The rate for the next block, block by block, the newest last; in sat/kvB. */
  readonly history: readonly bigint[]
  readonly now: bigint
  /** Our bids, block by block, until the deadline; in sat/kvB. */
  readonly bids: readonly bigint[]
}

/** The risk, between 0 and 1; 1 when there is no block left to bid in. */
export function riskOf({ history, now, bids }: RiskInput): number {
  if (bids.length === 0) return 1
  // Ratios to the present level as plain numbers: there may be some 4,000 stretches of 144 blocks.
  const above = numbers(bids).map((bid) => bid / Math.max(1, Number(now)))
  const stretches = Math.max(0, history.length - above.length)
  let failed = stretches === 0 ? 0 : lostStretches(numbers(history), above)
  const missing = Math.max(0, ENOUGH_HISTORY - stretches)
  if (!bids.some((bid) => bid >= now * SUDDEN_RISE)) failed += missing / 2
  return (failed + 1) / (stretches + missing + 1)
}

function numbers(values: readonly bigint[]): Float64Array {
  const all = new Float64Array(values.length)
  for (let at = 0; at < all.length; at++) all[at] = Number(values[at])
  return all
}

/** Number of stretches of the rates seen in which no bid, above the first rate, is enough. */
function lostStretches(seen: Float64Array, above: Float64Array): number {
  let lost = 0
  for (let start = 0; start + above.length < seen.length; start++) {
    const level = Math.max(1, seen[start] ?? 1)
    let at = 0
    while (at < above.length && (above[at] ?? 0) * level < (seen[start + 1 + at] ?? 0)) at += 1
    if (at === above.length) lost += 1
  }
  return lost
}

/** The possible loss, in satoshis, and the chance of it (0 to 1). */
export interface Exposure {
  readonly risk: number
  readonly stake: bigint
}

type RiskEnv = Pick<Env, 'height' | 'feeRate' | 'nextBlockRate' | 'feeHistory'>

/**
 * The exposure of our newest state, now; undefined when nothing is at stake, or nothing could take
 * it away.
 */
export function exposureOf(channel: Established, env: RiskEnv): Exposure | undefined {
  const ours = stateAtStake(channel)
  return ours && exposure(channel, ours, env)
}

/**
 * The stake of `exposureOf` without the risk, which takes long, and the height up to which it
 * lasts.
 */
export function stakeNow(
  channel: Established,
  env: RiskEnv
): Pick<AtStake, 'stake' | 'deadline'> | undefined {
  const ours = stateAtStake(channel)
  return ours && atStake(channel, ours, env)
}

function stateAtStake(channel: Established): Publishable | undefined {
  return channel.onChain.spend === undefined ? publishable(channel) : undefined
}

/** UPD-19: the payee's exposure, by our own calculation, once we have `payerBalance` left. */
export function exposureOfPayee(
  channel: Established,
  payerBalance: Satoshi,
  env: RiskEnv
): Exposure | undefined {
  const { ledger } = channel
  const held = { sequence: 0, paymentCount: 0, signature: undefined, ...ledger.held, payerBalance }
  const theirs: EitherSide = {
    ...channel,
    role: otherRole(channel.role),
    publication: undefined,
    ledger: { ...ledger, held, inFlight: [] }
  }
  const template = stateTemplate(theirs, payerBalance)
  const state: Publishable = {
    kind: 'settlement',
    state: ledger.turn,
    template,
    signature: NO_SIGNATURE,
    payerBalance,
    share: subSat(channel.terms.capacity, payerOutput(template)?.value ?? ZERO_SAT)
  }
  return exposure(theirs, state, env)
}

/** A placeholder: nothing is published here. */
const NO_SIGNATURE = new Uint8Array(64)

/** The stretch of blocks in which a state can be lost to an older one, and the loss. */
interface AtStake {
  readonly stake: bigint
  /** The height at which our bids begin. */
  readonly begin: number
  readonly deadline: BlockHeight
}

function atStake(channel: EitherSide, ours: Publishable, env: RiskEnv): AtStake | undefined {
  const { height } = env
  const deadline = deadlineOf(channel, ours.state)
  if (height === undefined || deadline === undefined) return undefined
  const begin = Math.max(height, publishHeightOf(channel.terms, ours.state))
  const stake =
    stakeAt(channel, ours, begin, env.feeRate) -
    dustLimit(partyOf(channel.terms, channel.role).closeScript)
  return stake <= 0n ? undefined : { stake, begin, deadline }
}

function exposure(channel: EitherSide, ours: Publishable, env: RiskEnv): Exposure | undefined {
  const lasting = atStake(channel, ours, env)
  if (lasting === undefined) return undefined
  const { stake, begin, deadline } = lasting
  const budget = feeRate((stake * 1000n) / BigInt(vsizeOf(channel, ours)))
  const since = channel.publication?.since ?? { height: begin, feeRate: env.feeRate }
  let previous: FeeRate = channel.publication?.feeRate ?? feeRate(0n)
  const bids = Array.from({ length: Math.max(0, deadline - begin) }, (_, i) => {
    previous = curveRate({
      since,
      height: begin + i,
      deadline,
      previous,
      passedOver: i === 0 ? channel.publication?.feeRate : previous,
      estimate: env.feeRate,
      nextBlock: env.nextBlockRate,
      budget,
      isContested: false
    })
    return previous
  })
  return { risk: riskOf({ history: env.feeHistory, now: env.nextBlockRate, bids }), stake }
}
