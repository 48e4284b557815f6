/**
 * A disk that fails: the engine halts as a whole, nothing is said any more, and a restart has all
 * that was acknowledged.
 */
import assert from 'node:assert/strict'
import { satoshi } from '../../src/types/units.js'
import { BLOCKS, CAPACITY, codeFrom, quiet, soon, twoNodes } from './world.js'

describe('engine / a disk that fails', () => {
  it('of the payee: nothing is acknowledged, there is one alarm, and a restart has all that was acknowledged before', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    const acks = world.said(bob, 'UpdateAck').length
    bob.store.failNext()
    assert.equal(await codeFrom(alice.pay(500n)), 'ERR_PAYMENT_UNKNOWN')
    assert.equal(world.said(bob, 'UpdateAck').length, acks)
    assert.deepEqual(bob.alarms, ['ERR_STORE_FAILED'])
    await bob.restart()
    assert.equal(bob.channel.ourBalance, 1_000n)
    await world.pass(2_000)
    assert.equal(bob.channel.ourBalance, 1_500n, 'the payment is made after all, once')
    assert.equal(alice.channel.ourBalance, CAPACITY - 1_500n)
  })

  it('of the payer: nothing is sent; what is signed may be on the disk all the same, so it is unknown', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    const updates = world.said(alice, 'Update').length
    alice.store.failNext()
    assert.equal(await codeFrom(alice.pay(1_000n)), 'ERR_PAYMENT_UNKNOWN')
    assert.equal(world.said(alice, 'Update').length, updates)
    assert.deepEqual(alice.alarms, ['ERR_STORE_FAILED'])
    assert.equal(bob.channel.ourBalance, 0n)
    await alice.restart()
    await world.pass(2_000)
    assert.deepEqual([bob.channel.ourBalance, alice.channel.ourBalance], [0n, CAPACITY])
  })

  it('of the payer as the acknowledgement arrives: the payment is done, since the payee has it, and the node stops', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    const acks = world.said(bob, 'UpdateAck').length
    const paying = alice.pay(1_000n)
    await soon(
      () => world.said(bob, 'UpdateAck').length > acks,
      () => {
        alice.store.failNext()
      }
    )
    assert.equal((await paying).status, 'acknowledged')
    await world.pass(20)
    assert.deepEqual(alice.alarms, ['ERR_STORE_FAILED'])
    await alice.restart()
    await world.pass(2_000)
    assert.deepEqual(
      (await alice.payments()).map(({ status }) => status),
      ['acknowledged']
    )
  })

  it('under one channel ends the others too: none of them says a word, what is in flight is unknown, what is not signed is refused', async () => {
    const { world, alice, bob } = await twoNodes({ coin: 2_000_000n })
    const first = await world.open(alice, bob)
    const second = await world.open(alice, bob)
    bob.life.holdDisk()
    const inFlight = codeFrom(alice.engine.pay(second.id, satoshi(1_000n), ''))
    await quiet()
    alice.store.failNext()
    const failing = codeFrom(alice.engine.pay(first.id, satoshi(1_000n), ''))
    assert.deepEqual(
      [await failing, await inFlight],
      ['ERR_PAYMENT_UNKNOWN', 'ERR_PAYMENT_UNKNOWN']
    )
    const said = world.said(alice).length
    bob.life.releaseDisk()
    await world.mine(2)
    await world.pass(120_000)
    assert.equal(
      await codeFrom(alice.engine.pay(second.id, satoshi(1_000n), '')),
      'ERR_STORE_FAILED'
    )
    assert.equal(await codeFrom(alice.engine.close(second.id, false)), 'ERR_STORE_FAILED')
    assert.equal(
      await codeFrom(
        alice.engine.open({ peer: 'bob', capacity: CAPACITY, blocks: BLOCKS, wait: 'ready' })
      ),
      'ERR_STORE_FAILED'
    )
    assert.equal(world.said(alice).length, said)
    assert.deepEqual(alice.alarms, ['ERR_STORE_FAILED'])
    assert.equal(alice.life.watching, 0)
  })

  it('takes no streams any more', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    bob.store.failNext()
    await codeFrom(alice.pay(1_000n))
    const said = world.said(bob).length
    await world.pass(120_000)
    assert.equal(world.said(bob).length, said)
    assert.equal(alice.channel.status, 'offline')
  })

  it('of the client while a channel opens: T1 does not leave, and the opening is refused', async () => {
    const { world, alice, bob } = await twoNodes()
    const opening = codeFrom(
      alice.engine.open({ peer: 'bob', capacity: satoshi(100_000n), blocks: BLOCKS, wait: 'ready' })
    )
    await soon(
      () => world.said(bob, 'RefundSignature').length !== 0,
      () => {
        alice.store.failNext()
      }
    )
    assert.equal(await opening, 'ERR_STORE_FAILED')
    assert.deepEqual(world.broadcasts(alice), [])
    await alice.restart()
    assert.equal(alice.channel.status, 'abandoned')
    assert.deepEqual(alice.wallet.reservedFor, [])
  })
})
