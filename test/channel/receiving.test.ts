import assert from 'node:assert/strict'
import type { Update } from '../../protocols/paychan/1.0/index.js'
import { stateDigest } from '../../src/channel/signing.js'
import { satoshi } from '../../src/types/units.js'
import { assertStopped, effectsOf, eventOf, forge, sentOf } from './asserts.js'
import { ecdsa, keyPair, paymentsOf } from './side.js'
import { payment, World } from './world.js'

const paid = (amount = 10_000n): World => new World().open().paid(amount)

/** Updates that follow one another, as an honest payer signs them. */
function series(world: World, ...amounts: bigint[]): Update[] {
  let { sequence, payerBalance } = world.server.established.ledger.held ?? {
    sequence: -1,
    payerBalance: world.capacity
  }
  return amounts.map((amount) => {
    payerBalance = satoshi(payerBalance - amount)
    sequence += 1
    return forge(world, { sequence, payerBalance, payments: [payment(amount)] })
  })
}

/** The newest state that the server holds, which has to be one that the client signed. */
function held(world: World): [number, bigint] {
  const { ledger } = world.server.established
  assert.ok(ledger.held?.signature !== undefined)
  assert.ok(
    ecdsa.verify(
      world.client.channelKey.publicKey,
      stateDigest(world.server.established, ledger.held.payerBalance),
      ledger.held.signature
    ),
    'holds a signature that is not valid'
  )
  return [ledger.held.sequence, ledger.held.payerBalance]
}

describe('server / open / on Update', () => {
  it('tells once that it holds a state: the first (step 8)', () => {
    const { server } = paid().paid(500n)
    assert.equal(
      effectsOf(server.effects, 'notify').filter(({ news }) => news.kind === 'first-state-stored')
        .length,
      1
    )
  })

  it('holds the state and its signature, then acknowledges (step 8, UPD-5)', () => {
    const world = new World().open()
    world.pay(10_000n)
    const [update] = world.queues.server
    assert.ok(update !== undefined && update !== 'end' && update.type === 'Update')
    const { state, log, effects } = world.server.attempt(eventOf(update))
    assert.ok(state.stage === 'established')
    assert.deepEqual(state.ledger.held?.signature, update.signature)
    assert.deepEqual(
      log.map(({ sequence, direction, payments }) => [sequence, direction, payments]),
      [[1, 'received', update.payments]],
      'one write with the state'
    )
    assert.deepEqual(
      sentOf(effects, 'UpdateAck').map(({ sequence }) => sequence),
      [1]
    )
    assert.deepEqual(paymentsOf(effects, 'payments-received'), update.payments)
  })

  it('checks several that wait together by one verification, and acknowledges once (UPD-5)', () => {
    const world = paid()
    const updates = series(world, 1n, 2n, 3n)
    let verifications = 0
    const verify: typeof ecdsa.verify = (...args) => {
      verifications += 1
      return ecdsa.verify(...args)
    }
    const { effects } = world.server.attempt({ type: 'updates', updates }, { verify })
    assert.equal(verifications, 1)
    assert.deepEqual(
      sentOf(effects, 'UpdateAck').map(({ sequence }) => sequence),
      [4]
    )
    assert.deepEqual(
      paymentsOf(effects, 'payments-received').map(({ amount }) => amount),
      [1n, 2n, 3n]
    )
  })

  it('acknowledges the first update again when it comes again, and stores nothing (REEST-3)', () => {
    const world = paid()
    const first: Update = {
      type: 'Update',
      turn: 0,
      sequence: 0,
      payerBalance: 100_000n,
      payments: [],
      signature: new Uint8Array(64)
    }
    const { state, log, effects } = world.server.attempt(eventOf(first))
    assert.ok(state === world.server.channel)
    assert.deepEqual([log, sentOf(effects, 'UpdateAck').map(({ sequence }) => sequence)], [[], [1]])
  })
})

