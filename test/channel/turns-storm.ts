/**
 * A two-way channel through anything that can happen to two honest sides; and what must be true
 * after each of it.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { otherRole, type Role } from '../../src/bitcoin/keys.js'
import { balances } from '../../src/channel/ledger.js'
import { payableNow } from '../../src/channel/paying.js'
import { payerOf } from '../../src/channel/schedule.js'
import { turnNeed } from '../../src/channel/turns.js'
import { toHex } from '../../src/types/bytes.js'
import { feeRate } from '../../src/types/units.js'
import { paymentsOf } from './side.js'
import { payment, World } from './world.js'

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
const DUST = 330n

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
