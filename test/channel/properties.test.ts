import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Update } from '../../protocols/paychan/1.0/index.js'
import type { Role } from '../../src/bitcoin/keys.js'
import { balances, signedBalance } from '../../src/channel/ledger.js'
import { feeRate, satoshi } from '../../src/types/units.js'
import { effectsOf, forge } from './asserts.js'
import { anyCommand, perform, Watch } from './commands.js'
import { faultOfSpend } from './keys.js'
import { payment, World } from './world.js'

const DUST = 330n

/** A world after a random story; every step of it was checked. */
function story(
  commands: readonly Parameters<typeof perform>[1][],
  options: ConstructorParameters<typeof World>[0] = {}
): World {
  const world = new World(options).open()
  const watch = new Watch(world)
  for (const command of commands) {
    perform(world, command)
    watch.check()
  }
  for (const role of ['client', 'server'] as const) {
    world[role].crashNext = false
    if (world[role].dead) world.restart(role)
    world[role].feeRate = feeRate(2000n)
  }
  watch.check()
  return world
}

const anyStory = fc.array(anyCommand, { minLength: 5, maxLength: 30 })
const windowed = { policy: { maxInFlightUpdates: 3, maxInFlightValue: satoshi(30_000n) } }

describe('channel / properties / any interleaving of payments, messages, breaks, crashes and blocks', function () {
  this.slow(4000)

  it('conserves value; the payee never holds less than it acknowledged, nor what the payer did not sign', () => {
    fc.assert(
      fc.property(anyStory, fc.constantFrom({}, windowed), (commands, options) => {
        story(commands, options)
      })
    )
  })

  it('once they talk again, both sides agree, and nothing is in flight', () => {
    fc.assert(
      fc.property(anyStory, (commands) => {
        const world = story(commands).mine(3).connect().run()
        const { client, server } = world
        if (
          server.established.publication !== undefined ||
          server.established.closes.length > 0 ||
          client.established.closes.length > 0 ||
          world.chain.height >= 664
        ) {
          return
        }
        if (client.established.onChain.spend !== undefined) return
        assert.equal(client.established.ledger.inFlight.length, 0)
        assert.deepEqual(
          balances(client.established.terms, client.established.ledger),
          balances(server.established.terms, server.established.ledger)
        )
      })
    )
  })

  it('what each side could publish alone is valid, and value in = outputs + fee', () => {
    fc.assert(
      fc.property(anyStory, (commands) => {
        const world = story(commands)
        const unspent = {
          onChain: {
            fundingSeen: true,
            fundingHeight: world.client.established.onChain.fundingHeight,
            spend: undefined,
            shown: []
          },
          publication: undefined
        }
        for (const role of ['client', 'server'] as const) {
          const side = world[role]
          side.channel = { ...side.established, ...unspent }
          const { state } = side.attempt(
            { type: 'connected' },
            { height: side.established.terms.refundHeight }
          )
          const publication = state.stage === 'established' ? state.publication : undefined
          if (publication === undefined) {
            assert.ok(
              role === 'server' && side.info.ourBalance < 181n + 294n,
              `the ${role} can publish nothing`
            )
            continue
          }
          assert.equal(faultOfSpend(publication.raw, world.funding), undefined)
          world.chain.height = side.established.terms.refundHeight
        }
      })
    )
  })
})

describe('channel / properties / however it ends', function () {
  this.slow(4000)

  const ends: Record<
    | 'both stay'
    | 'the client is gone'
    | 'the server is gone'
    | 'the client closes'
    | 'the server closes',
    (world: World) => void
  > = {
    'both stay': (world) => world.connect().run(),
    'the client is gone': (world) => world.kill('client'),
    'the server is gone': (world) => world.kill('server'),
    'the client closes': (world) => {
      world.connect().run().client.post({ type: 'close' })
      world.run()
    },
    'the server closes': (world) => {
      world.connect().run().server.post({ type: 'close' })
      world.run()
    }
  }
  for (const [end, act] of Object.entries(ends)) {
    it(`${end}: each side that acts gets what it holds, less the fee if it is the one who pays`, () => {
      fc.assert(
        fc.property(anyStory, (commands) => {
          const world = story(commands)
          act(world)
          const { client, server } = world
          const signed = signedBalance(client.established.ledger, client.established.terms)
          const share =
            server.established.ledger.held === undefined
              ? 0n
              : world.capacity - server.established.ledger.held.payerBalance
          if (world.chain.height < 703) world.mineTo(703)
          world.mine(2)
          const spend = world.chain.spendOf(world.funding.outPoint)
          if (end === 'the client is gone' && spend === undefined) {
            return assert.ok(share < 181n + 294n)
          }
          const { client: toClient, server: toServer, fee } = world.payouts()
          assert.equal(toClient + toServer + fee, world.capacity, 'value in is not outputs + fee')
          const settled = share >= 181n + 294n && end !== 'the server is gone'
          if (settled) {
            assert.ok(
              toServer >= share - fee,
              `the server got ${toServer} sat of ${share} sat, fee ${fee} sat`
            )
          }
          if (end !== 'the client is gone' || settled) {
            assert.ok(
              toClient >= signed - (signed < DUST ? signed : 0n) - fee,
              `the client got ${toClient} sat of ${signed} sat, fee ${fee} sat`
            )
          }
          const kind =
            client.established.onChain.spend?.kind ?? server.established.onChain.spend?.kind
          if (kind === 'settlement') {
            assert.ok(toClient >= signed || signed < DUST, 'the server pays the fee of T3')
          }
          if (kind === 'refund') assert.equal(toClient, world.capacity - fee)
        })
      )
    })
  }
})

