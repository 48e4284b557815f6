/** The cost of a call of the command line, beside that to start Node.js at all. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../src/cli/main.js', import.meta.url))

/** At its end the process says what CPU it took, in microseconds. */
const METER = `data:text/javascript,${encodeURIComponent('process.on("exit", () => { const { user, system } = process.cpuUsage(); process.stderr.write("CPU " + (user + system) + "\\n") })')}`

/** The median of so many runs, in turns, so that what else the machine does meets all alike. */
const RUNS = 9

/** Milliseconds of CPU. */
export interface CommandLines {
  readonly node: number
  readonly version: number
  readonly info: number
}

/** Runs `node -e 0`, `paychan --version` and `paychan info` against a node that runs. */
export async function measureCommandLines(): Promise<CommandLines> {
  const directory = await mkdtemp(join(tmpdir(), 'paychan-bench-'))
  await cpuOf([MAIN, 'init', '--data', directory])
  // No server listens there: what the node says of its chain is short, and does not change
  // meanwhile.
  const node = spawn(
    process.execPath,
    [
      MAIN,
      'start',
      '--json',
      '--data',
      directory,
      '--electrum',
      'tcp://127.0.0.1:1',
      '--listen',
      '/ip4/127.0.0.1/tcp/0'
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] }
  )
  const ended = once(node, 'exit')
  try {
    await Promise.race([
      once(node.stdout, 'data'),
      ended.then(() => {
        throw new Error('The node has ended.')
      })
    ])
    const seen = { node: [] as number[], version: [] as number[], info: [] as number[] }
    for (let run = 0; run < RUNS; run += 1) {
      seen.node.push(await cpuOf(['-e', '0']))
      seen.version.push(await cpuOf([MAIN, '--version']))
      seen.info.push(await cpuOf([MAIN, 'info', '--data', directory]))
    }
    return { node: median(seen.node), version: median(seen.version), info: median(seen.info) }
  } finally {
    node.kill('SIGTERM')
    await ended
    await rm(directory, { recursive: true, force: true })
  }
}

async function cpuOf(argv: readonly string[]): Promise<number> {
  return await new Promise((resolve, reject) => {
    execFile(process.execPath, ['--import', METER, ...argv], (error, _stdout, stderr) => {
      const microseconds = /^CPU (\d+)$/m.exec(stderr)?.[1]
      if (error !== null || microseconds === undefined) {
        reject(new Error(`node ${argv.join(' ')} failed: ${stderr}`, { cause: error }))
      } else resolve(Number(microseconds) / 1_000)
    })
  })
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
