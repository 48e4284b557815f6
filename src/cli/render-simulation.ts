/** What a simulation found, for people: what matters first. */
import type { Loss, Results, Sweep } from '../sim/results.js'
import { channelsText, offText } from '../sim/report/totals.js'
import { formatAmount } from '../types/units.js'
import type { Colors } from './output.js'
import { renderFields, renderTable, type Cell, type Column } from './table.js'
import { widthOf, wrap } from './text.js'

const LONGEST_LIST = 5

export interface RunFigures {
  readonly seconds: number
  /** Of the whole process at its highest. */
  readonly memoryMegabytes: number
  readonly events: number
  readonly eventsPerSecond: number
}

/** Whether honest nodes lost what nothing explains, or a rule was broken: a bug. */
export function isSound({ losses, broken }: Pick<Results, 'losses' | 'broken'>): boolean {
  return broken.length === 0 && !losses.some(({ why }) => why === 'unexplained')
}

/** At most `width` columns wide. */
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
 * Of the figures those with a number are left out where there is no room, the highest first: they
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

/** At most `width` columns wide. */
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

/** Of publications; there is none without any. */
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

/** The same in every locale. */
function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}

/** Three digits that say something. */
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
