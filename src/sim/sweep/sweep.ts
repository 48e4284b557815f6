/**
 * The same scenario many times, with other values and other seeds, and the outcome of each
 * combination.
 */
import { POLICY_KEYS } from '../../channel/policy.js'
import { didYouMean } from '../../types/amount.js'
import { PaychanError } from '../../types/errors.js'
import { rounded } from '../measure/payments.js'
import type { Results, Sweep, SweepPoint } from '../results.js'
import type { YamlFile } from '../scenario/yaml-file.js'
import type { Path } from '../scenario/problems.js'

/* The varied settings of a sweep: a setting of the scenario by name, and its values. */

export interface Axis {
  readonly name: string
  readonly values: ReadonlyArray<number | string>
}

/**
 * Settings of each channel, of the chain, of the network, of each adversary; settings of the policy
 * belong to each group of nodes.
 */
const LISTS: Readonly<Record<string, 'channels' | 'adversaries' | 'traffic'>> = {
  step: 'channels',
  capacity: 'channels',
  blocks: 'channels',
  degree: 'channels',
  upTo: 'adversaries',
  back: 'traffic'
}
const SECTIONS: Readonly<Record<string, 'chain' | 'network'>> = {
  fees: 'chain',
  interval: 'chain',
  blockVsize: 'chain',
  latency: 'network',
  loss: 'network'
}

export const VARIABLE = [...Object.keys(LISTS), ...Object.keys(SECTIONS), ...POLICY_KEYS]

/** A sweep with more runs is a slip. */
export const MOST_RUNS = 10_000

/**
 * Reads `step=1,2,6,36,144`, or a path such as `nodes.customer.count=10,20`.
 *
 * @throws PaychanError `ERR_USAGE`
 */
export function readAxis(text: string): Axis {
  const [, name, list] = /^([A-Za-z][\w.-]*)=(.+)$/.exec(text) ?? []
  if (name === undefined || list === undefined) {
    throw new PaychanError(
      'ERR_USAGE',
      `'${text.slice(0, 60)}' does not say what to vary; write it like step=1,2,6,36,144.`
    )
  }
  if (!name.includes('.') && !VARIABLE.includes(name)) {
    throw new PaychanError(
      'ERR_USAGE',
      `There is no setting '${name}' to vary.${didYouMean(name, VARIABLE)} Name one of ${VARIABLE.join(', ')}, or a path in the scenario such as nodes.customer.count.`
    )
  }
  const values = list
    .split(',')
    .map((value) => value.trim())
    .map((value) => (/^\d+(\.\d+)?$/.test(value) ? Number(value) : value))
  if (values.includes('')) {
    throw new PaychanError(
      'ERR_USAGE',
      `A value is missing in '${text.slice(0, 60)}'; write it like step=1,2,6,36,144.`
    )
  }
  if (new Set(values).size < values.length) {
    throw new PaychanError(
      'ERR_USAGE',
      `A value stands twice in '${text.slice(0, 60)}'; write each once.`
    )
  }
  return { name, values }
}

/** Every combination of the values, the last axis fastest. */
export function combinations(
  axes: readonly Axis[]
): Array<Readonly<Record<string, number | string>>> {
  return axes.reduce<Array<Readonly<Record<string, number | string>>>>(
    (found, { name, values }) =>
      found.flatMap((chosen) => values.map((value) => ({ ...chosen, [name]: value }))),
    [{}]
  )
}

/**
 * Puts a combination into a scenario, before the usual check.
 *
 * @throws PaychanError `ERR_USAGE` when it has no place for a setting
 */
export function applyValues(
  yaml: YamlFile,
  values: Readonly<Record<string, number | string>>
): void {
  for (const [name, value] of Object.entries(values)) {
    const places = placesOf(name, yaml.data)
    if (places.length === 0) {
      throw new PaychanError(
        'ERR_USAGE',
        `Nothing in ${yaml.file} has a '${name}' that could be varied; add it where it is meant.`,
        { name }
      )
    }
    for (const path of places) yaml.set(path, valueOf(name, value))
  }
}

/** `fees=congested` is the generator; all other values are written as in the file. */
function valueOf(name: string, value: number | string): unknown {
  return name === 'fees' && value === 'congested' ? { congested: 1 } : value
}

function placesOf(name: string, data: unknown): Path[] {
  if (name.includes('.')) {
    return [name.split('.').map((step) => (/^\d+$/.test(step) ? Number(step) : step))]
  }
  const section = Object.hasOwn(SECTIONS, name) ? SECTIONS[name] : undefined
  if (section !== undefined) return [[section, name]]
  const list = Object.hasOwn(LISTS, name) ? LISTS[name] : undefined
  if (list === undefined) {
    return Object.keys(mapping(mapping(data)['nodes'])).map((group) => [
      'nodes',
      group,
      'policy',
      name
    ])
  }
  const items = mapping(data)[list]
  // A step is only for channels that have one: the others are one-way. `upTo` is only for bidders.
  return (Array.isArray(items) ? items : []).flatMap((item, i): Path[] =>
    isMeant(name, mapping(item)) ? [[list, i, name]] : []
  )
}

function isMeant(name: string, item: Readonly<Record<string, unknown>>): boolean {
  switch (name) {
    case 'step':
    case 'degree':
      return Object.hasOwn(item, name)
    case 'upTo':
      return item['kind'] === 'publish-old'
    default:
      return true
  }
}

function mapping(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

/** Publications separated by stake: those not worth their fee come too late with any step. */

/** The name of the axis that separates them; no setting has this name. */
export const STAKE_AXIS = 'stake'

/** Most limits: more lines could not be distinguished in a drawing. */
const MOST_LIMITS = 5

/**
 * Reads `10000,100000`: limits between classes, in satoshis.
 *
 * @throws PaychanError `ERR_USAGE`
 * @example readStakes('10000,100000') // three classes: below 10,000 sat, 10,000 to 100,000 sat,
 *   from 100,000 sat
 */
export function readStakes(text: string): number[] {
  const limits = text
    .split(',')
    .map((part) => (/^\s*[1-9]\d{0,14}\s*$/.test(part) ? Number(part) : NaN))
  if (
    limits.some((limit, i) => Number.isNaN(limit) || limit <= (limits[i - 1] ?? 0)) ||
    limits.length > MOST_LIMITS
  ) {
    throw new PaychanError(
      'ERR_USAGE',
      `'${text.slice(0, 60)}' are not limits between stakes; write up to ${MOST_LIMITS} amounts in satoshis, the smallest first, like 10000,100000.`
    )
  }
  return limits
}

/** The names of the classes, one more than there are limits. */
export function classNames(limits: readonly number[]): string[] {
  const sat = (amount: number): string => amount.toLocaleString('en-US')
  const [first] = limits
  const last = limits.at(-1)
  if (first === undefined || last === undefined) return ['any']
  return [
    `below ${sat(first)} sat`,
    ...limits.slice(1).map((limit, i) => `${sat(limits[i] ?? 0)} to ${sat(limit)} sat`),
    `from ${sat(last)} sat`
  ]
}

export function classOf(stake: number, limits: readonly number[]): number {
  return limits.filter((limit) => stake >= limit).length
}

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
