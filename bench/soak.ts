/** One channel at work for minutes: whether memory, latency and the disk stay as they are. */
import type { Figure } from './figures.js'
import { percentiles } from './load.js'
import type { Output } from './payments.js'
import { setStage } from './stage.js'

const CALLERS = 100
const WARM_UP_MS = 5_000
const STEP_MS = 10_000
/** A value that ends within this part of where it began is flat. */
const FLAT = 1.25

/** After so many seconds; bytes, and milliseconds from a call until its acknowledgement. */
interface Sample {
  readonly at: number
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  readonly payerHeap: number
  readonly payeeHeap: number
  /** Bytes of the payee's data directory. */
  readonly disk: number
  /** Bytes that the payee has had written to the disk for a payment. */
  readonly written: number
}

export async function soak(
  minutes: number,
  nodeFlags: readonly string[],
  { text, progress }: Output
): Promise<readonly Figure[]> {
  progress('starts a devnet and two nodes, opens a channel')
  const stage = await setStage({ nodeFlags, payers: 1, channels: 1 })
  try {
    const [payer] = stage.payers
    if (payer === undefined) throw new Error('there is no payer')
    const pay = async (ms: number): ReturnType<typeof payer.call.pay> =>
      await payer.call.pay(payer.channels, CALLERS, ms)
    await pay(WARM_UP_MS)
    text(`One channel with ${CALLERS} callers for ${minutes} minutes\n${HEAD}`)
    const samples: Sample[] = []
    const since = performance.now()
    for (let before = await stage.payee.usage(); performance.now() - since < minutes * 60_000;) {
      progress(`${Math.round((performance.now() - since) / 1_000)} s`)
      const { payments, perSecond, p50, p99 } = await pay(STEP_MS)
      const [ours, theirs] = [await payer.call.usage(), await stage.payee.usage()]
      const sample = {
        at: (performance.now() - since) / 1_000,
        ...{ perSecond, p50, p99, payerHeap: ours.heap, payeeHeap: theirs.heap },
        disk: theirs.disk,
        written: (theirs.written - before.written) / payments
      }
      before = theirs
      samples.push(sample)
      text(lineOf(sample))
    }
    await stage.leave()
    return figuresOf(samples)
  } finally {
    await stage.strike()
  }
}

/** The last third beside the first. */
function figuresOf(samples: readonly Sample[]): readonly Figure[] {
  const third = Math.ceil(samples.length / 3)
  const names = [
    ['payments', '/s', 'perSecond', 'least', 1 / FLAT],
    ['p50', 'ms', 'p50', 'most', FLAT],
    ['p99', 'ms', 'p99', 'most', FLAT],
    ['heap of the payer', 'B', 'payerHeap', 'most', FLAT],
    ['heap of the payee', 'B', 'payeeHeap', 'most', FLAT],
    ['written by the payee for a payment', 'B', 'written', 'most', FLAT]
  ] as const
  return names.map(([name, unit, key, is, value]) => {
    const median = (some: readonly Sample[]): number => percentiles(some.map((s) => s[key]))[0]
    return {
      name: `soak, ${name}, last third (first third)`,
      unit,
      measured: median(samples.slice(-third)),
      floor: median(samples.slice(0, third)),
      goal: { of: 'ratio', is, value }
    }
  })
}

const COLUMNS = ['s', '/s', 'p50 ms', 'p99 ms', 'payer kB', 'payee kB', 'disk kB', 'B/payment']
const HEAD = `${COLUMNS.map((name) => name.padStart(11)).join('')}\n`

function lineOf(sample: Sample): string {
  const { at, perSecond, p50, p99, payerHeap, payeeHeap, disk, written } = sample
  const whole = [payerHeap, payeeHeap, disk].map((bytes) => (bytes / 1_000).toFixed(0))
  const cells = [at.toFixed(0), perSecond.toFixed(0), p50.toFixed(2), p99.toFixed(2), ...whole]
  return `${[...cells, written.toFixed(0)].map((cell) => cell.padStart(11)).join('')}\n`
}
