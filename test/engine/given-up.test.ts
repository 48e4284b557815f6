/**
 * Openings of a server that came to nothing, as stores of before have them, and as they are kept
 * now.
 */
import assert from 'node:assert/strict'
import type { OpenChannel } from '../../protocols/paychan/1.0/index.js'
import type { Abandoned } from '../../src/channel/state.js'
import { checkStore } from '../../src/node/check.js'
import { encodeRecord } from '../../src/engine/records.js'
import { blockHeight } from '../../src/types/units.js'
import { txid } from '../../src/types/bytes.js'
import { RawPeer, idOf } from './raw-peer.js'
import { outPointOf, Stranger } from './stranger.js'
import { CAPACITY, twoNodes, type Node, type World } from './world.js'

const OUT_POINT = { txid: txid('cd'.repeat(32)), vout: 1 }

/**
 * Bob with the records of two openings as a release of before left them: one with T2, one without.
 */
async function oldStore(): Promise<{ world: World; bob: Node; offers: OpenChannel[] }> {
  const { world, bob } = await twoNodes()
  const mallory = new RawPeer(world, 'mallory')
  const disk = new Map(bob.store.snapshot())
  const offers: OpenChannel[] = []
  for (const outPoint of [OUT_POINT, undefined]) {
    const offer = mallory.offer(world.chain.height)
    offers.push(offer)
    const old: Abandoned = {
      stage: 'abandoned',
      id: idOf(offer),
      peer: 'mallory',
      address: 'mallory',
      role: 'server',
      keys: { high: 1, low: 2 },
      openedAt: 1,
      capacity: CAPACITY,
      refundHeight: blockHeight(offer.refundHeight),
      code: 'ERR_OPEN_TIMEOUT',
      reason: 'The peer took too long.',
      facts: {},
      outPoint,
      theirKey: offer.channelKey
    }
    disk.set(`channel/${old.id}`, encodeRecord(`channel/${old.id}`, old))
  }
  await bob.restart(disk)
  return { world, bob, offers }
}

describe('engine / openings that a server has given up', () => {
  it('in a store of before are brought down to what must never be signed again', async () => {
    const { world, bob, offers } = await oldStore()
    assert.deepEqual(bob.engine.channels(), [])
    assert.deepEqual(
      [...bob.store.snapshot().keys()]
        .filter((key) => /^(channel|known)\//.test(key))
        .map((key) => key.slice(0, 6)),
      ['known/']
    )
    const again = new RawPeer(world, 'again')
    const refusals: Array<string | undefined> = []
    for (const offer of offers) {
      const stream = await again.stream('bob')
      await stream.say(offer)
      refusals.push(stream.refusal?.rule)
    }
    assert.deepEqual(refusals, ['KEY-3', undefined], 'the one without T2 has left nothing')
  })

  it('keep their outpoint from being signed for again, over restarts (REF-2)', async () => {
    const { world, bob } = await twoNodes()
    await Stranger.withRefund(world, 'mallory')
    await world.mine(200)
    await bob.restart()
    const other = await Stranger.asks(world, 'other')
    await other.askForRefund(outPointOf('mallory'))
    assert.equal(other.stream.refusal?.rule, 'REF-2')
  })

  it('whose record is damaged are told, keep K1, and stop nothing', async () => {
    const { world, bob } = await twoNodes()
    const { offer } = await Stranger.withRefund(world, 'mallory')
    await world.mine(200)
    const disk = new Map(bob.store.snapshot())
    const [key] = [...disk.keys()].filter((one) => one.startsWith('known/'))
    assert.ok(key !== undefined)
    disk.set(key, Uint8Array.of(1, 2, 3))
    await bob.restart(disk)
    assert.ok(bob.alarms.includes('ERR_STORE_CORRUPT'))
    const { store } = await checkStore(bob.store, undefined)
    assert.deepEqual(
      store.map(({ severity }) => severity),
      ['incomplete']
    )
    const stream = await new RawPeer(world, 'again').stream('bob')
    await stream.say({ ...offer, refundHeight: world.chain.height + 60 })
    assert.equal(stream.refusal?.rule, 'KEY-3')
  })
})
