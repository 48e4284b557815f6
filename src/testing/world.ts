/**
 * A world for engines: one calendar, chain and network, and nodes with their disks, wallets and
 * keys, which live, crash and come back. Nothing waits for real time, and no socket is opened.
 * Without delays everything that can happen has happened after a turn of the event loop (`quiet`);
 * with delays it happens as virtual time passes (`pass`, `until`).
 */
import { defaultPolicy, type Policy } from '../channel/policy.js'
import type { ChannelInfo } from '../channel/summary.js'
import { Engine } from '../engine/engine.js'
import type { EngineEvent, Timeouts } from '../engine/context.js'
import type { PaymentInfo } from '../engine/payments.js'
import type { Random, Signer, Ports } from '../engine/ports.js'
import type { ChannelId } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { blockDelta, satoshi, type Satoshi } from '../types/units.js'
import { Calendar, Draws, Life, SimClock } from './calendar.js'
import { SimChain, type SimChainOptions } from './chain.js'
import { SimDisk, type SimStore, type Snapshot } from './disk.js'
import { ONE_HONEST, Phantoms, Servers, type ServerSetup, SharedFees } from './servers.js'
import { keyMaker } from './keys.js'
import { SimNetwork, type NetworkSetup } from './network.js'
import { fundingJudge } from './mempool.js'
import { SimView, Watchers } from './view.js'
import { Purses, SimWallet } from './wallet.js'

export interface WorldOptions {
  /** The same seed gives the same keys and draws; 1 when left out. */
  readonly seed?: number
  /**
   * The rates that blocks take and ask for; when left out, blocks take everything that pays 1
   * sat/vB.
   */
  readonly chain?: Pick<
    SimChainOptions,
    'start' | 'blockVsize' | 'rateAt' | 'relayRate' | 'fullRbf'
  >
  /** Latency, loss and partitions of the network; none when left out. */
  readonly network?: NetworkSetup
  /** Milliseconds until nodes see news of the chain; at once when left out. */
  readonly newsMs?: number
  /** Milliseconds that a commit to disk takes; none when left out. */
  readonly commitMs?: number
  /**
   * Replaces signatures by a model of who has signed what, 100 times as fast; false when left out.
   */
  readonly model?: boolean
  /** True when wallets sweep their payouts; true when left out. */
  readonly sweeps?: boolean
}

export interface NodeSetup {
  readonly policy?: Partial<Policy>
  readonly timeouts?: Partial<Timeouts>
  /** Keeps events with numbers (`Engine.eventLog`). */
  readonly keepsEvents?: boolean
  /** Coins that it begins with, in a block; none when left out. */
  readonly coins?: readonly bigint[]
  /** The servers of the chain that it asks: one honest server when left out. */
  readonly servers?: ServerSetup
  /** Milliseconds that its clock is off. */
  readonly skewMs?: number
  /** Number of commits that its disk can lose in a crash. */
  readonly losesWrites?: number
  /** Puts something between the engine and its ports, anew in each life. */
  readonly between?: (ports: Ports, life: Life) => Ports
}

/** Number of newest blocks whose thresholds make estimates. */
const SEEN_BLOCKS = 12
/** The default of L minus the tip, in blocks. */
const BLOCKS = 1_008

/** Resolves once everything that can happen without time has happened. */
export async function quiet(): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve)
  })
}

/**
 * @example
 * const world = new World()
 * const bob = await world.node('bob')
 * const alice = await world.node('alice', { coins: [1_000_000n] })
 */
export class World {
  /** Blocks, mempools, fees: all that a test may do to the chain. */
  readonly chain: SimChain
  /** Streams between the nodes: cut and mended by a test. */
  readonly network: SimNetwork
  /** @internal */
  readonly calendar = new Calendar()
  /** @internal */
  readonly fees: SharedFees
  /** @internal */
  readonly watchers = new Watchers()
  /**
   * The transactions that lying servers show.
   *
   * @internal
   */
  readonly phantoms: Phantoms
  /** @internal */
  readonly purses: Purses
  readonly nodes: WorldNode[] = []
  readonly #keys: ReturnType<typeof keyMaker>

