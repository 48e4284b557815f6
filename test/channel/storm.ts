/**
 * A channel through anything that can happen to two honest sides: payments, breaks, crashes, lost
 * writes and old copies of a disk, blocks and reorganisations of up to ten of them, closes. Keeps
 * count of what was promised to whom, so that the end can be held against it.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { otherRole, type Role } from '../../src/bitcoin/keys.js'
import { balances, signedBalance } from '../../src/channel/ledger.js'
import { payableNow } from '../../src/channel/paying.js'
import { payerOf } from '../../src/channel/schedule.js'
import type { Established } from '../../src/channel/state.js'
import { turnNeed } from '../../src/channel/turns.js'
import { toHex, type Txid } from '../../src/types/bytes.js'
import { feeRate } from '../../src/types/units.js'
import { isSettled, sentOf } from './asserts.js'
import { anyCommand, type Command, perform } from './commands.js'
import { paymentsOf } from './side.js'
import { payment, World } from './world.js'

export type StormCommand =
  | Command
  | { readonly do: 'restore'; readonly role: Role; readonly age: number }
  | { readonly do: 'paid'; readonly amount: bigint }
  | { readonly do: 'meet' }
  | {
      readonly do: 'deep reorg'
      readonly depth: number
      readonly lost: 'nothing' | 'the spend' | 'everything'
    }

const deepReorg = fc.record({
  do: fc.constant('deep reorg' as const),
  depth: fc.integer({ min: 1, max: 10 }),
  lost: fc.constantFrom<'nothing' | 'the spend' | 'everything'>(
    'nothing',
    'the spend',
    'everything'
  )
})

/**
 * Whose disk goes back: one of the two, so that somebody still knows. `age` in percent: 0 is now,
 * 100 the moment when the channel was open.
 */
function anyStorm(victim: Role | undefined): fc.Arbitrary<StormCommand[]> {
  const restores =
    victim === undefined
      ? []
      : [
          {
            weight: 4,
            arbitrary: fc.record({
              do: fc.constant('restore' as const),
              role: fc.constant(victim),
              age: fc.integer({ min: 0, max: 100 })
            })
          }
        ]
  // Without these most stories are over before anything was paid that could be forgotten.
  const paid = fc.record({ do: fc.constant('paid' as const), amount: fc.bigInt(1n, 3_000n) })
  const meet = fc.constant<StormCommand>({ do: 'meet' })
  const any = fc.oneof(
    { weight: 20, arbitrary: anyCommand },
    { weight: 12, arbitrary: paid },
    { weight: 4, arbitrary: meet },
    { weight: 2, arbitrary: deepReorg },
    ...restores
  )
  return fc.array(any, { minLength: 12, maxLength: 40, size: 'max' })
}

export interface StormStory {
  readonly victim: Role | undefined
  readonly commands: readonly StormCommand[]
}

export const anyStormStory: fc.Arbitrary<StormStory> = fc
  .constantFrom<Role | undefined>(undefined, 'client', 'server')
  .chain((victim) => anyStorm(victim).map((commands) => ({ victim, commands })))

/** What a side had on its disk at one moment. */
interface Copy {
  readonly channel: Established
  readonly log: World['client']['log']
}

export class Storm {
  readonly world = new World().open()
  readonly #copies: Record<Role, Copy[]> = { client: [], server: [] }
  /** The least that a copy gave the server. */
  #restoredShare = this.world.capacity
  /** The server was restored, and has not heard from the client since. */
  #isBehind = false
  /** It published what the copy says before it heard from the client. */
  #publishedBehind = false

  constructor() {
    this.#remember()
  }

