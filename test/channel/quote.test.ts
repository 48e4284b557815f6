import assert from 'node:assert/strict'
import type { Role } from '../../src/bitcoin/keys.js'
import { quote, type Quote } from '../../src/channel/quote.js'
import { satoshi } from '../../src/types/units.js'
import { World } from './world.js'

function quoted(world: World, side: Role, payer: Role = side): Quote {
  return quote(world[side].established, payer, world[side].env().height)
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
    assert.deepEqual(quoted(world, 'server'), {
      takesTurn: true,
      room: 40_000n,
      least: 500n,
      most: quoted(world, 'client').most
    })
    const poor = new World({
      step: 20,
      policy: { minTurnAmount: satoshi(500n), minFirstPayment: satoshi(1n) }
    })
      .open()
      .paid(499n)
    assert.equal(quoted(poor, 'server').room, 0n)
    assert.equal(
      quote(world.server.established, 'server', undefined).room,
      0n,
      'whose height is not known'
    )
  })
})
