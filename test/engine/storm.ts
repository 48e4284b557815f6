/**
 * Two nodes with two channels in bad weather: payments by name, processes that die at a write or
 * in between, disks that hang or fail, streams that break, blocks and reorganisations, in any
 * order. What a caller was told is kept, and has to be true in the end.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { codeOf } from '../../src/types/errors.js'
import { blockDelta, satoshi } from '../../src/types/units.js'
import { receivedBy, Stage } from './stage.js'
import { quiet, type Node } from './world.js'

/**
 * Each name always stands for the same amount: some are too small for a first payment, one needs
 * both channels.
 */
const AMOUNTS = {
  mint: 1n,
  tea: 5_000n,
  cake: 20_000n,
  book: 700n,
  coat: 60_000n,
  rent: 150_000n,
  pen: 330n,
  lamp: 12_345n
} as const
type Name = keyof typeof AMOUNTS
const NAMES = [
  'mint',
  'tea',
  'cake',
  'book',
  'coat',
  'rent',
  'pen',
  'lamp'
] as const satisfies readonly Name[]

const CAPACITY = satoshi(120_000n)
/** Far more than a storm mines. */
const BLOCKS = blockDelta(300)

type Who = 'alice' | 'bob'

export type Weather =
  | { readonly type: 'pay'; readonly names: readonly Name[] }
  | {
      readonly type: 'accident'
      readonly who: Who
      readonly what: 'dies' | 'dies before' | 'dies after' | 'disk fails'
      readonly inWrites: number
    }
  | { readonly type: 'disk'; readonly who: Who; readonly goes: 'slow' | 'on' }
  | { readonly type: 'restart'; readonly who: Who }
  | { readonly type: 'cut' }
  | { readonly type: 'mend' }
  | { readonly type: 'mine'; readonly blocks: number }
  | { readonly type: 'reorg'; readonly depth: number }
  | { readonly type: 'pass'; readonly ms: number }

const who = fc.constantFrom<Who>('alice', 'bob')

export const weather: fc.Arbitrary<Weather> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('pay' as const),
      names: fc.array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 })
    })
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('accident' as const),
      who,
      what: fc.constantFrom(
        'dies' as const,
        'dies before' as const,
        'dies after' as const,
        'disk fails' as const
      ),
      inWrites: fc.integer({ min: 1, max: 4 })
    })
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('disk' as const),
      who,
      goes: fc.constantFrom('slow' as const, 'slow' as const, 'on' as const)
    })
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('restart' as const), who }) },
  { weight: 1, arbitrary: fc.constant({ type: 'cut' as const }) },
  { weight: 2, arbitrary: fc.constant({ type: 'mend' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('mine' as const),
      blocks: fc.integer({ min: 1, max: 3 })
    })
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('reorg' as const),
      depth: fc.integer({ min: 1, max: 10 })
    })
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('pass' as const),
      ms: fc.constantFrom(1_000, 5_000, 31_000)
    })
  }
)

/** What callers of a name were told: every answer, and whether one is still owed. */
interface Told {
  made: boolean
  unknown: boolean
  refused: boolean
  owed: number
}

const OPEN_OUTCOMES = new Set(['ERR_PAYMENT_UNKNOWN', 'ERR_PAYMENT_PARTIAL'])

export class Storm {
  readonly #told = new Map<Name, Told>()
  readonly #stage: Stage

  private constructor(stage: Stage) {
    this.#stage = stage
  }

  static async create(): Promise<Storm> {
    const stage = await Stage.create({})
    for (let n = 0; n < 2; n++) {
      const opening = stage.alice.engine.open({
        peer: 'bob',
        capacity: CAPACITY,
        blocks: BLOCKS,
        wait: 'ready'
      })
      await quiet()
      await stage.world.mine()
      await opening
    }
    return new Storm(stage)
  }

  async endure(event: Weather): Promise<void> {
    const { world, alice, bob } = this.#stage
    switch (event.type) {
      case 'pay': {
        for (const name of event.names) this.#pay(name)
        break
      }
      case 'accident': {
        this.#accident(this.#stage[event.who], event.what, event.inWrites)
        break
      }
      case 'disk': {
        // What is said while nothing can be written is all that a death then leaves behind.
        if (event.goes === 'slow') this.#stage[event.who].life.holdDisk()
        else this.#stage[event.who].life.releaseDisk()
        break
      }
      case 'restart': {
        await this.#restart(this.#stage[event.who])
        break
      }
      case 'cut': {
        await world.cut(alice, bob)
        break
      }
      case 'mend': {
        world.mend(alice, bob)
        break
      }
      case 'mine': {
        await world.mine(event.blocks)
        break
      }
      case 'reorg': {
        world.reorg(event.depth, event.depth + 1)
        break
      }
      case 'pass': {
        await world.pass(event.ms)
        break
      }
    }
    await quiet()
    await quiet()
    this.#checkNothingTooMuch()
  }

