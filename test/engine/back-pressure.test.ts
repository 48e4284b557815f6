/**
 * Whoever does not keep up, or asks for too much, costs a bounded number of things: counted, not
 * measured.
 */
import assert from 'node:assert/strict'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import { BURST, INTERVAL_MS, STREAM_BURST, STREAM_INTERVAL_MS } from '../../src/engine/streams.js'
import { MOST_WAITING_PAYMENTS } from '../../src/engine/waiters.js'
import { satoshi } from '../../src/types/units.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { itInAll } from '../size.js'
import { RawPeer } from './raw-peer.js'
import { CAPACITY, codeFrom, quiet, twoNodes, type Node } from './world.js'

/** Asks for payments of 1 sat without waiting for any; tells what has become of them so far. */
function payWithoutWaiting(
  node: Node,
  count: number
): { acknowledged: number; refused: number; others: Set<string> } {
  const seen = { acknowledged: 0, refused: 0, others: new Set<string>() }
  for (let n = 0; n < count; n++) {
    node.pay(1n).then(
      () => {
        seen.acknowledged += 1
      },
      (error: unknown) => {
        if (codeOf(error) === 'ERR_TOO_MANY_WAITING') seen.refused += 1
        else seen.others.add(codeOf(error))
      }
    )
  }
  return seen
}

describe('engine / back-pressure', () => {
  it('a caller who pays without ever waiting is told so at once, and those that were taken are made', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    const seen = payWithoutWaiting(alice, MOST_WAITING_PAYMENTS + 1_000)
    await quiet()
    assert.deepEqual(seen, {
      acknowledged: MOST_WAITING_PAYMENTS,
      refused: 1_000,
      others: new Set()
    })
    assert.equal(bob.channel.ourBalance, 1_000n + BigInt(MOST_WAITING_PAYMENTS))
  })

  itInAll('says how many wait and how many may', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    alice.life.holdDisk()
    payWithoutWaiting(alice, MOST_WAITING_PAYMENTS)
    await assert.rejects(alice.pay(1n), (error) => {
      assert.ok(error instanceof PaychanError)
      assert.deepEqual(error.facts, { waiting: MOST_WAITING_PAYMENTS, most: MOST_WAITING_PAYMENTS })
      return true
    })
    alice.life.releaseDisk()
    await quiet()
  })

  itInAll('callers who wait for a peer that is away count as well', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    await world.cut(alice, bob)
    const seen = payWithoutWaiting(alice, MOST_WAITING_PAYMENTS + 10)
    await quiet()
    assert.equal(seen.refused, 10)
    await world.pass(10_000)
    assert.deepEqual(seen.others, new Set(['ERR_PEER_UNREACHABLE']))
    world.mend(alice, bob)
    await world.pass(60_000)
    await alice.pay(1n)
  })

  it('callers with ids count as well', async () => {
    const { world, alice, bob } = await twoNodes()
    const { id } = await world.open(alice, bob)
    await alice.pay(1_000n)
    alice.life.holdDisk()
    const pay = async (name: string): Promise<unknown> =>
      await alice.engine.payOnce({
        id: name,
        peer: 'bob',
        amount: satoshi(1n),
        memo: '',
        plan: (amount) => [{ channel: id, amount }]
      })
    const outcomes = Array.from(
      { length: MOST_WAITING_PAYMENTS },
      async () => await pay('the same')
    )
    assert.equal(await codeFrom(pay('another')), 'ERR_TOO_MANY_WAITING')
    alice.life.releaseDisk()
    await Promise.all(outcomes)
    assert.equal(bob.channel.ourBalance, 1_001n)
  })

  it('of a disk that is slow: payments wait for one write, and nothing is sent', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    const updates = world.said(alice, 'Update').length
    alice.life.holdDisk()
    const seen = payWithoutWaiting(alice, 5_000)
    await quiet()
    assert.deepEqual(
      [alice.life.waitingCommits, world.said(alice, 'Update').length - updates],
      [1, 0]
    )
    alice.life.releaseDisk()
    await quiet()
    assert.equal(seen.acknowledged, 5_000)
  })

  it('of a payee whose disk hangs: it gets a window of updates and no more, and then they are unknown', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    const updates = world.said(alice, 'Update').length
    bob.life.holdDisk()
    const seen = payWithoutWaiting(alice, 17_000)
    for (let n = 0; n < 5; n++) await quiet()
    assert.equal(world.said(alice, 'Update').length - updates, 16)
    assert.equal(bob.life.waitingCommits, 1)
    await world.pass(30_000)
    assert.equal(seen.acknowledged, 0)
    assert.ok(seen.others.has('ERR_PAYMENT_UNKNOWN'))
    bob.life.releaseDisk()
    await world.pass(60_000)
    assert.equal(alice.channel.inFlight, 0n)
    assert.equal(alice.channel.ourBalance + bob.channel.ourBalance, CAPACITY)
  })
})