  perform(command: StormCommand): void {
    const { world } = this
    if (command.do === 'restore') this.#restore(command.role, command.age)
    else if (command.do === 'paid') world.connect().run().paid(command.amount)
    else if (command.do === 'meet') world.connect().run().mine()
    else if (command.do === 'deep reorg') world.reorg(command.depth, this.#lost(command.lost))
    else perform(world, command)
    this.#remember()
    this.#check()
  }

  /** Everybody comes back, talks if the story lets it, and the chain goes on beyond L. */
  finish(): void {
    const { world } = this
    for (const role of ['client', 'server'] as const) {
      world[role].crashNext = false
      world[role].feeRate = feeRate(2000n)
      if (world[role].dead) world.restart(role)
    }
    world.connect().run().mine(2)
    this.#check()
    if (world.chain.height < 703) world.mineTo(703)
    world.mine(10)
    this.#check()
  }

  /** No honest side has lost more than fees; what was forgotten with a disk is explained. */
  checkEnd(): void {
    const { world } = this
    const { client, server, fee } = world.payouts()
    assert.equal(client + server + fee, world.capacity, 'value in is not outputs + fee')
    const signed = this.#leastSigned()
    assert.ok(
      client >= signed - (signed < DUST ? signed : 0n) - fee,
      `the client got ${client} sat of ${signed} sat that it never signed away, fee ${fee} sat`
    )
    const owed = this.#owed()
    if (owed >= WORTH_SETTLING) {
      assert.ok(server >= owed - fee, `the server got ${server} sat of ${owed} sat, fee ${fee} sat`)
    }
  }

  /**
   * What the server has acknowledged; one that came back from a copy, and acted before it met the
   * client again, has what the copy says.
   */
  #owed(): bigint {
    const { client, server, capacity } = this.world
    if (this.#isBehind || this.#publishedBehind) return this.#restoredShare
    const acknowledged = new Map(
      paymentsOf(client.effects, 'payments-acknowledged').map(({ id, amount }) => [
        toHex(id),
        amount
      ])
    )
    const held = capacity - (server.established.ledger.held?.payerBalance ?? capacity)
    const sum = [...acknowledged.values()].reduce((total, amount) => total + amount, 0n)
    return sum > held ? sum : held
  }

  #leastSigned(): bigint {
    const balances = sentOf(this.world.client.effects, 'Update').map(
      ({ payerBalance }) => payerBalance
    )
    const { ledger, terms } = this.world.client.established
    return [...balances, signedBalance(ledger, terms)].reduce(
      (least, balance) => (balance < least ? balance : least),
      this.world.capacity
    )
  }

  #remember(): void {
    for (const role of ['client', 'server'] as const) {
      const side = this.world[role]
      if (
        side.channel.stage === 'established' &&
        this.#copies[role].at(-1)?.channel !== side.channel
      ) {
        this.#copies[role].push({ channel: side.channel, log: [...side.log] })
      }
    }
  }

  #restore(role: Role, age: number): void {
    const { world } = this
    const copies = this.#copies[role]
    const copy = copies[Math.floor(((copies.length - 1) * (100 - age)) / 100)]
    assert.ok(copy)
    world.disconnect()
    world[role].channel = copy.channel
    world[role].log = [...copy.log]
    world.restart(role)
    if (role === 'server') {
      this.#isBehind = true
      const share = world.capacity - (copy.channel.ledger.held?.payerBalance ?? world.capacity)
      if (share < this.#restoredShare) this.#restoredShare = share
    }
  }

  #lost(what: 'nothing' | 'the spend' | 'everything'): Txid[] {
    const { chain, funding } = this.world
    const spend = chain.spendOf(funding.outPoint)
    return [
      ...(what === 'everything' ? [funding.outPoint.txid] : []),
      ...(what === 'nothing' || spend === undefined ? [] : [spend.parsed.txid])
    ]
  }

  #check(): void {
    const { client, server, capacity } = this.world
    if (this.#isBehind && server.established.publication !== undefined) this.#publishedBehind = true
    // Once both have said where they stand, the server has back what the client knows to be
    // acknowledged.
    if (server.established.link === 'live' && client.established.link === 'live') {
      this.#isBehind = false
    }
    for (const {
      established: { stopped, role }
    } of [client, server]) {
      const isExplained = stopped === undefined || isSettled(stopped) || stopped.rule === 'REEST-4'
      assert.ok(
        isExplained,
        `two honest sides, and the ${role} stopped: ${stopped?.rule} ${stopped?.code} ${stopped?.reason}`
      )
    }
    const held = server.established.ledger.held?.payerBalance ?? capacity
    const heard = server.log.flatMap(({ payments }) => payments)
    assert.equal(
      new Set(heard.map(({ id }) => toHex(id))).size,
      heard.length,
      'a payment was counted twice'
    )
    assert.ok(
      heard.reduce((sum, { amount }) => sum + amount, 0n) <= capacity - held,
      'the payee has logged more than it holds'
    )
    assert.ok(held >= this.#leastSigned(), 'the payee holds more than was ever signed')
    this.#checkPayersLog()
  }

  /**
   * The payer knows of each payment that it has made, also of those that its disk forgot (REEST-8).
   */
  #checkPayersLog(): void {
    const {
      log,
      established: {
        ledger: { held },
        terms,
        stopped
      }
    } = this.world.client
    if (held === undefined || stopped?.rule === 'REEST-4') return
    const made = log
      .filter(({ sequence }) => sequence <= held.sequence)
      .flatMap(({ payments }) => payments)
    assert.equal(
      made.reduce((sum, { amount }) => sum + amount, 0n),
      terms.capacity - held.payerBalance,
      "the payer's log and its state do not agree"
    )
    assert.equal(made.length, held.paymentCount)
  }
}

