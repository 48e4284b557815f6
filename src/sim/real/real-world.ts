/** Real nodes, over libp2p in one process, with a devnet, in temporary directories. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startDevnet, type Devnet } from '../../devnet/index.js'
import type { ChannelInfo } from '../../node/api.js'
import { until } from '../../node/waiting.js'
import { satoshi } from '../../types/units.js'
import { coinsOf, policyOf } from '../node.js'
import type { Plan } from '../plan.js'
import type { Scenario } from '../scenario/scenario.js'
import { START_HEIGHT } from '../chain.js'
import { isDue, isHalfDone, isIdle, RealNode } from './real-node.js'
import type { TransportName } from './transport.js'

/** The miner's payments form a chain, and a mempool takes 25 of them in a row. */
const FUNDINGS_A_BLOCK = 20
const NONE: ReadonlySet<string> = new Set()
/** A node needs milliseconds for a block; this allows for a busy machine. */
const PATIENCE_MS = 5_000
/** Milliseconds for a due channel to begin: it may also find that nothing is worth its fee. */
const DUE_PATIENCE_MS = 3_000
/** A client dials a returned server at most a minute later, and tries for 15 s. */
const RELINK_PATIENCE_MS = 75_000

interface Settling {
  /** Ids of channels in which a side should begin something. */
  readonly due?: ReadonlySet<string>
  /** Milliseconds. */
  readonly patience?: number
  /** Asks all nodes, also those that seem unaffected. */
  readonly isForAll?: boolean
  /** Clients may have to dial again. */
  readonly isRestart?: boolean
}

export class RealWorld {
  readonly alarms: Array<{ readonly node: string; readonly code: string; readonly text: string }> =
    []
  /** Number of blocks after which a channel was not done in time. */
  hurried = 0
  reorgs = 0
  readonly #byName = new Map<string, RealNode>()
  /** Channels whose renewal has failed since the newest block. */
  readonly #failed = new Set<string>()
  #known = ''
  readonly #directory: string
  readonly #transport: TransportName

  private constructor(
    readonly devnet: Devnet,
    directory: string,
    transport: TransportName
  ) {
    this.#directory = directory
    this.#transport = transport
  }

  /** Starts everything; each wallet has its coins, and the chain its initial height. */
  static async start(scenario: Scenario, plan: Plan, transport: TransportName): Promise<RealWorld> {
    const world = new RealWorld(
      await startDevnet(),
      await mkdtemp(join(tmpdir(), 'paychan-simulate-')),
      transport
    )
    try {
      await Promise.all(
        plan.nodes.map(async ({ name, group }) => {
          await world.#join(name, group, scenario)
        })
      )
      await world.#fund(plan)
      return world
    } catch (error) {
      await world.stop()
      throw error
    }
  }

  /** The nodes in the plan's order. */
  get nodes(): readonly RealNode[] {
    return [...this.#byName.values()]
  }

  get up(): readonly RealNode[] {
    return this.nodes.filter(({ isUp }) => isUp)
  }

  node(name: string): RealNode {
    const node = this.#byName.get(name)
    if (node === undefined) throw new Error(`the plan names no node ${name}`)
    return node
  }

  /**
   * Mines a block; resolves once all nodes have seen it and acted on it. `isQuiet`: nothing was
   * asked of any node since the block before.
   */
  async mine(isQuiet: boolean): Promise<void> {
    if (!isQuiet) await this.settled()
    await this.#grow(
      async () => {
        await this.devnet.mine(1)
      },
      await this.#isWaiting()
    )
  }

