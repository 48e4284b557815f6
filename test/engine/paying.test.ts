import assert from 'node:assert/strict'
import { PaymentIds } from '../../src/engine/payments.js'
import { planPayment } from '../../src/node/plan-payment.js'
import { channelId, toHex } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { seededRandom } from '../chain/helpers.js'
import {
  BLOCKS,
  CAPACITY,
  codeFrom,
  type Node,
  quiet,
  soon,
  twoNodes,
  type World
} from './world.js'

/** Payments that nobody waits for here. */
function codesOf(payments: Array<Promise<unknown>>): Promise<string[]> {
  return Promise.all(
    payments.map(
      async (payment) =>
        await payment.then(
          () => 'acknowledged',
          (error: unknown) =>
            error instanceof Error && 'code' in error ? String(error.code) : 'another error'
        )
    )
  )
}

async function statuses(node: Node): Promise<string[]> {
  return (await node.payments()).map(({ status, amount }) => `${amount} ${status}`)
}

describe('engine / paying', () => {
  it('settles a payment with amount, memo and both logs', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    const paid = await alice.pay(1_000n, 'tea')
    assert.deepEqual(
      [paid.amount, paid.memo, paid.direction, paid.peerId, paid.status],
      [1_000n, 'tea', 'sent', 'bob', 'acknowledged']
    )
    const [sent, received] = [(await alice.payments())[0], (await bob.payments())[0]]
    assert.deepEqual([sent?.id, sent?.memo, sent?.status], [paid.id, 'tea', 'acknowledged'])
    assert.deepEqual(
      [received?.id, received?.direction, received?.peerId, received?.memo],
      [paid.id, 'received', 'alice', 'tea']
    )
    await quiet()
    assert.deepEqual(
      bob.events.flatMap((event) => (event.type === 'payment' ? [event.payment.id] : [])),
      [paid.id]
    )
  })

  it('puts 1,000 payments of one turn under one signature, one write on each side, one ack', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    const before = {
      updates: world.said(alice, 'Update').length,
      acks: world.said(bob, 'UpdateAck').length,
      alice: alice.store.batches,
      bob: bob.store.batches
    }
    const paid = await Promise.all(Array.from({ length: 1_000 }, async () => await alice.pay(10n)))
    assert.equal(new Set(paid.map(({ id }) => id)).size, 1_000)
    assert.equal(world.said(alice, 'Update').length - before.updates, 1)
    assert.equal(world.said(bob, 'UpdateAck').length - before.acks, 1)
    assert.deepEqual([alice.store.batches - before.alice, bob.store.batches - before.bob], [1, 1])
    assert.equal(bob.channel.ourBalance, 11_000n)
    assert.equal(bob.channel.payments.received, 1_001)
  })

  it('splits more than an update may carry', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    const before = world.said(alice, 'Update').length
    await Promise.all(Array.from({ length: 2_500 }, async () => await alice.pay(10n)))
    assert.equal(world.said(alice, 'Update').length - before, 3)
    assert.equal(bob.channel.ourBalance, 26_000n)
  })

  it('keeps to the window that the payee announced, by count', async () => {
    const { world, alice, bob } = await twoNodes({}, { policy: { maxInFlightUpdates: 3 } })
    await world.open(alice, bob)
    await alice.pay(1_000n)
    const before = world.said(alice, 'Update').length
    bob.life.holdDisk()
    const payments: Array<Promise<unknown>> = []
    for (let n = 0; n < 10; n++) {
      payments.push(alice.pay(10n))
      await quiet()
    }
    assert.equal(world.said(alice, 'Update').length - before, 3)
    bob.life.releaseDisk()
    assert.deepEqual(new Set(await codesOf(payments)), new Set(['acknowledged']))
    assert.equal(bob.channel.ourBalance, 1_100n)
    // What waited while the window was full went together.
    assert.ok(world.said(alice, 'Update').length - before <= 5)
  })

  it('keeps to the window by value; what could never fit is refused', async () => {
    const { world, alice, bob } = await twoNodes(
      {},
      { policy: { maxInFlightValue: satoshi(5_000n) } }
    )
    await world.open(alice, bob)
    await alice.pay(1_000n)
    bob.life.holdDisk()
    const payments = [alice.pay(3_000n)]
    await quiet()
    payments.push(alice.pay(3_000n))
    await quiet()
    assert.equal(alice.channel.inFlight, 3_000n)
    bob.life.releaseDisk()
    assert.deepEqual(await codesOf(payments), ['acknowledged', 'acknowledged'])
    assert.equal(await codeFrom(alice.pay(5_001n)), 'ERR_ABOVE_IN_FLIGHT_LIMIT')
  })

  it('refuses some of those that wait together, and pays the others', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    const payments = [
      alice.pay(2_000n),
      alice.pay(0n),
      alice.pay(CAPACITY),
      alice.pay(3_000n),
      alice.pay(1n, 'x'.repeat(129)),
      alice.pay(1n, 'two\nlines')
    ]
    assert.deepEqual(await codesOf(payments), [
      'acknowledged',
      'ERR_INVALID_AMOUNT',
      'ERR_INSUFFICIENT_BALANCE',
      'acknowledged',
      'ERR_MEMO_TOO_LONG',
      'ERR_INVALID_MEMO'
    ])
    assert.equal(bob.channel.ourBalance, 6_000n)
  })

  it('is refused by the side that is not the payer, before the channel is ready, and on no channel', async () => {
    const { world, alice, bob } = await twoNodes()
    await alice.engine.open({ peer: 'bob', capacity: CAPACITY, blocks: BLOCKS, wait: 'broadcast' })
    await quiet()
    assert.equal(await codeFrom(alice.pay(1_000n)), 'ERR_CHANNEL_NOT_OPEN')
    await world.mine()
    assert.equal(await codeFrom(bob.pay(1_000n)), 'ERR_NOT_THE_PAYER')
    assert.equal(
      await codeFrom(alice.engine.pay(channelId('ab'.repeat(32)), satoshi(1n), '')),
      'ERR_NO_CHANNEL'
    )
  })

  it('is refused after the last height for payments (UPD-12)', async () => {
    const { world, alice, bob } = await twoNodes()
    const channel = await world.open(alice, bob)
    assert.ok(channel.lastPaymentHeight !== undefined)
    await world.mineTo(channel.lastPaymentHeight)
    await alice.pay(1_000n)
    await world.mine()
    assert.equal(await codeFrom(alice.pay(1_000n)), 'ERR_CHANNEL_EXPIRED')
  })
})

