/**
 * A small world for engines: one chain, one network and one clock in memory, and nodes that live,
 * crash and come back with what was on their disk. Nothing here waits for time: `quiet` resolves
 * once all that can happen has happened.
 */
import assert from 'node:assert/strict'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import { MemoryChain } from '../../src/chain/memory.js'
import { MemoryWorld } from '../../src/chain/memory-world.js'
import type { News } from '../../src/channel/news.js'
import { defaultPolicy, type Policy } from '../../src/channel/policy.js'
import type { ChannelInfo } from '../../src/channel/summary.js'
import { Engine } from '../../src/engine/engine.js'
import type { EngineEvent } from '../../src/engine/engine-events.js'
import type { Timeouts } from '../../src/engine/engine-options.js'
import type { PaymentInfo } from '../../src/engine/payments.js'
import type { Chain, Peers, Random, Signer } from '../../src/engine/ports.js'
import { SimNetwork } from '../../src/testing/network.js'
import { openSimStore, type SimStore, type Snapshot } from '../../src/testing/disk.js'
import type { ChannelId } from '../../src/types/bytes.js'
import { blockDelta, feeRate, satoshi } from '../../src/types/units.js'
import { createTestSigner } from '../wallet/test-root.js'
import { FakeClock, seededRandom } from '../chain/helpers.js'
import { Life, type Left } from './life.js'
import { WorldWallet } from './world-wallet.js'

export const CAPACITY = satoshi(500_000n)
/** L minus the tip at the opening; settled at +24, last payment at +12. */
export const BLOCKS = blockDelta(60)

/**
 * All microtasks, and everything in memory is made of these, run before the next turn of the event
 * loop.
 */
export async function quiet(): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve)
  })
}

/** Waits for a condition, one microtask at a time, and strikes in the one in which it holds. */
export async function soon(condition: () => boolean, strike: () => void = () => {}): Promise<void> {
  for (let n = 0; n < 100_000; n++) {
    if (condition()) {
      strike()
      return
    }
    await Promise.resolve()
  }
  assert.fail('it does not happen')
}

/** Keys take milliseconds to derive: a story that is told again has the same ones. */
const signers = new Map<string, Signer>()

function signerOf(seed: string): Signer {
  const signer = signers.get(seed) ?? createTestSigner(seed)
  signers.set(seed, signer)
  return signer
}

export interface NodeSetup {
  readonly policy?: Partial<Policy>
  readonly timeouts?: Partial<Timeouts>
  readonly signer?: string
  /** Puts something between the engine and the chain. */
  readonly chain?: (chain: Chain) => Chain
  /** Puts something between the engine and the network. */
  readonly peers?: (peers: Peers) => Peers
}

export class Node {
  readonly events: EngineEvent[] = []
  readonly wallet: WorldWallet
  readonly signerSeed: string
  store: SimStore
  chain: MemoryChain
  life: Life
  engine: Engine
  /** Commits since the beginning, over all lives. */
  commits = 0
  /**
   * Asked at every commit: before it is written, and when it is durable but nobody knows. True:
   * crash now.
   */
  crashAt: (moment: 'before' | 'after', commit: number) => boolean = () => false
  readonly #peers: Peers
  readonly #random: Random

  constructor(
    readonly world: World,
    readonly name: string,
    private readonly setup: NodeSetup
  ) {
    this.#peers = world.network.peer(name)
    this.#random = seededRandom(world.nodes.length + 7)
    this.signerSeed = setup.signer ?? name
    this.wallet = new WorldWallet(world.chain, name)
    this.store = openSimStore()
    this.chain = new MemoryChain(world.chain)
    this.life = new Life(name, (left) => {
      world.note(left)
    })
    this.engine = this.#create()
  }

  /** The process dies: nothing more leaves, and the peers see their streams break. */
  crash(): void {
    this.life.end()
    for (const other of this.world.nodes) {
      if (other === this) continue
      this.world.network.cut(this.name, other.name)
      this.world.network.mend(this.name, other.name)
    }
  }

  /** A new process on what the disk has, with another accident ahead of it or none. */
  async restart(
    snapshot: Snapshot = this.store.snapshot(),
    crashAt: Node['crashAt'] = () => false
  ): Promise<void> {
    if (this.life.alive) this.crash()
    this.crashAt = crashAt
    this.store = openSimStore(snapshot)
    this.chain = new MemoryChain(this.world.chain)
    this.life = new Life(this.name, (left) => {
      this.world.note(left)
    })
    this.engine = this.#create()
    await this.engine.start()
    await quiet()
  }

  /** The one channel that it has, or the newest. */
  get channel(): ChannelInfo {
    const [channel] = this.engine.channels()
    assert.ok(channel, `${this.name} has no channel`)
    return channel
  }

  async pay(amount: bigint, memo = ''): Promise<PaymentInfo> {
    return await this.engine.pay(this.channel.id, satoshi(amount), memo)
  }

  async close(force = false): ReturnType<Engine['close']> {
    return await this.engine.close(this.channel.id, force)
  }

