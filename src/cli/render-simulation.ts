/** The results of a simulation, the errors of its scenario, its progress, and its cost. */
import { InvalidArgumentError } from 'commander'
import { channelsText, offText } from '../sim/report/tables.js'
import type { Loss, Results, Sweep } from '../sim/results.js'
import { formatProblem, ScenarioError } from '../sim/scenario/problems.js'
import type { Settings } from '../sim/scenario/scenario-file.js'
import { formatAmount } from '../types/units.js'
import type { Colors, Output } from './output.js'
import { type Cell, type Column, renderFields, renderTable, widthOf, wrap } from './table.js'
import { printable } from '../words/text.js'

/* Renders the results of a simulation for people, the most important first. */

const LONGEST_LIST = 5

interface RunFigures {
  readonly seconds: number
  /** Peak memory of the whole process. */
  readonly memoryMegabytes: number
  readonly events: number
  readonly eventsPerSecond: number
}

/** False when honest nodes lost money without an explanation, or a rule was broken: a bug. */
export function isSound({ losses, broken }: Pick<Results, 'losses' | 'broken'>): boolean {
  return broken.length === 0 && !losses.some(({ why }) => why === 'unexplained')
}

/** Renders a simulation's results in at most `width` columns. */
export function renderResults(
  results: Results,
  run: RunFigures,
  colors: Colors,
  width: number
): string {
  const { scenario, payments, chain, capital, complete, simulated } = results
  const begin = `${scenario.name}  `
  const about = `${count(scenario.nodes, 'node')}, ${channelsText(results)}, ${number(simulated / 86_400)} ${complete ? '' : `of ${scenario.days} `}days, seed ${scenario.seed}${scenario.model ? ', without real signatures' : ''}${complete ? '' : ' (interrupted)'}`
  const title = wrap(about, width - widthOf(begin))
    .map((line, i) => (i === 0 ? colors.bold(begin) : ' '.repeat(widthOf(begin))) + line)
    .join('\n')
    .replace('(interrupted)', colors.yellow)
  const fields: Array<readonly [string, Cell]> = [
    [
      'payments',
      `${whole(payments.made)} of ${whole(payments.asked)} made (${percent(payments.made, payments.asked)}), ${sat(payments.volume)}${payments.unknown === 0 ? '' : `, ${whole(payments.unknown)} unknown at the end`}${offText(payments)}`
    ],
    [
      'failed',
      listed(
        Object.entries(payments.failed)
          .sort(([, a], [, b]) => b - a)
          .map(([code, times]) => `${whole(times)} ${code}`)
      )
    ],
    [
      'latency',
      `${seconds(payments.latency.p50)} for half of them, ${seconds(payments.latency.p99)} for 99 of 100`
    ],
    [
      'on the chain',
      `${
        Object.entries(chain.transactions)
          .filter(([, times]) => times > 0)
          .map(([kind, times]) => `${whole(times)} ${kind}`)
          .join(', ') || 'nothing'
      }, ${sat(chain.fees)} of fees`
    ],
    ['fees', `${number(chain.feesPerPayment)} sat a payment`],
    [
      'capital',
      `${sat(capital.locked)} in channels, ${Math.round(capital.idle * 100)} % of it idle; ${whole(capital.turns)} turns`
    ],
    [
      'losses',
      lossesOf(
        results.losses.filter(({ honest }) => honest),
        colors
      )
    ],
    ...(results.attacks.length === 0 ? [] : [['attackers', attackersOf(results)] as const]),
    [
      'invariants',
      results.broken.length === 0
        ? 'all held'
        : {
            text: `${count(results.broken.length, 'time')} broken: ${listed(results.broken.map(({ rule, text }) => `${rule}: ${text}`))}`,
            style: colors.red
          }
    ],
    [
      'simulation',
      `${seconds(run.seconds)}, ${whole(run.memoryMegabytes)} MB, ${whole(run.events)} events (${whole(run.eventsPerSecond)} a second)`
    ]
  ]
  return `${title}\n${renderFields(fields, colors, width)}`
}

function lossesOf(losses: readonly Loss[], colors: Colors): Cell {
  if (losses.length === 0) return 'no honest node lost anything'
  const byReason = new Map<string, number>()
  for (const { why, amount } of losses) byReason.set(why, (byReason.get(why) ?? 0) + amount)
  const text = listed([...byReason].map(([why, amount]) => `${sat(amount)} ${why}`))
  return byReason.has('unexplained') ? { text, style: colors.red } : text
}

function attackersOf({ attacks }: Pick<Results, 'attacks'>): string {
  const profit = attacks.reduce((sum, { profit }) => sum + profit, 0)
  return `${whole(attacks.filter(({ succeeded }) => succeeded).length)} of ${count(attacks.length, 'attack')} succeeded, ${profit < 0 ? `and cost them ${sat(-profit)}` : `for ${sat(profit)}`}`
}

/**
 * Columns of figures; those with a number are left out when space is short, the highest first: they
 * are in `sweep.json`.
 */