  constructor(readonly options: WorldOptions = {}) {
    const { seed = 1, chain, network, model = false, sweeps = true } = options
    const { calendar } = this
    this.#keys = keyMaker(seed, model)
    this.chain = new SimChain({
      ...chain,
      now: () => calendar.now,
      judge: fundingJudge(this.#keys.verify)
    })
    this.network = new SimNetwork(
      network === undefined
        ? {}
        : { takes: { calendar, draws: new Draws(seed, 'network'), setup: network } }
    )
    this.fees = new SharedFees([0])
    this.purses = new Purses(this.chain)
    this.phantoms = new Phantoms((script) => {
      for (const view of this.watchers.of(script)) view.changed(script, view.seen)
    })
    this.chain.onChange(({ tip }) => {
      if (!tip) return
      this.fees.update([0, ...this.chain.newestThresholds(SEEN_BLOCKS)])
      if (sweeps) for (const node of this.nodes) void node.sweep()
    })
    this.watchers.follow(this.chain)
  }

  /** Milliseconds of virtual time since the beginning. */
  get now(): number {
    return this.calendar.now
  }

  get height(): number {
    return this.chain.height
  }

  /** Makes and starts a node. Its coins are in a block. */
  async node(name: string, setup: NodeSetup = {}): Promise<WorldNode> {
    const node = new WorldNode(this, name, setup)
    await this.add(node, setup.coins)
    return node
  }

  /** Starts a node that was made for this world. */
  protected async add(node: WorldNode, coins: readonly bigint[] = []): Promise<void> {
    this.nodes.push(node)
    for (const coin of coins) node.wallet.receive(coin)
    if (coins.length > 0) this.chain.mine()
    await node.start()
    await quiet()
  }

  /** The signer with the keys of a name. */
  signerOf(name: string): Signer {
    return this.#keys.signerFor(name)
  }

  /** Mines blocks, each once all nodes have seen the one before. */
  async mine(blocks = 1): Promise<void> {
    for (let n = 0; n < blocks; n++) {
      await this.#settle()
      this.chain.mine()
      await this.#settle()
    }
  }

  /** Mines up to a height. */
  async mineTo(height: number): Promise<void> {
    await this.mine(height - this.chain.height)
  }

  /** Lets a span of virtual time pass, with everything that happens in it. */
  async pass(ms: number): Promise<void> {
    await this.calendar.run(this.calendar.now + ms)
    await quiet()
  }

  /**
   * Lets virtual time pass until a promise has settled.
   *
   * @throws PaychanError `ERR_INTERNAL` when no event is left that could settle it
   */
  async until<T>(promise: Promise<T>): Promise<T> {
    const settled = new AbortController()
    const isSettled = (): boolean => settled.signal.aborted
    const settle = (): void => {
      settled.abort()
    }
    promise.then(settle, settle)
    await quiet()
    while (!isSettled()) {
      const { next } = this.calendar
      if (next === undefined) {
        throw new PaychanError(
          'ERR_INTERNAL',
          'Nothing is to happen any more, and what was waited for has not; mine a block, or start the node that it waits for.'
        )
      }
      await this.calendar.run(next, isSettled)
      await quiet()
    }
    return await promise
  }

  /** Lets news of a block arrive, and nodes act on it. */
  async #settle(): Promise<void> {
    if (this.options.newsMs === undefined) await quiet()
    else await this.pass(this.options.newsMs)
  }
}

interface Process {
  readonly life: Life
  readonly store: SimStore
  readonly view: SimView
  readonly engine: Engine
}

/** A node of a world, through its lives. */
export class WorldNode {
  /** The events that its engine has told, over all lives. */
  readonly events: EngineEvent[] = []
  /** @internal */
  readonly wallet: SimWallet
  /** @internal */
  readonly servers: Servers
  readonly #listeners = new Set<(event: EngineEvent) => void>()
  readonly #random: Random
  #disk: SimDisk
  #process: Process | undefined
  readonly #setup: NodeSetup

  constructor(
    readonly world: World,
    readonly name: string,
    setup: NodeSetup = {}
  ) {
    this.#setup = setup
    const { seed = 1 } = world.options
    world.network.join(name)
    this.servers = new Servers(setup.servers ?? ONE_HONEST, world.chain, world.fees, world.phantoms)
    this.#random = new Draws(seed, `node ${name}`)
    this.wallet = new SimWallet(
      `${seed} ${name}`,
      world.chain,
      world.purses,
      async (transaction) => await this.view.broadcast(transaction)
    )
    this.#disk = this.diskWith(new Map())
  }

  /** @internal */
  get life(): Life {
    return this.#running.life
  }

  /** The whole engine of the node, as a real one has it. */
  get engine(): Engine {
    return this.#running.engine
  }

  /** The node's view of the chain: it can be down, and be lied to. */
  get view(): SimView {
    return this.#running.view
  }

  /** The node's disk: it can fail, be full, or lose its last writes. */
  get store(): SimStore {
    return this.#running.store
  }

  /** Satoshis of its coins and payouts on the chain, and of its money that waits for a block. */
  get balance(): Satoshi {
    return this.wallet.worth
  }

  /** Its channels, the newest first. */
  get channels(): ChannelInfo[] {
    return this.engine.channels()
  }

  get isUp(): boolean {
    return this.#process?.life.alive === true
  }

