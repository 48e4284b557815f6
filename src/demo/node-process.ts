/** A node as a process of its own, run through the command line like a user's. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { NodeEvent } from '../node/api.js'
import { connectApi, type ApiClient } from '../daemon/client.js'
import { dataPaths } from '../daemon/paths.js'
import { PaychanError } from '../types/errors.js'

const CLI = fileURLToPath(new URL('../cli/main.js', import.meta.url))

export type Who = 'client' | 'server'

export interface NodeProcess {
  readonly who: Who
  readonly pid: number
  readonly dataDir: string
  readonly peerId: string
  readonly multiaddr: string
  readonly api: ApiClient
  /** Every event of the node, from its start on. */
  onEvent: (listener: (event: NodeEvent) => void) => void
  /** SIGKILL: no goodbye, nothing flushed. */
  kill: () => Promise<void>
  /** Ends it in order. */
  stop: () => Promise<void>
}

/** Makes a seed in `dataDir` and starts a node on it. */
export async function startNode (who: Who, dataDir: string, electrum: string): Promise<NodeProcess> {
  await run(['init', '--data', dataDir, '--json'])
  const child = spawn(process.execPath, [CLI, 'start', '--data', dataDir, '--network', 'regtest', '--electrum', electrum, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] })
  const errors: string[] = []
  child.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text))
  await firstLine(child, () => errors.join(''))
  const api = connectApi(dataPaths(dataDir).socket)
  const listeners = new Set<(event: NodeEvent) => void>()
  const events = api.events((event) => { for (const listener of listeners) listener(event) })
  await events.ready
  const info = await api.info()
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    events.stop()
    api.disconnect()
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }
  return {
    who,
    pid: child.pid ?? 0,
    dataDir,
    peerId: info.peerId,
    multiaddr: info.multiaddrs[0] ?? '',
    api,
    onEvent: (listener) => { listeners.add(listener) },
    kill: async () => { await end('SIGKILL') },
    stop: async () => { await end('SIGTERM') }
  }
}

/** Waits for the line that says that the node has started; whatever else it prints is drained. */
async function firstLine (child: ChildProcess, errors: () => string): Promise<void> {
  if (child.stdout === null) throw new Error('the node has no output')
  const lines = createInterface({ input: child.stdout })
  const started = new Promise<void>((resolve, reject) => {
    lines.once('line', () => { resolve() })
    child.once('error', reject)
    child.once('exit', (code) => { reject(new PaychanError('ERR_DEMO_NODE', `The node ended before it had started (exit code ${String(code)}): ${errors()}`)) })
  })
  await started
  child.removeAllListeners('exit')
  lines.on('line', () => {})
}

async function run (args: string[]): Promise<void> {
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  const errors: string[] = []
  child.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text))
  const [code] = await once(child, 'exit') as [number | null]
  if (code !== 0) throw new PaychanError('ERR_DEMO_NODE', `paychan ${args.join(' ')} ended with ${String(code)}: ${errors.join('')}`)
}
