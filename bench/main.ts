/**
 * `npm run bench`: payments a second on one channel between two processes, over TCP, with every
 * payment on the payee's disk before it is acknowledged, beside what the machine is capable of.
 * Then what watching thousands of channels costs, and what a call of the command line does.
 */
import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { messageOf } from '../src/types/errors.js'
import { measureCommandLines } from './command-lines.js'
import {
  commandLines,
  floorLines,
  floorsOf,
  loadLine,
  LOAD_HEAD,
  watchLines,
  withRatio,
  type Report
} from './report.js'
import { setStage } from './stage.js'
import type { WatchMessage, WatchReport } from './watches.js'

const HELP = `Usage: npm run bench [-- --json] [--watched N] [--profile DIRECTORY]

  --json       one JSON object on standard output (npm run -s bench -- --json)
  --watched    so many channels are watched, 100 to 100,000 (default 10,000)
  --profile    writes a CPU profile of each node into DIRECTORY
`

const CALLERS = [1, 100, 1_000]
const WATCHED = 10_000
const WARM_UP_MS = 1_500
const MEASURE_MS = 5_000

interface Output {
  text: (text: string) => void
  progress: (text: string) => void
}

async function bench(
  watched: number,
  nodeFlags: readonly string[],
  { text, progress }: Output
): Promise<Report> {
  progress('starts a devnet and two nodes, opens a channel')
  const stage = await setStage(nodeFlags)
  try {
    progress('measures sign, verify, fsync and commit')
    const local = await stage.payer.localFloors()
    progress('measures a round trip')
    const floors = floorsOf(local, await stage.payer.roundTrip(stage.payeeAddress))
    text(
      `Node ${process.version}, ${availableParallelism()} CPUs, ${stage.ecdsa}\n\nFloors, one after another\n${floorLines(floors)}\n`
    )
    text(`Payments of 1 sat on one channel, two processes, both on disk\n${LOAD_HEAD}`)
    const loads: Report['loads'][number][] = []
    let payments = 0
    for (const callers of CALLERS) {
      progress(`${callers} caller${callers === 1 ? '' : 's'}`)
      payments += (await stage.payer.pay(stage.channel, callers, WARM_UP_MS)).payments
      const load = withRatio(await stage.payer.pay(stage.channel, callers, MEASURE_MS), floors)
      payments += load.payments
      loads.push(load)
      text(loadLine(load))
    }
    const [ours, theirs] = [await stage.payer.channel(), await stage.payee.channel()]
    const ok =
      ours?.payments.sent === payments &&
      theirs?.payments.received === payments &&
      theirs.ourBalance === BigInt(payments)
    text(
      `\n${ok ? `Both sides agree on ${payments.toLocaleString('en-US')} payments.` : 'The two sides do not agree on what was paid.'}\n`
    )
    await stage.leave()
    text(`\nWatching ${watched.toLocaleString('en-US')} channels over one Electrum connection\n`)
    const watches = await measureWatches(watched, progress)
    text(watchLines(watches))
    progress('measures what a command line costs')
    const commands = await measureCommandLines()
    text(`\nCPU of a command line\n${commandLines(commands)}`)
    return {
      node: process.version,
      cpus: availableParallelism(),
      ecdsa: stage.ecdsa,
      floors,
      loads,
      payments,
      watches,
      commandLines: commands,
      ok
    }
  } finally {
    await stage.strike()
  }
}

/** In a process of its own, which can collect its garbage before it is weighed. */
async function measureWatches(watched: number, progress: Output['progress']): Promise<WatchReport> {
  const child = fork(new URL('watches.js', import.meta.url), [String(watched)], {
    execArgv: ['--expose-gc']
  })
  return await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => {
      reject(new Error(`The process that watches has ended (${String(code)}).`))
    })
    child.on('message', (message: WatchMessage) => {
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
  let options: { json?: boolean; help?: boolean; profile?: string; watched?: string }
  try {
    options = parseArgs({
      args: argv,
      options: {
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        profile: { type: 'string' },
        watched: { type: 'string' }
      }
    }).values
    if (!/^[1-9]\d{2,4}$|^100000$/.test(options.watched ?? String(WATCHED))) {
      throw new Error(`--watched is a number from 100 to 100,000, not '${options.watched}'.`)
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
  const report = await bench(
    Number(options.watched ?? WATCHED),
    options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`],
    outputTo(json)
  )
  if (json) process.stdout.write(`${JSON.stringify(report)}\n`)
  return report.ok ? 0 : 1
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`\n${messageOf(error)}\n`)
  return 1
})
