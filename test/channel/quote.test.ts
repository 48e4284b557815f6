import assert from 'node:assert/strict'
import type { Role } from '../../src/bitcoin/keys.js'
import { amountRefusal, fits, quote, type Quote } from '../../src/channel/quote.js'
import { blockHeight, satoshi, type BlockHeight } from '../../src/types/units.js'
import { assertRefused, assertStopped, eventOf, forge, take } from './asserts.js'
import { payment, World } from './world.js'

function quoted(world: World, side: Role, payer: Role = side): Quote {
  return quote(world[side].established, world[side].env(), payer)
}

/** What the server could pay if the tip were at a height. */
function at(world: World, height: BlockHeight | undefined): Quote {
  return quote(world.server.established, { height, isWatched: true })
}

describe('channel / what can be paid', () => {
  it('the first payment is worth settling; the next ones are not bounded below (UPD-10, UPD-13)', () => {
    const world = new World({ policy: { minFirstPayment: satoshi(700n) } }).open()
    assert.deepEqual(
      [quoted(world, 'client').least, quoted(world.paid(700n), 'client').least],
      [700n, 1n]
    )
  })

  it('what is signed is gone, acknowledged or not (UPD-18)', () => {
    const world = new World().open()
    world.pay(60_000n)
    assert.equal(quoted(world, 'client').room, 40_000n)
  })

  it('no more than the payee may have at stake (UPD-11), and in one payment no more than may be in flight (UPD-6)', () => {
    const world = new World({
      policy: { maxStake: satoshi(50_000n), maxInFlightValue: satoshi(20_000n) }
    })
      .open()
      .paid(10_000n)
      .paid(20_000n)
    assert.deepEqual(
      [quoted(world, 'client').room, quoted(world, 'client').most],
      [20_000n, 20_000n]
    )
    assert.equal(quoted(world.paid(20_000n), 'client').room, 0n)
  })

  it('nothing by the server of a one-way channel', () => {
    const world = new World().open().paid(40_000n)
    assert.deepEqual(
      [quoted(world, 'server').room, quoted(world, 'client', 'server').room],
      [0n, 0n]
    )
  })

  it('in the turn of the other side all that is ours, if a turn is left and worth it (TURN-1, TURN-3)', () => {
    const world = new World({ step: 20, policy: { minTurnAmount: satoshi(500n) } })
      .open()
      .paid(40_000n)
    const { takesTurn, left, room, least, most, refusal } = quoted(world, 'server')
    assert.deepEqual(
      { takesTurn, left, room, least, most, refusal },
      {
        takesTurn: true,
        left: 40_000n,
        room: 40_000n,
        least: 500n,
        most: quoted(world, 'client').most,
        refusal: undefined
      }
    )
    const having = (amount: bigint): bigint => {
      const policy = { minTurnAmount: satoshi(500n), minFirstPayment: satoshi(1n) }
      return quoted(new World({ step: 20, policy }).open().paid(amount), 'server').room
    }
    assert.deepEqual([having(499n), having(500n)], [0n, 500n])
    // L is 700: turn 1 begins at 700 - 24 - 2 x 20 at the latest.
    assert.deepEqual(
      [636, 637].map((height) => {
        const { room, refusal } = at(world, blockHeight(height))
        return [room, refusal?.code]
      }),
      [
        [40_000n, undefined],
        [0n, 'ERR_NO_TURN_LEFT']
      ]
    )
    const blind = at(world, undefined)
    assert.deepEqual([blind.room, blind.refusal?.code], [0n, 'ERR_CHAIN_UNAVAILABLE'])
  })
})