describe('engine / floods (WIRE-11)', () => {
  it('of streams that come and go while the disk hangs: a few wait, the others are told to come back, and one does', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    bob.life.holdDisk()
    for (let n = 0; n < 40; n++) {
      await world.cut(alice, bob)
      world.mend(alice, bob)
      await world.pass(61_000)
    }
    const refused = alice.story.filter(
      (news) => news.kind === 'peer-says' && news.code === 'ERR_NOT_READY'
    ).length
    assert.ok(refused > 10, `${refused} streams were refused`)
    bob.life.releaseDisk()
    await world.pass(61_000)
    assert.deepEqual([alice.channel.status, bob.channel.status], ['open', 'open'])
    await alice.pay(1_000n)
  })

  const ready: Message = { type: 'ChannelReady' }

  it('of messages that bring nothing are read slowly, and the channel goes on', async () => {
    const { world, alice, bob } = await twoNodes({ peers: flooding(() => ready) })
    await world.open(alice, bob)
    const heard = bob.life.heard
    alice.close().catch(() => {}) // sends what floods
    await quiet()
    const taken = bob.life.heard - heard
    assert.ok(taken <= BURST, `${taken} messages were taken at once`)
    await world.pass(INTERVAL_MS)
    assert.equal(bob.life.heard - heard, taken + 1)
    await world.pass(INTERVAL_MS)
    assert.equal(bob.life.heard - heard, taken + 2)
  })

  it('of payments are no floods: thousands of updates and acknowledgements pass without a clock', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    for (let n = 0; n < 10 * BURST; n++) await alice.pay(1_000n - BigInt(n % 2) * 999n)
    assert.equal(bob.channel.payments.received, 10 * BURST)
  })

  it('of streams are served slowly, each peer by itself', async () => {
    const { world, alice, bob } = await twoNodes()
    const mallory = new RawPeer(world, 'mallory')
    const streams = await Promise.all(
      Array.from({ length: STREAM_BURST + 20 }, async () => await mallory.stream('bob'))
    )
    for (const stream of streams) await stream.say(ready)
    const served = (): number => streams.filter(({ refusal }) => refusal?.rule === 'ERR-2').length
    assert.equal(served(), STREAM_BURST - 1)
    await world.open(alice, bob)
    await world.pass(STREAM_INTERVAL_MS)
    assert.equal(served(), STREAM_BURST)
    for (const stream of streams.slice(-10)) stream.hangUp()
    await world.pass(20 * STREAM_INTERVAL_MS)
    assert.equal(served(), streams.length - 10, 'those that were hung up meanwhile are not served')
  })

  it('of a channel do not slow down another one of the same peer', async () => {
    const { world, alice, bob } = await twoNodes({ coin: 2_000_000n })
    await world.open(alice, bob)
    const mallory = new RawPeer(world, 'mallory')
    const stream = await mallory.stream('bob')
    await stream.say(mallory.offer(world.chain.height))
    await stream.say(
      ...Array.from({ length: 500 }, (): Message => ({
        type: 'Error',
        code: 'ERR_ANY',
        rule: '',
        text: 'hello',
        fatal: false
      }))
    )
    await alice.pay(1_000n)
    assert.equal(bob.channel.ourBalance, 1_000n)
  })
})

/** A peer that says something a thousand times when it should ask for a close. */
function flooding(
  what: () => Message
): NonNullable<Parameters<typeof twoNodes>[0]>['peers'] & object {
  return (peers) => ({
    self: peers.self,
    onIncoming: (accept) => peers.onIncoming(accept),
    open: async (peer, listener) => {
      const link = await peers.open(peer, (inner) => listener(inner))
      return {
        peer: link.peer,
        address: link.address,
        close: () => {
          link.close()
        },
        send: (message) => {
          if (message.type !== 'CloseRequest') link.send(message)
          else for (let n = 0; n < 1_000; n++) link.send(what())
        }
      }
    }
  })
}
