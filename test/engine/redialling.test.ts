import assert from 'node:assert/strict'
import { quiet, twoNodes } from './world.js'

describe('engine / redialling', () => {
  // Found by a simulation: once a second, for as long as the payee's server was away.
  it('a payee without a view of the chain, which ends each stream at the first update, is dialled less and less often', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(5_000n)
    bob.chain.disconnect()
    await quiet()
    const paying = alice.pay(1_000n)
    paying.catch(() => {})
    for (let second = 0; second < 1_800; second++) await world.pass(1_000)
    const dialled = world.said(alice, 'Reestablish').length
    assert.ok(dialled >= 20 && dialled <= 60, `${dialled} streams in half an hour`)
    bob.chain.reconnect()
    for (let second = 0; second < 90; second++) await world.pass(1_000)
    assert.equal(alice.channel.status, 'open')
    assert.equal(bob.channel.ourBalance, 6_000n)
  })
})
