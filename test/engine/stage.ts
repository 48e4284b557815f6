/**
 * A story with two nodes that can be told again with an accident in it. It is made of steps with
 * goals: after an accident everybody comes back, and a step whose goal is not reached is taken
 * again, as a person or a program would who asks again. So every telling must end the same way.
 */
import assert from 'node:assert/strict'
import { fundingOutput } from '../../src/channel/terms.js'
import type { Established } from '../../src/channel/state.js'
import type { ChannelInfo } from '../../src/channel/summary.js'
import type { PaymentInfo } from '../../src/engine/payments.js'
import { decodeRecord } from '../../src/types/records.js'
import { checkStore } from '../../src/node/check.js'
import { protocolWords } from '../../src/words/channels.js'
import { planPayment } from '../../src/node/plan-payment.js'
import { openSimStore, type Snapshot } from '../../src/testing/disk.js'
import { satoshi } from '../../src/types/units.js'
import { faultOfSpend } from '../channel/side.js'
import { BLOCKS, quiet, World, type Node, type NodeSetup } from './world.js'

export const COIN = 1_000_000n

/** All fees of T1, T3 or T2 with its bids, or a close, at 1 to 3 sat/vB, of one channel. */
const FEES = 2_000n

export interface Step {
  readonly what: string
  readonly act: (stage: Stage) => Promise<unknown>
  /** Whether the goal is reached; a step without one is an event of the world, and happens once. */
  readonly done?: (stage: Stage) => boolean | Promise<boolean>
}

export interface Scenario {
  readonly name: string
  readonly alice?: NodeSetup
  readonly bob?: NodeSetup
  readonly steps: readonly Step[]
  /** Payments, by memo, that must have arrived in the end, once each. */
  readonly arrives: Readonly<Record<string, bigint>>
  /** On a two-way channel: payments of bob's, by memo, that must have come back to alice. */
  readonly returns?: Readonly<Record<string, bigint>>
  /** Payments that may have arrived. */
  readonly mayArrive?: Readonly<Record<string, bigint>>
  /** What people are told when all goes well: the story is about what its name says. */
  readonly shows: readonly RegExp[]
  /** What comes to alice from an outside wallet, in satoshis. */
  readonly brings?: bigint
  /** What the payee may have forgotten of them, since it was restored from an old copy. */
  readonly forgets?: boolean
}

/**
 * What goes wrong at a write of the victim: it dies before it, after it and before anything
 * follows, both die, or the disk fails.
 */
export type Accident =
  'dies before' | 'dies after' | 'dies with its peer after' | 'has a disk that fails at'

export interface Fault {
  readonly victim: 'alice' | 'bob'
  readonly accident: Accident
  readonly write: number
}

export class Stage {
  readonly world = new World()
  readonly acknowledged = new Set<string>()
  struck = false
  /** What people were told, over all lives of both nodes. */
  readonly told: string[] = []
  copy: Snapshot | undefined

  private constructor(
    readonly alice: Node,
    readonly bob: Node,
    world: World
  ) {
    this.world = world
  }

  static async create(scenario: Pick<Scenario, 'alice' | 'bob'>): Promise<Stage> {
    const world = new World()
    const bob = await world.node('bob', { coin: 0n, ...scenario.bob })
    const alice = await world.node('alice', { coin: COIN, ...scenario.alice })
    return new Stage(alice, bob, world)
  }

  get nodes(): readonly Node[] {
    return [this.alice, this.bob]
  }

  /** Channels of a node whose T1 has left. */
  channels(node: Node): ChannelInfo[] {
    return node.engine
      .channels()
      .filter(({ status }) => status !== 'abandoned' && status !== 'opening')
  }

  /** Pays by memo on a channel, unless that is done or under way. */
  async pay(channel: number, payments: Readonly<Record<string, bigint>>): Promise<void> {
    const logged = new Set((await this.alice.payments()).map(({ memo }) => memo))
    const info = this.channels(this.alice).at(channel)
    assert.ok(info !== undefined)
    await Promise.all(
      Object.entries(payments)
        .filter(([memo]) => !logged.has(memo))
        .map(async ([memo, amount]) => {
          await this.alice.engine.pay(info.id, satoshi(amount), memo)
          this.acknowledged.add(memo)
        })
    )
  }

  /** Whether the payer knows that all of them arrived. */
  async paid(payments: Readonly<Record<string, bigint>>): Promise<boolean> {
    const done = sumsByMemo(
      (await this.alice.payments()).filter(
        ({ status, direction }) => status === 'acknowledged' && direction === 'sent'
      )
    )
    return Object.entries(payments).every(([memo, amount]) => done.get(memo) === amount)
  }