describe('engine / a stream that breaks', () => {
  it('before the update arrives: unknown, sent again, received once', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    world.cutAt(alice, 'Update')
    const paying = codeFrom(alice.pay(500n))
    assert.equal(await paying, 'ERR_PAYMENT_UNKNOWN')
    assert.equal(bob.channel.ourBalance, 1_000n)
    assert.deepEqual(await statuses(alice), ['1000 acknowledged', '500 unknown'])
    world.mend(alice, bob)
    await world.pass(1_000)
    assert.deepEqual(
      [alice.channel.status, bob.channel.ourBalance, bob.channel.payments.received],
      ['open', 1_500n, 2]
    )
    assert.deepEqual(await statuses(alice), ['1000 acknowledged', '500 acknowledged'])
    assert.deepEqual(await statuses(bob), ['1000 acknowledged', '500 acknowledged'])
  })

  it('before the ack arrives: unknown, and Reestablish tells that it was received', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    const sent = world.said(alice, 'Update').length
    world.cutAt(bob, 'UpdateAck')
    const paying = codeFrom(alice.pay(500n))
    assert.equal(await paying, 'ERR_PAYMENT_UNKNOWN')
    assert.equal(bob.channel.ourBalance, 1_500n)
    world.mend(alice, bob)
    await world.pass(1_000)
    assert.deepEqual(await statuses(alice), ['1000 acknowledged', '500 acknowledged'])
    assert.equal(bob.channel.ourBalance, 1_500n)
    assert.equal(
      world.said(alice, 'Update').length,
      sent + 1,
      'what the payee has is not sent again'
    )
  })

  it('fails what was not sent yet: that was certainly not paid', async () => {
    const { world, alice, bob } = await twoNodes({}, { policy: { maxInFlightUpdates: 1 } })
    await world.open(alice, bob)
    await alice.pay(1_000n)
    bob.life.holdDisk()
    const sent = alice.pay(100n)
    const codes = codesOf([sent])
    await quiet()
    const waiting = codesOf([alice.pay(200n)])
    await quiet()
    await world.cut(alice, bob)
    assert.deepEqual(
      [await codes, await waiting],
      [['ERR_PAYMENT_UNKNOWN'], ['ERR_PEER_UNREACHABLE']]
    )
    bob.life.releaseDisk()
    world.mend(alice, bob)
    await world.pass(1_000)
    assert.equal(bob.channel.ourBalance, 1_100n)
  })

  it('is dialled again after 1, 2, 4 ... seconds, at most a minute apart', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    const before = world.timers.all.length
    await world.cut(alice, bob)
    for (let n = 0; n < 9; n++) await world.pass(world.timers.last ?? 0)
    assert.deepEqual(
      world.timers.all.slice(before),
      [1, 2, 4, 8, 16, 32, 60, 60, 60, 60].map((seconds) => seconds * 1_000)
    )
    world.mend(alice, bob)
    await world.pass(60_000)
    assert.equal(alice.channel.status, 'open')
    await world.cut(alice, bob)
    assert.equal(world.timers.last, 1_000, 'after a good stream it begins anew')
  })

  it('is not dialled faster when the peer takes every stream only to end it', async () => {
    let isRude = false
    const { world, alice, bob } = await twoNodes(
      {},
      {
        peers: (peers) => ({
          ...peers,
          onIncoming: (accept) =>
            peers.onIncoming((link) => {
              if (!isRude) return accept(link)
              link.close()
              return { onMessage: () => {}, onClosed: () => {} }
            })
        })
      }
    )
    await world.open(alice, bob)
    isRude = true
    await world.cut(alice, bob)
    world.mend(alice, bob)
    const before = world.timers.all.length
    for (let n = 0; n < 4; n++) {
      await world.pass(world.timers.all.filter((ms) => ms % 1_000 === 0 && ms < 30_000).at(-1) ?? 0)
    }
    const delays = world.timers.all.slice(before).filter((ms) => ms < 30_000)
    assert.deepEqual(delays.slice(-3), [4_000, 8_000, 16_000])
  })

  it('that has ended before it is handed over is not taken for a live one: it is dialled again', async () => {
    let stillborn = false
    const { world, alice, bob } = await twoNodes({
      peers: (peers) => ({
        ...peers,
        open: async (peer, listen) =>
          await peers.open(peer, (link) => {
            const listener = listen(link)
            if (!stillborn) return listener
            stillborn = false
            link.close()
            listener.onClosed(undefined)
            return { onMessage: () => {}, onClosed: () => {} }
          })
      })
    })
    await world.open(alice, bob)
    await world.cut(alice, bob)
    world.mend(alice, bob)
    stillborn = true
    await world.pass(1_000)
    assert.deepEqual([stillborn, alice.channel.status], [false, 'offline'])
    await world.pass(2_000)
    assert.equal(alice.channel.status, 'open')
    await alice.pay(1_000n)
  })

  it('that ends as soon as it stands is not taken for a live one, either', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await bob.engine.stop() // from now on the network answers for bob: he takes no channels
    await quiet()
    await world.pass(1_000)
    assert.equal(alice.channel.status, 'offline')
    await bob.restart()
    for (let n = 0; n < 4; n++) await world.pass(16_000)
    assert.equal(alice.channel.status, 'open')
    await alice.pay(1_000n)
  })

  it('is brought back at once by a payment', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await world.cut(alice, bob)
    world.mend(alice, bob)
    const paid = await Promise.all([alice.pay(1_000n), alice.pay(500n)])
    assert.deepEqual(
      paid.map(({ status }) => status),
      ['acknowledged', 'acknowledged']
    )
    assert.equal(bob.channel.ourBalance, 1_500n)
  })

  it('lets a payment wait that comes while a stream is coming up', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await world.cut(alice, bob)
    world.mend(alice, bob)
    const first = alice.pay(1_000n)
    const hellos = world.said(alice, 'Reestablish').length
    await soon(() => world.said(alice, 'Reestablish').length !== hellos)
    assert.equal(alice.channel.status, 'offline')
    await Promise.all([first, alice.pay(500n)])
    assert.equal(bob.channel.ourBalance, 1_500n)
  })

  it('that cannot be brought back refuses the payment in time', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await world.cut(alice, bob)
    const paying = codeFrom(alice.pay(1_000n))
    await world.pass(5_000)
    assert.equal(await paying, 'ERR_PEER_UNREACHABLE')
  })

  it('a newer stream replaces it (REEST-6), and begins with Reestablish whatever was still to be said on the old one', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    bob.life.holdDisk()
    const paying = codesOf([alice.pay(500n)])
    await quiet()
    await world.cut(alice, bob)
    world.mend(alice, bob)
    const before = world.said(bob).length
    await world.pass(1_000)
    bob.life.releaseDisk()
    await quiet()
    assert.deepEqual(await paying, ['ERR_PAYMENT_UNKNOWN'])
    assert.equal(world.said(bob)[before]?.type, 'Reestablish')
    assert.deepEqual([bob.channel.ourBalance, alice.channel.status], [1_500n, 'open'])
  })

  it('is given up when the payee does not acknowledge in time', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    bob.life.holdDisk()
    const paying = codesOf([alice.pay(500n)])
    await quiet()
    await world.pass(29_999)
    assert.equal(alice.channel.status, 'open')
    await world.pass(1)
    assert.deepEqual(await paying, ['ERR_PAYMENT_UNKNOWN'])
    assert.equal(alice.channel.status, 'offline')
    bob.life.releaseDisk()
    await world.pass(1_000)
    assert.deepEqual([alice.channel.status, bob.channel.ourBalance], ['open', 1_500n])
  })
})