  async payments(only?: ChannelId): Promise<PaymentInfo[]> {
    const all: PaymentInfo[] = []
    for await (const { payment } of this.engine.payments(only)) all.push(payment)
    return all
  }

  get alarms(): string[] {
    return this.events.flatMap((event) => (event.type === 'alarm' ? [event.code] : []))
  }

  get alarmTexts(): string[] {
    return this.events.flatMap((event) => (event.type === 'alarm' ? [event.text] : []))
  }

  /** What happened to its channels, in order. */
  get story(): News[] {
    return this.events.flatMap((event) => (event.type === 'channel' ? [event.news] : []))
  }

  #create(): Engine {
    const { life, world, setup } = this
    this.store.onDurable(() => {
      this.commits += 1
      if (life.alive && this.crashAt('after', this.commits)) this.crash()
    })
    const chain = life.chain(this.chain)
    const peers = life.peers(this.#peers)
    return new Engine({
      network: 'regtest',
      policy: { ...defaultPolicy('regtest'), ...setup.policy },
      store: life.store(this.store, () => {
        if (this.crashAt('before', this.commits + 1)) this.crash()
      }),
      chain: setup.chain?.(chain) ?? chain,
      peers: setup.peers?.(peers) ?? peers,
      wallet: life.wallet(this.wallet),
      signer: signerOf(this.signerSeed),
      clock: life.clock(world.clock),
      random: this.#random,
      initialFeeRate: feeRate(1000n),
      onEvent: (event) => {
        if (life.alive) this.events.push(event)
      },
      ...(setup.timeouts === undefined ? {} : { timeouts: setup.timeouts })
    })
  }
}

export class World {
  readonly chain = new MemoryWorld()
  readonly network = new SimNetwork()
  readonly clock = new FakeClock()
  readonly nodes: Node[] = []
  /** Everything that left any node, in order. */
  readonly left: Left[] = []
  #cutAt: { readonly node: string; readonly type: Message['type'] } | undefined

  /** To be called before something leaves a node. */
  note(left: Left): void {
    this.left.push(left)
    if (
      left.kind !== 'message' ||
      left.node !== this.#cutAt?.node ||
      left.message.type !== this.#cutAt.type
    ) {
      return
    }
    this.#cutAt = undefined
    for (const other of this.nodes) {
      if (other.name !== left.node) this.network.cut(left.node, other.name)
    }
  }

  /**
   * The next message of that type is the first that is lost: its stream breaks as it is sent, and
   * stays broken until `mend`.
   */
  cutAt(node: Node, type: Message['type']): void {
    this.#cutAt = { node: node.name, type }
  }

  /** A started node with a confirmed coin. */
  async node(name: string, setup: NodeSetup & { readonly coin?: bigint } = {}): Promise<Node> {
    const node = new Node(this, name, setup)
    this.nodes.push(node)
    if (setup.coin !== 0n) {
      node.wallet.receive(setup.coin ?? 1_000_000n)
      this.chain.mine()
    }
    await node.engine.start()
    await quiet()
    return node
  }

  async mine(blocks = 1): Promise<void> {
    for (let n = 0; n < blocks; n++) {
      this.chain.mine()
      await quiet()
    }
  }

  /** Mines up to a height. */
  async mineTo(height: number): Promise<void> {
    await this.mine(height - this.chain.height)
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms)
    await quiet()
  }

  /** Opens a channel that can be paid on. */
  async open(client: Node, server: Node, capacity = CAPACITY): Promise<ChannelInfo> {
    const opening = client.engine.open({
      peer: server.name,
      capacity,
      blocks: BLOCKS,
      wait: 'ready'
    })
    await quiet()
    await this.mine()
    return await opening
  }

  /** What one node said, by type. */
  said(node: Node, type?: Message['type']): Message[] {
    return this.left.flatMap((left) =>
      left.node === node.name &&
      left.kind === 'message' &&
      (type === undefined || left.message.type === type)
        ? [left.message]
        : []
    )
  }

  broadcasts(node: Node): Uint8Array[] {
    return this.left.flatMap((left) =>
      left.node === node.name && left.kind === 'broadcast' ? [left.raw] : []
    )
  }

  /** Breaks the streams between two nodes, and lets no new ones be opened until `mend`. */
  async cut(one: Node, other: Node): Promise<void> {
    this.network.cut(one.name, other.name)
    await quiet()
  }

  mend(one: Node, other: Node): void {
    this.network.mend(one.name, other.name)
  }
}

/** A client with a coin, a server, and the world around them. */
export async function twoNodes(
  client: NodeSetup & { readonly coin?: bigint } = {},
  server: NodeSetup = {}
): Promise<{ world: World; alice: Node; bob: Node }> {
  const world = new World()
  const bob = await world.node('bob', { coin: 0n, ...server })
  const alice = await world.node('alice', client)
  return { world, alice, bob }
}

/** The code that a promise rejects with; a promise that resolves fails the test. */
export async function codeFrom(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    assert.ok(error instanceof Error)
    return 'code' in error && typeof error.code === 'string' ? error.code : error.message
  }
  assert.fail('it was expected to be refused')
}
