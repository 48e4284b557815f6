/**
 * What paying adds to a call: the same calls unpaid and paid, in turns, so that whatever else the
 * machine does meets both. Times are of whole calls; CPU is that of both processes.
 */
import type { NodeCalls } from './calls.js'
import type { Figure } from './figures.js'
import { percentiles } from './load.js'
import { WAYS, type Calling, type Way } from './paid-calls.js'
import type { Output } from './payments.js'
import { setStage } from './stage.js'

const CALLERS = [1, 64]
const ROUNDS = 5
const ROUND_MS = 1_000
const WARM_UP_MS = 2_500

/** Of several rounds: the median, and the lowest and highest. */
export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

/** Of one way to call, by so many callers; times in milliseconds. */
export interface Figures {
  readonly perSecond: Spread
  /** The median call of a round. */
  readonly time: Spread
  /** Of both processes, for one call. */
  readonly cpu: Spread
}

export interface Overhead {
  readonly way: Way
  readonly callers: number
  readonly unpaid: Figures
  readonly paid: Figures
}

type Round = Readonly<Record<keyof Figures, number>>

interface Traders {
  readonly payer: NodeCalls
  readonly payee: NodeCalls
  /** Multiaddr of the payee. */
  readonly payeeAddress: string
}

/** Tells the table as well. */
export async function measureOverheads(
  nodeFlags: readonly string[],
  { text, progress }: Output
): Promise<readonly Overhead[]> {
  progress('starts a devnet, a buyer and a seller')
  const { payers, payee, payeeAddress, leave, strike } = await setStage({
    nodeFlags,
    payers: 1,
    channels: 1
  })
  try {
    const [buyer] = payers
    if (buyer === undefined) throw new Error('there is no buyer')
    const overheads = await overheadsOf({ payer: buyer.call, payee, payeeAddress }, progress)
    await leave()
    text(`\nCalls that cost 1 sat beside unpaid ones, two processes\n${OVERHEAD_HEAD}`)
    text(overheads.map(overheadLines).join(''))
    return overheads
  } finally {
    await strike()
  }
}

/** The figures that have a goal. */
export function overheadFigures(overheads: readonly Overhead[]): readonly Figure[] {
  return overheads.map(({ way, callers, unpaid, paid }) =>
    callers === 1
      ? {
          name: `${way}, 1 caller: added to the median call`,
          unit: 'ms',
          measured: paid.time.median - unpaid.time.median,
          goal: { of: 'measured', is: 'most', value: GOALS.added }
        }
      : {
          name: `${way}, ${callers} callers: paid calls a second`,
          unit: '/s',
          measured: paid.perSecond.median,
          floor: unpaid.perSecond.median,
          goal: { of: 'measured', is: 'least', value: GOALS.perSecond }
        }
  )
}

async function overheadsOf(
  { payer, payee, payeeAddress }: Traders,
  progress: (text: string) => void
): Promise<Overhead[]> {
  const url = await payee.sell()
  await payer.buy(url, payeeAddress)
  const round = async (calling: Calling): Promise<Round> => {
    const before = (await payer.cpu()) + (await payee.cpu())
    const { payments: calls, perSecond, p50 } = await payer.calls(calling)
    const cpu = (await payer.cpu()) + (await payee.cpu()) - before
    return { perSecond, time: p50, cpu: cpu / 1_000 / calls }
  }
  const overheads: Overhead[] = []
  for (const way of WAYS) {
    // One caller makes too few calls to have the code compiled that all of them use.
    for (const isPaid of [false, true]) {
      await payer.calls({ way, isPaid, callers: Math.max(...CALLERS), ms: WARM_UP_MS })
    }
    for (const callers of CALLERS) {
      progress(`${way}, ${callers} caller${callers === 1 ? '' : 's'}`)
      const rounds: { unpaid: Round[]; paid: Round[] } = { unpaid: [], paid: [] }
      for (let n = 0; n <= ROUNDS; n++) {
        const unpaid = await round({ way, callers, isPaid: false, ms: ROUND_MS })
        const paid = await round({ way, callers, isPaid: true, ms: ROUND_MS })
        // The first one warms up.
        if (n === 0) continue
        rounds.unpaid.push(unpaid)
        rounds.paid.push(paid)
      }
      overheads.push({
        way,
        callers,
        unpaid: figuresOf(rounds.unpaid),
        paid: figuresOf(rounds.paid)
      })
    }
  }
  return overheads
}

function figuresOf(rounds: readonly Round[]): Figures {
  const of = (name: keyof Figures): Spread => {
    const values = rounds.map((each) => each[name])
    const [median] = percentiles(values)
    return { median, least: Math.min(...values), most: Math.max(...values) }
  }
  return { perSecond: of('perSecond'), time: of('time'), cpu: of('cpu') }
}

/** At most so many milliseconds are added for one caller; so many paid calls a second for 64. */
const GOALS = { added: 2, perSecond: 2_000 } as const

const WIDTH = 26

export const OVERHEAD_HEAD = `  ${'way'.padEnd(8)}${'callers'.padEnd(9)}${''.padEnd(8)}${'calls/s'.padStart(WIDTH)}${'ms a call'.padStart(WIDTH)}${'ms of CPU a call'.padStart(WIDTH)}\n`

export function overheadLines({ way, callers, unpaid, paid }: Overhead): string {
  const cell = ({ median, least, most }: Spread, digits: number): string => {
    const [a, b, c] = [median, least, most].map((each) => each.toFixed(digits))
    return `${a} (${b} to ${c})`.padStart(WIDTH)
  }
  const line = (name: string, { perSecond, time, cpu }: Figures): string =>
    `  ${way.padEnd(8)}${String(callers).padEnd(9)}${name.padEnd(8)}${cell(perSecond, 0)}${cell(time, 2)}${cell(cpu, 3)}\n`
  const ratio = (name: keyof Figures): string =>
    `${(paid[name].median / unpaid[name].median).toFixed(2)} x`.padStart(WIDTH)
  const added = paid.time.median - unpaid.time.median
  const isReached = callers === 1 ? added <= GOALS.added : paid.perSecond.median >= GOALS.perSecond
  const goal =
    callers === 1
      ? `${added.toFixed(2)} ms added, goal ${GOALS.added}`
      : `goal ${GOALS.perSecond}/s`
  return (
    line('unpaid', unpaid) +
    line('paid', paid) +
    `  ${''.padEnd(17)}${'ratio'.padEnd(8)}${ratio('perSecond')}${ratio('time')}${ratio('cpu')}   ${isReached ? 'reached' : 'missed'}: ${goal}\n`
  )
}
