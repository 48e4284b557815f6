/** The report of a run of the bench, for people and as JSON. */
import type { CommandLines } from './command-lines.js'
import type { Figure } from './figures.js'
import type { LocalFloors } from './floors.js'
import type { Load } from './load.js'
import type { Overhead } from './overheads.js'
import type { PaymentsReport } from './payments.js'
import type { StartReport, WatchCosts, WatchReport } from './watches.js'

/**
 * Microseconds; `sum` is a round trip, a signature, a verification and a commit one after another.
 */
export interface Floors extends LocalFloors {
  readonly roundTrip: number
  readonly sum: number
}

/** The figures of a part that was not asked for are missing. */
export interface Report {
  readonly node: string
  readonly cpus: number
  readonly figures: readonly Figure[]
  readonly payments?: Omit<PaymentsReport, 'figures'>
  readonly overheads?: readonly Overhead[]
  readonly start?: StartReport
  readonly watches?: WatchReport
  readonly commandLines?: CommandLines
}

/** `ratio`: payments a second, to what one after another could at most be made by the floors. */
type RatedLoad = Load & { readonly ratio: number }

export function floorsOf(local: LocalFloors, roundTrip: number): Floors {
  return { ...local, roundTrip, sum: roundTrip + local.sign + local.verify + local.commit }
}

export function withRatio(load: Load, floors: Floors): RatedLoad {
  return { ...load, ratio: (load.perSecond * floors.sum) / 1e6 }
}

/**
 * What is to be reached: 700 payments/s for one caller and 300,000/s for 1,000, on a machine where
 * the floor of a payment is 0.4 ms (2,500/s): 0.28 and 120 times the floor.
 */
const GOALS: ReadonlyMap<number, number> = new Map([
  [1, 0.28],
  [1_000, 120]
])

/** Says if a load reached its goal; empty when it has none. */
export function goalOf({ callers, ratio }: Pick<RatedLoad, 'callers' | 'ratio'>): string {
  const goal = GOALS.get(callers)
  return goal === undefined ? '' : `${ratio >= goal ? 'reached' : 'missed'} ${goal} x`
}

const whole = (value: number): string => Math.round(value).toLocaleString('en-US')

export function floorLines(floors: Floors): string {
  const lines = [
    ['libp2p round trip', floors.roundTrip],
    ['sign', floors.sign],
    ['verify', floors.verify],
    ['fsync', floors.fsync],
    ['commit of the store', floors.commit],
    ['floor of one payment', floors.sum]
  ] as const
  return lines
    .map(
      ([name, us]) =>
        `  ${name.padEnd(22)}${whole(us).padStart(6)} us${whole(1e6 / us).padStart(10)}/s\n`
    )
    .join('')
}

export const LOAD_HEAD = `  ${'callers'.padEnd(10)}${'payments/s'.padStart(12)}${'p50 ms'.padStart(10)}${'p99 ms'.padStart(10)}${'payments'.padStart(12)}${'to floor'.padStart(11)}   goal\n`

export function loadLine({ callers, perSecond, p50, p99, payments, ratio }: RatedLoad): string {
  const goal = goalOf({ callers, ratio })
  return `  ${whole(callers).padEnd(10)}${whole(perSecond).padStart(12)}${p50.toFixed(2).padStart(10)}${p99.toFixed(2).padStart(10)}${whole(payments).padStart(12)}${`${ratio.toFixed(ratio < 10 ? 2 : 0)} x`.padStart(11)}${goal === '' ? '' : `   ${goal}`}\n`
}

/**
 * At most so many milliseconds of CPU for a block, and bytes for a channel that nothing happens to.
 */
const WATCH_GOALS = { block: 50, bytes: 4_096 } as const

export function watchLines({ chain, engine }: WatchReport): string {
  const goal = (value: number, most: number, unit: string): string =>
    `${value <= most ? 'reached' : 'missed'} ${whole(most)} ${unit}`
  const lines: ReadonlyArray<
    readonly [name: string, of: (costs: WatchCosts) => string, goal?: string]
  > = [
    ['start, every history proved', ({ start }) => `${whole(start)} ms`],
    ['  of it our CPU', ({ startCpu }) => `${whole(startCpu)} ms`],
    ['after a reconnection', ({ again }) => `${whole(again)} ms`],
    ['  of it our CPU', ({ againCpu }) => `${whole(againCpu)} ms`],
    [
      'CPU for a new block',
      ({ block }) => `${block.toFixed(1)} ms`,
      goal(engine.block, WATCH_GOALS.block, 'ms')
    ],
    [
      'memory of an idle channel',
      ({ bytes }) => `${whole(bytes)} B`,
      goal(engine.bytes, WATCH_GOALS.bytes, 'B')
    ]
  ]
  const head = `  ${''.padEnd(30)}${'scripts alone'.padStart(15)}${'engine and all'.padStart(16)}   goal\n`
  return (
    head +
    lines
      .map(
        ([name, of, reached = '']) =>
          `  ${name.padEnd(30)}${of(chain).padStart(15)}${of(engine).padStart(16)}   ${reached}`.trimEnd() +
          '\n'
      )
      .join('')
  )
}

export function watchFigures({ channels, choice }: WatchReport): readonly Figure[] {
  const many = channels.toLocaleString('en-US')
  return [
    {
      name: `choosing the channel, ${many} channels, 50 with the peer`,
      unit: 'us',
      measured: choice,
      goal: { of: 'measured', is: 'most', value: 2 }
    }
  ]
}

export function startFigures({ channels, start, startCpu, bytes }: StartReport): readonly Figure[] {
  const many = channels.toLocaleString('en-US')
  return [
    {
      name: `start with ${many} channels until all can be paid on`,
      unit: 's',
      measured: start / 1_000
    },
    {
      name: `start with ${many} channels, CPU`,
      unit: 's',
      measured: startCpu / 1_000,
      goal: { of: 'measured', is: 'most', value: 3 }
    },
    {
      name: `an idle channel of ${many}, memory`,
      unit: 'B',
      measured: bytes,
      goal: { of: 'measured', is: 'most', value: 3_000 }
    }
  ]
}

/**
 * 120 ms for `--version` and 200 ms for `info`, on a machine where Node.js alone takes 58 ms of CPU
 * to start.
 */
const COMMAND_GOALS = { version: 2.07, info: 3.45 } as const

export function commandLines({ node, version, info }: CommandLines): string {
  const line = (name: string, cpu: number, goal?: number): string => {
    const ratio = cpu / node
    const reached =
      goal === undefined
        ? ''
        : `${ratio.toFixed(2).padStart(8)} x   ${ratio <= goal ? 'reached' : 'missed'} ${goal} x`
    return `  ${name.padEnd(30)}${whole(cpu).padStart(12)} ms${reached}\n`
  }
  return (
    line('node -e 0', node) +
    line('paychan --version', version, COMMAND_GOALS.version) +
    line('paychan info', info, COMMAND_GOALS.info)
  )
}

export function commandFigures({ node, version, info }: CommandLines): readonly Figure[] {
  return [
    {
      name: 'paychan --version, CPU (node -e 0)',
      unit: 'ms',
      measured: version,
      floor: node,
      goal: { of: 'ratio', is: 'most', value: COMMAND_GOALS.version }
    },
    {
      name: 'paychan info, CPU (node -e 0)',
      unit: 'ms',
      measured: info,
      floor: node,
      goal: { of: 'ratio', is: 'most', value: COMMAND_GOALS.info }
    }
  ]
}