describe('channel / properties / a dishonest payer', function () {
  this.slow(4000)

  type Twist = (update: Update) => Update
  const twists: Record<string, Twist> = {
    none: (update) => update,
    sequence: (update) => ({ ...update, sequence: update.sequence + 1 }),
    replay: (update) => ({ ...update, sequence: Math.max(0, update.sequence - 1) }),
    turn: (update) => ({ ...update, turn: 1 }),
    balance: (update) => ({ ...update, payerBalance: update.payerBalance + 1n }),
    signature: (update) => ({
      ...update,
      signature: Uint8Array.from(update.signature).fill(3, 40, 50)
    }),
    payments: (update) => ({ ...update, payments: [...update.payments, payment(1n)] }),
    negative: (update) => ({ ...update, payments: [payment(-1n), ...update.payments] })
  }

  it('never makes the payee count what it cannot publish', () => {
    const anyBatch = fc.array(
      fc.record({
        amount: fc.bigInt(1n, 20_000n),
        twist: fc.constantFrom('none', 'none', 'none', ...Object.keys(twists))
      }),
      { minLength: 1, maxLength: 8 }
    )
    fc.assert(
      fc.property(fc.array(anyBatch, { minLength: 1, maxLength: 3 }), (batches) => {
        const world = new World().open().paid(1_000n)
        for (const batch of batches) {
          const { held } = world.server.established.ledger
          assert.ok(held)
          let { sequence, payerBalance }: { sequence: number; payerBalance: bigint } = held
          const updates = batch.map(({ amount, twist }) => {
            sequence += 1
            payerBalance = payerBalance > amount ? payerBalance - amount : 0n
            const honest = forge(world, { sequence, payerBalance, payments: [payment(amount)] })
            return twists[twist]?.(honest) ?? honest
          })
          world.server.post({ type: 'updates', updates })
          const stored = world.server.log
            .flatMap(({ payments }) => payments)
            .reduce((sum, { amount }) => sum + amount, 0n)
          const { ledger } = world.server.established
          assert.equal(
            stored,
            world.capacity - (ledger.held?.payerBalance ?? world.capacity),
            'the log and the state do not agree'
          )
          const received = effectsOf(world.server.effects, 'payments-received')
            .flatMap(({ payments }) => payments)
            .reduce((sum, { amount }) => sum + amount, 0n)
          assert.equal(received, stored)
        }
        const { publication } = world.server.established
        if (publication !== undefined) {
          assert.equal(faultOfSpend(publication.raw, world.funding), undefined)
        }
      })
    )
  })
})

describe('channel / properties / a fee race with the blocks', function () {
  this.slow(4000)

  it('every bid is taken by a mempool, rises, and stays within the share', () => {
    const anyRole = fc.constantFrom<Role>('client', 'server')
    fc.assert(
      fc.property(
        anyRole,
        fc.bigInt(656n, 100_000n),
        fc.array(fc.bigInt(0n, 60_000n), { minLength: 1, maxLength: 25 }),
        (role, amount, rates) => {
          const world = new World()
            .open()
            .paid(amount)
            .kill(role === 'client' ? 'server' : 'client')
          const side = world[role]
          const share = role === 'client' ? world.capacity : amount
          world.chain.lowestFeeRate = 1_000_000_000n
          world.mineTo(role === 'client' ? 699 : 663)
          let before = 0n
          for (const rate of rates) {
            side.feeRate = feeRate(rate)
            world.mine()
            const { publication } = side.established
            assert.ok(publication)
            assert.ok(
              publication.fee >= before &&
                (publication.fee === before || publication.fee - before >= 137n),
              `${before} -> ${publication.fee}`
            )
            assert.ok(publication.fee <= share + DUST - 294n, 'above the share')
            assert.equal(
              world.chain.spendOf(world.funding.outPoint)?.fee,
              publication.fee,
              'the mempool has another one'
            )
            before = publication.fee
          }
        }
      )
    )
  })
})
