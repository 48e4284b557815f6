/**
 * The world of a drill: a devnet in this process, three nodes in processes of their own, a road
 * from each node to its Electrum server and from each client to the server. Alice pays Bob one way;
 * Carol and Bob pay each other, in turns.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import {
  type AddressInfo,
  createConnection,
  createServer,
  type Server,
  type Socket
} from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { multiaddr } from '@multiformats/multiaddr'
import { z } from 'zod'
import { readTransaction } from '../../src/bitcoin/transaction.js'
import { type ApiClient, connectApi } from '../../src/daemon/client.js'
import { dataPaths } from '../../src/daemon/paths.js'
import { type Devnet, startDevnet } from '../../src/devnet/index.js'
import type { ChannelInfo } from '../../src/node/api.js'
import type { Txid } from '../../src/types/bytes.js'
import { messageOf } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { type Surroundings, surroundingsFile } from './surroundings.js'

/*
 * A node of the drill as a process of its own, run through the command line like a user's. It can
 * die, and be started again at the same port.
 */

const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const SURROUNDINGS = new URL('./surroundings.js', import.meta.url).href

const lineShape = z.looseObject({ event: z.string() })
const startedShape = z.object({ peerId: z.string(), multiaddrs: z.array(z.string()).min(1) })

/** One line of what a node prints: what happened. */
type Line = z.infer<typeof lineShape>

/** How a process has ended. */
interface End {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly errors: string
}

class NodeProcess {
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

/*
 * A TCP proxy that a drill does things to: cuts it, slows it down, lets nothing pass for a while.
 * What passes is never changed or lost.
 */

export class Road {
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #port = 0
  #delay = 0
  #isBlack = false
  readonly #target: number

  private constructor(target: number) {
    this.#target = target
  }

  /** To a port of this machine. */
  static async to(target: number): Promise<Road> {
    const road = new Road(target)
    await road.#listen()
    return road
  }

  get port(): number {
    return this.#port
  }

