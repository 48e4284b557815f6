/**
 * Whoever does not keep up, or asks for too much, costs a bounded number of things: counted, not
 * measured.
 */
import assert from 'node:assert/strict'
import type { Message, Payment, Update } from '../../protocols/paychan/1.0/index.js'
import type { Abandoned, Established } from '../../src/channel/state.js'
import { type ChannelActor, Inbox } from '../../src/engine/channel-actor.js'
import {
  AckTimers,
  BURST,
  INTERVAL_MS,
  STREAM_BURST,
  STREAM_INTERVAL_MS
} from '../../src/engine/streams.js'
import { MOST_WAITING_PAYMENTS } from '../../src/engine/waiters.js'
import { channelId } from '../../src/types/bytes.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import { FakeClock } from '../chain/helpers.js'
import { World } from '../channel/world.js'
import { itInAll } from '../size.js'
import { RawPeer } from './raw-peer.js'
import { CAPACITY, codeFrom, type Node, quiet, twoNodes } from './world.js'

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

  itInAll(
    'of a payee whose disk hangs: it gets a window of updates and no more, and then they are unknown',
    async () => {
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
    }
  )
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

/** Any channel will do that is not established: there the window is no matter. */
const channel: Abandoned = {
  stage: 'abandoned',
  id: channelId('00'.repeat(32)),
  peer: 'bob',
  address: 'bob',
  role: 'client',
  keys: { high: 1, low: 2 },
  openedAt: 0,
  capacity: satoshi(0n),
  refundHeight: blockHeight(1),
  code: 'ERR_CANCELLED',
  facts: {},
  reason: '',
  outPoint: undefined,
  theirKey: undefined
}

function update(sequence: number): Update {
  return {
    type: 'Update',
    turn: 0,
    sequence,
    payerBalance: 0n,
    payments: [],
    signature: new Uint8Array(64)
  }
}

function payment(id: number): Payment {
  return { id: new Uint8Array(16).fill(id), amount: 1n, memo: '' }
}

describe('engine / inbox', () => {
  it('hands over what has happened together and in order, updates in a row as one event', () => {
    const inbox = new Inbox()
    inbox.post({ type: 'updates', updates: [update(1)] })
    inbox.post({ type: 'updates', updates: [update(2)] })
    inbox.post({ type: 'disconnected', reason: '' })
    inbox.post({ type: 'updates', updates: [update(3)] })
    assert.deepEqual(inbox.take(channel), [
      { type: 'updates', updates: [update(1), update(2)] },
      { type: 'disconnected', reason: '' },
      { type: 'updates', updates: [update(3)] }
    ])
    assert.deepEqual(inbox.take(channel), [])
  })

  it('keeps what comes after a look apart from what was handed over', () => {
    const inbox = new Inbox()
    inbox.post({ type: 'updates', updates: [update(1)] })
    const first = inbox.take(channel)
    inbox.post({ type: 'updates', updates: [update(2)] })
    assert.deepEqual(first, [{ type: 'updates', updates: [update(1)] }])
    assert.deepEqual(inbox.take(channel), [{ type: 'updates', updates: [update(2)] }])
  })

  it('hands over payments after what has happened, and a close after the payments', () => {
    const inbox = new Inbox()
    inbox.post({ type: 'close', feeRate: feeRate(9_000n) })
    inbox.post({ type: 'pay', payments: [payment(1)] })
    inbox.post({ type: 'tip' })
    inbox.post({ type: 'pay', payments: [payment(2)] })
    assert.deepEqual(
      [inbox.take(channel), inbox.take(channel), inbox.take(channel), inbox.take(channel)],
      [
        [{ type: 'tip' }],
        [{ type: 'pay', payments: [payment(1), payment(2)] }],
        [{ type: 'close', feeRate: feeRate(9_000n) }],
        []
      ]
    )
  })

  it('is full from the 33rd message on, until it is looked at', () => {
    const inbox = new Inbox()
    for (let n = 0; n < 32; n++) inbox.post({ type: 'updates', updates: [update(n)] })
    assert.equal(inbox.isFull, false)
    inbox.post({ type: 'updates', updates: [update(33)] })
    assert.equal(inbox.isFull, true)
    inbox.take(channel)
    assert.equal(inbox.isFull, false)
  })
})

/* Who waits for an answer hangs up in the end; nobody waits for one that cannot come (WIRE-12). */

describe('engine / the time that a peer has to acknowledge', () => {
  /**
   * Payments are in flight, and the peer says nothing. Returns for how many streams it was taken
   * for gone.
   */
  function hangsUp(change: (channel: Established) => Established): number {
    const world = new World().open().paid(10_000n)
    world.pay(1_000n)
    const state = change(world.client.established)
    assert.equal(state.ledger.inFlight.length, 1)
    const clock = new FakeClock()
    let late = 0
    const timers = new AckTimers(clock, 30_000, () => {
      late += 1
    })
    const actor = { state } as ChannelActor
    timers.observe(actor)
    clock.advance(31_000)
    assert.equal(clock.pending, 0)
    return late
  }

  it('ends the stream of one that does not', () => {
    assert.equal(
      hangsUp((channel) => channel),
      1
    )
  })

  it('is not waited for where payments have ended: the stream is there for a close in peace', () => {
    assert.equal(
      hangsUp((channel) => ({
        ...channel,
        stopped: {
          code: 'ERR_PEER_FORGOT',
          reason: 'it has forgotten',
          rule: 'REEST-4',
          settleNow: false
        }
      })),
      0
    )
    assert.equal(
      hangsUp((channel) => ({
        ...channel,
        closes: [
          {
            asker: 'client',
            fee: channel.terms.limits.minFirstPayment,
            txid: channel.outPoint.txid,
            signature: new Uint8Array(64),
            raw: undefined
          }
        ]
      })),
      0
    )
  })

  it('is waited for by one that has just said where it stands, whatever has become of the channel', () => {
    assert.equal(
      hangsUp((channel) => ({
        ...channel,
        link: 'up',
        stopped: {
          code: 'ERR_PEER_FORGOT',
          reason: 'it has forgotten',
          rule: 'REEST-4',
          settleNow: false
        }
      })),
      1
    )
  })
})
