/** Real nodes, over libp2p in one process, with a devnet, in directories that are gone afterwards. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memory } from '@libp2p/memory'
import { BLOCKS_UNTIL_CLOSE } from '../../channel/closing.js'
import { RENEW_BEFORE } from '../../channel/renewed.js'
import { startDevnet, type Devnet } from '../../devnet/index.js'
import type { ChannelInfo, NodeApi } from '../../node/api.js'
import { createNode, type NodeOptions } from '../../node/create-node.js'
import { untilHeight } from '../../node/until-height.js'
import { satoshi } from '../../types/units.js'
import { coinsOf } from '../nodes/coins.js'
import { policyOf } from '../nodes/policy.js'
import type { Plan } from '../plan.js'
import type { Scenario } from '../scenario/scenario.js'
import { START_HEIGHT } from '../world/start.js'
import type { TransportName } from './transport.js'

/** The miner's payments hang on each other, and a mempool takes 25 of them in a row. */
const FUNDINGS_A_BLOCK = 20
/** What a node does with a block takes milliseconds; this is for a machine that does much else. */
const PATIENCE_MS = 5_000
/** Until a channel that is due has begun: it may also find that nothing is worth its fee. */
const DUE_PATIENCE_MS = 3_000

export interface RealNode {
  readonly name: string
  readonly group: string
  readonly api: NodeApi
  readonly multiaddr: string
  readonly begin: number
  /** As it was when the newest block had been dealt with. */
  channels: readonly ChannelInfo[]
}

export class RealWorld {
  readonly alarms: Array<{ readonly node: string, readonly code: string, readonly text: string }> = []
  /** Blocks after which some channel was not done in time. */
  hurried = 0
  reorgs = 0
  readonly #byName = new Map<string, RealNode>()
  /** Channels whose renewal has failed since the newest block. */
  readonly #failed = new Set<string>()
  #known = ''

  private constructor (readonly devnet: Devnet, private readonly directory: string, private readonly transport: TransportName) {}

