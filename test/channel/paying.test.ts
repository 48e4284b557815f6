import assert from 'node:assert/strict'
import fc from 'fast-check'
import { MAX_PAYMENTS_PER_UPDATE } from '../../protocols/paychan/1.0/index.js'
import { allDifferent } from '../../src/channel/ledger.js'
import { ownBalance, payableNow, refusalOf } from '../../src/channel/paying.js'
import { quote } from '../../src/channel/quote.js'
import { stateDigest } from '../../src/channel/signing.js'
import { toHex } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { assertRefused, assertStopped, effectsOf, eventOf, sentOf, take } from './asserts.js'
import { ecdsa, paymentsOf, type Side } from './side.js'
import { payment, World } from './world.js'

const open = (options: ConstructorParameters<typeof World>[0] = {}): World =>
  new World(options).open()
const one = (
  amount: bigint,
  memo = ''
): { type: 'pay'; payments: [ReturnType<typeof payment>] } => ({
  type: 'pay',
  payments: [payment(amount, memo)]
})

describe('client / open / on pay', () => {
  it('signs a smaller balance of its own, and sends signature and increment (step 9)', () => {
    const world = open()
    const effects = world.pay(40_000n)
    const [update] = sentOf(effects, 'Update')
    assert.ok(update)
    assert.deepEqual(
      [update.sequence, update.payerBalance, update.payments.map(({ amount }) => amount)],
      [1, 60_000n, [40_000n]]
    )
    assert.ok(
      ecdsa.verify(
        world.client.channelKey.publicKey,
        stateDigest(world.client.established, satoshi(60_000n)),
        update.signature
      )
    )
    assert.deepEqual(effectsOf(effects, 'payments-acknowledged'), [], 'not before the ack')
  })

  it('puts what waits together under one signature (UPD-7)', () => {
    const world = open()
    const effects = world.pay(1_000n, 2_000n, 3_000n)
    assert.deepEqual(
      sentOf(effects, 'Update').map(({ payerBalance, payments }) => [
        payerBalance,
        payments.length
      ]),
      [[94_000n, 3]]
    )
    assert.deepEqual(
      world.client.log.map(({ sequence, direction, payments }) => [
        sequence,
        direction,
        payments.length
      ]),
      [[1, 'sent', 3]]
    )
  })

  it('counts what is signed as spent, acknowledged or not (UPD-18)', () => {
    const world = open()
    world.pay(60_000n)
    assert.equal(quote(world.client.established, world.client.env()).room, 40_000n)
    assertRefused(world.client, world.client.attempt(one(40_001n)), 'ERR_INSUFFICIENT_BALANCE')
  })

  it('pays all that is left (to 0), and then nothing any more', () => {
    const world = open().paid(99_999n).paid(1n)
    assert.deepEqual([world.client.info.ourBalance, world.server.info.ourBalance], [0n, 100_000n])
    assertRefused(world.client, world.client.attempt(one(1n)), 'ERR_INSUFFICIENT_BALANCE')
  })

  it('makes the payments that can be made and refuses the others one by one', () => {
    const world = open()
    const effects = world.pay(50_000n, 0n, 60_000n, 40_000n)
    assert.deepEqual(
      sentOf(effects, 'Update').map(({ payments }) => payments.map(({ amount }) => amount)),
      [[50_000n, 40_000n]]
    )
    assert.deepEqual(
      effectsOf(effects, 'payment-refused').map(({ payment, error }) => [
        payment.amount,
        error.code
      ]),
      [
        [0n, 'ERR_INVALID_AMOUNT'],
        [60_000n, 'ERR_INSUFFICIENT_BALANCE']
      ]
    )
  })

  it('refuses 1 sat more than is left, tells how much that is, and does not move (UPD-3)', () => {
    const world = open().paid(40_000n)
    const error = assertRefused(
      world.client,
      world.client.attempt(one(60_001n)),
      'ERR_INSUFFICIENT_BALANCE'
    )
    assert.deepEqual([error.facts.asked, error.facts.left], [60_001n, 60_000n])
  })

  const refused: Array<[string, string, bigint, string]> = [
    ['0 sat (UPD-13)', 'ERR_INVALID_AMOUNT', 0n, ''],
    ['a negative amount, which would take money back (UPD-13)', 'ERR_INVALID_AMOUNT', -1n, ''],
    ['a memo of 129 bytes (UPD-8)', 'ERR_MEMO_TOO_LONG', 1_000n, 'x'.repeat(129)],
    ['a memo of 43 three-byte letters (UPD-8)', 'ERR_MEMO_TOO_LONG', 1_000n, '\u20ac'.repeat(43)],
    [
      'a memo of two lines, which could not be sent once it is signed (WIRE-7)',
      'ERR_INVALID_MEMO',
      1_000n,
      'a\nb'
    ]
  ]
  for (const [what, code, amount, memo] of refused) {
    it(`refuses ${what}, and does not move`, () => {
      const { client } = open()
      assertRefused(client, client.attempt(one(amount, memo)), code)
    })
  }

  it('takes a memo of 128 bytes (UPD-8)', () => {
    assert.equal(sentOf(open().client.post(one(1_000n, 'x'.repeat(128))), 'Update').length, 1)
  })

  it('refuses a first payment 1 sat below the least that is worth settling; later ones may be smaller (UPD-10)', () => {
    const world = open()
    const least = world.client.established.terms.limits.minFirstPayment
    assertRefused(
      world.client,
      world.client.attempt(one(least - 1n)),
      'ERR_BELOW_MIN_FIRST_PAYMENT'
    )
    world.paid(least).paid(1n)
    assert.equal(world.server.info.ourBalance, least + 1n)
  })

  it('refuses 1 sat more than the server has at stake at most (UPD-11)', () => {
    const world = open({ policy: { maxStake: satoshi(50_000n) } }).paid(30_000n)
    const { facts } = assertRefused(
      world.client,
      world.client.attempt(one(20_001n)),
      'ERR_STAKE_TOO_HIGH'
    )
    assert.deepEqual(facts, { stake: 50_001n, most: 50_000n })
    assert.equal(quote(world.client.established, world.client.env()).room, 20_000n)
    world.paid(20_000n)
    assert.equal(world.server.info.ourBalance, 50_000n)
    assert.equal(quote(world.client.established, world.client.env()).room, 0n)
  })

  it('refuses two payments with one id, and signs the first (UPD-14)', () => {
    const world = open()
    const twice = payment(1_000n)
    const effects = world.client.post({ type: 'pay', payments: [twice, twice] })
    assert.deepEqual(
      sentOf(effects, 'Update').map(({ payments }) => payments.length),
      [1]
    )
    assert.deepEqual(
      effectsOf(effects, 'payment-refused').map(({ error }) => error.code),
      ['ERR_DUPLICATE_PAYMENT']
    )
    world.run()
    assert.equal(world.server.established.stopped, undefined)
  })

  it('signs for no more payments than an update may carry (UPD-7)', () => {
    const world = open().paid(10_000n)
    const many = Array.from({ length: MAX_PAYMENTS_PER_UPDATE + 1 }, () => payment(1n))
    const effects = world.client.post({ type: 'pay', payments: many })
    assert.deepEqual(
      sentOf(effects, 'Update').map(({ payments }) => payments.length),
      [MAX_PAYMENTS_PER_UPDATE]
    )
    assert.deepEqual(
      effectsOf(effects, 'payment-refused').map(({ error }) => error.code),
      ['ERR_WINDOW_FULL']
    )
    world.run()
    assert.equal(world.server.established.stopped, undefined)
  })
})

