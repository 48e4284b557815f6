/** What can happen to two honest sides, in any order; and what has to be true after each of it. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { toHex } from '../../src/types/bytes.js'
import { feeRate, satoshi, type Satoshi } from '../../src/types/units.js'
import type { Role } from '../../src/bitcoin/keys.js'
import { balances, signedBalance } from '../../src/channel/ledger.js'
import { payableNow } from '../../src/channel/paying.js'
import { stateDigest } from '../../src/channel/signing.js'
import { isSettled, sentOf } from './asserts.js'
import { ecdsa, paymentsOf } from './side.js'
import { payment, type World } from './world.js'

export type Command =
  | { readonly do: 'pay'; readonly amounts: readonly bigint[] }
  | { readonly do: 'deliver' | 'deliver all' | 'crash' | 'restart' | 'close'; readonly role: Role }
  | { readonly do: 'disconnect' | 'connect' | 'run' | 'settle' }
  | { readonly do: 'mine' | 'reorg'; readonly blocks: number }
  | { readonly do: 'fee rate'; readonly role: Role; readonly rate: bigint }

const role = fc.constantFrom<Role>('client', 'server')
const amount = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt(1n, 3_000n) },
  { weight: 2, arbitrary: fc.bigInt(1n, 120_000n) },
  { weight: 1, arbitrary: fc.bigInt(-10_000n, 0n) }
)

/** How likely the ends are: a channel that closes at once has no story. */
export const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('pay' as const),
      amounts: fc.array(amount, { minLength: 1, maxLength: 4 })
    })
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('deliver' as const), role }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('deliver all' as const), role }) },
  { weight: 4, arbitrary: fc.constant<Command>({ do: 'run' }) },
  { weight: 2, arbitrary: fc.constant<Command>({ do: 'disconnect' }) },
  { weight: 5, arbitrary: fc.constant<Command>({ do: 'connect' }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), role }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('restart' as const), role }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('mine' as const),
      blocks: fc.oneof(
        { weight: 5, arbitrary: fc.integer({ min: 1, max: 3 }) },
        { weight: 1, arbitrary: fc.integer({ min: 30, max: 90 }) }
      )
    })
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('reorg' as const),
      blocks: fc.integer({ min: 1, max: 4 })
    })
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('fee rate' as const),
      role,
      rate: fc.bigInt(100n, 100_000n)
    })
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const), role }) },
  { weight: 1, arbitrary: fc.constant<Command>({ do: 'settle' }) }
)

export function perform(world: World, command: Command): void {
  switch (command.do) {
    case 'pay': {
      const payments = command.amounts.map((sat) => payment(sat))
      const count = payableNow(world.client.channel, payments)
      if (count > 0) world.client.post({ type: 'pay', payments: payments.slice(0, count) })
      return
    }
    case 'deliver':
      return world.deliver(command.role)
    case 'deliver all':
      return world.deliverAll(command.role)
    case 'run': {
      world.run()
      return
    }
    case 'disconnect': {
      world.disconnect()
      return
    }
    case 'connect': {
      world.connect()
      return
    }
    case 'crash': {
      world[command.role].crashNext = true
      return
    }
    case 'restart': {
      world.restart(command.role)
      return
    }
    case 'mine': {
      world.mine(command.blocks, { quiet: true })
      return
    }
    case 'reorg': {
      world.reorg(command.blocks)
      return
    }
    case 'fee rate': {
      world[command.role].feeRate = feeRate(command.rate)
      return
    }
    case 'close': {
      world[command.role].post({ type: 'close' })
      return
    }
    case 'settle':
      world.server.post({ type: 'settle' })
  }
}

/** Watches a world; `check` throws when something is true no longer. */
export class Watch {
  #signed: Satoshi
  #held: Satoshi
  #verified = -1
  readonly #world: World

  constructor(world: World) {
    this.#world = world
    this.#signed = satoshi(world.capacity)
    this.#held = satoshi(world.capacity)
  }

  check(): void {
    this.#balances()
    this.#signatures()
    this.#acknowledgements()
    this.#nobodyCheated()
  }

  /** Value is conserved, and the payer never signs more for itself within a turn. */
  #balances(): void {
    const { client, server, capacity } = this.#world
    const [ours, theirs] = [client, server].map(({ established: { terms, ledger } }) =>
      balances(terms, ledger)
    )
    for (const shares of [ours, theirs]) {
      assert.ok(
        shares !== undefined && shares.client + shares.server === capacity,
        'the balances are not the capacity'
      )
    }
    const signed = signedBalance(client.established.ledger, client.established.terms)
    assert.ok(
      signed <= this.#signed,
      `the payer signed ${signed} sat for itself after ${this.#signed} sat`
    )
    this.#signed = signed
    const held = server.established.ledger.held?.payerBalance ?? satoshi(capacity)
    assert.ok(held <= this.#held, 'the payee holds less than before')
    this.#held = held
    assert.ok(signed <= held, 'the payee holds more than the payer signed')
    assert.ok(
      ours !== undefined && ours.client >= held,
      'the payer believes in more than the payee holds'
    )
  }

  /** What the payee holds is what the payer signed. */
  #signatures(): void {
    const { client, server } = this.#world
    const { held } = server.established.ledger
    if (held === undefined || held.sequence === this.#verified) return
    this.#verified = held.sequence
    assert.ok(held.signature !== undefined)
    assert.ok(
      ecdsa.verify(
        client.channelKey.publicKey,
        stateDigest(server.established, held.payerBalance),
        held.signature
      ),
      'the payee holds a signature that is not valid'
    )
  }

  /** Whatever was acknowledged is on the payee's disk, once, and in what it could publish. */
  #acknowledgements(): void {
    const { client, server, capacity } = this.#world
    const held = server.established.ledger.held ?? { sequence: -1, payerBalance: capacity }
    const stored = server.log.flatMap(({ payments }) => payments)
    assert.ok(server.log.every(({ sequence }) => sequence <= held.sequence))
    assert.equal(
      stored.reduce((sum, { amount }) => sum + amount, 0n),
      capacity - held.payerBalance,
      'the log and the state do not agree'
    )
    const ids = new Set(stored.map(({ id }) => toHex(id)))
    assert.equal(ids.size, stored.length, 'a payment was counted twice')
    const acknowledged = paymentsOf(client.effects, 'payments-acknowledged')
    assert.ok(
      acknowledged.every(({ id }) => ids.has(toHex(id))),
      'a payment was acknowledged that the payee does not have'
    )
    assert.equal(new Set(acknowledged).size, acknowledged.length)
    assert.ok(
      sentOf(server.effects, 'UpdateAck').every(({ sequence }) => sequence <= held.sequence),
      'the payee holds less than it acknowledged'
    )
  }

  /** Two honest sides never find each other guilty. */
  #nobodyCheated(): void {
    for (const {
      established: { stopped, role }
    } of [this.#world.client, this.#world.server]) {
      assert.ok(
        stopped === undefined || isSettled(stopped),
        `the ${role} stopped: ${stopped?.code} ${stopped?.reason}`
      )
    }
  }
}