describe('server / open / on Update / that breaks a rule', () => {
  const cases: Array<[string, string, string, (world: World) => Partial<Update>]> = [
    ['of another turn', 'UPD-1', 'ERR_WRONG_TURN', () => ({ turn: 1 })],
    ['that comes again (replay)', 'UPD-2', 'ERR_OUT_OF_ORDER', () => ({ sequence: 1 })],
    ['that leaves one out', 'UPD-2', 'ERR_OUT_OF_ORDER', () => ({ sequence: 3 })],
    [
      'whose balance is 1 sat above the increments',
      'UPD-3',
      'ERR_BALANCE_MISMATCH',
      () => ({ payerBalance: 89_001n })
    ],
    [
      'whose balance is 1 sat below the increments',
      'UPD-3',
      'ERR_BALANCE_MISMATCH',
      () => ({ payerBalance: 88_999n })
    ],
    [
      'that pays more than is left',
      'UPD-3',
      'ERR_BALANCE_MISMATCH',
      () => ({ payments: [payment(90_001n)], payerBalance: 0n })
    ],
    [
      'that takes money back',
      'UPD-13',
      'ERR_INVALID_AMOUNT',
      () => ({ payments: [payment(-5_000n)], payerBalance: 95_000n })
    ],
    ['that pays 0 sat', 'UPD-13', 'ERR_INVALID_AMOUNT', () => ({ payments: [payment(0n)] })],
    [
      'that hides a negative payment among others',
      'UPD-13',
      'ERR_INVALID_AMOUNT',
      () => ({ payments: [payment(5_000n), payment(-1n)] })
    ],
    ['without a payment', 'UPD-7', 'ERR_BAD_PAYMENT_COUNT', () => ({ payments: [] })],
    [
      'with one id twice',
      'UPD-14',
      'ERR_DUPLICATE_PAYMENT',
      () => {
        const one = payment(1n)
        return { payments: [one, one] }
      }
    ],
    [
      'with a signature of another key',
      'UPD-4',
      'ERR_BAD_SIGNATURE',
      (world) => ({ signature: forge(world, {}, keyPair('stranger').sign).signature })
    ],
    [
      'with the signature of another balance',
      'UPD-4',
      'ERR_BAD_SIGNATURE',
      (world) => ({ signature: forge(world, { payments: [payment(999n)] }).signature })
    ],
    ['without a signature', 'UPD-4', 'ERR_BAD_SIGNATURE', () => ({ signature: new Uint8Array(64) })]
  ]
  for (const [what, rule, code, changes] of cases) {
    it(`refuses one ${what}, stops, and settles with the last good state at once (${rule}, UPD-16)`, () => {
      const world = paid()
      const update = forge(world, changes(world))
      const effects = world.server.post(eventOf(update))
      assertStopped(world.server, effects, rule, code)
      assert.deepEqual(held(world), [1, 90_000n])
      assert.deepEqual(sentOf(effects, 'UpdateAck'), [])
      assert.deepEqual(paymentsOf(effects, 'payments-received'), [])
      world.mine()
      const { client, server, fee } = world.payouts()
      assert.deepEqual([client, server], [90_000n, 10_000n - fee])
    })
  }

  const limited: Array<
    [string, string, string, Partial<Update>, ConstructorParameters<typeof World>[0]]
  > = [
    [
      'that puts 1 sat too much at stake',
      'UPD-11',
      'ERR_STAKE_TOO_HIGH',
      { payments: [payment(50_001n)] },
      { policy: { maxStake: satoshi(50_000n) } }
    ],
    [
      'that is 1 sat above the window',
      'UPD-6',
      'ERR_ABOVE_IN_FLIGHT_LIMIT',
      { payments: [payment(10_001n), payment(10_000n)] },
      { policy: { maxInFlightValue: satoshi(20_000n) } }
    ],
    [
      'whose first payment is 1 sat too small',
      'UPD-10',
      'ERR_BELOW_MIN_FIRST_PAYMENT',
      { payments: [payment(655n)] },
      {}
    ]
  ]
  for (const [what, rule, code, changes, options] of limited) {
    it(`refuses one ${what} (${rule})`, () => {
      const world = new World(options).open()
      assertStopped(world.server, world.server.post(eventOf(forge(world, changes))), rule, code)
    })
  }

  it('takes what is exactly at its limits (UPD-6, UPD-10, UPD-11)', () => {
    const world = new World({
      policy: { maxStake: satoshi(20_656n), maxInFlightValue: satoshi(20_000n) }
    }).open()
    assert.equal(
      sentOf(world.server.post(eventOf(forge(world, { payments: [payment(656n)] }))), 'UpdateAck')
        .length,
      1
    )
    assert.equal(
      sentOf(
        world.server.post(eventOf(forge(world, { payments: [payment(20_000n)] }))),
        'UpdateAck'
      ).length,
      1
    )
    assert.deepEqual(held(world), [2, 79_344n])
  })

  it('counts the updates that wait for its acknowledgement, and takes no more than the window (UPD-6)', () => {
    const world = new World({ policy: { maxInFlightUpdates: 3 } }).open().paid(10_000n)
    const updates = series(world, 1n, 2n, 3n, 4n)
    assert.deepEqual(
      sentOf(
        world.server.attempt({ type: 'updates', updates: updates.slice(0, 3) }).effects,
        'Error'
      ),
      [],
      'as many as the window has'
    )
    const effects = world.server.post({ type: 'updates', updates })
    assert.deepEqual(
      sentOf(effects, 'UpdateAck').map(({ sequence }) => sequence),
      [4],
      'what was within it stays received (UPD-16)'
    )
    assertStopped(world.server, effects, 'UPD-6', 'ERR_ABOVE_IN_FLIGHT_LIMIT')
    assert.deepEqual(held(world), [4, 89_994n])
  })

  it('counts the value of all that wait together (UPD-6)', () => {
    const world = new World({ policy: { maxInFlightValue: satoshi(20_000n) } }).open().paid(10_000n)
    assert.deepEqual(
      sentOf(
        world.server.attempt({ type: 'updates', updates: series(world, 15_000n, 5_000n) }).effects,
        'Error'
      ),
      []
    )
    const effects = world.server.post({ type: 'updates', updates: series(world, 15_000n, 5_001n) })
    assertStopped(world.server, effects, 'UPD-6', 'ERR_ABOVE_IN_FLIGHT_LIMIT')
    assert.deepEqual(held(world), [2, 75_000n])
  })

  it('counts from each acknowledgement anew: any number of updates, one window after the other (UPD-6)', () => {
    const world = new World({
      policy: { maxInFlightUpdates: 2, maxInFlightValue: satoshi(2_000n) }
    }).open()
    for (let n = 0; n < 5; n++) {
      world.server.post({ type: 'updates', updates: series(world, 1_000n, 1_000n) })
    }
    assert.deepEqual(held(world), [10, 90_000n])
  })

  it("takes a payment from a payer whose ChannelReady has not come: the payer's readiness is the payer's business (FUND-4)", () => {
    const world = new World().open()
    world.server.channel = { ...world.server.established, ready: { ours: true, theirs: false } }
    assert.equal(sentOf(world.server.post(eventOf(forge(world))), 'UpdateAck').length, 1)
  })

  it('falls back to the last good one of several when the newest signature is bad, and settles with it (UPD-4, UPD-16)', () => {
    const world = paid()
    const [first, second, third] = series(world, 100n, 200n, 300n)
    assert.ok(first && second && third)
    const effects = world.server.post({
      type: 'updates',
      updates: [first, second, { ...third, signature: second.signature }]
    })
    assert.deepEqual(
      sentOf(effects, 'UpdateAck').map(({ sequence }) => sequence),
      [3]
    )
    assert.deepEqual(
      paymentsOf(effects, 'payments-received').map(({ amount }) => amount),
      [100n, 200n]
    )
    assertStopped(world.server, effects, 'UPD-4', 'ERR_BAD_SIGNATURE')
    assert.deepEqual(held(world), [3, 89_700n])
    world.mine()
    assert.equal(world.payouts().server, 10_300n - world.payouts().fee)
  })

  it('falls back over several bad ones (UPD-4)', () => {
    const world = paid()
    const updates = series(world, 100n, 200n, 300n).map((update, i) =>
      i === 0 ? update : { ...update, signature: new Uint8Array(64).fill(7) }
    )
    assertStopped(
      world.server,
      world.server.post({ type: 'updates', updates }),
      'UPD-4',
      'ERR_BAD_SIGNATURE'
    )
    assert.deepEqual(held(world), [2, 89_900n])
  })

  it('a bad signature under a good newer one does no harm: the newer covers it (UPD-5)', () => {
    const world = paid()
    const [first, second] = series(world, 100n, 200n)
    assert.ok(first && second)
    world.server.post({
      type: 'updates',
      updates: [{ ...first, signature: new Uint8Array(64) }, second]
    })
    assert.equal(world.server.established.stopped, undefined)
    assert.deepEqual(held(world), [3, 89_700n])
  })

  it('keeps the good ones before one that breaks a rule, and acknowledges them (UPD-16)', () => {
    const world = paid()
    const [first, , third] = series(world, 100n, 200n, 300n)
    assert.ok(first && third)
    const effects = world.server.post({ type: 'updates', updates: [first, third] })
    assert.deepEqual(
      sentOf(effects, 'UpdateAck').map(({ sequence }) => sequence),
      [2]
    )
    assertStopped(world.server, effects, 'UPD-2', 'ERR_OUT_OF_ORDER')
  })

  it('counts nothing of a second update under the same number, in the log neither (UPD-2)', () => {
    const world = paid()
    const [first] = series(world, 100n)
    assert.ok(first)
    const effects = world.server.post({
      type: 'updates',
      updates: [first, forge(world, { payments: [payment(50_000n)] })]
    })
    assert.deepEqual(
      paymentsOf(effects, 'payments-received').map(({ amount }) => amount),
      [100n]
    )
    assert.deepEqual(
      world.server.log.map(({ payments }) => payments.map(({ amount }) => amount)),
      [[10_000n], [100n]]
    )
    assertStopped(world.server, effects, 'UPD-2', 'ERR_OUT_OF_ORDER')
  })
})

