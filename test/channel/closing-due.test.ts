/** TIME-5: a channel whose payments are over ends in peace, without anybody asking. */
import assert from 'node:assert/strict'
import { feeRate } from '../../src/types/units.js'
import { effectsOf, sentOf } from './asserts.js'
import { copyOf } from './reestablish-stories.js'
import { World } from './world.js'

/** L is 700: the last payment is at height 652, the server settles at 664. */
const LAST_PAYMENT = 652

const kinds = (world: World): Array<string | undefined> =>
  [world.client, world.server].map((side) => side.established.onChain.spend?.kind)

describe('channel / closing by height (TIME-5)', () => {
  it('the server asks three blocks after the last payment, and both get their shares', () => {
    const world = new World()
      .open()
      .paid(40_000n)
      .mineTo(LAST_PAYMENT + 2)
    assert.deepEqual([world.client.established.closes, world.server.established.closes], [[], []])
    world.mineTo(LAST_PAYMENT + 5)
    assert.deepEqual(kinds(world), ['close', 'close'])
    const { client, server, fee } = world.payouts()
    assert.deepEqual([client, server], [60_000n, 40_000n - fee])
  })

  it('the client asks six blocks after the last payment when the server was paid nothing', () => {
    const world = new World().open().mineTo(LAST_PAYMENT + 5)
    assert.deepEqual(sentOf(world.client.effects, 'CloseRequest'), [])
    world.mineTo(LAST_PAYMENT + 8)
    assert.deepEqual(kinds(world), ['close', 'close'])
    const { client, fee } = world.payouts()
    assert.equal(client, 100_000n - fee)
  })

  it('costs at most a quarter of the share of who asks: with a small one the other side goes ahead, or both wait for cheaper blocks', () => {
    const world = new World()
      .open()
      .paid(1_000n)
      .mineTo(LAST_PAYMENT + 5)
    assert.deepEqual(
      sentOf(world.server.effects, 'CloseRequest'),
      [],
      '169 vB at 2.2 sat/vB are 371 of 1,000 sat'
    )
    for (const side of [world.client, world.server]) side.feeRate = feeRate(200_000n)
    world.mineTo(LAST_PAYMENT + 8)
    assert.deepEqual(sentOf(world.client.effects, 'CloseRequest'), [])
    for (const side of [world.client, world.server]) side.feeRate = feeRate(2_000n)
    world.mine(2)
    assert.deepEqual(kinds(world), ['close', 'close'])
    assert.equal(world.payouts().server, 1_000n)
  })

  it('is asked for once', () => {
    const world = new World().open().paid(40_000n)
    world.chain.lowestFeeRate = 1_000_000_000n
    world.mineTo(LAST_PAYMENT + 10)
    assert.equal(
      sentOf(world.server.effects, 'CloseRequest').length +
        sentOf(world.client.effects, 'CloseRequest').length,
      1
    )
  })

  it('waits until the other side is there; nobody is frozen meanwhile', () => {
    const world = new World()
      .open()
      .paid(40_000n)
      .disconnect()
      .mineTo(LAST_PAYMENT + 5)
    assert.deepEqual([world.client.established.closes, world.server.established.closes], [[], []])
    world.connect().run().mine(2)
    assert.deepEqual(kinds(world), ['close', 'close'])
  })

  it('is not asked for while nobody sees the chain', () => {
    const world = new World().open().paid(40_000n)
    world.client.blind = world.server.blind = true
    world.mineTo(LAST_PAYMENT + 5)
    world.server.post({ type: 'tip' })
    assert.deepEqual(sentOf(world.server.effects, 'CloseRequest'), [])
  })

  it('is left out when the user has settled already', () => {
    const world = new World().open().paid(40_000n)
    world.chain.lowestFeeRate = 1_000_000_000n
    world.server.post({ type: 'settle' })
    world.mineTo(LAST_PAYMENT + 10)
    assert.deepEqual([world.client.established.closes, world.server.established.closes], [[], []])
  })

  it('changes nothing about the settlement when it is stuck (CLOSE-8)', () => {
    const world = new World().open().paid(40_000n)
    world.chain.lowestFeeRate = 1_000_000_000n
    world.mineTo(664)
    assert.equal(world.server.established.publication?.kind, 'settlement')
  })
})

describe('channel / closing / asked again and again (CLOSE-7)', () => {
  it('stops at ten times the estimate: the share is not for miners', () => {
    const world = new World().open().paid(40_000n)
    world.chain.lowestFeeRate = 1_000_000_000n
    for (let n = 0; n < 30; n++) {
      world.client.post({ type: 'close' })
      world.run()
    }
    const fees = sentOf(world.client.effects, 'CloseRequest').map(({ fee }) => fee)
    const [first = 0n] = fees
    assert.ok(fees.length > 3 && fees.every((fee) => fee <= first * 10n), fees.join())
    assert.equal(
      effectsOf(world.client.effects, 'close-refused').at(-1)?.error.code,
      'ERR_CLOSE_FEE_TOO_HIGH'
    )
  })
})

describe('channel / closing / on a channel where payments have ended', () => {
  it('the payer may ask although something is in flight: it will not arrive any more (REEST-4, CLOSE-1)', () => {
    const world = new World().open().paid(40_000n)
    const { goBack } = copyOf(world, 'server')
    world.paid(2_000n).pay(1_000n)
    goBack().connect().run()
    assert.equal(world.client.info.status, 'stopped')
    world.client.post({ type: 'close' })
    world.run().mine()
    const { client, server: toServer, fee } = world.payouts()
    assert.deepEqual([client, toServer], [58_000n - fee, 42_000n])
  })
})
