/**
 * One drill: payments under faults for so long, then everything is mended, and the books are
 * opened.
 */
import { cp, rm } from 'node:fs/promises'
import { messageOf } from '../../src/types/errors.js'
import {
  Callers,
  checkChannels,
  checkConserved,
  checkPayments,
  type Direction,
  type Listed,
  paidBetween,
  type Sides
} from './callers.js'
import { drawFrom, FAULTS, type Strike } from './faults.js'
import {
  CAPACITY,
  CLIENTS,
  NAMES,
  pause,
  until,
  World,
  type ClientName,
  type Name
} from './world.js'
import { satoshi } from '../../src/types/units.js'

export interface DrillOptions {
  readonly seed: number
  readonly minutes: number
  readonly directory: string
  readonly say: (line: string) => void
}

export interface Outcome {
  readonly findings: readonly string[]
  readonly acknowledged: number
  readonly asked: number
  readonly strikes: number
}

const CALLERS_EACH = 3
/** Faults that hold at the same time. */
const LANES = 2
const BLOCK_MS = 1_500
/** Carol and Bob pay each other in turns of about so long. */
const TURN_MS = 5_000
/**
 * What each client pays first: more than the least first payment, and as much as Bob can pay back
 * to Carol in a storm.
 */
const FIRST = satoshi(10_000_000n)
/** For what must happen once everything is mended. */
const PATIENCE_S = 120

const ALICE: Direction = { from: 'alice', to: 'bob' }
const CAROL: Direction = { from: 'carol', to: 'bob' }
const BOB: Direction = { from: 'bob', to: 'carol' }

export async function drill({ seed, minutes, directory, say }: DrillOptions): Promise<Outcome> {
  const world = await World.create(directory)
  const run = new Drill(world, seed, say)
  try {
    await run.storm(minutes * 60_000)
    await run.judge()
    await run.oldCopy()
    await run.close()
  } catch (error) {
    run.findings.push(messageOf(error))
  } finally {
    run.stop()
    await world.end()
  }
  const { findings, callers, strikes } = run
  for (const [alarm, times] of world.alarms) say(`alarm, ${times} times: ${alarm}`)
  say(`refusals: ${[...callers.codes].map(([code, times]) => `${code} ${times}`).join(', ')}`)
  return {
    findings: [...findings, ...world.findings, ...callers.findings],
    acknowledged: callers.acknowledged,
    asked: callers.told.length,
    strikes
  }
}

class Drill {
  readonly findings: string[] = []
  readonly callers: Callers
  strikes = 0
  readonly #begun = performance.now()
  readonly #busy = new Set<string>()
  #mining: NodeJS.Timeout | undefined
  #isOver = false
  readonly #world: World
  readonly #seed: number
  readonly #write: (line: string) => void

  constructor(world: World, seed: number, write: (line: string) => void) {
    this.#world = world
    this.#seed = seed
    this.#write = write
    this.callers = new Callers(world, drawFrom(seed + LANES))
  }