  /**
   * Replaces the newest `depth` blocks, but none from before the simulation, by one more: as in
   * virtual time an empty one, and others with the same transactions.
   */
  async reorg(depth: number): Promise<void> {
    const undone = Math.min(depth, this.devnet.height - START_HEIGHT)
    if (undone < 1) return
    await this.settled()
    await this.#grow(async () => {
      await this.devnet.reorg(undone, { transactions: 'second' })
    }, true)
    this.reorgs += 1
  }

  /**
   * Restarts nodes on their directories; resolves once they are connected again with every running
   * peer.
   */
  async restart(nodes: readonly RealNode[]): Promise<void> {
    const down = nodes.filter(({ isUp }) => !isUp)
    if (down.length === 0) return
    await Promise.all(
      down.map(async (node) => {
        await node.start()
      })
    )
    await this.#synced()
    await this.settled({ patience: RELINK_PATIENCE_MS, isForAll: true, isRestart: true })
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.nodes.map(async (node) => {
        await node.stop()
      })
    )
    await this.devnet.stop()
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #join(name: string, group: string, scenario: Scenario): Promise<void> {
    const setup = scenario.nodes.find((each) => each.name === group)
    if (setup === undefined) throw new Error(`the scenario has no group ${group}`)
    const node = new RealNode({
      name,
      group,
      begin: Number(setup.coins),
      transport: this.#transport,
      options: {
        network: 'regtest',
        electrum: this.devnet.url,
        dataDir: join(this.#directory, name),
        create: true,
        policy: policyOf(setup.policy),
        onEvent: (event) => {
          if (event.type !== 'alarm') return
          this.alarms.push({ node: name, code: event.code, text: event.text })
          if (event.code === 'ERR_RENEWAL_FAILED' && event.channel !== undefined) {
            this.#failed.add(event.channel)
          }
        }
      }
    })
    this.#byName.set(name, node)
    await node.start()
  }

  /** Makes as many coins as in virtual time, so that wallets choose alike. */
  async #fund(plan: Plan): Promise<void> {
    let paid = 0
    for (const { name, api, begin } of this.nodes) {
      for (const amount of coinsOf(
        begin,
        plan.openings.filter(({ client }) => client === name).length
      )) {
        await this.devnet.fund(await api.wallet.address(), satoshi(BigInt(amount)))
        if (++paid % FUNDINGS_A_BLOCK === 0) await this.devnet.mine(1)
      }
    }
    await this.devnet.mine(START_HEIGHT - this.devnet.height)
    await this.#synced()
    for (const { api, begin } of this.nodes) {
      await until(api, async () => (await api.wallet.balance()).confirmed === BigInt(begin))
    }
  }

  /**
   * Adds a block to the chain; resolves once all nodes have acted on it. `isForAll`: the history
   * has changed for some.
   */
  async #grow(how: () => Promise<void>, isForAll: boolean): Promise<void> {
    const due = new Set(
      this.#withPeers()
        .filter((channel) => isDue(channel, this.devnet.height + 1))
        .map(({ id }) => id)
    )
    this.#failed.clear()
    await how()
    await this.#synced()
    await this.settled({ due, isForAll })
  }

  async #synced(): Promise<void> {
    await Promise.all(
      this.up.map(async (node) => {
        await node.reaches(this.devnet.height)
      })
    )
  }

  /**
   * Waits until every node that a block may concern is through with it, nothing is half done, and
   * nothing changes any more.
   */
  async settled({
    due = NONE,
    patience = PATIENCE_MS,
    isForAll = false,
    isRestart = false
  }: Settling = {}): Promise<void> {
    const begin = Date.now()
    const concerned = new Set<RealNode>()
    for (;;) {
      const { height } = this.devnet
      const isEverybody = isForAll || (await this.#isWaiting())
      for (const node of this.up) if (isEverybody || node.isAwake(height)) concerned.add(node)
      if (concerned.size === 0) return
      await Promise.all(
        [...concerned].map(async (node) => {
          await node.look(height)
        })
      )
      const channels = this.up.flatMap((node) => node.channels)
      const now = channels
        .map(
          ({ id, status, spend }) => `${id} ${status} ${spend?.txid ?? ''} ${spend?.height ?? ''}`
        )
        .join('\n')
      const waited = Date.now() - begin
      const isBegun =
        waited > DUE_PATIENCE_MS ||
        !channels.some(({ id, status }) => due.has(id) && isIdle(status) && !this.#failed.has(id))
      if (
        now === this.#known &&
        isBegun &&
        !this.#withPeers().some(isHalfDone) &&
        (await this.#isSeen()) &&
        (!isRestart || (await this.#areConnected()))
      ) {
        return
      }
      this.#known = now
      if (waited > patience) {
        this.hurried += 1
        return
      }
    }
  }

  async #isWaiting(): Promise<boolean> {
    return (await this.devnet.backend.mempool()).length > 0
  }

  /** The channels with both sides running: the future of others is not known. */
  #withPeers(): ChannelInfo[] {
    const there = new Set(this.up.map(({ peerId }) => peerId))
    return this.up.flatMap(({ channels }) => channels.filter(({ peerId }) => there.has(peerId)))
  }

  /**
   * Tells if clients have dialled: the status of a channel that takes no more payments does not say
   * so.
   */
  async #areConnected(): Promise<boolean> {
    const lacking = await Promise.all(
      this.up.map(async ({ api, channels }) => {
        const connected = new Set(
          (await api.peers.list()).filter((peer) => peer.connected).map(({ peerId }) => peerId)
        )
        return this.up.some(
          ({ peerId }) =>
            !connected.has(peerId) &&
            channels.some((channel) => channel.peerId === peerId && isIdle(channel.status))
        )
      })
    )
    return !lacking.includes(true)
  }

  /**
   * Tells if the chain has every signed funding transaction (a node tells its caller before it has
   * sent it), and both sides know the blocks of these and of the spends, if any.
   */
  async #isSeen(): Promise<boolean> {
    const seen = await Promise.all(
      this.up.flatMap(({ channels, seenAt }) =>
        channels.map(async ({ status, confirmations, funding, spend }) => {
          const funded =
            funding === undefined ? undefined : await this.devnet.transaction(funding.txid)
          if (status === 'confirming' && funding !== undefined && funded === undefined) return false
          if (
            funded?.block?.height !== (confirmations > 0 ? seenAt - confirmations + 1 : undefined)
          ) {
            return false
          }
          return (
            spend === undefined ||
            spend.height === (await this.devnet.transaction(spend.txid))?.block?.height
          )
        })
      )
    )
    return !seen.includes(false)
  }
}