describe('server / confirming / on Update', () => {
  const first = (
    changes: Partial<Update> = {}
  ): { world: World; effects: ReturnType<World['server']['post']> } => {
    const world = new World().until('client', 'established')
    world.deliver('server')
    return {
      world,
      effects: world.server.post(eventOf(forge(world, { sequence: 0, payments: [], ...changes })))
    }
  }

  it('stores the initial T3: everything to the client (UPD-9)', () => {
    const { world, effects } = first()
    assert.deepEqual(held(world), [0, 100_000n])
    assert.equal(sentOf(effects, 'UpdateAck').length, 1)
  })

  it('refuses an initial T3 that gives the client less, or more (UPD-9)', () => {
    for (const payerBalance of [99_999n, 100_001n]) {
      const { world, effects } = first({ payerBalance })
      assertStopped(world.server, effects, 'UPD-9', 'ERR_BAD_INITIAL_STATE')
      assert.equal(world.server.established.ledger.held, undefined)
    }
  })

  it('refuses an initial T3 with a payment in it (UPD-9)', () => {
    const { world, effects } = first({ payments: [payment(1n)], payerBalance: 100_000n })
    assertStopped(world.server, effects, 'UPD-9', 'ERR_BAD_INITIAL_STATE')
  })

  it('refuses a wrong signature under the initial T3 (UPD-4)', () => {
    const { world, effects } = first({ signature: new Uint8Array(64).fill(1) })
    assertStopped(world.server, effects, 'UPD-4', 'ERR_BAD_SIGNATURE')
  })

  it('refuses a payment before T1 is deep enough (FUND-4)', () => {
    const { world } = first()
    assertStopped(
      world.server,
      world.server.post(eventOf(forge(world, { payments: [payment(10_000n)] }))),
      'FUND-4',
      'ERR_CHANNEL_NOT_OPEN'
    )
  })
})