  /** Everything passes again, at once. */
  async open(): Promise<void> {
    this.#delay = 0
    this.#isBlack = false
    for (const socket of this.#sockets) socket.resume()
    if (this.#server === undefined) await this.#listen()
  }

  /** Each chunk takes so long. */
  slow(ms: number): void {
    this.#delay = ms
  }

  /** Connections stand and can be made, and nothing passes: both sides wait. */
  black(): void {
    this.#isBlack = true
    for (const socket of this.#sockets) socket.pause()
  }

  /** Connections end, and no new ones can be made. */
  async cut(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    for (const socket of this.#sockets) socket.destroy()
    if (server === undefined) return
    server.close()
    await once(server, 'close')
  }

  async #listen(): Promise<void> {
    const server = createServer((client) => {
      this.#lead(client)
    })
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  #lead(client: Socket): void {
    const upstream = createConnection({ host: '127.0.0.1', port: this.#target, noDelay: true })
    client.setNoDelay(true)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client]
    ] as const) {
      this.#sockets.add(from)
      let free = 0
      const later = (pass: () => void): void => {
        // In order, also when the delay gets shorter.
        free = Math.max(free, performance.now() + this.#delay)
        if (free <= performance.now()) pass()
        else setTimeout(pass, free - performance.now())
      }
      from.on('data', (chunk) => {
        later(() => {
          if (!to.destroyed) to.write(chunk)
        })
      })
      from.on('error', () => {
        to.destroy()
      })
      from.on('close', () => {
        this.#sockets.delete(from)
        later(() => {
          to.destroy()
        })
      })
      if (this.#isBlack) from.pause()
    }
  }
}

export const NAMES = ['alice', 'bob', 'carol'] as const
export type Name = (typeof NAMES)[number]
export type ClientName = 'alice' | 'carol'
export const CLIENTS: readonly ClientName[] = ['alice', 'carol']

const COIN = 60_000_000n
export const CAPACITY = satoshi(50_000_000n)
/** More than a storm of an hour mines. */
const BLOCKS = 7_000
/** The policy of all nodes: large channels, and turns for small amounts. */
const POLICY = {
  PAYCHAN_MAX_CAPACITY: '100000000',
  PAYCHAN_MAX_STAKE: '100000000',
  PAYCHAN_MIN_TURN_AMOUNT: '1',
  PAYCHAN_MAX_IN_FLIGHT_VALUE: '100000000'
}

const POLL_MS = 200

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Waits until something is so; `what` completes "waited in vain until ...". */
export async function until(
  what: string,
  condition: () => Promise<boolean>,
  seconds = 90
): Promise<void> {
  const end = performance.now() + seconds * 1_000
  let last = ''
  for (;;) {
    try {
      if (await condition()) return
    } catch (error) {
      last = ` (${messageOf(error)})`
    }
    if (performance.now() > end) throw new Error(`waited ${seconds} s in vain until ${what}${last}`)
    await pause(POLL_MS)
  }
}

const alarmShape = z.object({ event: z.literal('alarm'), code: z.string(), text: z.string() })

export class World {
  /** By the node. */
  readonly nodes = new Map<Name, NodeProcess>()
  readonly electrum = new Map<Name, Road>()
  /** From a client to Bob. */
  readonly links = new Map<ClientName, Road>()
  readonly channels = new Map<ClientName, ChannelInfo>()
  readonly findings: string[] = []
  /** What nodes have raised, with how often. */
  readonly alarms = new Map<string, number>()
  readonly #surroundings = new Map<Name, Surroundings>()
  readonly #given = new Set<Txid>()
  /** Those who are dead on purpose, or stopped. */
  readonly #down = new Set<Name>()

  private constructor(
    readonly directory: string,
    readonly devnet: Devnet
  ) {}

  /** Everybody is there, and the channels are open. */
  static async create(directory: string): Promise<World> {
    await mkdir(directory, { recursive: true })
    const world = new World(directory, await startDevnet())
    await world.#addNode('bob')
    for (const client of CLIENTS) await world.#addNode(client)
    await world.mine(1)
    for (const client of CLIENTS) await world.open(client)
    return world
  }

  node(name: Name): NodeProcess {
    const node = this.nodes.get(name)
    if (node === undefined) throw new Error(`There is no ${name}.`)
    return node
  }

  dataDir(name: Name): string {
    return join(this.directory, name)
  }

  async mine(blocks: number): Promise<void> {
    await this.devnet.mine(blocks)
  }

  /** A channel with Bob, paid on in each direction once: the first payments have a least amount. */
  async open(client: ClientName): Promise<void> {
    const { api } = this.node(client)
    const bob = this.node('bob')
    await until(
      `${client} has coins`,
      async () => (await api.wallet.balance()).confirmed >= CAPACITY
    )
    const opening = api.channels.open({
      peer: bob.multiaddr,
      amount: CAPACITY,
      blocks: BLOCKS,
      ...(client === 'carol' ? { twoWay: true, step: 3 } : {})
    })
    opening.catch(() => {})
    await until(
      `the channel of ${client} is opening`,
      async () => (await this.devnet.backend.mempool()).length > 0
    )
    await this.mine(1)
    this.channels.set(client, await opening)
  }

  async #addNode(name: Name): Promise<void> {
    const road = await Road.to(this.devnet.port)
    this.electrum.set(name, road)
    const isClient = name !== 'bob'
    if (isClient) this.links.set(name, await Road.to(portOf(this.node('bob'))))
    await this.surround(name, {
      clock: 0,
      roads: isClient ? { [portOf(this.node('bob'))]: this.links.get(name)?.port ?? 0 } : {}
    })
    const node = new NodeProcess(
      this.dataDir(name),
      `tcp://127.0.0.1:${road.port}`,
      POLICY,
      (line) => {
        this.#heard(name, line)
      }
    )
    this.nodes.set(name, node)
    await node.init()
    await node.start()
    if (!isClient) return
    this.#given.add(await this.devnet.fund(await node.api.wallet.address(), COIN))
  }

  #heard(name: Name, line: Line): void {
    const alarm = alarmShape.safeParse(line).data
    if (alarm === undefined) return
    const key = `${name}: ${alarm.text.replace(/[0-9a-f]{64}/g, (id) => `${id.slice(0, 8)}...`).slice(0, 200)} (${alarm.code})`
    this.alarms.set(key, (this.alarms.get(key) ?? 0) + 1)
  }

  /** Writes what a node lives in; one that runs sees it at once. */
  async surround(name: Name, change: Partial<Surroundings>): Promise<void> {
    const now = { ...(this.#surroundings.get(name) ?? { clock: 0, roads: {} }), ...change }
    this.#surroundings.set(name, now)
    await writeFile(surroundingsFile(this.dataDir(name)), JSON.stringify(now))
    this.nodes.get(name)?.lookAround()
  }

  async kill(name: Name): Promise<void> {
    this.#down.add(name)
    await this.node(name).kill()
  }

  /** It may end by itself from now on, until it is started again. */
  expectEnd(name: Name): void {
    this.#down.add(name)
  }

  async start(name: Name): Promise<void> {
    await this.node(name).start()
    this.#down.delete(name)
  }

  freeze(name: Name): void {
    this.node(name).signal('SIGSTOP')
  }
  thaw(name: Name): void {
    this.node(name).signal('SIGCONT')
  }

  /** Nodes that have ended though nobody has killed them. */
  died(): ReadonlyArray<{ readonly name: Name; readonly end: End }> {
    return NAMES.flatMap((name) => {
      const { end } = this.node(name)
      return end === undefined || this.#down.has(name) ? [] : [{ name, end }]
    })
  }

  /** Nothing is broken from now on, and everybody sees the newest block. */
  async heal(): Promise<void> {
    for (const road of [...this.electrum.values(), ...this.links.values()]) await road.open()
    for (const name of NAMES) {
      this.thaw(name)
      await this.surround(name, { clock: 0 })
    }
    await this.mine(2)
    for (const name of NAMES) {
      await until(
        `${name} sees block ${this.devnet.height}`,
        async () => (await this.node(name).api.info()).chain.height === this.devnet.height
      )
    }
  }

  /** What the nodes were given, and what the chain shows that they have paid to miners. */
  async moneyOnChain(): Promise<{ given: bigint; fees: bigint }> {
    let fees = 0n
    let given = 0n
    for (let height = 1; height <= this.devnet.height; height++) {
      for (const id of ((await this.devnet.backend.blockTxids(height)) ?? []).slice(1)) {
        if (this.#given.has(id)) given += COIN
        else fees += await this.#feeOf(id)
      }
    }
    return { given, fees }
  }

  async #feeOf(id: Txid): Promise<bigint> {
    const { inputs, outputs } = await this.#transaction(id)
    let fee = -outputs.reduce((sum, { value }) => sum + value, 0n)
    for (const { outPoint } of inputs) {
      fee += (await this.#transaction(outPoint.txid)).outputs[outPoint.vout]?.value ?? 0n
    }
    return fee
  }

  async #transaction(id: Txid): Promise<ReturnType<typeof readTransaction>> {
    const found = await this.devnet.backend.transaction(id)
    if (found === undefined) throw new Error(`The chain does not have ${id}.`)
    return readTransaction(found.raw)
  }

  async end(): Promise<void> {
    await Promise.all(
      [...this.nodes.values()].map(async (node) => {
        await node.kill()
      })
    )
    for (const road of [...this.electrum.values(), ...this.links.values()]) await road.cut()
    await this.devnet.stop()
    await rm(this.directory, { recursive: true, force: true })
  }
}

function portOf(node: NodeProcess): number {
  return Number(
    multiaddr(node.multiaddr)
      .getComponents()
      .find(({ name }) => name === 'tcp')?.value
  )
}