describe('client / open / on pay / in flight', () => {
  const windowed = (): World =>
    open({ policy: { maxInFlightUpdates: 2, maxInFlightValue: satoshi(20_000n) } })

  it('keeps within the number of updates that the server takes at once (UPD-6)', () => {
    const world = windowed()
    world.pay(1_000n)
    world.pay(1n)
    assertRefused(world.client, world.client.attempt(one(1n)), 'ERR_WINDOW_FULL')
    assert.equal(payableNow(world.client.channel, [payment(1n)]), 0)
    world.run()
    assert.equal(payableNow(world.client.channel, [payment(1n)]), 1)
  })

  it('keeps within the value that the server takes at once, to the satoshi (UPD-6)', () => {
    const world = windowed()
    world.pay(15_000n)
    assertRefused(world.client, world.client.attempt(one(5_001n)), 'ERR_WINDOW_FULL')
    assert.equal(
      payableNow(world.client.channel, [payment(4_000n), payment(1_000n), payment(1n)]),
      2
    )
    world.pay(5_000n)
    assert.equal(world.client.info.inFlight, 20_000n)
  })

  it('counts what the same update pays before (UPD-6)', () => {
    const { effects } = windowed().client.attempt({
      type: 'pay',
      payments: [payment(15_000n), payment(5_001n), payment(5_000n)]
    })
    assert.deepEqual(
      sentOf(effects, 'Update').map(({ payments }) => payments.map(({ amount }) => amount)),
      [[15_000n, 5_000n]]
    )
    assert.deepEqual(
      effectsOf(effects, 'payment-refused').map(({ payment, error }) => [
        payment.amount,
        error.code
      ]),
      [[5_001n, 'ERR_WINDOW_FULL']]
    )
  })

  it('refuses a payment that is larger than the whole window (UPD-6)', () => {
    const world = windowed()
    assertRefused(world.client, world.client.attempt(one(20_001n)), 'ERR_ABOVE_IN_FLIGHT_LIMIT')
    assert.equal(
      payableNow(world.client.channel, [payment(20_001n), payment(1n)]),
      1,
      'it does not block the queue'
    )
  })

  it('lets payments wait that do not fit into an empty window together', () => {
    const world = windowed()
    const queue = [payment(15_000n), payment(15_000n), payment(15_000n)]
    assert.equal(payableNow(world.client.channel, queue), 1)
    assert.deepEqual(
      effectsOf(
        world.client.post({ type: 'pay', payments: queue.splice(0, 1) }),
        'payment-refused'
      ),
      []
    )
  })

  it('lets nothing wait for acks that cannot come: payments are refused at once when the peer is gone', () => {
    const world = windowed()
    world.pay(15_000n)
    world.pay(5_000n)
    assert.equal(payableNow(world.client.channel, [payment(1n)]), 0)
    assert.equal(payableNow(world.disconnect().client.channel, [payment(1n), payment(2n)]), 2)
    assert.equal(payableNow(new World().offer().client.channel, [payment(1n)]), 1)
  })

  it('takes at most as many from a queue as an update carries (UPD-7)', () => {
    assert.equal(
      payableNow(
        open().client.channel,
        Array.from({ length: 1_500 }, () => payment(1n))
      ),
      MAX_PAYMENTS_PER_UPDATE
    )
    assert.equal(payableNow(open().client.channel, []), 0)
  })
})

