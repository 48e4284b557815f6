/** What still waits when a stream has been ended here is not heard any more (REEST-6). */
import assert from 'node:assert/strict'
import { quiet, twoNodes } from './world.js'

describe('engine / messages of a stream that was ended here', () => {
  it('are dropped: an update behind one that was refused for now is no broken rule', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await bob.restart()
    await world.pass(2_000)
    bob.view.setStatus('down')
    // While bob writes down that the stream is over, the next one arrives.
    bob.life.holdDisk()
    for (const [memo, amount] of [
      ['one', 1_000n],
      ['two', 2_000n]
    ] as const) {
      // Unknown for the moment; what becomes of it shows in the end.
      alice.pay(amount, memo).catch(() => {})
      await quiet()
    }
    bob.view.setStatus('synced')
    bob.life.releaseDisk()
    for (let second = 0; second < 5; second++) await world.pass(1_000)
    assert.deepEqual(
      [alice.channel.status, bob.channel.status, bob.channel.ourBalance],
      ['open', 'open', 3_000n]
    )
    assert.deepEqual(bob.alarms, [])
  })
})
