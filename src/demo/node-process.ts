/**
 * A node as a separate process, run through the command line like a user's. It can be killed and
 * restarted.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { multiaddr } from '@multiformats/multiaddr'
import type { NodeEvent } from '../node/api.js'
import { type ApiClient, connectApi, type EventStream } from '../daemon/client.js'
import { dataPaths } from '../daemon/paths.js'
import { PaychanError } from '../types/errors.js'

const CLI = fileURLToPath(new URL('../cli/main.js', import.meta.url))

/** Any free port of this machine only. */
const ANY_PORT = '/ip4/127.0.0.1/tcp/0'

type Who = 'client' | 'server'

export class NodeProcess {
  readonly api: ApiClient
  peerId = ''
  multiaddr = ''
  readonly #listeners = new Set<(event: NodeEvent) => void>()
  #child: ChildProcess | undefined
  #events: EventStream | undefined
  readonly #electrum: readonly string[]

  private constructor(
    readonly who: Who,
    readonly dataDir: string,
    electrum: readonly string[]
  ) {
    this.#electrum = electrum
    this.api = connectApi(dataPaths(dataDir).socket)
  }

  /** Makes a seed in `dataDir` and starts a node on it. */
  static async create(
    who: Who,
    dataDir: string,
    electrum: readonly string[]
  ): Promise<NodeProcess> {
    await run(['init', '--data', dataDir, '--json'])
    const node = new NodeProcess(who, dataDir, electrum)
    await node.start()
    return node
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** Starts the process, again on its old port: its peers know it there. */
  async start(): Promise<void> {
    const listen =
      this.multiaddr === '' ? ANY_PORT : multiaddr(this.multiaddr).decapsulate('/p2p').toString()
    const child = spawn(
      process.execPath,
      [
        CLI,
        'start',
        '--data',
        this.dataDir,
        '--network',
        'regtest',
        ...this.#electrum.flatMap((url) => ['--electrum', url]),
        '--listen',
        listen,
        '--json'
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] }
    )
    this.#child = child
    const errors: string[] = []
    child.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text))
    await firstLine(child, () => errors.join(''))
    this.#events = this.api.events.follow((event) => {
      for (const listener of this.#listeners) listener(event)
    })
    await this.#events.ready
    const info = await this.api.info()
    this.peerId = info.peerId
    this.multiaddr = info.multiaddrs[0] ?? ''
  }

  /** Receives every event of the node, across restarts. */
  onEvent(listener: (event: NodeEvent) => void): void {
    this.#listeners.add(listener)
  }

  /** SIGKILL: no goodbye, nothing flushed. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Ends it in order. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    this.#events?.stop()
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit')
      child.kill(signal)
      await exited
    }
    this.api.disconnect()
  }
}

/** Waits for the line that says that the node has started; drains all other output. */
async function firstLine(child: ChildProcess, errors: () => string): Promise<void> {
  if (child.stdout === null) throw new Error('the node has no output')
  const lines = createInterface({ input: child.stdout })
  const started = new Promise<void>((resolve, reject) => {
    lines.once('line', () => {
      resolve()
    })
    child.once('error', reject)
    child.once('exit', (code) => {
      reject(
        new PaychanError(
          'ERR_DEMO_NODE',
          `The node ended before it had started (exit code ${String(code)}): ${errors()}`
        )
      )
    })
  })
  await started
  child.removeAllListeners('exit')
  lines.on('line', () => {})
}

async function run(args: string[]): Promise<void> {
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  const errors: string[] = []
  child.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text))
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) {
    throw new PaychanError(
      'ERR_DEMO_NODE',
      `paychan ${args.join(' ')} ended with ${String(code)}: ${errors.join('')}`
    )
  }
}
