/**
 * The same scenario many times, with other values and other seeds, and the outcome of each
 * combination.
 */
import type { Results, Sweep, SweepPoint } from '../results.js'
import { rounded } from '../measure/payments.js'
import { classOf, classNames, STAKE_AXIS, combinations, type Axis } from './variations.js'

/** One run of a sweep. */
export interface SweepJob {
  readonly values: Readonly<Record<string, number | string>>
  readonly seed: number
}

/** Publications of honest nodes with about the same stake. */
export interface StakeClass {
  readonly publications: number
  readonly tooLate: number
  /** Number of them predicted to come too late: the sum of their risks. */
  readonly foretold: number
  /**
   * Losses of honest nodes beyond fees and payments, and their stakes when they published, in
   * satoshis.
   */
  readonly lost: number
  readonly staked: number
}

/** A run's part in its points: the sums of several runs are those of a point. */
export interface SweepRun {
  /** One class when the sweep does not separate stakes. */
  readonly classes: readonly StakeClass[]
  readonly asked: number
  readonly made: number
  readonly fees: number
}

/** @param limits - bounds of the classes of stakes, in satoshis, ascending */
export function runOf(
  { races, losses, payments, chain }: Pick<Results, 'races' | 'losses' | 'payments' | 'chain'>,
  limits: readonly number[]
): SweepRun {
  const sum = (numbers: readonly number[]): number =>
    numbers.reduce((sum, number) => sum + number, 0)
  const honest = races.filter((race) => race.honest)
  // A loss without a publication counts as its own stake.
  const stakeIn = (channel: number, node: string, amount: number): number =>
    honest.filter((race) => race.channel === channel && race.node === node).at(-1)?.stake ?? amount
  const classes = classNames(limits).map((_, n): StakeClass => {
    const own = honest.filter(({ stake }) => classOf(stake, limits) === n)
    return {
      publications: own.length,
      tooLate: own.filter(({ tooLate }) => tooLate).length,
      foretold: sum(own.map(({ risk }) => risk)),
      lost: sum(
        losses
          .filter(
            (loss) =>
              loss.honest && classOf(stakeIn(loss.channel, loss.node, loss.amount), limits) === n
          )
          .map(({ amount }) => amount)
      ),
      staked: sum(own.map(({ stake }) => stake))
    }
  })
  return { classes, asked: payments.asked, made: payments.made, fees: chain.fees }
}

/** `stakes`: limits between classes, in satoshis; none when stakes are not separated. */
export interface SweepPlan {
  readonly scenario: string
  readonly axes: readonly Axis[]
  readonly seeds: readonly number[]
  readonly stakes: readonly number[]
}

/** All runs, in the order of the points, each with its seeds. */
export function jobsOf({ axes, seeds }: Pick<SweepPlan, 'axes' | 'seeds'>): SweepJob[] {
  return combinations(axes).flatMap((values) => seeds.map((seed) => ({ values, seed })))
}

/**
 * Combines the runs, in any order of their ends: `runs` are in the order of `jobsOf`, and a point
 * counts once all of its runs are there.
 */
export function sweepOf(plan: SweepPlan, runs: ReadonlyArray<SweepRun | undefined>): Sweep {
  const { scenario, axes, seeds, stakes } = plan
  const classes = classNames(stakes)
  const points = combinations(axes).flatMap((values, i): SweepPoint[] => {
    const own = runs
      .slice(i * seeds.length, (i + 1) * seeds.length)
      .filter((run) => run !== undefined)
    if (own.length < seeds.length) return []
    return stakes.length === 0
      ? [pointOf(values, own, 0)]
      : classes.map((name, n) => pointOf({ ...values, [STAKE_AXIS]: name }, own, n))
  })
  return {
    format: 'paychan-sweep',
    version: 1,
    scenario,
    seeds,
    axes: stakes.length === 0 ? axes : [...axes, { name: STAKE_AXIS, values: classes }],
    points
  }
}

function pointOf(values: SweepJob['values'], runs: readonly SweepRun[], stake: number): SweepPoint {
  const total = (key: 'asked' | 'made' | 'fees'): number =>
    runs.reduce((sum, run) => sum + run[key], 0)
  const inClass = (key: keyof StakeClass): number =>
    runs.reduce((sum, { classes }) => sum + (classes[stake]?.[key] ?? 0), 0)
  const part = (of: number, all: number): number => (all === 0 ? 0 : of / all)
  return {
    values,
    runs: runs.length,
    publications: inClass('publications'),
    tooLate: inClass('tooLate'),
    lossProbability: part(inClass('tooLate'), inClass('publications')),
    foretold: rounded(part(inClass('foretold'), inClass('publications'))),
    lost: inClass('lost'),
    staked: inClass('staked'),
    successRate: part(total('made'), total('asked')),
    feesPerPayment: part(total('fees'), total('made'))
  }
}