describe('client / on pay / when the channel takes none', () => {
  const cases: Array<[string, string, () => World]> = [
    [
      'T1 is not deep enough (FUND-4)',
      'ERR_CHANNEL_NOT_OPEN',
      () => new World().until('client', 'established').run()
    ],
    [
      'the server is not ready (FUND-4)',
      'ERR_CHANNEL_NOT_OPEN',
      () => new World().offer().run().mine(1, { quiet: true })
    ],
    ['T1 was taken back by a reorg (FUND-4)', 'ERR_CHANNEL_NOT_OPEN', () => open().reorg(1)],
    ['the peer is not connected', 'ERR_PEER_UNREACHABLE', () => open().disconnect()],
    ['the peer has not said where it stands', 'ERR_PEER_UNREACHABLE', () => open().connect()],
    [
      'the tip is above the last height for payments (UPD-12)',
      'ERR_CHANNEL_EXPIRED',
      () => open().mineTo(653)
    ],
    [
      'a close is signed (CLOSE-6)',
      'ERR_CHANNEL_CLOSED',
      () => {
        const world = open()
        world.client.post({ type: 'close' })
        return world
      }
    ],
    [
      'a T3 is in the mempool',
      'ERR_CHANNEL_CLOSED',
      () => {
        const world = open().paid(40_000n)
        world.server.post({ type: 'settle' })
        return world
      }
    ],
    [
      'the refund is published',
      'ERR_CHANNEL_CLOSED',
      () => {
        const world = open()
        world.server.dead = true
        return world.mineTo(700)
      }
    ],
    [
      'a rule was broken (UPD-16)',
      'ERR_CHANNEL_STOPPED',
      () => {
        const world = open()
        world.client.post({ type: 'message', message: { type: 'UpdateAck', turn: 0, sequence: 7 } })
        return world
      }
    ],
    [
      'no server tells of the funding output (UPD-20)',
      'ERR_NOT_WATCHED',
      () => {
        const world = open()
        world.client.unwatched = true
        return world
      }
    ],
    [
      'the chain is not seen',
      'ERR_CHAIN_UNAVAILABLE',
      () => {
        const world = open()
        world.client.blind = true
        return world
      }
    ]
  ]
  for (const [what, code, make] of cases) {
    it(`refuses when ${what}, and does not move`, () => {
      const { client } = make()
      const error = assertRefused(client, client.attempt(one(10_000n)), code)
      const { refusal } = quote(client.channel, client.env())
      assert.deepEqual([refusal?.code, refusal?.message], [code, error.message])
      const foretold = refusalOf(client.channel, payment(10_000n), satoshi(0n), client.env())
      assert.equal(foretold?.code, code)
      assert.equal(client.info.spendable, 0n)
    })
  }

  it('signs at the last height for payments, and not one block later (UPD-12)', () => {
    const world = open().mineTo(652).paid(10_000n)
    assert.equal(world.server.info.ourBalance, 10_000n)
    assertRefused(world.mine().client, world.client.attempt(one(10_000n)), 'ERR_CHANNEL_EXPIRED')
  })

  it('after a reorg waits until T1 is as deep again as the terms ask for (FUND-4)', () => {
    const world = open({ policy: { minDepth: 3 } })
      .reorg(4)
      .mine(2)
    assertRefused(world.client, world.client.attempt(one(10_000n)), 'ERR_CHANNEL_NOT_OPEN')
    assert.equal(world.client.info.status, 'confirming')
    world.mine().paid(10_000n)
    assert.equal(world.server.info.ourBalance, 10_000n)
  })

  it('foretells of a payment what holds in the turn of the payer, and only its amount where the turn is still to be had', () => {
    const world = new World({ step: 20, policy: { maxInFlightValue: satoshi(5_000n) } }).open()
    world.paidBy('client', 5_000n).paidBy('client', 5_000n)
    const foretold = (side: Side, amount: bigint): string | undefined =>
      refusalOf(side.channel, payment(amount), side.info.ourBalance, side.env())?.code
    assert.deepEqual(
      [5_000n, 5_001n].map((amount) => foretold(world.client, amount)),
      [undefined, 'ERR_ABOVE_IN_FLIGHT_LIMIT']
    )
    assert.deepEqual(
      [5_001n, 10_001n].map((amount) => foretold(world.server, amount)),
      [undefined, 'ERR_INSUFFICIENT_BALANCE']
    )
  })

  it('says why an abandoned channel takes none', () => {
    const world = new World().offer()
    world.client.post({ type: 'timeout' })
    assert.match(
      refusalOf(world.client.channel, payment(1n), satoshi(0n), world.client.env())?.message ?? '',
      /took too long/
    )
  })
})

