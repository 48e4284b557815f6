/**
 * A node of the drill as a process of its own, run through the command line like a user's. It can
 * die, and be started again at the same port.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { connectApi, type ApiClient } from '../../src/daemon/client.js'
import { dataPaths } from '../../src/daemon/paths.js'

const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const SURROUNDINGS = new URL('./surroundings.js', import.meta.url).href

const lineShape = z.looseObject({ event: z.string() })
const startedShape = z.object({ peerId: z.string(), multiaddrs: z.array(z.string()).min(1) })

/** One line of what a node prints: what happened. */
export type Line = z.infer<typeof lineShape>

/** How a process has ended. */
export interface End {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly errors: string
}

export class NodeProcess {
  readonly api: ApiClient
  peerId = ''
  multiaddr = ''
  #child: ChildProcess | undefined
  #end: End | undefined
  #isUp = false
  readonly #electrum: string
  readonly #env: Readonly<Record<string, string>>
  readonly #onLine: (line: Line) => void

  constructor(
    readonly dataDir: string,
    electrum: string,
    env: Readonly<Record<string, string>>,
    onLine: (line: Line) => void
  ) {
    this.#electrum = electrum
    this.#env = env
    this.#onLine = onLine
    this.api = connectApi(dataPaths(dataDir).socket)
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** How it has ended; undefined while it runs. */
  get end(): End | undefined {
    return this.#end
  }

  /** Makes its seed. */
  async init(): Promise<void> {
    const child = this.#spawn(['init', '--data', this.dataDir, '--json'])
    child.stdout?.resume()
    await once(child, 'exit')
  }

  /** Starts the process; resolves once it says so. */
  async start(): Promise<void> {
    const listen =
      this.multiaddr === '' ? '/ip4/127.0.0.1/tcp/0' : this.multiaddr.replace(/\/p2p\/.*/, '')
    const child = this.#spawn([
      'start',
      '--data',
      this.dataDir,
      '--network',
      'regtest',
      '--electrum',
      this.#electrum,
      '--listen',
      listen,
      '--json'
    ])
    const errors: string[] = []
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errors.push(text)
    })
    this.#child = child
    this.#end = undefined
    this.#isUp = false
    const ended = new Promise<never>((_resolve, reject) => {
      child.once('exit', (code, signal) => {
        this.#end = { code, signal, errors: errors.join('').slice(-2_000) }
        reject(
          new Error(
            `the node in ${this.dataDir} ended before it had started: ${JSON.stringify(this.#end)}`
          )
        )
      })
    })
    ended.catch(() => {})
    await Promise.race([this.#started(child, errors), ended])
    this.#isUp = true
    this.lookAround()
  }

  /** SIGKILL: no goodbye, nothing flushed. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child !== undefined && this.#end === undefined) {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    }
    this.api.disconnect()
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#end === undefined) this.#child?.kill(signal)
  }

  /**
   * Its surroundings have changed. One that is not up yet has nobody who listens, and is told once
   * it is.
   */
  lookAround(): void {
    if (this.#isUp) this.signal('SIGUSR2')
  }

  #started(child: ChildProcess, errors: string[]): Promise<void> {
    const { stdout } = child
    if (stdout === null) throw new Error('the node has no output')
    return new Promise((resolve) => {
      createInterface({ input: stdout }).on('line', (text) => {
        const line = lineShape.safeParse(JSON.parse(text)).data
        // A failure is no event.
        if (line === undefined) {
          errors.push(text)
          return
        }
        if (line.event === 'started') {
          const { peerId, multiaddrs } = startedShape.parse(line)
          this.peerId = peerId
          this.multiaddr = multiaddrs[0] ?? ''
          resolve()
        }
        this.#onLine(line)
      })
    })
  }

  #spawn(args: readonly string[]): ChildProcess {
    const child = spawn(process.execPath, ['--import', SURROUNDINGS, CLI, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.#env }
    })
    // Nothing of a drill that ends before its time goes on without it.
    const end = (): void => {
      child.kill('SIGKILL')
    }
    process.once('exit', end)
    child.once('exit', () => {
      process.off('exit', end)
    })
    return child
  }
}
