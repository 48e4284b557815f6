/** The short way to a channel takes the one that the plan would take, or leaves it to the plan. */
import assert from 'node:assert/strict'
import { planPayment } from '../../src/node/plan-payment.js'
import { satoshi } from '../../src/types/units.js'
import { CAPACITY, twoNodes, type Node, type World } from './world.js'

async function twoChannels(): Promise<{ world: World; alice: Node; bob: Node; ids: string[] }> {
  const { world, alice, bob } = await twoNodes({ coin: 2_000_000n })
  const ids = [(await world.open(alice, bob)).id, (await world.open(alice, bob)).id]
  return { world, alice, bob, ids }
}

describe('engine / the channel that carries a payment', () => {
  it('is one whose first payment that is, when it is worth settling (UPD-10)', async () => {
    const { alice, ids } = await twoChannels()
    assert.equal(alice.engine.channelFor('bob', satoshi(1n)), undefined)
    assert.ok(ids.includes(alice.engine.channelFor('bob', satoshi(1_000n)) ?? ''))
  })

  it('is the one that a plan has, whoever is meant and whatever the amount', async () => {
    const { alice, ids } = await twoChannels()
    for (const { id } of alice.engine.channels()) {
      await alice.engine.pay(id, satoshi(id === ids[0] ? 100_000n : 5_000n), '')
    }
    let taken = 0
    for (const to of ['bob', ...ids]) {
      for (const amount of [1n, 1_000n, 399_999n, 400_000n, 400_001n, CAPACITY - 5_000n]) {
        const channel = alice.engine.channelFor(to, satoshi(amount))
        if (channel === undefined) continue
        taken += 1
        assert.deepEqual(planPayment(alice.engine.payable(), to, amount), [{ channel, amount }])
      }
    }
    assert.equal(taken, 6 + 4 + 6)
  })

  it('is none when there is not enough, the peer is away, or the other side pays', async () => {
    const { world, alice, bob, ids } = await twoChannels()
    for (const { id } of alice.engine.channels()) await alice.engine.pay(id, satoshi(1_000n), '')
    assert.equal(alice.engine.channelFor('bob', CAPACITY), undefined)
    assert.equal(bob.engine.channelFor('alice', satoshi(1n)), undefined)
    assert.equal(alice.engine.channelFor('carol', satoshi(1n)), undefined)
    await world.cut(alice, bob)
    for (const to of ['bob', ...ids]) {
      assert.equal(alice.engine.channelFor(to, satoshi(1n)), undefined)
    }
  })
})
