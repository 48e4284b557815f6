/** The whole story by the seed's numbers, then everything that can happen to two honest sides. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Update } from '../../protocols/paychan/1.0/index.js'
import type { Role } from '../../src/bitcoin/keys.js'
import { completeState } from '../../src/bitcoin/template.js'
import { balances, signedBalance } from '../../src/channel/ledger.js'
import { publishable } from '../../src/channel/publishable.js'
import { isOlder } from '../../src/channel/schedule.js'
import { shareIn } from '../../src/channel/stakes.js'
import type { Established } from '../../src/channel/state.js'
import { feeRate, satoshi } from '../../src/types/units.js'
import { sized } from '../size.js'
import { effectsOf, forge } from './asserts.js'
import { anyCommand, perform, Watch } from './commands.js'
import { faultOfSpend } from './side.js'
import { anyStormStory, anyTurnCommand, Storm, TurnStorm } from './storm.js'
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
          world.chain.mineTo(side.established.terms.refundHeight)
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

describe('channel / storms: payments, breaks, crashes, restored disks, blocks, reorgs of 1 to 10, closes', function () {
  /** Times what other properties get: 100 or 2,000 orders of events. */
  const MANY = sized({ small: 2, all: 20 })

  this.slow(60_000)
  this.timeout(600_000)

  it('nobody who keeps to the rules loses more than fees; what was acknowledged is in the end', () => {
    fc.assert(
      fc.property(anyStormStory, ({ commands }) => {
        const storm = new Storm()
        for (const command of commands) storm.perform(command)
        storm.finish()
        storm.checkEnd()
      }),
      { numRuns: (fc.readConfigureGlobal().numRuns ?? 100) * MANY }
    )
  })
})

/** Times what other properties get. */
const MANY = sized({ small: 2, all: 10 })
const runs = (): number => (fc.readConfigureGlobal().numRuns ?? 100) * MANY

describe('channel / turns / storms: both pay, breaks, crashes, blocks, reorgs of 1 to 10, closes', function () {
  this.slow(60_000)
  this.timeout(600_000)

  it('never do both sides sign, nobody finds the other guilty, nothing hangs, and nobody loses more than fees', () => {
    fc.assert(
      fc.property(
        fc.array(anyTurnCommand, { minLength: 10, maxLength: 50, size: 'max' }),
        (commands) => {
          const storm = new TurnStorm()
          for (const command of commands) storm.perform(command)
          storm.meet()
          storm.finish()
        }
      ),
      { numRuns: runs() }
    )
  })
})

interface Theft {
  readonly amounts: readonly bigint[]
  readonly thief: Role
  readonly pick: number
  readonly fee: bigint
  readonly sleeps: boolean
}

const anyTheft: fc.Arbitrary<Theft> = fc.record({
  amounts: fc.array(fc.bigInt(500n, 25_000n), { minLength: 2, maxLength: 7 }),
  thief: fc.constantFrom<Role>('client', 'server'),
  pick: fc.nat(6),
  fee: fc.bigInt(200n, 30_000n),
  sleeps: fc.boolean()
})

describe('channel / turns / a thief publishes any older state that it holds, at any fee', function () {
  this.slow(20_000)
  this.timeout(600_000)

  it('an honest side that is awake has the newest state; one that wakes up late has it if 20 sat/vB are enough, and never burns more than that at once', () => {
    fc.assert(
      fc.property(anyTheft, ({ amounts, thief, pick, fee, sleeps }) => {
        const world = new World({
          blocks: 300,
          step: 12,
          policy: { minTurnAmount: satoshi(1n), minFirstPayment: satoshi(1n) }
        }).open()
        const kept: Established[] = []
        for (const [turn, amount] of amounts.entries()) {
          const payer = turn % 2 === 0 ? 'client' : 'server'
          if (world[payer].info.spendable < amount) break
          world.paidBy(payer, amount)
          if (payer !== thief) kept.push(world[thief].established)
        }
        const honest = world[thief === 'client' ? 'server' : 'client']
        const newest = publishable(honest.established)
        const old = kept[pick % Math.max(1, kept.length)]
        const stale = old === undefined ? undefined : publishable(old)
        // The thief's newest is no theft; and without a state of its own the honest side has
        // nothing to defend.
        if (
          newest === undefined ||
          stale === undefined ||
          isOlder(newest.state, stale.state) ||
          stale.share - fee < 330n
        ) {
          return
        }
        const due = honest.info.ourBalance
        world.disconnect()
        world[thief].dead = true
        honest.dead = sleeps
        world.mineTo(stale.template.lock)
        const raw = completeState(
          stale.template,
          stale.signature,
          [{ script: world[thief].closeScript, value: satoshi(stale.share - fee) }],
          world[thief].channelKey.sign
        )
        const outcome = world.chain.broadcast(raw.raw)
        honest.dead = false
        world.lookAtChain()
        world.mine(3)
        const got = world.payouts()[honest.role]
        const withStale = shareIn(
          world.capacity,
          stale.state,
          stale.template.payerBalance,
          honest.role
        )
        assert.ok(
          sleeps || 'refused' in outcome || got >= due - 1_000n,
          `awake, and got ${got} of ${due}`
        )
        const toWin = due - withStale
        const needed = fee + fee / 4n + 181n
        // One server: what its mempool refuses is answered up to 20 sat/vB; 181 vB of that are
        // 3,620 sat.
        if (needed <= toWin && needed <= 3_620n) {
          assert.ok(
            got >= due - needed - 1_000n,
            `outbid for ${needed} at the most, and got ${got} of ${due}`
          )
        }
        // Never worse than if it had slept on, by more than a fee.
        assert.ok(
          got >= (withStale < due ? withStale : due) - (sleeps ? 4_000n : 1_000n),
          `got ${got} of ${due}, with the old state ${withStale}`
        )
      }),
      { numRuns: runs() }
    )
  })
})

describe('channel / the whole story', () => {
  it('opens by steps 1 to 8, pays, and closes in peace: the asker pays the fee', () => {
    const world = new World().open().paid(40_000n).paid(1n, 2n, 3n)
    assert.deepEqual(
      [world.client.info.ourBalance, world.server.info.ourBalance],
      [59_994n, 40_006n]
    )
    world.client.post({ type: 'close' })
    world.run().mine()
    const { client, server, fee } = world.payouts()
    assert.equal(server, 40_006n)
    assert.equal(client, 59_994n - fee)
    assert.equal(world.client.info.status, 'closed')
    assert.equal(world.server.info.spend?.kind, 'close')
  })

  it('refunds the client when the server is gone (T2 at height L, TIME-2)', () => {
    const world = new World().open().paid(40_000n).kill('server').mineTo(701)
    const { client, server, fee } = world.payouts()
    assert.deepEqual([client, server], [100_000n - fee, 0n])
    assert.equal(world.client.info.spend?.kind, 'refund')
  })

  it('settles for the server when the client is gone (T3 before L, TIME-1)', () => {
    const world = new World().open().paid(40_000n).kill('client').mineTo(665)
    const { client, server, fee } = world.payouts()
    assert.deepEqual([client, server], [60_000n, 40_000n - fee])
    assert.equal(world.server.info.spend?.kind, 'settlement')
  })
})