/** The short way to a channel takes the one that the plan would take, or leaves it to the plan. */
async function twoChannels(): Promise<{ world: World; alice: Node; bob: Node; ids: string[] }> {
  const { world, alice, bob } = await twoNodes({ coin: 2_000_000n })
  const ids = [(await world.open(alice, bob)).id, (await world.open(alice, bob)).id]
  return { world, alice, bob, ids }
}

describe('engine / the channel that carries a payment', () => {
  it('is one whose first payment that is, when it is worth settling (UPD-10)', async () => {
    const { alice, ids } = await twoChannels()
    assert.equal(alice.engine.channelFor('bob', satoshi(1n)), undefined)
    assert.ok(ids.includes(alice.engine.channelFor('bob', satoshi(1_000n)) ?? ''))
  })

  it('is the one that a plan has, whoever is meant and whatever the amount', async () => {
    const { alice, ids } = await twoChannels()
    for (const { id } of alice.engine.channels()) {
      await alice.engine.pay(id, satoshi(id === ids[0] ? 100_000n : 5_000n), '')
    }
    let taken = 0
    for (const to of ['bob', ...ids]) {
      for (const amount of [1n, 1_000n, 399_999n, 400_000n, 400_001n, CAPACITY - 5_000n]) {
        const channel = alice.engine.channelFor(to, satoshi(amount))
        if (channel === undefined) continue
        taken += 1
        assert.deepEqual(planPayment(alice.engine.payable(), to, amount), [{ channel, amount }])
      }
    }
    assert.equal(taken, 6 + 4 + 6)
  })

  it('is none when there is not enough, the peer is away, or the other side pays', async () => {
    const { world, alice, bob, ids } = await twoChannels()
    for (const { id } of alice.engine.channels()) await alice.engine.pay(id, satoshi(1_000n), '')
    assert.equal(alice.engine.channelFor('bob', CAPACITY), undefined)
    assert.equal(bob.engine.channelFor('alice', satoshi(1n)), undefined)
    assert.equal(alice.engine.channelFor('carol', satoshi(1n)), undefined)
    await world.cut(alice, bob)
    for (const to of ['bob', ...ids]) {
      assert.equal(alice.engine.channelFor(to, satoshi(1n)), undefined)
    }
  })
})