  /** Bob pays alice, each once. */
  async payBack(payments: Readonly<Record<string, bigint>>): Promise<void> {
    const logged = new Set(
      (await this.bob.payments())
        .filter(({ direction }) => direction === 'sent')
        .map(({ memo }) => memo)
    )
    const info = this.channels(this.bob).at(0)
    assert.ok(info !== undefined)
    await Promise.all(
      Object.entries(payments)
        .filter(([memo]) => !logged.has(memo))
        .map(async ([memo, amount]) => {
          await this.bob.engine.pay(info.id, satoshi(amount), memo)
        })
    )
  }

  /** Whether they have come back, and bob knows. */
  async paidBack(payments: Readonly<Record<string, bigint>>): Promise<boolean> {
    const done = sumsByMemo(
      (await this.bob.payments()).filter(
        ({ status, direction }) => status === 'acknowledged' && direction === 'sent'
      )
    )
    return Object.entries(payments).every(([memo, amount]) => done.get(memo) === amount)
  }

  /** Pays under a name, over as many channels as it takes, however often it is asked for. */
  async payOnce(name: string, amount: bigint): Promise<void> {
    const { engine } = this.alice
    await engine.payOnce({
      id: name,
      peer: 'bob',
      amount: satoshi(amount),
      memo: name,
      plan: (rest) => planPayment(engine.payable(), 'bob', rest)
    })
    this.acknowledged.add(name)
  }

  strikeAt({ victim, accident, write }: Fault): void {
    const node = this[victim]
    const first = node.commits
    node.crashAt = (moment, commit) => {
      if (
        commit !== first + write ||
        this.struck ||
        (moment === 'after') !== accident.endsWith('after')
      ) {
        return false
      }
      this.struck = true
      if (accident === 'has a disk that fails at') {
        node.store.failNext()
        return false
      }
      if (accident === 'dies with its peer after') {
        ;(victim === 'alice' ? this.bob : this.alice).crash()
      }
      return true
    }
  }

  async play(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      for (let times = 0; times < 6; times++) {
        await Promise.race([step.act(this).catch(() => {}), this.#stuck()])
        const accident = await this.#comeBack()
        if (step.done === undefined || (!accident && (await step.done(this)))) break
        await this.#settleDown()
        if (await step.done(this)) break
        assert.ok(
          times < 5,
          `'${step.what}' is never done: ${this.nodes
            .map(
              (node) =>
                `${node.name} ${node.engine
                  .channels()
                  .map(({ status, reason }) => `${status} ${reason ?? ''}`)
                  .join()}`
            )
            .join('; ')}`
        )
      }
    }
  }

  /** Nothing happens any more: all is done, or somebody is dead and the other one waits. */
  async #stuck(): Promise<void> {
    let before = -1
    for (let still = 0; still < 4;) {
      await quiet()
      const now = this.world.left.length + this.world.chain.height
      still = now === before ? still + 1 : 0
      before = now
    }
  }

