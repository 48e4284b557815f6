/** The stage of every demo: a devnet in this process, and two nodes in separate processes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { multiaddr } from '@multiformats/multiaddr'
import { type ApiClient, connectApi, type EventStream } from '../daemon/client.js'
import { dataPaths } from '../daemon/paths.js'
import { type Devnet, type DevnetOptions, startDevnet } from '../devnet/devnet.js'
import { startElectrumServer } from '../devnet/index.js'
import { COINBASE_MATURITY } from '../devnet/rules.js'
import type { NodeEvent } from '../node/api.js'
import { codeOf, PaychanError } from '../types/errors.js'
import type { Satoshi } from '../types/units.js'
import { plainWords, protocolWords } from '../words/channels.js'
import type { Narrator, PlainStep, Report } from './report.js'

/*
 * A node as a separate process, run through the command line like a user's. It can be killed and
 * restarted.
 */

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

/** A demo that waits longer than this for one thing has failed. */
const PATIENCE_MS = 60_000

/** An interrupted demo leaves no process and no directory behind. */
const SIGNALS = ['SIGINT', 'SIGTERM'] as const

export interface Stage {
  readonly devnet: Devnet
  readonly client: NodeProcess
  readonly server: NodeProcess
  readonly steps: Array<Report['steps'][number]>
  /** Tells and records a step that the demo itself sees. */
  record: (
    step: Report['steps'][number]['step'],
    who: string,
    what: string,
    txid?: string,
    plain?: PlainStep
  ) => void
  /** Names the owner of a transaction: reports of both nodes about it are told as the owner's. */
  owns: (who: string, txid: string) => void
  /**
   * Resolves once `check` holds; asks again after every event of a node and every change of the
   * chain.
   */
  until: (what: string, check: () => Promise<boolean>) => Promise<void>
  /** Mines, and waits until the nodes that run have seen the tip. */
  mine: (blocks: number, watching: readonly NodeProcess[]) => Promise<void>
  strike: () => Promise<void>
}

/**
 * The chain of a demo: a devnet. With `electrum` the nodes ask that server instead of the devnet,
 * which then shows the same chain.
 */
export interface StageOptions extends DevnetOptions {
  readonly electrum?: string | undefined
  /** The nodes ask two servers: a report of both counts more than a report of one (EVID-4). */
  readonly twoServers?: true
}

/** Sets up. `funds` go to the client, confirmed. */
export async function setStage(
  narrator: Narrator,
  funds: Satoshi,
  { electrum, twoServers, ...options }: StageOptions = {}
): Promise<Stage> {
  const directory = await mkdtemp(join(tmpdir(), 'paychan-demo-'))
  const devnet = await startDevnet(options)
  const second =
    twoServers === true ? await startElectrumServer(devnet.backend, '127.0.0.1', 0) : undefined
  const urls = [
    electrum ?? devnet.url,
    ...(second === undefined ? [] : [`tcp://127.0.0.1:${second.port}`])
  ]
  const started: NodeProcess[] = []
  const strike = async (): Promise<void> => {
    for (const signal of SIGNALS) process.removeListener(signal, interrupted)
    await Promise.all(
      started.map(async (node) => {
        await node.stop()
      })
    )
    await second?.stop()
    await devnet.stop()
    await rm(directory, { recursive: true, force: true })
  }
  const interrupted = (): void => {
    void strike().finally(() => {
      process.exit(130)
    })
  }
  for (const signal of SIGNALS) process.once(signal, interrupted)
  try {
    const [client, server] = await Promise.all(
      (['client', 'server'] as const).map(async (who) => {
        const node = await NodeProcess.create(who, join(directory, who), urls)
        started.push(node)
        return node
      })
    )
    if (client === undefined || server === undefined) throw new Error('two nodes were started')
    const stage = directed(devnet, client, server, narrator, strike)
    narrator.say(
      options.bitcoind === undefined
        ? `devnet   ${devnet.url}, a chain of its own at height ${devnet.height}`
        : `chain    ${devnet.backend.software} at height ${devnet.height}, seen through ${electrum ?? devnet.url}`
    )
    narrator.say(`client   ${client.peerId}, process ${client.pid}`)
    narrator.say(`server   ${server.peerId}, process ${server.pid}`)
    await fundPatiently(devnet, await client.api.wallet.address(), funds, narrator)
    await stage.mine(1, [client, server])
    await stage.until(
      'the client has coins',
      async () => (await client.api.wallet.balance()).confirmed >= funds
    )
    narrator.say('')
    return stage
  } catch (error) {
    await strike()
    throw error
  }
}

