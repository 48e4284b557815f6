/**
 * The world of a drill: a devnet in this process, three nodes in processes of their own, a road
 * from each node to its Electrum server and from each client to the server. Alice pays Bob one way;
 * Carol and Bob pay each other, in turns.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { multiaddr } from '@multiformats/multiaddr'
import { z } from 'zod'
import { startDevnet, type Devnet } from '../../src/devnet/index.js'
import type { ChannelInfo } from '../../src/node/api.js'
import { readTransaction } from '../../src/bitcoin/transaction.js'
import type { Txid } from '../../src/types/bytes.js'
import { messageOf } from '../../src/types/errors.js'
import { NodeProcess, type End, type Line } from './process.js'
import { Road } from './road.js'
import { surroundingsFile, type Surroundings } from './surroundings.js'
import { satoshi } from '../../src/types/units.js'

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
