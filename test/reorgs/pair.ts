/** Two real nodes and their newest channel, on a devnet whose blocks are mined by the test. */
import assert from 'node:assert/strict'
import type { ReorgOptions } from '../../src/devnet/index.js'
import type { ChannelInfo } from '../../src/node/api.js'
import { txid, type Txid } from '../../src/types/bytes.js'
import type { NodeOptions } from '../../src/node/create-node.js'
import { Fixture, type TestNode } from '../node/fixture.js'
import { satoshi } from '../../src/types/units.js'

export const CAPACITY = satoshi(1_000_000n)
const BLOCKS = 144
const START = 100_000_000n
/** All transactions of one channel at 1 to 3 sat/vB. */
const FEES = 4_000n

export class Pair {
  readonly #alice: TestNode
  #bob: TestNode
  #channel: ChannelInfo | undefined
  /** Of both wallets, before the channel. */
  #before: readonly [bigint, bigint] = [START, 0n]
  readonly #fixture: Fixture
  readonly #listen: string

  private constructor(fixture: Fixture, alice: TestNode, bob: TestNode, listen: string) {
    this.#fixture = fixture
    this.#listen = listen
    this.#alice = alice
    this.#bob = bob
  }

  /**
   * @param around - starts what stands between the nodes and the devnet; returns the options of
   * both nodes
   */
  static async create(
    around: (fixture: Fixture) => Promise<Partial<NodeOptions>> = async () => ({})
  ): Promise<Pair> {
    const fixture = await Fixture.create({ autoMine: false })
    const options = await around(fixture)
    const alice = await fixture.node('alice', options)
    const bob = await fixture.node('bob', options)
    const pair = new Pair(fixture, alice, bob, (await bob.address()).replace(/\/p2p\/.*$/, ''))
    await fixture.devnet.fund(await alice.api.wallet.address(), START)
    await pair.mine()
    await alice.sees(async () => (await alice.api.wallet.balance()).confirmed === START)
    return pair
  }

