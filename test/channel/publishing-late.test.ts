/**
 * Two-way: the newest state comes back to the mempool when older ones have matured as well (TIME-4,
 * TIME-7).
 */
import assert from 'node:assert/strict'
import { feeRate } from '../../src/types/units.js'
import { World } from './world.js'

/**
 * L = 700, turns 1 apart. The client was paid 15,000 last and published that at 698; it is in no
 * block, and so T2 has matured, too.
 */
function undone(lost: boolean): World {
  const world = new World({ step: 1 })
    .open()
    .paidBy('client', 40_000n)
    .paidBy('server', 15_000n)
    .disconnect()
    .mineTo(699)
  const { publication } = world.client.established
  assert.deepEqual([publication?.turn, world.client.info.spend?.height], [1, 699])
  world.mine()
  assert.equal(world.server.established.publication, undefined, 'the newer one is in a block')
  assert.ok(publication)
  return world.reorg(2, lost ? [publication.txid] : [])
}

/** News go back and forth until nobody has an answer. */
function settled(world: World): World {
  for (let n = 0; n < 40; n++) world.lookAtChain()
  return world
}

describe('channel / publishing / two-way, after a reorganisation', () => {
  for (const lost of [true, false]) {
    it(`a normal bid is all that a newer state has to stand, if it pays what the next block takes, although T2 has matured (TIME-7, EVID-5); ${lost ? 'lost with its block' : 'back in the mempool'}`, () => {
      const world = settled(undone(lost))
      const { client, server, fee } = world.mine().payouts()
      assert.deepEqual([client, server], [75_000n - fee, 25_000n])
      assert.ok(fee < 3_620n, `nobody has outbid anybody, and ${fee} sat are gone`)
    })
  }

  it('publishes what it holds when the newer one pays less than that', () => {
    const world = undone(false)
    world.server.feeRate = feeRate(50_000n)
    world.chain.lowestFeeRate = 1_000_000_000n
    world.client.dead = true
    world.mine()
    assert.equal(world.server.established.publication?.turn, 0)
    assert.equal(world.server.established.onChain.shown[0]?.turn, 0)
  })

  it('publishes what it holds when the newer one is in sight no more', () => {
    const world = settled(undone(true))
    world.server.post({
      type: 'history',
      history: { ...world.chain.history(world.funding.outPoint), spends: [] }
    })
    assert.equal(world.server.established.publication?.turn, 0)
  })

  it('publishes what it holds, whatever a newer one pays that two servers show: for a normal bid until a block has passed over that, and then for what it takes (EVID-5)', () => {
    const world = undone(false)
    world.chain.servers = 2
    world.chain.lowestFeeRate = 1_000_000_000n
    world.client.dead = true
    const fees = [843, 844, 850].map((height) => {
      world.mineTo(height)
      return world.server.established.publication?.fee ?? 0n
    })
    assert.equal(world.server.established.publication?.turn, 0)
    assert.ok(
      fees.every((fee) => fee > 0n && fee <= 30_000n),
      fees.join()
    )
    const shown = world.server.established.onChain.shown.find(({ turn }) => turn === 1)
    assert.ok(shown === undefined || (shown.since ?? 0) < world.chain.height)
  })
})