/** Bitcoin Core's dust limit of a P2WPKH output. */
const DUST = 330n
/** The fee of a T3 at 1 sat/vB, and an output that is not dust: less cannot be settled. */
const WORTH_SETTLING = 181n + 294n

/*
 * A two-way channel through anything that can happen to two honest sides; and what must be true
 * after each of it.
 */

export type TurnCommand =
  | { readonly do: 'pay'; readonly role: Role; readonly amounts: readonly bigint[] }
  | { readonly do: 'deliver' | 'deliver all' | 'crash' | 'restart' | 'close'; readonly role: Role }
  | { readonly do: 'disconnect' | 'connect' | 'run' }
  | { readonly do: 'mine' | 'reorg'; readonly blocks: number }
  | { readonly do: 'fee rate'; readonly role: Role; readonly rate: bigint }

const role = fc.constantFrom<Role>('client', 'server')
const amount = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt(400n, 6_000n) },
  { weight: 2, arbitrary: fc.bigInt(1n, 120_000n) },
  { weight: 1, arbitrary: fc.bigInt(-100n, 400n) }
)

export const anyTurnCommand: fc.Arbitrary<TurnCommand> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      do: fc.constant('pay' as const),
      role,
      amounts: fc.array(amount, { minLength: 1, maxLength: 3 })
    })
  },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('deliver' as const), role }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('deliver all' as const), role }) },
  { weight: 8, arbitrary: fc.constant<TurnCommand>({ do: 'run' }) },
  { weight: 2, arbitrary: fc.constant<TurnCommand>({ do: 'disconnect' }) },
  { weight: 6, arbitrary: fc.constant<TurnCommand>({ do: 'connect' }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), role }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('restart' as const), role }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('mine' as const),
      blocks: fc.oneof(
        { weight: 5, arbitrary: fc.integer({ min: 1, max: 4 }) },
        { weight: 1, arbitrary: fc.integer({ min: 10, max: 60 }) }
      )
    })
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('reorg' as const),
      blocks: fc.integer({ min: 1, max: 10 })
    })
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('fee rate' as const),
      role,
      rate: fc.bigInt(1_000n, 5_000n)
    })
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const), role }) }
)

/** The most that a publication costs by an estimate: 181 vB at 5 sat/vB. */
const DEAREST_FEE = 905n

/** A two-way channel of 300 blocks with turns 12 apart: half of some twenty turns are free. */
export class TurnStorm {
  readonly world = new World({ blocks: 300, step: 12, policy: { minTurnAmount: undefined } }).open()
  #turns: Record<Role, number> = { client: 0, server: 0 }

  perform(command: TurnCommand): void {
    const { world } = this
    switch (command.do) {
      case 'pay': {
        this.#pay(command.role, command.amounts)
        break
      }
      case 'deliver': {
        world.deliver(command.role)
        break
      }
      case 'deliver all': {
        world.deliverAll(command.role)
        break
      }
      case 'run': {
        world.run()
        break
      }
      case 'disconnect': {
        world.disconnect()
        break
      }
      case 'connect': {
        world.connect()
        break
      }
      case 'crash': {
        world[command.role].crashNext = true
        break
      }
      case 'restart': {
        world.restart(command.role)
        break
      }
      case 'mine': {
        world.mine(command.blocks, { quiet: true })
        break
      }
      case 'reorg': {
        world.reorg(command.blocks)
        break
      }
      case 'fee rate': {
        world[command.role].feeRate = feeRate(command.rate)
        break
      }
      case 'close': {
        world[command.role].post({ type: 'close' })
        break
      }
    }
    this.check()
  }

