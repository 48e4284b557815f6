import assert from 'node:assert/strict'
import { BufferingListener } from '../../src/engine/streams.js'
import type { Peers } from '../../src/engine/ports.js'
import { reach } from '../../src/engine/redial.js'
import { messageOf, PaychanError } from '../../src/types/errors.js'
import { codeFrom, quiet, twoNodes, type Node } from './world.js'

describe('engine / redialling', () => {
  // Found by a simulation: once a second, for as long as the payee's server was away.
  it('a payee without a view of the chain, which ends each stream at the first update, is dialled less and less often', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(5_000n)
    bob.view.setStatus('down')
    await quiet()
    const paying = alice.pay(1_000n)
    paying.catch(() => {})
    for (let second = 0; second < 1_800; second++) await world.pass(1_000)
    const dialled = world.said(alice, 'Reestablish').length
    assert.ok(dialled >= 20 && dialled <= 60, `${dialled} streams in half an hour`)
    bob.view.setStatus('synced')
    for (let second = 0; second < 90; second++) await world.pass(1_000)
    assert.equal(alice.channel.status, 'open')
    assert.equal(bob.channel.ourBalance, 6_000n)
  })

  const failures = (node: Node): number =>
    node.story.filter(({ kind }) => kind === 'not-reconnected').length

  it('a dial that many payments wait for is told of once', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await world.cut(alice, bob)
    const codes = await Promise.all(
      Array.from({ length: 300 }, async () => await codeFrom(alice.pay(1n)))
    )
    assert.deepEqual([...new Set(codes)], ['ERR_PEER_UNREACHABLE'])
    assert.equal(failures(alice), 1)
  })

  it('a payer that pays all the time does not hurry past the growing delays, and has a stream once there is a peer', async () => {
    let dials = 0
    const counted = (peers: Peers): Peers => ({
      ...peers,
      open: async (...args) => {
        dials += 1
        return await peers.open(...args)
      }
    })
    const { world, alice, bob } = await twoNodes({ peers: counted })
    await world.open(alice, bob)
    await world.cut(alice, bob)
    dials = 0
    for (let tenth = 0; tenth < 600; tenth++) {
      alice.pay(1n).catch(() => {})
      await world.pass(100)
    }
    // After 0, 0, 2, 6, 14 s and then every ten.
    assert.ok(dials >= 6 && dials <= 12, `${dials} dials in a minute`)
    assert.ok(failures(alice) <= 12, `${failures(alice)} times in a minute`)
    world.mend(alice, bob)
    for (let second = 0; second < 10 && alice.channel.status !== 'open'; second++) {
      alice.pay(1n).catch(() => {})
      await world.pass(1_000)
    }
    assert.equal(alice.channel.status, 'open')
  })

  it('the first payment after a break waits for nothing', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await world.cut(alice, bob)
    world.mend(alice, bob)
    await alice.pay(5_000n)
    assert.equal(bob.channel.ourBalance, 5_000n)
  })

  it('why a peer does not answer at its address is not lost where no other address is known', async () => {
    const link = { address: '/ip4/192.0.2.1/tcp/9800/p2p/BOB', peer: 'BOB' }
    const peers = (second: string): Pick<Peers, 'open'> => ({
      open: async (peer) =>
        await Promise.reject(
          peer === 'BOB'
            ? PaychanError.of(second, 'second')
            : new PaychanError(
                'ERR_PEER_UNREACHABLE',
                'BOB could not be reached: connect ECONNREFUSED'
              )
        )
    })
    const reached = async (second: string): Promise<string> =>
      await reach(peers(second) as Peers, link, new BufferingListener()).then(
        () => 'reached',
        messageOf
      )
    assert.equal(
      await reached('ERR_PEER_UNKNOWN'),
      'BOB could not be reached: connect ECONNREFUSED'
    )
    assert.equal(
      await reached('ERR_PEER_UNREACHABLE'),
      'BOB could not be reached: connect ECONNREFUSED'
    )
    assert.equal(await reached('ERR_NO_PAYCHAN'), 'second')
  })
})
