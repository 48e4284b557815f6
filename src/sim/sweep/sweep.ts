/** The same scenario many times, with other values and other seeds, and what came of each combination. */
import type { Results, Sweep, SweepPoint } from '../results.js'
import { combinations, type Axis } from './variations.js'

/** One run of a sweep. */
export interface SweepJob { readonly values: Readonly<Record<string, number | string>>, readonly seed: number }

/** What a run says to its point: the sums of several runs are those of the point. */
export interface SweepRun {
  readonly publications: number
  readonly tooLate: number
  /** Satoshis that honest nodes lost beyond fees and payments, and what was in the channels that were published. */
  readonly lost: number
  readonly staked: number
  readonly asked: number
  readonly made: number
  readonly fees: number
}

export function runOf ({ risk, losses, channels, payments, chain }: Results): SweepRun {
  const sum = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0)
  return {
    publications: sum(risk.map(({ publications }) => publications)),
    tooLate: sum(risk.map(({ tooLate }) => tooLate)),
    lost: sum(losses.filter(({ honest }) => honest).map(({ amount }) => amount)),
    staked: sum(channels.filter(({ end }) => end === 'settlement' || end === 'refund').map(({ capacity }) => capacity)),
    asked: payments.asked,
    made: payments.made,
    fees: chain.fees
  }
}

export interface SweepPlan { readonly scenario: string, readonly axes: readonly Axis[], readonly seeds: readonly number[] }

/** All runs, in the order of the points, each with its seeds. */
export function jobsOf ({ axes, seeds }: SweepPlan): SweepJob[] {
  return combinations(axes).flatMap(values => seeds.map(seed => ({ values, seed })))
}

/**
 * Puts the runs together. It does not matter in which order they ended: `runs` are in that of
 * `jobsOf`, and a point counts once all of its runs are there.
 */
export function sweepOf (plan: SweepPlan, runs: ReadonlyArray<SweepRun | undefined>): Sweep {
  const { scenario, axes, seeds } = plan
  const points = combinations(axes).flatMap((values, i): SweepPoint[] => {
    const own = runs.slice(i * seeds.length, (i + 1) * seeds.length).filter(run => run !== undefined)
    return own.length < seeds.length ? [] : [pointOf(values, own)]
  })
  return { format: 'paychan-sweep', version: 1, scenario, seeds, axes, points }
}

function pointOf (values: SweepJob['values'], runs: readonly SweepRun[]): SweepPoint {
  const total = (key: keyof SweepRun): number => runs.reduce((sum, run) => sum + run[key], 0)
  const part = (of: number, all: number): number => all === 0 ? 0 : of / all
  return {
    values,
    runs: runs.length,
    publications: total('publications'),
    tooLate: total('tooLate'),
    lossProbability: part(total('tooLate'), total('publications')),
    lost: total('lost'),
    staked: total('staked'),
    successRate: part(total('made'), total('asked')),
    feesPerPayment: part(total('fees'), total('made'))
  }
}
