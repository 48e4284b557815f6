/** Real nodes over TCP on the loopback, on a devnet, in directories that are gone afterwards. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Devnet, DevnetOptions } from '../../src/devnet/index.js'
import type { ChannelInfo, LocalNode, NodeEvent } from '../../src/node/api.js'
import { checkData } from '../../src/node/check.js'
import { createNode, type NodeOptions } from '../../src/node/create-node.js'
import { channelId } from '../../src/types/bytes.js'
import { codeOf } from '../../src/types/errors.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { chainSource, type TestChain } from '../chain-source.js'
import { Recorder } from '../chain/helpers.js'

export class Fixture {
  #isLogWhole = true
  readonly #ends: Array<() => Promise<void>> = []
  readonly #chain: TestChain

  private constructor(
    chain: TestChain,
    readonly directory: string
  ) {
    this.#chain = chain
  }

  get devnet(): Devnet {
    return this.#chain.devnet
  }

  /** The Electrum server that the nodes use. */
  get electrum(): string {
    return this.#chain.electrum
  }

  static async create({
    autoMine = true,
    ...options
  }: { autoMine?: boolean } & Pick<DevnetOptions, 'blockWeight' | 'core'> = {}): Promise<Fixture> {
    const fixture = new Fixture(
      await chainSource.start('nodes', options),
      await mkdtemp(join(tmpdir(), 'paychan-'))
    )
    // Unless a test mines itself: everything that reaches the mempool is in a block at once.
    if (autoMine) {
      fixture.devnet.on('mempool', () => {
        void fixture.devnet.mine(1)
      })
    }
    return fixture
  }

  /** In the reverse order of the beginnings. */
  async end(): Promise<void> {
    for (const end of this.#ends.reverse()) await end()
    await this.#chain.stop()
    const findings = await this.#check()
    await rm(this.directory, { recursive: true, force: true })
    if (findings.length > 0) {
      throw new Error(
        `paychan check finds in directories that nobody has damaged: ${findings.join('; ')}`
      )
    }
  }

  /**
   * For a test in which a node loses its data: what its peers hand back has no list of payments.
   */
  mayLackPayments(): void {
    this.#isLogWhole = false
  }

  async #check(): Promise<string[]> {
    const found: string[] = []
    for (const name of await readdir(this.directory)) {
      const report = await checkData({ dataDir: this.path(name), network: 'regtest' }).catch(
        (error: unknown) => {
          if (codeOf(error) !== 'ERR_NO_DATA') throw error
        }
      )
      if (report === undefined || report.records === 0) continue
      const { store, wallet, payments, channels } = report
      const texts = [store, wallet, payments, ...channels].flatMap(({ findings }) =>
        findings.map(({ text }) => text)
      )
      found.push(
        ...texts
          .filter((text) => this.#isLogWhole || !text.startsWith('The payment log adds up to'))
          .map((text) => `${name}: ${text}`)
      )
    }
    return found
  }

  onEnd(end: () => Promise<void>): void {
    this.#ends.push(end)
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  /**
   * A started node with events on record, which knows the chain unless it is told not to wait for
   * that.
   */
  async node(
    name: string,
    options: Partial<NodeOptions> = {},
    wait: 'synced' | 'started' = 'synced'
  ): Promise<TestNode> {
    const events = new Recorder<NodeEvent>()
    const api = await createNode({
      network: 'regtest',
      electrum: this.electrum,
      dataDir: this.path(name),
      create: true,
      onEvent: (event) => {
        events.push(event)
      },
      ...options
    })
    this.onEnd(async () => {
      await api.stop()
    })
    const node = new TestNode(api, events, this.devnet)
    if (wait === 'synced') await node.synced()
    return node
  }

  /** A node with money, once it knows of it. */
  async rich(
    name: string,
    amount = 2_000_000n,
    options: Partial<NodeOptions> = {}
  ): Promise<TestNode> {
    const node = await this.node(name, options)
    await this.devnet.fund(await node.api.wallet.address(), satoshi(amount))
    await node.sees(async () => (await node.api.wallet.balance()).confirmed === amount)
    return node
  }
}

export class TestNode {
  readonly #devnet: Devnet

  constructor(
    readonly api: LocalNode,
    readonly events: Recorder<NodeEvent>,
    devnet: Devnet
  ) {
    this.#devnet = devnet
  }

  async address(): Promise<string> {
    const [multiaddr] = (await this.api.info()).multiaddrs
    if (multiaddr === undefined) throw new Error('The node does not listen.')
    return multiaddr
  }

  /** Waits for events of this node until a condition holds. */
  async sees(condition: () => Promise<boolean>): Promise<void> {
    await seen(this.events, condition)
  }

  /** Waits until the node has the devnet's tip. */
  async synced(): Promise<void> {
    await this.sees(async () => (await this.api.info()).chain.height === this.#devnet.height)
  }
}

/** Waits for events until a condition holds. */
export async function seen(
  events: Recorder<NodeEvent>,
  condition: () => Promise<boolean>
): Promise<void> {
  for (;;) {
    const next = events.next()
    if (await condition()) return
    await next
  }
}

/** The code that a promise rejects with; a promise that resolves fails the test. */
export async function codeOfRejection(promise: Promise<unknown>): Promise<unknown> {
  const outcome = await promise.then(
    () => 'it was not refused',
    (error: unknown) => error
  )
  return typeof outcome === 'object' && outcome !== null && 'code' in outcome
    ? outcome.code
    : outcome
}

/* Channels as the node lists them. */

const PEER = '12D3KooWPeer'

/** An open one of 100,000 sat in which we pay; nothing has been paid yet. */
export function channel(id: string, changes: Partial<ChannelInfo> = {}): ChannelInfo {
  return {
    id: channelId(id.padEnd(64, '0')),
    peerId: PEER,
    role: 'client',
    status: 'open',
    reason: undefined,
    capacity: satoshi(100_000n),
    ourBalance: satoshi(100_000n),
    theirBalance: satoshi(0n),
    spendable: satoshi(100_000n),
    mode: 'one-way',
    receivable: satoshi(0n),
    turns: undefined,
    inFlight: satoshi(0n),
    atRisk: satoshi(0n),
    stake: satoshi(0n),
    alone: undefined,
    risk: undefined,
    funding: undefined,
    outside: undefined,
    confirmations: 1,
    watched: true,
    fundingSeen: true,
    fundingAgreed: true,
    minDepth: 1,
    lastPaymentHeight: blockHeight(100),
    settleHeight: blockHeight(112),
    refundHeight: blockHeight(148),
    limits: {
      minFirstPayment: satoshi(500n),
      maxStake: satoshi(1_300_000n),
      minTurnAmount: satoshi(0n),
      maxInFlightUpdates: 16,
      maxInFlightValue: satoshi(1_300_000n),
      maxRisk: 100
    },
    renews: undefined,
    renewedAs: undefined,
    renewFor: undefined,
    payments: { sent: 0, received: 0 },
    spend: undefined,
    ...changes
  }
}