describe('engine / payment ids', () => {
  it('are 16 random bytes each, none of them given twice, drawn many at a time', () => {
    let calls = 0
    const random = seededRandom(3)
    const ids = new PaymentIds({
      bytes: (length) => {
        calls += 1
        return random.bytes(length)
      }
    })
    const drawn = Array.from({ length: 600 }, () => ids.draw())
    assert.ok(drawn.every(({ length }) => length === 16))
    assert.equal(new Set(drawn.map(toHex)).size, 600)
    assert.equal(calls, 3)
  })

  it('share no memory: who changes one changes no other', () => {
    const ids = new PaymentIds({ bytes: (length) => new Uint8Array(length) })
    const [first, second] = [ids.draw(), ids.draw()]
    first.fill(9)
    assert.deepEqual(second, new Uint8Array(16))
    assert.equal(first.buffer.byteLength, 16)
  })
})

/* The payment log says which payment is the newest, whatever the clock on the wall says. */

const HOUR = 3_600_000

async function newest(node: Node): Promise<string[]> {
  const memos: string[] = []
  for await (const { memo } of node.engine.payments()) memos.push(memo)
  return memos
}

describe('engine / the order of payments', () => {
  it('is that of the log on both sides, over channels, restarts, and a clock that is set back', async () => {
    const { world, alice, bob } = await twoNodes()
    const one = await world.open(alice, bob)
    const other = await world.open(alice, bob, (one.capacity / 2n) as typeof one.capacity)
    const pay = async (channel: typeof one, memo: string): Promise<void> => {
      await alice.engine.pay(channel.id, 1_000n as typeof one.capacity, memo)
    }
    await pay(one, 'first')
    await world.pass(-HOUR)
    await pay(other, 'second')
    await pay(one, 'third')
    for (const node of [alice, bob]) {
      await world.pass(-HOUR)
      await node.restart()
    }
    await world.pass(1_000)
    await pay(other, 'fourth')
    for (const node of [alice, bob]) {
      assert.deepEqual(await newest(node), ['fourth', 'third', 'second', 'first'], node.name)
    }
  })
})
