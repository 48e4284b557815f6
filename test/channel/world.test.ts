/** The whole story once, by the seed's numbers, before the rules one by one. */
import assert from 'node:assert/strict'
import { World } from './world.js'

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