describe('server / on Update / when it takes none (UPD-17)', () => {
  const refuse = (world: World): ReturnType<World['server']['post']> => {
    const { channel } = world.server
    const update = forge(world)
    const { state, log, effects } = world.server.attempt(eventOf(update))
    assert.deepEqual({ ...state, link: 'any' }, { ...channel, link: 'any' }, 'something is stored')
    assert.deepEqual(
      [log, sentOf(effects, 'UpdateAck'), paymentsOf(effects, 'payments-received')],
      [[], [], []]
    )
    return [...effects]
  }

  const cases: Array<[string, () => World]> = [
    [
      'a close is signed: what crossed it is not stored (CLOSE-6)',
      () => {
        const world = paid()
        world.server.post({ type: 'close' })
        return world
      }
    ],
    [
      'the user has settled',
      () => {
        const world = paid()
        world.server.post({ type: 'settle' })
        return world
      }
    ],
    [
      'a rule was broken before (UPD-16)',
      () => {
        const world = paid()
        world.server.post(eventOf(forge(world, { turn: 3 })))
        return world.disconnect().connect().run()
      }
    ],
    [
      'the settlement height is reached: a T3 would race the refund (TIME-1)',
      () => new World().open().mineTo(664)
    ],
    [
      'the channel is spent',
      () => {
        const world = paid()
        world.client.post({ type: 'close' })
        return world.run().mine()
      }
    ]
  ]
  for (const [what, make] of cases) {
    it(`refuses when ${what}`, () => {
      assert.deepEqual(
        sentOf(refuse(make()), 'Error').map(({ code, rule, fatal }) => [code, rule, fatal]),
        [['ERR_CHANNEL_CLOSED', 'UPD-17', false]]
      )
    })
  }

  it('still takes one a block before the settlement height: the payer may be some blocks behind', () => {
    const world = new World().open().disconnect().mineTo(663).connect().run()
    assert.equal(sentOf(world.server.post(eventOf(forge(world))), 'UpdateAck').length, 1)
  })

  for (const [what, make] of [
    ['T1 was taken back by a reorg', () => paid().reorg(1)],
    [
      'T1 is not yet as deep again',
      () => new World({ policy: { minDepth: 3 } }).open().paid(10_000n).reorg(4).mine(2)
    ]
  ] as Array<[string, () => World]>) {
    it(`refuses when ${what}, and ends the stream so that it is sent again (FUND-4)`, () => {
      const effects = refuse(make())
      assert.deepEqual(
        sentOf(effects, 'Error').map(({ code, rule, fatal }) => [code, rule, fatal]),
        [['ERR_CHANNEL_NOT_OPEN', 'FUND-4', false]]
      )
      assert.equal(effectsOf(effects, 'hang-up').length, 1)
    })
  }

  it('refuses when the chain is not seen, which says nothing of the funding, and ends the stream so that it is sent again (UPD-20)', () => {
    const world = paid()
    world.server.blind = true
    const effects = refuse(world)
    assert.deepEqual(
      sentOf(effects, 'Error').map(({ code, rule, fatal }) => [code, rule, fatal]),
      [['ERR_NOT_READY', 'UPD-20', false]]
    )
    assert.equal(effectsOf(effects, 'hang-up').length, 1)
  })

  it('refuses when no server tells of the funding output, and ends the stream so that it is sent again (UPD-20)', () => {
    const world = paid()
    world.server.unwatched = true
    const effects = refuse(world)
    assert.deepEqual(
      sentOf(effects, 'Error').map(({ code, rule, fatal }) => [code, rule, fatal]),
      [['ERR_NOT_READY', 'UPD-20', false]]
    )
    assert.equal(effectsOf(effects, 'hang-up').length, 1)
    assert.deepEqual([world.server.info.watched, world.server.info.receivable], [false, 0n])
    world.server.unwatched = false
    world.pay(5_000n)
    world.run()
    assert.equal(world.server.info.ourBalance, 15_000n, 'once a server tells again')
  })

  it('does not hear what was sent behind such an update, which is no broken rule then (REEST-6)', () => {
    const world = paid()
    const first = forge(world)
    const second = forge(world, {
      sequence: first.sequence + 1,
      payerBalance: satoshi(first.payerBalance - 1_000n)
    })
    world.server.blind = true
    world.server.channel = world.server.attempt(eventOf(first)).state
    world.server.blind = false // before the stream is really gone
    const { effects } = world.server.attempt(eventOf(second))
    assert.deepEqual(effects, [])
  })

  it('takes what it refused after a reorg, once the payer is back and T1 is buried again', () => {
    const world = paid()
    world.pay(5_000n)
    world.chain.reorg(1)
    world.server.lookAtChain()
    world.run()
    assert.deepEqual([world.server.info.ourBalance, world.client.info.inFlight], [10_000n, 5_000n])
    world.mine().connect().run()
    assert.deepEqual(
      [world.server.info.ourBalance, world.client.info.ourBalance, world.client.info.inFlight],
      [15_000n, 85_000n, 0n]
    )
  })
})

describe('client / on Update', () => {
  it('stops: the server is not the payer (UPD-1)', () => {
    const world = paid()
    assertStopped(
      world.client,
      world.client.post(eventOf(forge(world))),
      'UPD-1',
      'ERR_NOT_THE_PAYER'
    )
  })
})