const FIGURES: ReadonlyArray<Omit<Column, 'align'>> = [
  { title: 'runs', leftOut: 6 },
  { title: 'published', leftOut: 2 },
  { title: 'too late', leftOut: 1 },
  { title: 'part' },
  { title: 'foretold', leftOut: 3 },
  { title: 'lost' },
  { title: 'made', leftOut: 4 },
  { title: 'fees a payment', leftOut: 5 }
]

/** Renders a sweep's points in at most `width` columns. */
export function renderSweepTable({ axes, points }: Sweep, colors: Colors, width: number): string {
  const columns: Column[] = [...axes.map(({ name }) => ({ title: name })), ...FIGURES].map(
    (column) => ({ ...column, align: 'right' })
  )
  const rows = points.map(
    ({
      values,
      runs,
      publications,
      tooLate,
      lossProbability,
      foretold,
      lost,
      successRate,
      feesPerPayment
    }): Cell[] => [
      ...axes.map(({ name }) => String(values[name] ?? '')),
      whole(runs),
      whole(publications),
      whole(tooLate),
      chance(lossProbability, publications),
      chance(foretold, publications),
      sat(lost),
      `${number(successRate * 100)} %`,
      `${number(feesPerPayment)} sat`
    ]
  )
  return renderTable(columns, rows, colors, width)
}

/** A share of the publications, as a percentage; `-` without any. */
function chance(part: number, publications: number): string {
  return publications === 0 ? '-' : `${number(part * 100)} %`
}

function listed(items: readonly string[]): string {
  if (items.length === 0) return 'none'
  return `${items.slice(0, LONGEST_LIST).join(', ')}${items.length > LONGEST_LIST ? ` and ${items.length - LONGEST_LIST} more` : ''}`
}

function sat(amount: number): string {
  return formatAmount(BigInt(Math.round(amount)))
}

/** A whole number, the same in every locale. */
function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}

/** A number with three significant digits. */
function number(value: number): string {
  return value === 0 || Math.abs(value) >= 100 ? whole(value) : String(Number(value.toPrecision(3)))
}

function seconds(value: number): string {
  return value < 1 ? `${Math.round(value * 1_000)} ms` : `${number(value)} s`
}

function percent(part: number, all: number): string {
  return all === 0 ? 'none' : `${number((part / all) * 100)} %`
}

function count(times: number, what: string): string {
  return `${whole(times)} ${times === 1 ? what : `${what}s`}`
}

/** Time and memory that a simulation took. */
export function figuresOf(events: number, milliseconds: number): RunFigures {
  const seconds = milliseconds / 1_000
  // maxRSS is in kilobytes on every system (libuv).
  return {
    seconds,
    memoryMegabytes: Math.round(process.resourceUsage().maxRSS / 1_024),
    events,
    eventsPerSecond: seconds === 0 ? 0 : Math.round(events / seconds)
  }
}

/* Lists every error in a scenario, one line each, before the error that sums them up. */

/** Runs an action on a scenario. @throws what the action throws */
export function explained<T>(output: Pick<Output, 'note'>, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof ScenarioError && error.problems.length > 1) {
      for (const problem of error.problems) output.note(printable(formatProblem(problem)))
    }
    throw error
  }
}

/** Command-line options that add to the scenario. */
export interface SimulateFlags {
  readonly seed?: number
  readonly days?: number
  readonly model?: true
  readonly out?: string
  readonly force?: true
}

/** A number of days, whole or not. */
export function readDays(text: string): number {
  if (!/^\d{1,4}(\.\d{1,4})?$/.test(text)) {
    throw new InvalidArgumentError('It must be a number of days, such as 7 or 0.5.')
  }
  return Number(text)
}

/** The options as if they stood in the scenario. */
export function settingsOf({ seed, days, model }: SimulateFlags): Settings {
  return {
    ...(seed === undefined ? {} : { seed }),
    ...(days === undefined ? {} : { days }),
    ...(model === undefined ? {} : { model })
  }
}

/* The progress of a simulation, and the remaining time. */

/** Milliseconds between two lines on a terminal; elsewhere a line marks each tenth. */
const REFRESH_MS = 200
const TENTHS = 10

/** `1 h 5 min`, `3 min 20 s`, `12 s`. */
function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`
}

export class SimulationProgress {
  #shownAt = -Infinity
  #tenth = 0
  readonly #begin: number
  readonly #output: Pick<Output, 'progress'>
  readonly #isLive: boolean
  readonly #now: () => number

  /** `now` in milliseconds, `isLive` on a terminal. */
  constructor(output: Pick<Output, 'progress'>, isLive: boolean, now: () => number) {
    this.#output = output
    this.#isLive = isLive
    this.#now = now
    this.#begin = now()
  }

  /** Shows the part that is done (0 to 1); `text` says what is done. */
  update(part: number, text: string): void {
    const now = this.#now()
    const tenth = Math.floor(part * TENTHS)
    if (this.#isLive ? now - this.#shownAt < REFRESH_MS : tenth <= this.#tenth || tenth >= TENTHS) {
      return
    }
    this.#shownAt = now
    this.#tenth = tenth
    const elapsed = (now - this.#begin) / 1_000
    const left =
      part > 0 && elapsed > 0.5 ? `, ${formatSeconds(elapsed / part - elapsed)} left` : ''
    this.#output.progress(`${Math.floor(part * 100)} %: ${text}${left}`)
  }
}
