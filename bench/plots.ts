/** How the cost of a payment, and of a start, grows: four measurements, drawn as SVG. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  frame,
  html,
  type Html,
  lineStyle,
  mark,
  numberAxis,
  round,
  STYLE
} from '../src/sim/report/svg.js'
import type { Output } from './payments.js'
import { setStage, type Stage } from './stage.js'

/** Where the drawings go. */
export const PLOTS_DIRECTORY = 'docs'

const CALLERS = [1, 10, 100, 1_000, 10_000]
const NODES = [1, 2, 4, 8]
const CHANNELS = [1_000, 2_500, 5_000, 10_000]
const STEPS = 10
const STEP_MS = 3_000
const WARM_UP_MS = 2_000
const BUSY_CALLERS = 100

interface Line {
  readonly name: string
  readonly points: ReadonlyArray<readonly [x: number, y: number]>
}

interface Plot {
  /** Of its file. */
  readonly name: string
  readonly x: string
  readonly y: string
  readonly lines: readonly Line[]
}

/** @param startCpu - milliseconds of CPU that a start with so many channels takes */
export async function plot(
  startCpu: (channels: number) => Promise<number>,
  { text, progress }: Output
): Promise<void> {
  await mkdir(PLOTS_DIRECTORY, { recursive: true })
  const plots = [
    async () => await withStage(1, async (stage) => await byCallers(stage, progress)),
    async () => await withStage(1, async (stage) => await byPayments(stage, progress)),
    async () => await byNodes(progress),
    async () => await byChannels(startCpu, progress)
  ]
  for (const measure of plots) {
    const found = await measure()
    const file = join(PLOTS_DIRECTORY, `cost-by-${found.name}.svg`)
    await writeFile(file, `${drawing(found).text}\n`)
    text(`${file}\n`)
    for (const { name, points } of found.lines) {
      text(`  ${name}: ${points.map(([x, y]) => `${x} ${y.toFixed(2)}`).join(', ')}\n`)
    }
  }
}

async function withStage(payers: number, use: (stage: Stage) => Promise<Plot>): Promise<Plot> {
  const stage = await setStage({ nodeFlags: [], payers, channels: 1 })
  try {
    return await use(stage)
  } finally {
    await stage.strike()
  }
}

/** Microseconds of CPU for a payment: of all payers, and of the payee. */
async function costOf(
  { payers, payee }: Stage,
  callers: number,
  ms: number
): Promise<{ readonly payments: number; readonly payer: number; readonly payee: number }> {
  const used = async (): Promise<readonly [number, number]> => {
    const ours = await Promise.all(payers.map(async ({ call }) => await call.cpu()))
    return [ours.reduce((sum, cpu) => sum + cpu, 0), await payee.cpu()]
  }
  const before = await used()
  const loads = await Promise.all(
    payers.map(async ({ call, channels }) => await call.pay(channels, callers, ms))
  )
  const after = await used()
  const payments = loads.reduce((sum, load) => sum + load.payments, 0)
  return {
    payments,
    payer: (after[0] - before[0]) / payments,
    payee: (after[1] - before[1]) / payments
  }
}

async function byCallers(stage: Stage, progress: Output['progress']): Promise<Plot> {
  const points: Array<readonly [number, number, number]> = []
  await costOf(stage, 1, 2 * WARM_UP_MS)
  for (const callers of CALLERS) {
    progress(`${callers} callers`)
    await costOf(stage, callers, WARM_UP_MS)
    const { payer, payee } = await costOf(stage, callers, STEP_MS)
    points.push([callers, payer, payee])
  }
  return {
    name: 'callers',
    x: 'callers that wait on one channel',
    y: 'microseconds of CPU for a payment',
    lines: sides(points)
  }
}

async function byPayments(stage: Stage, progress: Output['progress']): Promise<Plot> {
  const points: Array<readonly [number, number, number]> = []
  await costOf(stage, BUSY_CALLERS, WARM_UP_MS)
  let made = 0
  for (let step = 1; step <= STEPS; step++) {
    progress(`payments, step ${step} of ${STEPS}`)
    const { payments, payer, payee } = await costOf(stage, BUSY_CALLERS, STEP_MS)
    made += payments
    points.push([Math.round(made / 1_000), payer, payee])
  }
  return {
    name: 'payments',
    x: `thousands of payments made on the channel, with ${BUSY_CALLERS} callers`,
    y: 'microseconds of CPU for a payment',
    lines: sides(points)
  }
}

async function byNodes(progress: Output['progress']): Promise<Plot> {
  const points: Array<readonly [number, number, number]> = []
  for (const nodes of NODES) {
    progress(`${nodes} payers`)
    await withStage(nodes, async (stage) => {
      await costOf(stage, BUSY_CALLERS, WARM_UP_MS)
      const { payer, payee } = await costOf(stage, BUSY_CALLERS, STEP_MS)
      points.push([nodes, payer, payee])
      return { name: '', x: '', y: '', lines: [] }
    })
  }
  return {
    name: 'nodes',
    x: `nodes that pay one other, ${BUSY_CALLERS} callers each`,
    y: 'microseconds of CPU for a payment',
    lines: sides(points)
  }
}

async function byChannels(
  startCpu: (channels: number) => Promise<number>,
  progress: Output['progress']
): Promise<Plot> {
  const points: Array<readonly [number, number]> = []
  for (const channels of CHANNELS) {
    progress(`a start with ${channels} channels`)
    points.push([channels, (await startCpu(channels)) / 1_000])
  }
  return {
    name: 'channels',
    x: 'channels of the node',
    y: 'seconds of CPU for a start',
    lines: [{ name: 'start', points }]
  }
}

function sides(points: ReadonlyArray<readonly [number, number, number]>): readonly Line[] {
  return [
    { name: 'payer', points: points.map(([x, payer]) => [x, shown(payer)]) },
    { name: 'payee', points: points.map(([x, , payee]) => [x, shown(payee)]) }
  ]
}

/** With three digits, as an axis names it. */
function shown(value: number): number {
  return Number(value.toPrecision(3))
}

const [WIDTH, HEIGHT] = [500, 300]
const FRAME = { left: 72, right: WIDTH - 24, top: 40, bottom: HEIGHT - 60 }

function drawing({ x, y, lines }: Plot): Html {
  const points = lines.flatMap((line) => line.points)
  const across = numberAxis([...new Set(points.map(([at]) => at))], FRAME.left, FRAME.right)
  const up = numberAxis(
    points.map(([, value]) => value),
    FRAME.bottom,
    FRAME.top,
    true
  )
  return html`<svg class="drawing" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${y} against ${x}">${STYLE}<rect class="paper" width="${WIDTH}" height="${HEIGHT}"/>
${frame(FRAME, across, up, { x, y })}
${lines.map(
  (line, n) =>
    html`<path class="line ${lineStyle(n).colour}" d="M${line.points.map(([at, value]) => `${round(across.at(at))} ${round(up.at(value))}`).join('L')}"/>${line.points.map(([at, value]) => mark(n, across.at(at), up.at(value), false))}${mark(n, FRAME.right - 130 + 70 * n, FRAME.top - 16, false)}<text x="${FRAME.right - 120 + 70 * n}" y="${FRAME.top - 12}">${line.name}</text>`
)}
</svg>`
}
