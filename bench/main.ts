/**
 * `npm run bench`: payments between nodes in processes of their own, over TCP, with every payment
 * on the payee's disk before it is acknowledged, beside what the machine is capable of in the same
 * run. Then what watching thousands of channels costs, and what a call of the command line does. It
 * prints a table of all figures and writes them into `bench.json`.
 */
import { fork } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { messageOf } from '../src/types/errors.js'
import { measureCommandLines } from './command-lines.js'
import { measureCrowd, measurePeers, measureTurns } from './crowds.js'
import { figureLines, type Figure } from './figures.js'
import { measurePayments, type Output } from './payments.js'
import { measureOverheads, overheadFigures } from './overheads.js'
import {
  commandFigures,
  commandLines,
  startFigures,
  watchFigures,
  watchLines,
  type Report
} from './report.js'
import { plot } from './plots.js'
import { soak } from './soak.js'
import type { StartReport, WatchMessage, WatchReport } from './watches.js'

const HELP = `Usage: npm run bench [-- --json] [--only PARTS] [--watched N] [--soak MINUTES]
                     [--plots] [--profile DIRECTORY]

  --json       one JSON object on standard output (npm run -s bench -- --json)
  --only       some parts, with commas: payments, crowd, turns, calls, start, watches,
               commands; and peers, which is left out otherwise
  --watched    a node starts with so many channels, and watches them, 100 to 100,000
               (default 10,000)
  --soak       nothing but one channel at work for so many MINUTES: memory, latency, disk
  --plots      nothing but four drawings of how costs grow, as SVG in docs
  --profile    writes a CPU profile of each node into DIRECTORY
`

const WATCHED = 10_000
const RESULTS = 'bench.json'

interface Options {
  readonly watched: number
  readonly nodeFlags: readonly string[]
}

/** The addition of a part to the report. */
type Part = (options: Options, output: Output) => Promise<Partial<Report> & Pick<Report, 'figures'>>

const PARTS: ReadonlyMap<string, Part> = new Map<string, Part>([
  [
    'payments',
    async ({ nodeFlags }, output) => {
      const { figures, ...payments } = await measurePayments(nodeFlags, output)
      return { payments, figures }
    }
  ],
  ['crowd', async ({ nodeFlags }, output) => ({ figures: await measureCrowd(nodeFlags, output) })],
  ['peers', async ({ nodeFlags }, output) => ({ figures: await measurePeers(nodeFlags, output) })],
  ['turns', async ({ nodeFlags }, output) => ({ figures: await measureTurns(nodeFlags, output) })],
  [
    'calls',
    async ({ nodeFlags }, output) => {
      const overheads = await measureOverheads(nodeFlags, output)
      return { overheads, figures: overheadFigures(overheads) }
    }
  ],
  [
    'start',
    async ({ watched, nodeFlags }, { progress }) => {
      const start = await inChild<StartReport>('start', watched, nodeFlags, progress)
      return { start, figures: startFigures(start) }
    }
  ],
  [
    'watches',
    async ({ watched, nodeFlags }, { text, progress }) => {
      const watches = await inChild<WatchReport>('watches', watched, nodeFlags, progress)
      text(`\nWatching ${watched.toLocaleString('en-US')} channels over one Electrum connection\n`)
      text(watchLines(watches))
      return { watches, figures: watchFigures(watches) }
    }
  ],
  [
    'commands',
    async (_options, { text, progress }) => {
      progress('measures what a command line costs')
      const commands = await measureCommandLines()
      text(`\nCPU of a command line\n${commandLines(commands)}`)
      return { commandLines: commands, figures: commandFigures(commands) }
    }
  ]
])

/** Parts that take more than a minute: they are measured when they are asked for. */
const LONG: ReadonlySet<string> = new Set(['peers'])