/**
 * The most blocks to mine until there are enough coins: on regtest the coins of new blocks become
 * few soon.
 */
const MOST_BLOCKS_MINED = 2_000

/**
 * On a chain that others have mined the devnet has no coins at first: it mines until it has.
 *
 * @throws PaychanError `ERR_INSUFFICIENT_FUNDS` when so many blocks were not enough
 */
export async function fundPatiently(
  devnet: Pick<Devnet, 'fund' | 'mine'>,
  address: string,
  funds: Satoshi,
  narrator: Pick<Narrator, 'say'>
): Promise<void> {
  for (let mined = 0; ; mined += COINBASE_MATURITY) {
    try {
      await devnet.fund(address, funds)
      return
    } catch (error) {
      if (codeOf(error) !== 'ERR_INSUFFICIENT_FUNDS' || mined >= MOST_BLOCKS_MINED) throw error
      if (mined === 0) {
        narrator.say(
          'others have mined this chain: blocks are mined until there are coins to begin with'
        )
      }
      await devnet.mine(COINBASE_MATURITY)
    }
  }
}

function directed(
  devnet: Devnet,
  client: NodeProcess,
  server: NodeProcess,
  narrator: Narrator,
  strike: () => Promise<void>
): Stage {
  const steps: Stage['steps'] = []
  const wakes = new Set<() => void>()
  const wake = (): void => {
    for (const one of [...wakes]) one()
  }
  const record: Stage['record'] = (step, who, what, txid, plain) => {
    steps.push({
      step,
      what: `${who}: ${what}`,
      height: devnet.height,
      ...(txid === undefined ? {} : { txid })
    })
    narrator.step(step, who, what, devnet.height, plain)
  }
  const owners = new Map<string, string>()
  const owns: Stage['owns'] = (who, txid) => {
    owners.set(txid, who)
  }
  for (const node of [client, server]) {
    node.onEvent((event: NodeEvent) => {
      if (event.type === 'channel' && event.step !== undefined) {
        const { step, news, txid } = event
        if (txid !== undefined && news.kind === 'published') owns(node.who, txid)
        record(
          step,
          typeof step === 'number' ? node.who : (owners.get(txid ?? '') ?? node.who),
          protocolWords(event),
          txid,
          { kind: news.kind, what: plainWords(event) }
        )
      }
      if (event.type === 'alarm') narrator.say(`${node.who}: ${event.text}`)
      wake()
    })
  }
  devnet.on('block', wake)
  devnet.on('mempool', wake)
  const until: Stage['until'] = async (what, check) => {
    const deadline = Date.now() + PATIENCE_MS
    while (!(await check())) {
      const left = deadline - Date.now()
      if (left <= 0) {
        throw new PaychanError(
          'ERR_DEMO_FAILED',
          `Waited ${PATIENCE_MS / 1000} s in vain: ${what}.`
        )
      }
      await new Promise<void>((resolve) => {
        // A check that asks another process may come true a moment after its event.
        const timer = setTimeout(done, Math.min(left, 250))
        function done(): void {
          clearTimeout(timer)
          wakes.delete(done)
          resolve()
        }
        wakes.add(done)
      })
    }
  }
  const mine: Stage['mine'] = async (blocks, watching) => {
    await devnet.mine(blocks)
    for (const node of watching) {
      await until(
        `the ${node.who} sees the tip`,
        async () => (await node.api.info()).chain.height === devnet.height
      )
    }
  }
  return { devnet, client, server, steps, record, owns, until, mine, strike }
}
