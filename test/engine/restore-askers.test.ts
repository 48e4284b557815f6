/** Who asks for channels, and what is told (RESTORE-1, RESTORE-2). */
import assert from 'node:assert/strict'
import { reestablishOf } from '../protocols/reestablish.js'
import { RawPeer } from './raw-peer.js'
import { twoNodes, type Node, type World } from './world.js'

async function opened(): Promise<{ world: World; alice: Node; bob: Node }> {
  const nodes = await twoNodes()
  await nodes.world.open(nodes.alice, nodes.bob)
  return nodes
}

describe('engine / who is told', () => {
  it('nobody but the peer that a channel was opened with (ID-2)', async () => {
    const { world, alice } = await opened()
    const mallory = new RawPeer(world, 'mallory')
    const stream = await mallory.stream('bob')
    assert.deepEqual(await stream.say({ type: 'RestoreRequest', after: new Uint8Array(0) }), {
      type: 'RestoreDone'
    })
    assert.deepEqual(await stream.say({ type: 'ChannelReady' }), {
      type: 'Error',
      code: 'ERR_UNEXPECTED_MESSAGE',
      rule: 'ERR-2',
      text: 'ChannelReady has no place on a stream that asks for channels.',
      fatal: false
    })
    assert.equal(alice.channel.status, 'open')
  })

  it('a stranger that speaks of channels that nobody has is asked once', async () => {
    const { world, bob } = await opened()
    const mallory = new RawPeer(world, 'mallory')
    for (let n = 0; n < 5; n++) {
      const stream = await mallory.stream('bob')
      await stream.say(reestablishOf({ channelId: new Uint8Array(32).fill(n) }))
      assert.equal(stream.refusal?.code, 'ERR_UNKNOWN_CHANNEL')
    }
    assert.equal(mallory.incoming.length, 1)
    await mallory.incoming[0]?.say({ type: 'RestoreDone' })
    const again = await mallory.stream('bob')
    await again.say(reestablishOf({ channelId: new Uint8Array(32).fill(9) }))
    assert.equal(mallory.incoming.length, 1)
    assert.equal(bob.engine.channels().length, 1)
  })
})