  #say(line: string): void {
    this.#write(`${((performance.now() - this.#begun) / 1_000).toFixed(1).padStart(7)} s  ${line}`)
  }

  stop(): void {
    this.#isOver = true
    this.callers.end(0)
    clearInterval(this.#mining)
  }

  async storm(ms: number): Promise<void> {
    // Both may be paid from now on: the first payments have a least amount.
    for (const direction of [ALICE, CAROL]) await this.#first(direction)
    this.#mining = setInterval(() => {
      this.#world.mine(1).catch(() => {})
    }, BLOCK_MS)
    const turn = (): Direction =>
      Math.floor((performance.now() - this.#begun) / TURN_MS) % 2 === 0 ? CAROL : BOB
    const callers = [() => ALICE, turn].flatMap((direction) =>
      Array.from({ length: CALLERS_EACH }, async () => {
        await this.callers.run(direction)
      })
    )
    const end = performance.now() + ms
    const faults = FAULTS.filter(({ missing }) => missing?.() === undefined)
    await Promise.all(
      Array.from({ length: LANES }, async (_, lane) => {
        const draw = drawFrom(this.#seed + lane)
        while (performance.now() < end && !this.#isOver) {
          await this.#strike(draw.pick(faults).plan(this.#world, draw), end)
          await pause(draw.between(100, 1_500))
        }
      })
    )
    this.#say(`everything is mended; ${this.callers.acknowledged} payments are acknowledged`)
    await this.#world.heal()
    this.callers.end(PATIENCE_S)
    const patience = setTimeout(() => {
      this.#say(`still waiting: ${this.callers.waiting}`)
    }, PATIENCE_S * 500)
    await Promise.all(callers)
    clearTimeout(patience)
    for (const direction of [ALICE, CAROL, BOB]) await this.#stillPays(direction)
  }

  async #first({ from, to }: Direction): Promise<void> {
    await until(`${from} can pay ${to}`, async () => {
      await this.#world.node(from).api.pay({
        to: this.#world.node(to).peerId,
        amount: FIRST,
        memo: `first of ${from}`,
        id: `first of ${from}`
      })
      return true
    })
    this.callers.told.push({
      memo: `first of ${from}`,
      from,
      to,
      amount: FIRST,
      outcome: 'acknowledged',
      ids: (await this.#list(from))
        .filter(({ memo }) => memo === `first of ${from}`)
        .map(({ id }) => id)
    })
  }

  async #strike({ what, victim, lastsMs, begin, mend }: Strike, end: number): Promise<void> {
    if (!this.#busy.has(victim)) {
      this.#busy.add(victim)
      this.#say(what)
      this.strikes += 1
      await begin()
      await pause(Math.min(lastsMs, Math.max(0, end - performance.now())))
      await mend()
      this.#busy.delete(victim)
      for (const { name, end } of this.#world.died()) {
        this.findings.push(`${name} has ended by itself: ${JSON.stringify(end)}`)
        await this.#world.kill(name)
        await this.#world.start(name)
      }
    }
  }

  /** Nothing is stuck: a payment in each direction goes through. */
  async #stillPays(direction: Direction): Promise<void> {
    this.callers.end(PATIENCE_S)
    const { outcome } = await this.callers.payOnce(direction, true)
    if (outcome !== 'acknowledged') {
      this.findings.push(
        `STUCK: ${direction.from} cannot pay ${direction.to} ${PATIENCE_S} s after everything was mended: ${await this.#describe(direction.from)}`
      )
    }
  }

  async #describe(name: Name): Promise<string> {
    const { api } = this.#world.node(name)
    return JSON.stringify(
      { channels: await api.channels.list(), chain: (await api.info()).chain },
      (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)
    )
  }

  async judge(): Promise<void> {
    await until(
      'nothing is in flight',
      async () => (await this.#sides()).every(({ inFlight }) => inFlight === 0n),
      PATIENCE_S
    )
    const lists = new Map(
      await Promise.all(NAMES.map(async (name) => [name, await this.#list(name)] as const))
    )
    this.findings.push(...checkPayments(this.callers.told, lists))
    for (const client of CLIENTS) {
      const paid = this.#paid(lists, client)
      if (paid === undefined) this.findings.push(`${client} and bob do not list the same payments`)
      const side = (await this.#world.node(client).api.channels.list()).find(
        ({ id }) => id === this.#world.channels.get(client)?.id
      )
      if (paid !== undefined && side?.ourBalance !== CAPACITY - paid) {
        this.findings.push(
          `by the lists ${client} has ${CAPACITY - paid} sat in the channel, which says ${side?.ourBalance ?? 0n}`
        )
      }
    }
    this.findings.push(...checkChannels(await this.#sides()))
    this.#say(`the books are judged: ${this.findings.length} findings`)
  }

  /**
   * What a client has paid Bob, less what it was paid; undefined when the two do not list the same.
   */
  #paid(lists: ReadonlyMap<Name, readonly Listed[]>, client: ClientName): bigint | undefined {
    const of = (name: Name, direction: Listed['direction'], other: Name): Listed[] =>
      (lists.get(name) ?? []).filter((each) => each.direction === direction && each.with === other)
    const there = paidBetween(of(client, 'sent', 'bob'), of('bob', 'received', client))
    const back = paidBetween(of('bob', 'sent', client), of(client, 'received', 'bob'))
    return there === undefined || back === undefined ? undefined : there - back
  }

  async #list(name: Name): Promise<Listed[]> {
    const peers = new Map(NAMES.map((each) => [this.#world.node(each).peerId, each]))
    const all = await this.#world.node(name).api.payments.list()
    return all
      .filter(({ status }) => status !== 'failed')
      .map(({ id, memo, amount, direction, peerId }) => ({
        id,
        memo,
        amount,
        direction,
        with: peers.get(peerId) ?? peerId
      }))
  }

  async #sides(): Promise<Array<Sides & { readonly inFlight: bigint }>> {
    const bobs = await this.#world.node('bob').api.channels.list()
    return await Promise.all(
      CLIENTS.map(async (client) => {
        const id = this.#world.channels.get(client)?.id
        const [one, other] = [
          (await this.#world.node(client).api.channels.list()).find((each) => each.id === id),
          bobs.find((each) => each.id === id)
        ]
        if (one === undefined || other === undefined) {
          throw new Error(`the channel of ${client} is gone`)
        }
        return {
          name: client,
          capacity: CAPACITY,
          one: { ours: one.ourBalance, theirs: one.theirBalance },
          other: { ours: other.ourBalance, theirs: other.theirBalance },
          inFlight: one.inFlight + other.inFlight
        }
      })
    )
  }

  /**
   * A copy of Alice's data, more payments, then the copy is put back: Bob hands over what it has
   * forgotten, payment by payment, and the channel only closes. (Of a two-way channel whose turn
   * has changed since, nothing is handed over: Bob's state waits for its height.)
   */
  async oldCopy(): Promise<void> {
    const world = this.#world
    const [data, copy] = [world.dataDir('alice'), `${world.dataDir('alice')}.copy`]
    await world.kill('alice')
    await cp(data, copy, { recursive: true, filter: (path) => !path.endsWith('.sock') })
    await world.start('alice')
    this.callers.again()
    for (let n = 0; n < 8; n++) await this.#stillPays(ALICE)
    await world.kill('alice')
    await rm(data, { recursive: true })
    await cp(copy, data, { recursive: true })
    await rm(copy, { recursive: true })
    this.#say('alice runs on an old copy of its data')
    await world.start('alice')
    await world.heal()
    await until('alice has been given back the newest state', async () => {
      const side = (await this.#sides()).find(({ name }) => name === 'alice')
      return side?.one.ours === side?.other.theirs && side?.one.theirs === side?.other.ours
    })
    await this.judge()
  }

  /** All channels close, and the wallets have it all. */
  async close(): Promise<void> {
    const world = this.#world
    for (const client of CLIENTS) {
      const { api } = world.node(client)
      const { id } = world.channels.get(client) ?? { id: '' }
      await until(
        `the channel of ${client} closes`,
        async () => {
          const channel = (await api.channels.list()).find((each) => each.id === id)
          if (channel?.status === 'closed') return true
          if (channel?.status !== 'closing') await api.channels.close(id)
          return false
        },
        PATIENCE_S
      )
    }
    clearInterval(this.#mining)
    await world.mine(12)
    await until(
      'all of it is in the wallets',
      async () => {
        await world.mine(1)
        const balances = await Promise.all(
          NAMES.map(async (name) => await world.node(name).api.wallet.balance())
        )
        return balances.every(
          ({ inChannels, unswept, pending }) =>
            inChannels === 0n && unswept === 0n && pending === 0n
        )
      },
      PATIENCE_S
    )
    const balances = await Promise.all(
      NAMES.map(async (name) => await world.node(name).api.wallet.balance())
    )
    const { given, fees } = await world.moneyOnChain()
    this.findings.push(
      ...checkConserved(
        given,
        balances.reduce((sum, { total }) => sum + total, 0n),
        fees
      )
    )
    this.#say(
      `closed: ${given} sat were given, ${fees} sat went to miners, and the wallets have the rest`
    )
  }
}