  onEvent(listener: (event: EngineEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** Begins a life: a new process on the contents of the disk. */
  async start(): Promise<void> {
    if (this.isUp) return
    this.#process = this.#create()
    await this.engine.start()
  }

  /** Ends the process in order. */
  async stop(): Promise<void> {
    if (!this.isUp) return
    await this.engine.stop()
    this.life.end()
  }

  /** Kills the process: nothing more leaves it, and peers see their streams break. */
  crash(lostCommits = 0): void {
    this.life.end()
    if (lostCommits > 0) this.#disk.lose(lostCommits)
  }

  /**
   * Crashes the process, if it lives, and starts one on the contents of the disk, or on another
   * disk.
   */
  async restart(contents?: Snapshot): Promise<void> {
    if (this.isUp) this.crash()
    if (contents !== undefined) this.#disk = this.diskWith(contents)
    await this.start()
    await quiet()
  }

  /**
   * Opens a channel to a node; resolves once the channel takes payments, for which T1 needs a
   * block.
   *
   * @param blocks - number of blocks that it may last, a week when left out
   */
  async openTo(peer: string, capacity: bigint, blocks = BLOCKS): Promise<ChannelInfo> {
    return await this.engine.open({
      peer,
      capacity: satoshi(capacity),
      blocks: blockDelta(blocks),
      wait: 'ready'
    })
  }

  /**
   * Pays a node over a channel that has room; resolves once the node has acknowledged the payment.
   */
  async payTo(peer: string, amount: bigint, memo = ''): Promise<PaymentInfo> {
    const channel = this.engine.channelFor(peer, satoshi(amount))
    if (channel === undefined) {
      throw new PaychanError(
        'ERR_NO_CHANNEL',
        `${this.name} has no channel to ${peer} that could be paid on; open one first.`,
        { peer }
      )
    }
    return await this.engine.pay(channel, satoshi(amount), memo)
  }

  /** Closes every channel with a node cooperatively; the closes are in the next block. */
  async closeWith(peer: string): Promise<void> {
    for (const { id, peerId, status } of this.channels) {
      if (peerId === peer && status === 'open') await this.engine.close(id, false)
    }
  }

  /** The payments that it knows of, of one channel or of all, the oldest first. */
  async payments(only?: ChannelId): Promise<PaymentInfo[]> {
    const all: PaymentInfo[] = []
    const of = ({ id }: { readonly id: ChannelId }): boolean => only === undefined || id === only
    for await (const payment of this.engine.payments({ of })) all.push(payment)
    return all.reverse()
  }

  /** Collects payouts that are in blocks and worth their fee. */
  async sweep(): Promise<void> {
    if (this.isUp && this.wallet.hasClaims) await this.wallet.sweep(this.world.fees.current.feeRate)
  }

  /** Makes a life that has not begun; it is told of its ports before its engine has them. */
  protected newLife(): Life {
    return new Life()
  }

  protected portsIn(life: Life, ports: Ports): Ports {
    return this.#setup.between?.(ports, life) ?? ports
  }

  protected tell(event: EngineEvent): void {
    this.events.push(event)
    for (const listener of [...this.#listeners]) listener(event)
  }

  get #running(): Process {
    if (this.#process === undefined) throw new Error(`${this.name} was never started`)
    return this.#process
  }

  protected diskWith(contents: Snapshot): SimDisk {
    const { commitMs } = this.world.options
    return new SimDisk({
      contents,
      remembers: this.#setup.losesWrites ?? 0,
      ...(commitMs === undefined ? {} : { takes: { calendar: this.world.calendar, ms: commitMs } })
    })
  }

  #create(): Process {
    const setup = this.#setup
    const { world, name } = this
    const { calendar, chain, watchers } = world
    const { newsMs } = world.options
    const life = this.newLife()
    const store = this.#disk.storeFor(life)
    const view = new SimView(
      {
        chain,
        watchers,
        servers: this.servers,
        ...(newsMs === undefined ? {} : { takes: { calendar, ms: newsMs } })
      },
      life
    )
    const ports = this.portsIn(life, {
      store,
      chain: view,
      peers: world.network.peersFor(name, life),
      wallet: this.wallet.portFor(life),
      signer: world.signerOf(name),
      clock: new SimClock(calendar, life, setup.skewMs ?? 0),
      random: this.#random
    })
    const engine = new Engine({
      network: 'regtest',
      policy: { ...defaultPolicy('regtest'), ...setup.policy },
      initialFeeRate: this.servers.current.feeRate,
      ...ports,
      onEvent: (event) => {
        if (life.alive) this.tell(event)
      },
      keepsEvents: setup.keepsEvents === true,
      ...(setup.timeouts === undefined ? {} : { timeouts: setup.timeouts })
    })
    return { life, store, view, engine }
  }
}