  /** Starts those again who died or whose disk failed; what was acknowledged is there. */
  async #comeBack(): Promise<boolean> {
    for (const node of this.nodes) node.life.releaseDisk()
    await quiet()
    const gone = new Set<Node>()
    for (let node = this.#gone(); node !== undefined; node = this.#gone()) {
      gone.add(node)
      await this.restart(node)
    }
    if (gone.has(this.bob)) {
      const has = new Set((await this.bob.payments()).map(({ memo }) => memo))
      for (const memo of this.acknowledged) {
        assert.ok(has.has(memo), `${memo} was acknowledged and is gone`)
      }
    }
    return gone.size > 0
  }

  #gone(): Node | undefined {
    return this.nodes.find((node) => !node.life.alive || node.alarms.includes('ERR_STORE_FAILED'))
  }

  /** A new process of a node; an accident that has not happened yet is still ahead of it. */
  async restart(node: Node, snapshot?: Snapshot): Promise<void> {
    this.#listen(node)
    await node.restart(snapshot, this.struck ? undefined : node.crashAt)
  }

  /** Time for streams to come back, and for payments in flight to be settled. */
  async #settleDown(): Promise<void> {
    for (const node of this.nodes) {
      for (const other of this.nodes) if (node !== other) this.world.mend(node, other)
    }
    for (let n = 0; n < 3; n++) await this.world.pass(2_000)
    await this.#comeBack()
  }

  /** Keeps what a node has told so far. */
  #listen(node: Node): void {
    this.told.push(
      ...node.events.flatMap((event) => (event.type === 'channel' ? [protocolWords(event)] : [])),
      ...node.alarms
    )
    node.events.length = 0
  }

  /** Mines until no channel is left that the chain has not settled. */
  async finish(): Promise<void> {
    await this.#settleDown()
    const settled = (node: Node): boolean =>
      node.engine.channels().every(({ status }) => status === 'closed' || status === 'abandoned')
    for (let n = 0; n < BLOCKS + 20; n++) {
      if (this.nodes.every(settled) && this.world.chain.mempool.length === 0) return
      await this.world.mine()
      await this.world.pass(2_000)
      await this.#comeBack()
    }
    assert.fail(
      `not settled: ${this.nodes
        .map(
          (node) =>
            `${node.name} ${node.engine
              .channels()
              .map(({ status }) => status)
              .join()}`
        )
        .join('; ')}`
    )
  }

  /** Without an accident. */
  checkStory({ shows }: Scenario): void {
    for (const node of this.nodes) this.#listen(node)
    for (const pattern of shows) {
      assert.ok(
        this.told.some((what) => pattern.test(what)),
        `nobody was told ${String(pattern)}:\n${this.told.join('\n')}`
      )
    }
  }

  async check({
    arrives,
    returns = {},
    mayArrive = {},
    forgets = false,
    brings = 0n
  }: Scenario): Promise<void> {
    const received = await receivedBy(this.bob)
    if (!forgets) {
      assert.deepEqual(
        Object.fromEntries(Object.keys(arrives).map((memo) => [memo, received.get(memo)])),
        arrives
      )
    }
    for (const [memo, amount] of received) {
      assert.ok(
        memo in arrives || mayArrive[memo] === amount,
        `nobody made the payment ${memo} of ${amount}`
      )
    }
    for (const memo of this.acknowledged) {
      assert.ok(forgets || received.has(memo), `${memo} was acknowledged and has not arrived`)
    }
    assert.deepEqual(Object.fromEntries(await receivedBy(this.alice)), returns)
    const paid = sum(arrives) - sum(returns)
    this.checkMoney(paid, paid + sum(mayArrive), COIN + brings)
    for (const node of this.nodes) {
      spendsAreValid(node)
      await checkIsSilent(node, forgets || this.copy !== undefined)
    }
    const open = this.alice.wallet.reservedFor.filter(
      (id) => this.alice.engine.describe(id).status === 'abandoned'
    )
    assert.deepEqual(open, [], 'coins stay reserved')
  }

  checkMoney(least: bigint, most: bigint, coins = COIN): void {
    const fees = FEES * BigInt(Math.max(1, this.channels(this.alice).length))
    const [client, server] = [this.alice.balance, this.bob.balance]
    const label = `${client} + ${server}, paid ${least} to ${most}`
    assert.ok(
      server >= least - fees && server <= most,
      `the payee does not have what it was paid: ${label}`
    )
    assert.ok(
      client >= coins - most - fees && client <= coins - least,
      `the payer does not have the rest: ${label}`
    )
    assert.ok(client + server > coins - fees, `money went: ${label}`)
  }
}

/** What a node has received, by memo: the parts of a payment have the same one. */
export async function receivedBy(node: Node): Promise<Map<string, bigint>> {
  const payments = (await node.payments()).filter(({ direction }) => direction === 'received')
  const ids = payments.map(({ id }) => id)
  assert.deepEqual([...new Set(ids)], ids, 'a payment arrived twice')
  return sumsByMemo(payments)
}

function sumsByMemo(payments: readonly PaymentInfo[]): Map<string, bigint> {
  const sums = new Map<string, bigint>()
  for (const { memo, amount } of payments) sums.set(memo, (sums.get(memo) ?? 0n) + amount)
  return sums
}

function sum(payments: Readonly<Record<string, bigint>>): bigint {
  return Object.values(payments).reduce((total, amount) => total + amount, 0n)
}

/** What a node has written, `paychan check` finds whole, whatever has happened to it. */
async function checkIsSilent(node: Node, forgets: boolean): Promise<void> {
  const { store, channels, payments, wallet } = await checkStore(
    openSimStore(node.store.snapshot()),
    undefined
  )
  const texts = [
    ...store,
    ...channels.flatMap(({ findings }) => findings),
    ...payments,
    ...wallet
  ].map(({ text }) => text)
  assert.deepEqual(
    texts.filter((text) => !forgets || !text.startsWith('The payment log adds up to')),
    [],
    `paychan check on the disk of ${node.name}`
  )
}

/** Every spend of a funding output carries two valid signatures. */
function spendsAreValid(node: Node): void {
  for (const [key, value] of node.store.snapshot()) {
    if (!key.startsWith('channel/')) continue
    const channel = decodeRecord<Established>(key, value)
    if (channel.stage !== 'established' || channel.onChain.spend === undefined) continue
    assert.equal(
      faultOfSpend(channel.onChain.spend.raw, fundingOutput(channel.terms, channel.outPoint)),
      undefined
    )
  }
}

/** Tells a story, with or without an accident; returns how many writes each side made. */
export async function tell(
  scenario: Scenario,
  fault?: Fault
): Promise<Record<'alice' | 'bob', number>> {
  const stage = await Stage.create(scenario)
  const before = { alice: stage.alice.commits, bob: stage.bob.commits }
  if (fault !== undefined) stage.strikeAt(fault)
  await stage.play(scenario.steps)
  await stage.finish()
  await stage.check(scenario)
  if (fault === undefined) stage.checkStory(scenario)
  else assert.ok(stage.struck, 'the story has no such write')
  return { alice: stage.alice.commits - before.alice, bob: stage.bob.commits - before.bob }
}
