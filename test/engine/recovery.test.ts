import assert from 'node:assert/strict'
import { decodeRecord, encodeRecord } from '../../src/engine/records.js'
import type { Established } from '../../src/channel/state.js'
import { satoshi } from '../../src/types/units.js'
import { BLOCKS, CAPACITY, codeFrom, quiet, soon, twoNodes, type Node } from './world.js'

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

describe('engine / restart / records of before there were epochs', () => {
  it('count from the beginning', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.restart(
      edited(alice, 'channel/', (value, key) =>
        encodeRecord(key, { ...decodeRecord<Established>(key, value), epochs: undefined })
      )
    )
    await world.pass(1_000)
    await alice.pay(1_000n)
    assert.equal(bob.channel.ourBalance, 1_000n)
  })
})