  /**
   * As an engine does: asks for the turn when that is what payments need, else hands over what the
   * window takes.
   */
  #pay(role: Role, amounts: readonly bigint[]): void {
    const side = this.world[role]
    const queue = amounts.map((sat) => payment(sat))
    if (turnNeed(side.channel) === 'ask') side.post({ type: 'ask-turn', payments: queue })
    const count = payableNow(side.channel, queue)
    if (count > 0) side.post({ type: 'pay', payments: queue.slice(0, count) })
  }

  check(): void {
    const { world } = this
    for (const role of ['client', 'server'] as const) {
      const { stopped, ledger, terms } = world[role].established
      assert.ok(
        stopped === undefined,
        `two honest sides, and the ${role} stopped: ${stopped?.rule} ${stopped?.code} ${stopped?.reason}`
      )
      const shares = balances(terms, ledger)
      assert.ok(
        shares.client + shares.server === world.capacity &&
          shares.client >= 0n &&
          shares.server >= 0n,
        'the balances are not the capacity'
      )
      assert.ok(ledger.turn >= this.#turns[role], 'a turn went back')
      this.#turns[role] = ledger.turn
      this.#checkReceived(role)
    }
    const [a, b] = [world.client.established.ledger.turn, world.server.established.ledger.turn]
    assert.ok(Math.abs(a - b) <= 1, `turns ${a} and ${b}`)
    // The token: never do both sides think that it is theirs to sign.
    assert.ok(
      !(payerOf(a) === 'client' && payerOf(b) === 'server'),
      `both sign: turns ${a} and ${b}`
    )
  }

  /** What was acknowledged to a payer is in the payee's log, once. */
  #checkReceived(payee: Role): void {
    const { world } = this
    const received = world[payee].log
      .filter(({ direction }) => direction === 'received')
      .flatMap(({ payments }) => payments)
    const ids = new Set(received.map(({ id }) => toHex(id)))
    assert.equal(ids.size, received.length, 'a payment was counted twice')
    for (const { id } of paymentsOf(world[otherRole(payee)].effects, 'payments-acknowledged')) {
      assert.ok(ids.has(toHex(id)), `a payment was acknowledged that the ${payee} does not have`)
    }
  }

  /**
   * Both are alive and talk: they agree, nothing hangs, and either can still pay if there are
   * turns.
   */
  meet(): void {
    const { world } = this
    for (const role of ['client', 'server'] as const) {
      world[role].crashNext = false
      world[role].feeRate = feeRate(2_000n)
      if (world[role].dead) world.restart(role)
    }
    world.mine(2).connect().run()
    this.check()
    const { client, server } = world
    if (
      [client, server].some(
        ({ established: { publication, closes, onChain } }) =>
          publication !== undefined || closes.length > 0 || onChain.spend !== undefined
      )
    ) {
      return
    }
    assert.deepEqual(
      [client.established.ledger.turn, client.established.ledger.inFlight.length],
      [server.established.ledger.turn, server.established.ledger.inFlight.length]
    )
    assert.deepEqual(
      balances(client.established.terms, client.established.ledger),
      balances(server.established.terms, server.established.ledger)
    )
    for (const payer of ['client', 'server', 'client'] as const) {
      const { spendable } = world[payer].info
      if (spendable < 2_000n) continue
      const refusals = (): number =>
        world[payer].effects.filter(({ type }) => type === 'payment-refused').length
      const [before, refused] = [world[payer].info.ourBalance, refusals()]
      world.paidBy(payer, 2_000n)
      assert.ok(
        world[payer].info.ourBalance === before - 2_000n || refusals() > refused,
        `the ${payer} can neither pay nor is told why`
      )
    }
    this.check()
  }

  /** The chain goes on beyond L, and nobody has lost more than fees. */
  finish(): void {
    const { world } = this
    const due = { client: world.client.info.ourBalance, server: world.server.info.ourBalance }
    if (world.chain.height < 803) world.mineTo(803)
    world.mine(10)
    const { client, server, fee } = world.payouts()
    assert.equal(client + server + fee, world.capacity, 'value in is not outputs + fee')
    for (const [role, got] of [
      ['client', client],
      ['server', server]
    ] as const) {
      // Two fees by section 2, and what is too small to be an output.
      assert.ok(
        got >= due[role] - 2n * DEAREST_FEE - DUST - fee,
        `the ${role} got ${got} sat of ${due[role]} sat, fee ${fee} sat`
      )
    }
  }
}