  /**
   * The sun comes out: everybody is back, payments are asked for again, and everything is as it was
   * told.
   */
  async calm(): Promise<void> {
    const { world, alice, bob } = this.#stage
    for (const node of [alice, bob]) await this.#restart(node)
    world.mend(alice, bob)
    await world.mine(2)
    for (let n = 0; n < 3; n++) await world.pass(61_000)
    await this.#checkTold()
    for (const name of this.#told.keys()) {
      const answers: string[] = []
      this.#stage.payOnce(name, AMOUNTS[name]).then(
        () => {
          this.#of(name).made = true
          answers.push('made')
        },
        (error: unknown) => {
          answers.push(codeOf(error))
        }
      )
      for (let turns = 0; turns < 20 && answers.length === 0; turns++) await quiet()
      assert.ok(
        answers.length === 1 && answers[0] !== 'ERR_PAYMENT_UNKNOWN',
        `${name} is never settled`
      )
    }
    await this.#checkTold()
    await this.#checkBalances()
  }

  /** The channels are closed, and the chain agrees. */
  async end(): Promise<void> {
    const stage = this.#stage
    const received = [...(await receivedBy(stage.bob)).values()].reduce(
      (sum, amount) => sum + amount,
      0n
    )
    await Promise.all(
      stage.channels(stage.bob).map(async ({ id, ourBalance }) => {
        // Who has next to nothing cannot pay the fee of a close.
        const asker = ourBalance > CAPACITY / 2n ? stage.bob : stage.alice
        await asker.engine.close(id, false)
      })
    )
    await stage.finish()
    stage.checkMoney(received, received)
  }

  #of(name: Name): Told {
    const told = this.#told.get(name) ?? { made: false, unknown: false, refused: false, owed: 0 }
    this.#told.set(name, told)
    return told
  }

  #pay(name: Name): void {
    if (!this.#stage.alice.life.alive) return
    const told = this.#of(name)
    told.owed += 1
    this.#stage.payOnce(name, AMOUNTS[name]).then(
      () => {
        told.owed -= 1
        told.made = true
      },
      (error: unknown) => {
        told.owed -= 1
        if (OPEN_OUTCOMES.has(codeOf(error))) told.unknown = true
        else told.refused = true
      }
    )
  }

  #accident(
    node: Node,
    what: 'dies' | 'dies before' | 'dies after' | 'disk fails',
    inWrites: number
  ): void {
    if (what === 'dies') {
      node.crash()
      return
    }
    const at = node.commits + inWrites
    node.crashAt = (moment, commit) => {
      if (commit !== at || (moment === 'after') !== (what === 'dies after')) return false
      if (what !== 'disk fails') return true
      node.store.failNext()
      return false
    }
  }

  /** Also of a node that is well: then it is a kill and a new start. */
  async #restart(node: Node): Promise<void> {
    node.events.length = 0
    await node.restart()
  }

  /** Never more than was asked for, at any moment, whatever is up. */
  #checkNothingTooMuch(): void {
    const { bob } = this.#stage
    const asked = [...this.#told.keys()].reduce((sum, name) => sum + AMOUNTS[name], 0n)
    const has = this.#stage.channels(bob).reduce((sum, { ourBalance }) => sum + ourBalance, 0n)
    assert.ok(has <= asked, `the payee has ${has} of ${asked}`)
  }

  async #checkTold(): Promise<void> {
    const received = await receivedBy(this.#stage.bob)
    for (const name of received.keys()) {
      assert.ok(this.#told.has(name as Name), `nobody asked for ${name}`)
    }
    for (const [name, { made, unknown, owed }] of this.#told) {
      const amount = received.get(name) ?? 0n
      assert.ok(amount <= AMOUNTS[name], `${name}: ${amount} arrived`)
      if (made) assert.equal(amount, AMOUNTS[name], `${name} was made, its caller was told`)
      if (!made && !unknown && owed === 0) {
        assert.equal(amount, 0n, `${name} was refused, its caller was told`)
      }
    }
  }

  /** Both sides agree on every channel, and the channels go on. */
  async #checkBalances(): Promise<void> {
    const { alice, bob } = this.#stage
    let received = 0n
    for (const { id, status, ourBalance, theirBalance, inFlight } of this.#stage.channels(alice)) {
      const theirs = bob.engine.describe(id)
      assert.deepEqual([status, theirs.status, inFlight], ['open', 'open', 0n])
      assert.deepEqual([ourBalance, theirBalance], [theirs.theirBalance, theirs.ourBalance])
      received += theirs.ourBalance
    }
    const logged = [...(await receivedBy(bob)).values()].reduce((sum, amount) => sum + amount, 0n)
    assert.equal(received, logged, 'balances and log of the payee disagree')
    const sent = (await alice.payments())
      .filter(({ status }) => status === 'acknowledged')
      .reduce((sum, { amount }) => sum + amount, 0n)
    assert.equal(sent, logged, 'the logs of both sides disagree')
  }
}