  /** What a person wants to know when a story does not come to its end. */
  async describe(): Promise<string> {
    const { devnet } = this.#fixture
    const nodes = await Promise.all(
      this.#nodes.map(async ({ api, events }) => ({
        channel: (await api.channels.list())[0],
        balance: await api.wallet.balance(),
        pending: (await api.wallet.transactions()).filter(({ status }) => status === 'mempool'),
        alarms: events.all.filter(({ type }) => type === 'alarm').slice(-5),
        chain: (await api.info()).chain,
        reports: events.all.flatMap((event) => (event.type === 'server' ? event.text : [])),
        events: events.all
          .flatMap((event) => (event.type === 'channel' ? [event.news] : []))
          .slice(-12)
      }))
    )
    return JSON.stringify(
      {
        height: devnet.height,
        mempool: (await devnet.backend.mempool()).length,
        before: this.#before,
        nodes
      },
      (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value),
      1
    )
  }

  async end(): Promise<void> {
    await this.#fixture.end()
  }

  get #nodes(): readonly TestNode[] {
    return [this.#alice, this.#bob]
  }

  /** What the nodes have said about their Electrum servers. */
  get reports(): string[] {
    return this.#nodes.flatMap(({ events }) =>
      events.all.flatMap((event) => (event.type === 'server' ? event.code : []))
    )
  }

  get fundingTxid(): Txid {
    return txid(this.#channel?.funding?.txid ?? assert.fail())
  }

  async mine(blocks = 1): Promise<void> {
    if (blocks === 0) return
    await this.#fixture.devnet.mine(blocks)
    await this.#synced()
  }

  async reorg(depth: number, options: ReorgOptions): Promise<void> {
    await this.#fixture.devnet.reorg(depth, options)
    await this.#synced()
  }

  /** A channel that is open, its T1 in the newest block. */
  async open(): Promise<void> {
    await this.#settleWallets()
    this.#before = [await total(this.#alice), await total(this.#bob)]
    const opened = await this.#alice.api.channels.open({
      peer: await this.#bob.address(),
      amount: CAPACITY,
      blocks: BLOCKS,
      wait: 'broadcast'
    })
    this.#channel = opened
    await this.waits(txid(opened.funding?.txid ?? assert.fail()))
    await this.mine()
    await this.both('open')
  }

  async pay(amount: bigint): Promise<void> {
    await this.#alice.api.pay({ to: this.#id, amount: satoshi(amount) })
  }

  async close(): Promise<Txid> {
    const { txid: id } = await this.#alice.api.channels.close(this.#id)
    await this.waits(txid(id ?? assert.fail()))
    return txid(id ?? assert.fail())
  }

  /** The server settles alone. */
  async settle(): Promise<Txid> {
    const { txid: id } = await this.#bob.api.channels.close(this.#id, { force: true })
    await this.waits(txid(id ?? assert.fail()))
    return txid(id ?? assert.fail())
  }

  /** A channel opens, the client pays, and the server settles alone, which is mined. */
  async payAndSettle(amount: bigint): Promise<Txid> {
    await this.open()
    await this.pay(amount)
    const settlement = await this.settle()
    await this.mine()
    await this.both('closed')
    return settlement
  }

  /** The server begins to settle alone; whether anybody takes that is seen on the chain. */
  beginToSettle(): void {
    this.#bob.api.channels.close(this.#id, { force: true }).catch(() => {})
  }

  /** Mines until the channel is closed for both, and returns by what. */
  async mineUntilClosed(): Promise<string | undefined> {
    for (;;) {
      const channels = await Promise.all(this.#nodes.map(async (node) => await this.#of(node)))
      if (channels.every(({ status }) => status === 'closed')) return channels[0]?.spend?.kind
      await this.mine()
    }
  }

  /** The client's T2, mined as soon as it can be. */
  async refund(): Promise<Txid> {
    await this.mine((this.#channel?.refundHeight ?? assert.fail()) - this.#fixture.devnet.height)
    await this.#alice.sees(async () => (await this.#of(this.#alice)).spend !== undefined)
    const id = txid((await this.#of(this.#alice)).spend?.txid ?? assert.fail())
    await this.mine()
    return id
  }

  /** What brings the output of T3 home, once it waits in the mempool. */
  async sweep(): Promise<Txid> {
    const find = async (): Promise<string | undefined> =>
      (await this.#alice.api.wallet.transactions()).find(
        ({ kind, status }) => kind === 'sweep' && status === 'mempool'
      )?.txid
    for (let id = await find(); ; id = await find()) {
      if (id !== undefined) return txid(id)
      await turn()
    }
  }

  async serverLeaves(): Promise<void> {
    await this.#bob.api.stop()
  }

  async serverReturns(): Promise<void> {
    this.#bob = await this.#fixture.node('bob', { listen: [this.#listen] })
  }

  /** A transaction is in the mempool, whoever brought it there. */
  async waits(id: Txid): Promise<void> {
    for (;;) {
      const found = await this.#fixture.devnet.transaction(id)
      if (found !== undefined && found.block === undefined) return
      await turn()
    }
  }

  /** Something that spends the funding output is in the mempool. */
  async someSpendWaits(): Promise<void> {
    for (;;) {
      const { spend } = await this.#of(this.#alice)
      const found =
        spend === undefined ? undefined : await this.#fixture.devnet.transaction(spend.txid)
      if (found !== undefined && found.block === undefined) return
      await turn()
    }
  }

  async both(status: ChannelInfo['status']): Promise<void> {
    for (const node of this.#nodes) await this.#reaches(node, status)
  }

  async client(status: ChannelInfo['status']): Promise<void> {
    await this.#reaches(this.#alice, status)
  }

  async notClosed(): Promise<void> {
    for (const node of this.#nodes) {
      await node.sees(async () => (await this.#of(node)).status !== 'closed')
    }
  }

  async clientNotClosed(): Promise<void> {
    await this.#alice.sees(async () => (await this.#of(this.#alice)).status !== 'closed')
  }

  async shares(): Promise<[client: bigint, server: bigint]> {
    return [(await this.#of(this.#alice)).ourBalance, (await this.#of(this.#bob)).ourBalance]
  }

  /** In the end the server has what it was paid, and the client the rest, but for fees. */
  async paidOut({ server }: { readonly server: bigint }): Promise<void> {
    const balances = async (): Promise<[bigint, bigint]> => [
      await total(this.#alice),
      server === 0n ? this.#before[1] : await total(this.#bob)
    ]
    const sum = this.#before[0] + this.#before[1]
    let [alice, bob] = await balances()
    while (alice + bob < sum - FEES) {
      await this.#settleWallets()
      ;[alice, bob] = await balances()
    }
    const [spent, earned] = [this.#before[0] - alice, bob - this.#before[1]]
    assert.ok(
      spent >= server && spent <= server + FEES,
      `the client has spent ${spent} sat on ${server} sat`
    )
    assert.ok(
      earned <= server && earned >= server - FEES,
      `the server has earned ${earned} sat of ${server} sat`
    )
  }

  get #id(): ChannelInfo['id'] {
    return this.#channel?.id ?? assert.fail('no channel')
  }

  async #of(node: TestNode): Promise<ChannelInfo> {
    return (
      (await node.api.channels.list()).find(({ id }) => id === this.#id) ??
      assert.fail('the channel is not there')
    )
  }

  async #reaches(node: TestNode, status: ChannelInfo['status']): Promise<void> {
    for (;;) {
      if ((await this.#of(node)).status === status) return
      await turn()
    }
  }

  /** Until nothing of either wallet waits any more. */
  async #settleWallets(): Promise<void> {
    for (;;) {
      await turn()
      if ((await this.#fixture.devnet.backend.mempool()).length > 0) await this.mine()
      const balances = await Promise.all(
        this.#nodes.map(async (node) =>
          (await running(node)) ? await node.api.wallet.balance() : undefined
        )
      )
      if (balances.every((balance) => balance === undefined || balance.pending === 0n)) return
    }
  }

  async #synced(): Promise<void> {
    for (const node of this.#nodes) if (await running(node)) await node.synced()
  }
}

async function running(node: TestNode): Promise<boolean> {
  return await node.api.info().then(
    () => true,
    () => false
  )
}

async function total(node: TestNode): Promise<bigint> {
  return (await node.api.wallet.balance()).total
}

/** What other processes of this test do meanwhile: it has to be looked at again. */
async function turn(): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve)
  })
}