describe('server / on pay', () => {
  it('refuses: in a one-way channel only the client pays (UPD-1)', () => {
    const world = open().paid(40_000n)
    assertRefused(world.server, world.server.attempt(one(1n)), 'ERR_NOT_THE_PAYER')
    assert.equal(quote(world.server.established, world.server.env()).room, 0n)
  })
})

describe('client / on UpdateAck', () => {
  it('takes the payments of every update up to the sequence as received (cumulative)', () => {
    const world = open()
    world.pay(10_000n)
    world.pay(2n, 3n)
    world.pay(4n)
    const effects = world.client.post({
      type: 'message',
      message: { type: 'UpdateAck', turn: 0, sequence: 2 }
    })
    assert.deepEqual(
      paymentsOf(effects, 'payments-acknowledged').map(({ amount }) => amount),
      [10_000n, 2n, 3n]
    )
    assert.deepEqual(
      [world.client.info.ourBalance, world.client.info.inFlight, world.client.info.payments.sent],
      [89_995n, 4n, 3]
    )
  })

  it('tells once that the first state is held', () => {
    const world = new World().open().paid(10_000n, 1n).paid(1n)
    const told = effectsOf(world.client.effects, 'notify').filter(
      ({ news }) => news.kind === 'first-state-acknowledged'
    )
    assert.equal(told.length, 1)
  })

  it('what is in flight is signed away; the payee has what it has acknowledged', () => {
    const world = new World({ step: 20 }).open().paidBy('client', 40_000n)
    world.pay(1_000n)
    assert.deepEqual(
      [ownBalance(world.client.established), ownBalance(world.server.established)],
      [59_000n, 40_000n]
    )
  })

  it('an ack that came before changes nothing', () => {
    const world = open()
    world.pay(10_000n)
    world.deliver('server')
    const ack = take(world, 'client', 'UpdateAck')
    world.client.post(eventOf(ack))
    const { state, effects } = world.client.attempt(eventOf(ack))
    assert.deepEqual([state === world.client.channel, effects], [true, []])
  })

  const bad: Array<[string, { turn: number; sequence: number }]> = [
    ['of an update that was never signed', { turn: 0, sequence: 2 }],
    ['of another turn', { turn: 1, sequence: 1 }]
  ]
  for (const [what, ack] of bad) {
    it(`stops at an ack ${what} (UPD-15)`, () => {
      const world = open()
      world.pay(10_000n)
      const effects = world.client.post({ type: 'message', message: { type: 'UpdateAck', ...ack } })
      assertStopped(world.client, effects, 'UPD-15', 'ERR_BAD_ACK')
      assert.equal(paymentsOf(effects, 'payments-acknowledged').length, 0)
    })
  }

  it('the server stops at any ack: it pays nothing (UPD-15)', () => {
    const world = open()
    assertStopped(
      world.server,
      world.server.post({ type: 'message', message: { type: 'UpdateAck', turn: 0, sequence: 0 } }),
      'UPD-15',
      'ERR_BAD_ACK'
    )
  })
})

describe('channel / payment ids', () => {
  const payment = (id: Uint8Array): { id: Uint8Array; amount: bigint; memo: string } => ({
    id,
    amount: 1n,
    memo: ''
  })

  it('are all different or not, as comparing them one by one says (UPD-14)', () => {
    const id = fc
      .tuple(fc.nat({ max: 2 }), fc.nat({ max: 2 }))
      .map(([head, tail]) =>
        Uint8Array.from({ length: 16 }, (_, at) => (at === 0 ? head : at === 15 ? tail : 0))
      )
    fc.assert(
      fc.property(fc.array(id, { maxLength: 5 }), (ids) => {
        assert.equal(allDifferent(ids.map(payment)), new Set(ids.map(toHex)).size === ids.length)
      }),
      { numRuns: 300 }
    )
  })
})
