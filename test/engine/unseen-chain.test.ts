import assert from 'node:assert/strict'
import { codeFrom, quiet, twoNodes } from './world.js'

describe('engine / a payee that does not see the chain', () => {
  it('acknowledges nothing until it does: the lock could be over (FUND-4, UPD-17)', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    bob.view.setStatus('down')
    await quiet()
    assert.equal(await codeFrom(alice.pay(500n)), 'ERR_PAYMENT_UNKNOWN')
    assert.equal(bob.channel.ourBalance, 1_000n)
    bob.view.setStatus('synced')
    await quiet()
    await world.pass(1_000)
    assert.equal(bob.channel.ourBalance, 1_500n)
    assert.deepEqual(
      (await alice.payments()).map(({ status, amount }) => `${amount} ${status}`),
      ['1000 acknowledged', '500 acknowledged']
    )
  })

  it('nor does a payer that does not see it sign, or freeze the channel by a close', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    alice.view.setStatus('down')
    await quiet()
    assert.equal(await codeFrom(alice.pay(1_000n)), 'ERR_CHAIN_UNAVAILABLE')
    assert.equal(
      await codeFrom(alice.engine.close(alice.channel.id, false)),
      'ERR_CHAIN_UNAVAILABLE'
    )
    assert.deepEqual(world.said(alice, 'CloseRequest'), [])
  })
})