async function bench(parts: readonly string[], options: Options, output: Output): Promise<Report> {
  output.text(`Node ${process.version}, ${availableParallelism()} CPUs\n`)
  let report: Report = { node: process.version, cpus: availableParallelism(), figures: [] }
  for (const [name, measure] of PARTS) {
    if (!parts.includes(name)) continue
    const { figures } = report
    const part = await measure(options, output)
    report = { ...report, ...part, figures: [...figures, ...part.figures] }
  }
  output.text(`\n${figureLines(report.figures satisfies readonly Figure[])}`)
  return report
}

/** In a process of its own, which can collect its garbage before it is weighed. */
async function inChild<Report>(
  what: 'start' | 'watches',
  watched: number,
  nodeFlags: readonly string[],
  progress: Output['progress']
): Promise<Report> {
  const child = fork(new URL('watches.js', import.meta.url), [what, String(watched)], {
    execArgv: ['--expose-gc', ...nodeFlags]
  })
  return await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => {
      reject(new Error(`The process that watches has ended (${String(code)}).`))
    })
    child.on('message', (message: WatchMessage<Report>) => {
      if ('doing' in message) progress(message.doing)
      else resolve(message.report)
    })
  })
}

/** Progress goes to standard error, on a terminal over itself. */
function outputTo(json: boolean): Output {
  const { stdout, stderr } = process
  const clear = (): void => {
    if (stderr.isTTY) stderr.write('\r\u001b[K')
  }
  return {
    text: (text) => {
      clear()
      if (!json) stdout.write(text)
    },
    progress: (text) => {
      clear()
      stderr.write(stderr.isTTY ? `... ${text}` : `... ${text}\n`)
    }
  }
}

/**
 * Exit codes: 0 measured, and the books balance; 1 failed; 2 asked for something that is not there.
 */
async function main(argv: string[]): Promise<number> {
  let options: {
    json?: boolean
    help?: boolean
    profile?: string
    watched?: string
    only?: string
    soak?: string
    plots?: boolean
  }
  let parts: readonly string[]
  try {
    options = parseArgs({
      args: argv,
      options: {
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        only: { type: 'string' },
        profile: { type: 'string' },
        soak: { type: 'string' },
        plots: { type: 'boolean' },
        watched: { type: 'string' }
      }
    }).values
    if (!/^[1-9]\d{2,4}$|^100000$/.test(options.watched ?? String(WATCHED))) {
      throw new Error(`--watched is a number from 100 to 100,000, not '${options.watched}'.`)
    }
    if (options.soak !== undefined && !/^[1-9]\d{0,2}$/.test(options.soak)) {
      throw new Error(`--soak is a number of minutes from 1 to 999, not '${options.soak}'.`)
    }
    parts = options.only?.split(',') ?? [...PARTS.keys()].filter((part) => !LONG.has(part))
    const wrong = parts.find((part) => !PARTS.has(part))
    if (wrong !== undefined) {
      throw new Error(`--only takes ${[...PARTS.keys()].join(', ')}, not '${wrong}'.`)
    }
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n\n${HELP}`)
    return 2
  }
  if (options.help === true) {
    process.stdout.write(HELP)
    return 0
  }
  const json = options.json === true
  const nodeFlags =
    options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`]
  if (options.soak !== undefined) {
    const output = outputTo(json)
    const figures = await soak(Number(options.soak), nodeFlags, output)
    output.text(`\n${figureLines(figures)}`)
    if (json) process.stdout.write(`${JSON.stringify({ figures })}\n`)
    return 0
  }
  if (options.plots === true) {
    const output = outputTo(json)
    const startCpu = async (channels: number): Promise<number> =>
      (await inChild<StartReport>('start', channels, [], output.progress)).startCpu
    await plot(startCpu, output)
    return 0
  }
  const report = await bench(
    parts,
    { watched: Number(options.watched ?? WATCHED), nodeFlags },
    outputTo(json)
  )
  const text = `${JSON.stringify(report)}\n`
  await writeFile(RESULTS, text)
  if (json) process.stdout.write(text)
  return report.payments?.ok === false ? 1 : 0
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`\n${messageOf(error)}\n`)
  return 1
})