describe('channel / why an amount cannot be paid', () => {
  /** The first payment is worth 700 sat, 50,000 may be at stake, 20,000 go under one signature. */
  const bounded = (): World =>
    new World({
      policy: {
        minFirstPayment: satoshi(700n),
        maxStake: satoshi(50_000n),
        maxInFlightValue: satoshi(20_000n)
      }
    }).open()
  const nearlySpent = (): World => bounded().paid(20_000n).paid(20_000n).paid(9_000n)
  const cases = [
    ['nothing', 'UPD-13', 'ERR_INVALID_AMOUNT', 0n, 'UPD-13', bounded],
    ['less than nothing', 'UPD-13', 'ERR_INVALID_AMOUNT', -1n, undefined, bounded],
    ['more than there is', 'UPD-3', 'ERR_INSUFFICIENT_BALANCE', 51_001n, undefined, nearlySpent],
    ['a first one too small', 'UPD-10', 'ERR_BELOW_MIN_FIRST_PAYMENT', 699n, 'UPD-10', bounded],
    ['more than may be at stake', 'UPD-11', 'ERR_STAKE_TOO_HIGH', 1_001n, 'UPD-11', nearlySpent],
    ['more than the window', 'UPD-6', 'ERR_ABOVE_IN_FLIGHT_LIMIT', 20_001n, 'UPD-6', bounded]
  ] as const
  for (const [what, rule, code, amount, ofPayee, make] of cases) {
    it(`${what} (${rule}): the payer says what the quote says, and the payee goes by the same`, () => {
      const world = make()
      const quoted = quote(world.client.channel, world.client.env())
      const refusal = amountRefusal(quoted, amount)
      assert.deepEqual(
        [quoted.refusal, refusal?.rule, refusal?.error.code, fits(quoted, amount)],
        [undefined, rule, code, false]
      )
      const attempt = world.client.attempt({ type: 'pay', payments: [payment(amount)] })
      const { message, facts } = assertRefused(world.client, attempt, code)
      assert.deepEqual([message, facts], [refusal?.error.message, refusal?.error.facts])
      if (ofPayee === undefined) return
      const forged = eventOf(forge(world, { payments: [payment(amount)] }))
      assertStopped(world.server, world.server.post(forged), ofPayee, code)
    })
  }

  it('to the satoshi, what the quote lets pass both sides let pass', () => {
    for (const [make, amount] of [
      [bounded, 700n],
      [bounded, 20_000n],
      [nearlySpent, 1_000n]
    ] as const) {
      const world = make()
      const before = world.server.info.ourBalance
      const quoted = quote(world.client.channel, world.client.env())
      assert.deepEqual([fits(quoted, amount), amountRefusal(quoted, amount)], [true, undefined])
      assert.equal(world.paid(amount).server.info.ourBalance, before + amount)
    }
  })

  it('in the turn of the other side, what is not worth a turn, and what is too much (TURN-1, UPD-6)', () => {
    const world = new World({
      step: 20,
      policy: { minTurnAmount: satoshi(500n), maxInFlightValue: satoshi(20_000n) }
    })
      .open()
      .paid(20_000n)
      .paid(20_000n)
    const quoted = quote(world.server.channel, world.server.env())
    assert.deepEqual(
      [0n, 499n, 500n, 20_000n, 20_001n, 40_001n].map((amount) => {
        const refusal = amountRefusal(quoted, amount)
        return [refusal?.rule, refusal?.error.code]
      }),
      [
        ['UPD-13', 'ERR_INVALID_AMOUNT'],
        ['TURN-1', 'ERR_BELOW_MIN_TURN'],
        [undefined, undefined],
        [undefined, undefined],
        ['UPD-6', 'ERR_ABOVE_IN_FLIGHT_LIMIT'],
        ['UPD-3', 'ERR_INSUFFICIENT_BALANCE']
      ]
    )
  })

  it('a refusal of the turn is one of every amount, as long as it stands (TURN-5)', () => {
    const world = new World({ step: 20 }).open().paid(40_000n)
    world.server.post({ type: 'ask-turn', payments: [payment(1_000n)] })
    take(world, 'client', 'TurnRequest')
    const height = world.server.env().height ?? 0
    world.server.post({
      type: 'message',
      message: {
        type: 'TurnRefuse',
        turn: 1,
        code: 'ERR_TURN_TOO_EARLY',
        notBefore: height + 5,
        text: 'Later.'
      }
    })
    const codes = [height, height + 4, height + 5].map(
      (tip) => at(world, blockHeight(tip)).refusal?.code
    )
    assert.deepEqual(codes, ['ERR_TURN_REFUSED', 'ERR_TURN_REFUSED', undefined])
  })
})
