/** Either side pays: callers do not see turns, unless there is none left. */
import assert from 'node:assert/strict'
import { blockDelta } from '../../src/types/units.js'
import type { Chain } from '../../src/engine/ports.js'
import {
  CAPACITY,
  codeFrom,
  quiet,
  twoNodes,
  type Node,
  type NodeSetup,
  type World
} from './world.js'

/** L 300 blocks away, turns 20 apart: twelve turns, of which six are free. */
async function twoWay(client: NodeSetup = {}): Promise<{ world: World; alice: Node; bob: Node }> {
  const nodes = await twoNodes(client)
  const opening = nodes.alice.engine.open({
    peer: 'bob',
    capacity: CAPACITY,
    blocks: blockDelta(300),
    step: blockDelta(20),
    wait: 'ready'
  })
  await quiet()
  await nodes.world.mine()
  await opening
  return nodes
}

const turnOf = (node: Node): number | undefined => node.channel.turns?.number

describe('engine / turns', () => {
  it('alice pays bob, and bob pays alice', async () => {
    const { alice, bob } = await twoWay()
    await alice.pay(40_000n, 'rent')
    const { direction } = await bob.pay(15_000n, 'deposit back')
    assert.equal(direction, 'sent')
    await bob.pay(5_000n)
    await alice.pay(1_000n)
    assert.deepEqual(
      [alice.channel.ourBalance, bob.channel.ourBalance, turnOf(alice), turnOf(bob)],
      [CAPACITY - 21_000n, 21_000n, 2, 2]
    )
    assert.deepEqual(
      [alice.channel.payments, bob.channel.payments],
      [
        { sent: 2, received: 2 },
        { sent: 2, received: 2 }
      ]
    )
    assert.deepEqual(
      (await alice.payments()).map(({ direction, amount }) => [direction, amount]),
      [
        ['sent', 40_000n],
        ['received', 15_000n],
        ['received', 5_000n],
        ['sent', 1_000n]
      ]
    )
  })

  it('is four writes with the payments in it: who asks, who grants, who pays, and who is paid', async () => {
    const { world, alice, bob } = await twoWay()
    await alice.pay(40_000n)
    await world.pass(1_000)
    const before = [alice.commits, bob.commits]
    await Promise.all([bob.pay(1_000n), bob.pay(2_000n)])
    assert.deepEqual([alice.commits - (before[0] ?? 0), bob.commits - (before[1] ?? 0)], [2, 2])
    assert.deepEqual([turnOf(alice), turnOf(bob)], [1, 1])
  })

  it('both at once: each gets its turn, and nobody waits for ever', async () => {
    const { alice, bob } = await twoWay()
    await alice.pay(40_000n)
    const both = Array.from({ length: 30 }, (_, n) => [
      alice.pay(1_000n + BigInt(n)),
      bob.pay(1_000n)
    ]).flat()
    await Promise.all(both)
    assert.deepEqual(
      [alice.channel.ourBalance, bob.channel.ourBalance],
      [CAPACITY - 40_435n, 40_435n]
    )
    assert.ok((turnOf(alice) ?? 99) <= 3, `it took ${turnOf(alice)} turns`)
  })

  it('payments that wait for a turn are refused one by one when there is none left, and none was made', async () => {
    const { world, alice, bob } = await twoWay()
    await alice.pay(40_000n)
    await world.mineTo(alice.channel.refundHeight - 60)
    const codes = await Promise.all([codeFrom(bob.pay(1_000n)), codeFrom(bob.pay(2_000n))])
    assert.deepEqual(codes, ['ERR_NO_TURN_LEFT', 'ERR_NO_TURN_LEFT'])
    assert.deepEqual([bob.channel.ourBalance, bob.channel.status], [40_000n, 'open'])
    await alice.pay(1n)
  })

  it('payments that wait for a turn when the stream breaks were not sent, and can be made again', async () => {
    const { world, alice, bob } = await twoWay()
    await alice.pay(40_000n)
    world.cutAt(bob, 'TurnRequest')
    assert.equal(await codeFrom(bob.pay(1_000n)), 'ERR_PEER_UNREACHABLE')
    world.mend(alice, bob)
    for (let second = 0; second < 3; second++) await world.pass(1_000)
    await bob.pay(1_000n)
    assert.equal(alice.channel.ourBalance, CAPACITY - 39_000n)
  })

  it('a peer that never answers the request is hung up on (WIRE-12)', async () => {
    const { world, alice, bob } = await twoWay()
    await alice.pay(40_000n)
    alice.life.holdDisk()
    const waiting = codeFrom(bob.pay(1_000n))
    await quiet()
    await world.pass(120_000)
    assert.equal(await waiting, 'ERR_PEER_UNREACHABLE')
    alice.life.releaseDisk()
    for (let second = 0; second < 3; second++) await world.pass(1_000)
    await bob.pay(1_000n)
    assert.equal(alice.channel.ourBalance, CAPACITY - 39_000n)
  })

  it('the servers of the chain are away for a moment when the turn is asked for: the payment is made once they are back, in the same block', async () => {
    const { alice, bob } = await twoWay()
    await alice.pay(40_000n)
    alice.view.setStatus('down')
    await quiet()
    assert.equal(await codeFrom(bob.pay(1_000n)), 'ERR_TURN_REFUSED')
    alice.view.setStatus('synced')
    await quiet()
    await bob.pay(1_000n)
    assert.deepEqual(
      [alice.channel.ourBalance, turnOf(alice), turnOf(bob)],
      [CAPACITY - 39_000n, 1, 1]
    )
  })

  it('the payer was started again, and has not seen the chain yet: the payment is made once it has, also by one that was started again meanwhile', async () => {
    let isDark = false
    const dark = (chain: Chain): Chain =>
      new Proxy(chain, {
        get: (target, name) =>
          name === 'tip' && isDark ? undefined : (Reflect.get(target, name) as unknown)
      })
    const { world, alice, bob } = await twoWay({ chain: dark })
    await alice.pay(40_000n)
    isDark = true
    await alice.restart()
    for (let second = 0; second < 3; second++) await world.pass(1_000)
    assert.equal(await codeFrom(bob.pay(1_000n)), 'ERR_TURN_REFUSED')
    isDark = false
    await bob.restart()
    for (let second = 0; second < 3; second++) await world.pass(1_000)
    await bob.pay(1_000n)
    assert.deepEqual(
      [alice.channel.ourBalance, turnOf(alice), turnOf(bob)],
      [CAPACITY - 39_000n, 1, 1]
    )
  })

  it('is all there again after a restart of both', async () => {
    const { world, alice, bob } = await twoWay()
    await alice.pay(40_000n)
    await bob.pay(15_000n)
    await alice.restart()
    await bob.restart()
    for (let second = 0; second < 3; second++) await world.pass(1_000)
    await bob.pay(1_000n)
    await alice.pay(1_000n)
    assert.deepEqual(
      [alice.channel.ourBalance, bob.channel.ourBalance, turnOf(bob)],
      [CAPACITY - 25_000n, 25_000n, 2]
    )
  })

  it('ends on the chain with the newest state, and both wallets have theirs', async () => {
    const { world, alice, bob } = await twoWay()
    await alice.pay(40_000n)
    await bob.pay(15_000n)
    bob.crash()
    await world.mineTo((alice.channel.turns?.oursMatures ?? 0) + 1)
    assert.deepEqual([alice.channel.status, alice.channel.spend?.kind], ['closed', 'settlement'])
    await bob.restart()
    await quiet()
    assert.deepEqual(
      bob.wallet.claims.map(({ value }) => value),
      [25_000n]
    )
  })
})
