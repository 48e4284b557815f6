import assert from 'node:assert/strict'
import type { Established } from '../../src/channel/state.js'
import { contained, guardedClock, inBackground, type Peers } from '../../src/engine/ports.js'
import { decodeRecord, encodeRecord } from '../../src/types/records.js'
import { reach } from '../../src/engine/redial.js'
import { BufferingListener } from '../../src/engine/streams.js'
import { fromHex } from '../../src/types/bytes.js'
import { messageOf, PaychanError } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { reestablishOf } from '../protocols/reestablish.js'
import { Stranger } from './raw-peer.js'
import { BLOCKS, CAPACITY, codeFrom, type Node, quiet, soon, twoNodes } from './world.js'

/** Changes one record on the disk of a node, as if somebody had edited it. */
function edited(
  node: Node,
  prefix: string,
  edit: (value: Uint8Array, key: string) => Uint8Array
): Map<string, Uint8Array> {
  return new Map(
    [...node.store.snapshot()].map(([key, value]) => [
      key,
      key.startsWith(prefix) ? edit(value, key) : value
    ])
  )
}

describe('engine / restart', () => {
  it('loads the channels, links them again and goes on paying', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n, 'before')
    for (const node of [alice, bob]) {
      await node.restart()
      await world.pass(1_000)
      assert.deepEqual(
        [alice.channel.status, bob.channel.status],
        ['open', 'open'],
        `after ${node.name} came back`
      )
      await alice.pay(500n)
    }
    assert.deepEqual(
      [alice.channel.ourBalance, bob.channel.ourBalance],
      [CAPACITY - 2_000n, 2_000n]
    )
    assert.deepEqual(
      (await bob.payments()).map(({ amount }) => amount),
      [1_000n, 500n, 500n]
    )
  })

  it('writes nothing when nothing has changed: ten thousand channels start with no write', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    await world.mine()
    // Both at once: the record of bob still says that there is a stream.
    bob.crash()
    alice.crash()
    const { commits } = bob
    await bob.restart()
    await world.pass(1_000)
    assert.equal(bob.commits, commits)
    await alice.restart()
    await world.pass(1_000)
    await alice.pay(500n)
    assert.equal(bob.channel.ourBalance, 1_500n)
  })

  it('of both at once', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    alice.crash()
    await bob.restart()
    await alice.restart()
    await world.pass(1_000)
    assert.equal(alice.channel.status, 'open')
  })

  it('frees the coins of an opening that it interrupts', async () => {
    const { world, alice, bob } = await twoNodes()
    bob.life.holdDisk()
    void alice.engine.open({ peer: 'bob', capacity: CAPACITY, blocks: BLOCKS, wait: 'ready' })
    await quiet()
    bob.life.releaseDisk()
    await soon(() => world.said(alice, 'RefundRequest').length !== 0)
    assert.equal(alice.wallet.reservedFor.length, 1)
    await alice.restart()
    assert.equal(alice.channel.status, 'abandoned')
    assert.deepEqual(alice.wallet.reservedFor, [])
  })

  it('sends T1 again when the process ended as it was about to leave', async () => {
    const { world, alice, bob } = await twoNodes()
    void alice.engine.open({ peer: 'bob', capacity: CAPACITY, blocks: BLOCKS, wait: 'ready' })
    await soon(() => world.said(bob, 'RefundSignature').length !== 0)
    const commits = alice.commits
    alice.crashAt = (moment, commit) => moment === 'after' && commit > commits
    await quiet()
    assert.deepEqual(world.broadcasts(alice), [])
    await alice.restart()
    assert.equal(world.chain.mempool.length, 1)
    await world.pass(1_000)
    await world.mine()
    assert.deepEqual([alice.channel.status, bob.channel.status], ['open', 'open'])
    await alice.pay(1_000n)
  })

  it('stops cleanly: callers hear of it, nothing is written afterwards, and the next start is as usual', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    bob.life.holdDisk()
    const paying = codeFrom(alice.pay(500n))
    await quiet()
    await alice.engine.stop()
    assert.equal(await paying, 'ERR_PAYMENT_UNKNOWN')
    bob.life.releaseDisk()
    const commits = alice.commits
    await world.mine(3)
    await world.pass(600_000)
    assert.equal(alice.commits, commits)
    const late = codeFrom(alice.pay(1n))
    await world.pass(10_000)
    assert.equal(await late, 'ERR_NODE_STOPPED')
    await alice.restart()
    await world.pass(1_000)
    assert.deepEqual([alice.channel.status, bob.channel.ourBalance], ['open', 1_500n])
  })

  it('stops cleanly in the middle of an opening, too', async () => {
    const { world, alice, bob } = await twoNodes()
    bob.life.holdDisk()
    const opening = codeFrom(
      alice.engine.open({ peer: 'bob', capacity: CAPACITY, blocks: BLOCKS, wait: 'ready' })
    )
    await quiet()
    await alice.engine.stop()
    assert.equal(await opening, 'ERR_PEER_UNREACHABLE')
    const commits = alice.commits
    await world.pass(60_000)
    assert.equal(alice.commits, commits)
    assert.deepEqual(alice.alarms, [])
  })
})

