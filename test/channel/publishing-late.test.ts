/** Two-way: the newest state comes back to the mempool when older ones have matured as well (TIME-4, TIME-7). */
import assert from 'node:assert/strict'
import { feeRate } from '../../src/types/units.js'
import { World } from './world.js'

/** L = 700, turns 1 apart. The client was paid 15,000 last and published that at 698; it is in no block, and so T2 has matured, too. */
function undone (lost: boolean): World {
  const world = new World({ step: 1 }).open().paidBy('client', 40_000n).paidBy('server', 15_000n).disconnect().mineTo(699)
  const { publication } = world.client.established
  assert.deepEqual([publication?.turn, world.client.info.spend?.height], [1, 699])
  world.mine()
  assert.equal(world.server.established.publication, undefined, 'the newer one is in a block')
  assert.ok(publication)
  return world.reorg(2, lost ? [publication.txid] : [])
}

/** News go back and forth until nobody has an answer. */
function settled (world: World): World {
  for (let n = 0; n < 40; n++) world.lookAtChain()
  return world
}

describe('channel / publishing / two-way, after a reorganisation', () => {
  for (const lost of [true, false]) {
    it(`does not compete with a newer state that pays what the next block takes, although T2 has matured (TIME-7); ${lost ? 'lost with its block' : 'back in the mempool'}`, () => {
      const world = settled(undone(lost))
      assert.equal(world.server.established.publication, undefined)
      const { client, server, fee } = world.mine().payouts()
      assert.deepEqual([client, server], [75_000n - fee, 25_000n])
      assert.ok(fee < 1_000n, `nobody has outbid anybody, and ${fee} sat are gone`)
    })
  }

  it('publishes what it holds when the newer one pays less than that', () => {
    const world = undone(false)
    world.server.feeRate = feeRate(50_000n)
    world.chain.lowestFeeRate = 1_000_000_000n
    world.client.dead = true
    world.mine()
    assert.equal(world.server.established.publication?.turn, 0)
    assert.equal(world.server.established.onChain.spend?.turn, 0)
  })

  it('publishes what it holds when the newer one is in sight no more', () => {
    const world = settled(undone(true))
    world.server.post({ type: 'history', history: { ...world.chain.history(world.funding.outPoint), spends: [] } })
    assert.equal(world.server.established.publication?.turn, 0)
  })

  it('waits no longer than a day for a newer one that no block takes, whatever it pays', () => {
    const world = undone(false)
    const turn = (): number | undefined => world.server.established.publication?.turn
    world.chain.lowestFeeRate = 1_000_000_000n
    world.client.dead = true
    world.mineTo(843)
    assert.equal(turn(), undefined)
    world.mine()
    assert.equal(turn(), 0)
  })
})
