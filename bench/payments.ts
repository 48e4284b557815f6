/**
 * Payments on one channel: one caller, a hundred, a thousand, ten thousand; each beside its floor.
 */
import type { Figure } from './figures.js'
import { idealLoop } from './ideal.js'
import type { Load } from './load.js'
import { floorLines, floorsOf, loadLine, LOAD_HEAD, withRatio, type Floors } from './report.js'
import { setStage, type Stage } from './stage.js'

export interface Output {
  text: (text: string) => void
  progress: (text: string) => void
}

/** Microseconds of CPU a payment. */
interface Costs {
  readonly payerCpu: number
  readonly payeeCpu: number
}

export type CostedLoad = Load & Costs & { readonly ratio: number; readonly ideal: number }

export interface PaymentsReport {
  readonly ecdsa: string
  readonly floors: Floors
  readonly loads: readonly CostedLoad[]
  readonly payments: number
  /** Bytes of the heap that one of 10,000 waiting payments keeps. */
  readonly waitingBytes: number
  /** True when both sides agree on what was paid. */
  readonly ok: boolean
  readonly figures: readonly Figure[]
}

const CALLERS = [1, 100, 1_000, 10_000]
const WARM_UP_PAYMENTS = 2_000
const WARM_UP_MS = 1_500
const MEASURE_MS = 5_000
const IDEAL_MS = 1_500
const WAITING = 10_000

export async function measurePayments(
  nodeFlags: readonly string[],
  { text, progress }: Output
): Promise<PaymentsReport> {
  progress('starts a devnet and two nodes, opens a channel')
  const stage = await setStage({ nodeFlags, payers: 1, channels: 1 })
  try {
    const [payer] = stage.payers
    if (payer === undefined) throw new Error('there is no payer')
    progress('measures sign, verify, fsync, commit and a round trip')
    const local = await payer.call.localFloors()
    const floors = floorsOf(local, await payer.call.roundTrip(stage.payeeAddress))
    text(`${stage.ecdsa}\n\nFloors, one after another\n${floorLines(floors)}\n`)
    text(`Payments of 1 sat on one channel, two processes, both on disk\n${LOAD_HEAD}`)
    let payments = 0
    const pay = async (callers: number, ms: number): Promise<Load> => {
      const load = await payer.call.pay(payer.channels, callers, ms)
      payments += load.payments
      return load
    }
    for (let warm = 0; warm < WARM_UP_PAYMENTS;) warm += (await pay(1, WARM_UP_MS)).payments
    const loads: CostedLoad[] = []
    for (const callers of CALLERS) {
      progress(`${callers} caller${callers === 1 ? '' : 's'}`)
      await pay(callers, WARM_UP_MS)
      // The floor before and after, for the machine is not the same from second to second.
      const before = await idealLoop(callers, IDEAL_MS)
      const cpu = await cpuOf(stage)
      const load = await pay(callers, MEASURE_MS)
      const used = (await cpuOf(stage)).map((now, side) => (now - (cpu[side] ?? 0)) / load.payments)
      const after = await idealLoop(callers, IDEAL_MS)
      loads.push({
        ...withRatio(load, floors),
        payerCpu: used[0] ?? 0,
        payeeCpu: used[1] ?? 0,
        ideal: (before.perSecond + after.perSecond) / 2
      })
      text(loadLine(withRatio(load, floors)))
    }
    const waitingBytes = await payer.call.waiting(payer.channels[0] ?? '', WAITING)
    payments += WAITING
    const [ours, theirs] = [await payer.call.channel(), await stage.payee.channel()]
    const ok =
      ours?.payments.sent === payments &&
      theirs?.payments.received === payments &&
      theirs.ourBalance === BigInt(payments)
    text(
      `\n${ok ? `Both sides agree on ${payments.toLocaleString('en-US')} payments.` : 'The two sides do not agree on what was paid.'}\n`
    )
    await stage.leave()
    return {
      ecdsa: stage.ecdsa,
      floors,
      loads,
      payments,
      waitingBytes,
      ok,
      figures: figuresOf(floors, loads, waitingBytes)
    }
  } finally {
    await stage.strike()
  }
}

/** Of the payer and the payee. */
async function cpuOf(stage: Stage): Promise<number[]> {
  const nodes = [...stage.payers.map(({ call }) => call), stage.payee]
  return await Promise.all(nodes.map(async (node) => await node.cpu()))
}

function figuresOf(
  floors: Floors,
  loads: readonly CostedLoad[],
  waitingBytes: number
): readonly Figure[] {
  const [one, , thousand, many] = loads
  if (one === undefined || thousand === undefined || many === undefined) return []
  return [
    {
      name: 'one caller, p50 (round trip + sign + verify + 2 commits)',
      unit: 'us',
      measured: one.p50 * 1_000,
      floor: floors.sum + floors.commit,
      goal: { of: 'ratio', is: 'most', value: 1.2 }
    },
    {
      name: 'one caller, p99 (p50)',
      unit: 'ms',
      measured: one.p99,
      floor: one.p50,
      goal: { of: 'ratio', is: 'most', value: 3 }
    },
    {
      name: 'one caller, CPU a payment, both sides, warm',
      unit: 'us',
      measured: one.payerCpu + one.payeeCpu,
      goal: { of: 'measured', is: 'most', value: 900 }
    },
    {
      name: '1,000 callers, payments a second (ideal loop)',
      unit: '/s',
      measured: thousand.perSecond,
      floor: thousand.ideal,
      goal: { of: 'ratio', is: 'least', value: 1 / 3 }
    },
    {
      name: '1,000 callers, CPU a payment, both sides',
      unit: 'us',
      measured: thousand.payerCpu + thousand.payeeCpu
    },
    {
      name: '10,000 callers, payments a second (1,000 callers)',
      unit: '/s',
      measured: many.perSecond,
      floor: thousand.perSecond,
      goal: { of: 'ratio', is: 'least', value: 1 }
    },
    {
      name: 'heap of a waiting payment, 10,000 waiting',
      unit: 'B',
      measured: waitingBytes,
      goal: { of: 'measured', is: 'most', value: 600 }
    }
  ]
}
