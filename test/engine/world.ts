/**
 * The world of the engine's tests: nodes whose doings are watched, that crash at the write that a
 * test names, and whose streams break under the message that it names.
 */
import assert from 'node:assert/strict'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import type { News } from '../../src/channel/effects.js'
import type { Policy } from '../../src/channel/policy.js'
import type { ChannelInfo } from '../../src/channel/summary.js'
import type { Engine } from '../../src/engine/engine.js'
import type { Timeouts } from '../../src/engine/context.js'
import type { PaymentInfo } from '../../src/engine/payments.js'
import type { Chain, Peers, Ports } from '../../src/engine/ports.js'
import type { SimDisk, Snapshot } from '../../src/testing/disk.js'
import type { Life as AnyLife } from '../../src/testing/calendar.js'
import { quiet, World as AnyWorld, WorldNode, type WorldOptions } from '../../src/testing/world.js'
import type { Txid } from '../../src/types/bytes.js'
import { blockDelta, satoshi } from '../../src/types/units.js'
import { Recorder } from '../chain/helpers.js'
import { Life, type Left } from './life.js'

export { quiet } from '../../src/testing/world.js'

export const CAPACITY = satoshi(500_000n)
/** L minus the tip at the opening; settled at +24, last payment at +12. */
export const BLOCKS = blockDelta(60)

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

export interface NodeSetup {
  readonly policy?: Partial<Policy>
  readonly timeouts?: Partial<Timeouts>
  readonly keepsEvents?: boolean
  /** Puts something between the engine and the chain. */
  readonly chain?: (chain: Chain) => Chain
  /** Puts something between the engine and the network. */
  readonly peers?: (peers: Peers) => Peers
}

export class Node extends WorldNode {
  /** Commits since the beginning, over all lives. */
  commits = 0
  /**
   * Asked at every commit: before it is written, and when it is durable but nobody knows. True:
   * crash now.
   */
  crashAt: (moment: 'before' | 'after', commit: number) => boolean = () => false
  readonly #watching: NodeSetup

  constructor(
    override readonly world: World,
    name: string,
    watching: NodeSetup
  ) {
    super(world, name, watching)
    this.#watching = watching
  }

  override get life(): Life {
    assert.ok(super.life instanceof Life)
    return super.life
  }

  /** A new process on what the disk has, with another accident ahead of it or none. */
  override async restart(
    contents?: Snapshot,
    crashAt: Node['crashAt'] = () => false
  ): Promise<void> {
    if (this.life.alive) this.crash()
    this.crashAt = crashAt
    await super.restart(contents)
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

  protected override newLife(): Life {
    return new Life(this.name, (left) => {
      this.world.note(left)
    })
  }

  protected override portsIn(life: AnyLife, ports: Ports): Ports {
    assert.ok(life instanceof Life)
    const { store, chain, peers, clock, ...rest } = life.watched(ports)
    return {
      ...rest,
      store,
      chain: this.#watching.chain?.(chain) ?? chain,
      peers: this.#watching.peers?.(peers) ?? peers,
      clock: {
        now: () => clock.now(),
        after: (ms, callback) => {
          this.world.timers.push(ms)
          return clock.after(ms, callback)
        }
      }
    }
  }

  protected override diskWith(contents: Snapshot): SimDisk {
    const disk = super.diskWith(contents)
    disk.beforeWrite = () => {
      if (this.life.alive && this.crashAt('before', this.commits + 1)) this.crash()
    }
    disk.onDurable(() => {
      this.commits += 1
      if (this.life.alive && this.crashAt('after', this.commits)) this.crash()
    })
    return disk
  }
}

export class World extends AnyWorld {
  declare readonly nodes: Node[]
  /** The timers that nodes have set, in milliseconds. */
  readonly timers = new Recorder<number>()
  /** Everything that left any node, in order. */
  readonly left: Left[] = []
  #cutAt: { readonly node: string; readonly type: Message['type'] } | undefined

  constructor(options: WorldOptions = {}) {
    super({ sweeps: false, ...options })
  }

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
  override async node(
    name: string,
    setup: NodeSetup & { readonly coin?: bigint } = {}
  ): Promise<Node> {
    const node = new Node(this, name, setup)
    await this.add(node, setup.coin === 0n ? [] : [setup.coin ?? 1_000_000n])
    return node
  }

  /** Replaces the newest blocks by empty ones. */
  reorg(depth: number, length = depth + 1, drops: readonly Txid[] = []): void {
    this.chain.reorg(depth, { length, refills: false, drops })
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
  server: NodeSetup = {},
  options: WorldOptions = {}
): Promise<{ world: World; alice: Node; bob: Node }> {
  const world = new World(options)
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

/** Does something before a node's wallet builds a T1. */
export function beforeFunding({ wallet }: Node, act: () => void): void {
  const build = wallet.buildFunding.bind(wallet)
  wallet.buildFunding = async (request) => {
    act()
    return await build(request)
  }
}