  /** Starts everything; each wallet has its coins, and the chain the height at which simulations begin. */
  static async start (scenario: Scenario, plan: Plan, transport: TransportName): Promise<RealWorld> {
    const world = new RealWorld(await startDevnet(), await mkdtemp(join(tmpdir(), 'paychan-simulate-')), transport)
    try {
      await Promise.all(plan.nodes.map(async ({ name, group }) => { await world.#join(name, group, scenario) }))
      await world.#fund(plan)
      return world
    } catch (error) {
      await world.stop()
      throw error
    }
  }

  get nodes (): readonly RealNode[] { return [...this.#byName.values()] }

  /** As the results list them. */
  nodesInOrder ({ nodes }: Pick<Plan, 'nodes'>): RealNode[] {
    return nodes.map(({ name }) => this.node(name))
  }

  node (name: string): RealNode {
    const node = this.#byName.get(name)
    if (node === undefined) throw new Error(`the plan names no node ${name}`)
    return node
  }

  /** A block; resolves once all nodes have seen it and done what it brings. `isQuiet`: nothing was asked of anybody since the one before. */
  async mine (isQuiet: boolean): Promise<void> {
    if (!isQuiet) await this.settled()
    await this.#grow(async () => { await this.devnet.mine(1) })
  }

  /** The newest `depth` blocks, but none from before the simulation, give way to one more: as in virtual time an empty one, and others with what was in them. */
  async reorg (depth: number): Promise<void> {
    const undone = Math.min(depth, this.devnet.height - START_HEIGHT)
    if (undone < 1) return
    await this.settled()
    await this.#grow(async () => { await this.devnet.reorg(undone, { transactions: 'second' }) })
    this.reorgs += 1
  }

  async stop (): Promise<void> {
    await Promise.all(this.nodes.map(async ({ api }) => { await api.stop() }))
    await this.devnet.stop()
    await rm(this.directory, { recursive: true, force: true })
  }

  async #join (name: string, group: string, scenario: Scenario): Promise<void> {
    const setup = scenario.nodes.find((each) => each.name === group)
    if (setup === undefined) throw new Error(`the scenario has no group ${group}`)
    const api = await createNode({
      ...hostOn(this.transport),
      network: 'regtest',
      electrum: this.devnet.url,
      dataDir: join(this.directory, name),
      create: true,
      policy: policyOf(setup.policy),
      onEvent: (event) => {
        if (event.type !== 'alarm') return
        this.alarms.push({ node: name, code: event.code, text: event.text })
        if (event.code === 'ERR_RENEWAL_FAILED' && event.channel !== undefined) this.#failed.add(event.channel)
      }
    })
    const [multiaddr = ''] = (await api.info()).multiaddrs
    this.#byName.set(name, { name, group, api, multiaddr, begin: Number(setup.coins), channels: [] })
  }

  /** As many coins as in virtual time, so that wallets choose alike. */
  async #fund (plan: Plan): Promise<void> {
    let paid = 0
    // In the plan's order, whoever was up first.
    for (const { name } of plan.nodes) {
      const { api, begin } = this.node(name)
      for (const amount of coinsOf(begin, plan.openings.filter(({ client }) => client === name).length)) {
        await this.devnet.fund(await api.address(), satoshi(BigInt(amount)))
        if (++paid % FUNDINGS_A_BLOCK === 0) await this.devnet.mine(1)
      }
    }
    await this.devnet.mine(START_HEIGHT - this.devnet.height)
    await this.#synced()
    for (const { api, begin } of this.nodes) await until(async () => (await api.balance()).confirmed === BigInt(begin), api)
  }

  /** The chain becomes one block longer; resolves once all nodes have done what that brings. */
  async #grow (how: () => Promise<void>): Promise<void> {
    const due = new Set(this.nodes.flatMap(({ channels }) => channels.filter((channel) => isDue(channel, this.devnet.height + 1)).map(({ id }) => id)))
    this.#failed.clear()
    await how()
    await this.#synced()
    await this.settled(due)
  }

  async #synced (): Promise<void> {
    await Promise.all(this.nodes.map(async ({ api }) => { await untilHeight(api, this.devnet.height) }))
  }

  /**
   * What a block brings is done when a question to the chain that every node asks after it is answered
   * (a node asks for fees first, on the same connection), nothing is half done, and nothing changes any
   * more. `due`: channels of which one side should begin something.
   */
  async settled (due: ReadonlySet<string> = new Set()): Promise<void> {
    const begin = Date.now()
    for (;;) {
      await Promise.all(this.nodes.map(async (node) => {
        await node.api.fees()
        node.channels = await node.api.channels()
      }))
      const channels = this.nodes.flatMap((node) => node.channels)
      const now = channels.map(({ id, status, spend }) => `${id} ${status} ${spend?.txid ?? ''} ${spend?.height ?? ''}`).join('\n')
      const waited = Date.now() - begin
      const isBegun = waited > DUE_PATIENCE_MS || !channels.some(({ id, status }) => due.has(id) && isIdle(status) && !this.#failed.has(id))
      if (now === this.#known && isBegun && !channels.some(isHalfDone) && await this.#isSeen(channels)) return
      this.#known = now
      if (waited > PATIENCE_MS) {
        this.hurried += 1
        return
      }
    }
  }

  /** Whether the chain has every funding transaction that is signed (a node tells its caller before it has sent it), and both sides know in which block these and the spends are, if in any. */
  async #isSeen (channels: readonly ChannelInfo[]): Promise<boolean> {
    const { height } = this.devnet
    const seen = await Promise.all(channels.map(async ({ status, confirmations, funding, spend }) => {
      const funded = funding === undefined ? undefined : await this.devnet.transaction(funding.txid)
      if (status === 'confirming' && funding !== undefined && funded === undefined) return false
      if (funded?.block?.height !== (confirmations > 0 ? height - confirmations + 1 : undefined)) return false
      return spend === undefined || spend.height === (await this.devnet.transaction(spend.txid))?.block?.height
    }))
    return !seen.includes(false)
  }
}

/** A host of its own each: any free port of the loopback interface, or a name that nobody else in this process has. */
function hostOn (transport: TransportName): Pick<NodeOptions, 'listen' | 'transports'> {
  switch (transport) {
    case 'tcp': return { listen: ['/ip4/127.0.0.1/tcp/0'] }
    case 'memory': return { listen: [`/memory/${randomUUID()}`], transports: [memory()] }
  }
}

/** Whether this side renews it, or ends it in peace, with the tip at this height (TIME-5), as far as that can be seen from outside. */
function isDue ({ role, status, ourBalance, renewFor, lastPaymentHeight }: ChannelInfo, height: number): boolean {
  if (!isIdle(status) || lastPaymentHeight === undefined) return false
  // Whoever asks for a close pays for it: with nothing in the channel it cannot.
  if (ourBalance > 0n && height === lastPaymentHeight + BLOCKS_UNTIL_CLOSE[role]) return true
  return role === 'client' && status === 'open' && renewFor !== undefined && height >= lastPaymentHeight - RENEW_BEFORE
}

function isIdle (status: ChannelInfo['status']): boolean {
  return status === 'open' || status === 'stopped'
}

/** Something of it is on its way that takes no block: an opening, the word that T1 is deep enough, or a transaction that the chain does not show yet. */
function isHalfDone ({ status, spend, confirmations, minDepth }: ChannelInfo): boolean {
  switch (status) {
    case 'opening': return true
    case 'confirming': return minDepth !== undefined && confirmations >= minDepth
    case 'closing': case 'settling': case 'refunding': return spend === undefined
    default: return false
  }
}

/** Waits for events of a node until a condition holds. */
async function until (condition: () => Promise<boolean>, api: NodeApi): Promise<void> {
  for (;;) {
    const next = new Promise<void>((resolve) => {
      const off = api.onEvent(() => {
        off()
        resolve()
      })
    })
    if (await condition()) return
    await next
  }
}