describe('engine / a bug', () => {
  /** A state that no release writes, and that makes transitions throw. */
  async function withBug(
    edit: (channel: Established) => unknown
  ): Promise<{ alice: Node; bob: Node; world: Awaited<ReturnType<typeof twoNodes>>['world'] }> {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    await alice.restart(
      edited(alice, 'channel/', (value, key) =>
        encodeRecord(key, edit(decodeRecord<Established>(key, value)))
      )
    )
    await world.pass(1_000)
    return { world, alice, bob }
  }

  it('in a transition costs a stream and raises an alarm; whoever waits hears of it', async () => {
    const { world, alice, bob } = await withBug((channel) => ({
      ...channel,
      terms: { ...channel.terms, client: { ...channel.terms.client, payoutKey: 5 } }
    }))
    const paying = codeFrom(alice.pay(1_000n))
    await world.pass(10_000)
    assert.ok((await paying).length > 0)
    assert.ok(alice.alarms.includes('ERR_INTERNAL'))
    assert.equal(bob.channel.ourBalance, 1_000n)
  })

  it('before a transition is no other: payments are refused, the chain is still followed', async () => {
    const { world, alice, bob } = await withBug((channel) => ({
      ...channel,
      terms: { ...channel.terms, limits: { ...channel.terms.limits, maxInFlightValue: null } }
    }))
    const paying = codeFrom(alice.pay(1_000n))
    await world.pass(10_000)
    assert.ok((await paying).length > 0)
    bob.crash()
    await world.mineTo(BLOCKS + 10)
    assert.ok(
      alice.story.some((news) => news.kind === 'published' && news.transaction === 'refund')
    )
  })

  it('in one channel leaves the others alone', async () => {
    const { world, alice, bob } = await twoNodes({ coin: 2_000_000n })
    const first = await world.open(alice, bob)
    await world.open(alice, bob)
    await alice.restart(
      edited(alice, `channel/${first.id}`, (value, key) => {
        const channel = decodeRecord<Established>(key, value)
        return encodeRecord(key, { ...channel, closes: 7 })
      })
    )
    await world.pass(1_000)
    const other = bob.engine.channels().find(({ id }) => id !== first.id)
    assert.ok(other !== undefined)
    await alice.engine.pay(other.id, satoshi(1_000n), '')
    assert.equal(bob.engine.describe(other.id).ourBalance, 1_000n)
    assert.ok(alice.alarms.includes('ERR_INTERNAL'))
  })
})

describe('engine / work in the background', () => {
  it('that fails with a tip is told, and keeps no channel from the tip', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    alice.wallet.fundingLostTo = () => {
      throw new Error('a bug')
    }
    bob.crash()
    await world.mineTo(BLOCKS + 10)
    assert.ok(alice.alarms.includes('ERR_INTERNAL'))
    assert.ok(
      alice.story.some((news) => news.kind === 'published' && news.transaction === 'refund')
    )
  })

  it('tells what it throws, at once or later, and throws nothing itself', async () => {
    const told: string[] = []
    const tell = ({ message }: Error): void => {
      told.push(message)
      throw new Error('a bug in whoever is told')
    }
    inBackground(() => {
      throw new Error('at once')
    }, tell)
    await contained(async () => {
      await quiet()
      throw new Error('later')
    }, tell)
    let ring = (): void => {}
    const clock = guardedClock(
      {
        now: () => 0,
        after: (_ms, callback) => {
          ring = callback
          return () => {}
        }
      },
      tell
    )
    clock.after(1, () => {
      throw new Error('by a timer')
    })
    ring()
    assert.deepEqual(told, ['at once', 'later', 'by a timer'])
  })

  it('a message that waited for its channel fails as any other: who has brought it hears of it', async () => {
    const listener = new BufferingListener()
    const brought = listener.onMessage({ type: 'RestoreDone' })
    listener.bind({
      onMessage: () => Promise.reject(new Error('a bug')),
      onClosed: () => {}
    })
    await assert.rejects(async () => {
      await brought
    }, /a bug/)
  })
})

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

/*
 * A `Reestablish` that is refused before this side has said where it stands: its sender hears why
 * (REEST-5).
 */

describe('engine / a Reestablish that is refused', () => {
  it('is answered by an Error, also as the first message of its stream (REEST-1, REEST-5)', async () => {
    const { world } = await twoNodes()
    const stranger = await Stranger.withRefund(world, 'mallory')
    const stream = await stranger.peer.stream('bob')
    await stream.say(
      reestablishOf({ channelId: fromHex(stranger.id), derivation: new Uint8Array(8).fill(9) })
    )
    assert.deepEqual(
      [stream.refusal?.code, stream.refusal?.rule, stream.refusal?.fatal],
      ['ERR_WRONG_DERIVATION', 'REEST-1', true]
    )
    assert.equal(stream.closed, true)
  })
})

/* What still waits when a stream has been ended here is not heard any more (REEST-6). */

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
