/**
 * Nodes whose disk went back to an old copy, or that run twice: REEST-4, REEST-7 to REEST-9 through
 * engines.
 */
import assert from 'node:assert/strict'
import { planPayment } from '../../src/node/plan-payment.js'
import type { Snapshot } from '../../src/testing/disk.js'
import { satoshi } from '../../src/types/units.js'
import { reestablishOf } from '../protocols/reestablish.js'
import { RawPeer } from './raw-peer.js'
import { CAPACITY, codeFrom, type Node, twoNodes, type World } from './world.js'

const COIN = 1_000_000n

async function open(): Promise<{ world: World; alice: Node; bob: Node }> {
  const nodes = await twoNodes()
  await nodes.world.open(nodes.alice, nodes.bob)
  await nodes.alice.pay(1_000n, 'before')
  return nodes
}

/** The node goes back to a copy, and is given the time to meet its peer. */
async function goBack(world: World, node: Node, copy: Snapshot): Promise<void> {
  await node.restart(copy)
  await world.pass(2_000)
}

/** Pays under a name. */
async function payOnce(alice: Node, id: string, amount: bigint): Promise<void> {
  const { engine } = alice
  await engine.payOnce({
    id,
    peer: 'bob',
    amount: satoshi(amount),
    memo: id,
    plan: (rest) => planPayment(engine.payable(), 'bob', rest)
  })
}

/** What both have in the end, after a cooperative close; fees are at most 2,000 sat. */
async function closeAndCount(
  world: World,
  asker: Node,
  alice: Node,
  bob: Node,
  paid: bigint
): Promise<void> {
  await asker.close()
  await world.mine()
  assert.deepEqual([alice.channel.status, bob.channel.status], ['closed', 'closed'])
  const [left, received] = [alice.balance, bob.balance]
  assert.ok(received <= paid && received > paid - 2_000n, `${received} sat of ${paid} sat`)
  assert.ok(left <= COIN - paid && left > COIN - paid - 2_000n, `${left} sat of ${COIN - paid} sat`)
}

describe('engine / a payer whose disk went back', () => {
  it('takes its own newest state and the list of its payments from the payee, and goes on', async () => {
    const { world, alice, bob } = await open()
    const copy = alice.store.snapshot()
    for (const memo of ['one', 'two', 'three']) await alice.pay(700n, memo)
    await goBack(world, alice, copy)
    assert.deepEqual([alice.channel.status, alice.channel.ourBalance], ['open', CAPACITY - 3_100n])
    assert.deepEqual(
      (await alice.payments()).map(({ memo, status }) => [memo, status]),
      [
        ['before', 'acknowledged'],
        ['one', 'acknowledged'],
        ['two', 'acknowledged'],
        ['three', 'acknowledged']
      ]
    )
    await alice.pay(500n)
    await closeAndCount(world, alice, alice, bob, 3_600n)
  })

  it('does not make a payment with an id again that it has forgotten', async () => {
    const { world, alice, bob } = await open()
    const copy = alice.store.snapshot()
    await payOnce(alice, 'invoice 17', 5_000n)
    await goBack(world, alice, copy)
    await payOnce(alice, 'invoice 17', 5_000n)
    assert.equal(bob.channel.ourBalance, 6_000n)
    assert.equal(await codeFrom(payOnce(alice, 'invoice 17', 4_000n)), 'ERR_PAYMENT_CONFLICT')
  })

  it('only closes when both had met since the copy was made', async () => {
    const { world, alice, bob } = await open()
    await alice.restart()
    await world.pass(2_000)
    const copy = alice.store.snapshot()
    await alice.pay(700n)
    await alice.restart()
    await world.pass(2_000)
    await alice.pay(800n)
    await goBack(world, alice, copy)
    for (const node of [alice, bob]) {
      assert.equal(node.channel.status, 'stopped', node.name)
      assert.ok(
        node.alarms.some((code) =>
          ['ERR_STATE_FORGOTTEN', 'ERR_COPY_RUNNING', 'ERR_PEER_FORGOT'].includes(code)
        ),
        node.alarms.join()
      )
    }
    assert.equal(await codeFrom(alice.pay(1n)), 'ERR_CHANNEL_STOPPED')
    await closeAndCount(world, alice, alice, bob, 2_500n)
  })
})

describe('engine / a payee whose disk went back', () => {
  it('is given back everything by an honest payer, and the channel only closes', async () => {
    const { world, alice, bob } = await open()
    const copy = bob.store.snapshot()
    await alice.pay(20_000n)
    await goBack(world, bob, copy)
    assert.deepEqual([bob.channel.status, bob.channel.ourBalance], ['stopped', 21_000n])
    assert.ok(bob.alarms.includes('ERR_STATE_FORGOTTEN'))
    assert.equal(await codeFrom(alice.pay(1n)), 'ERR_CHANNEL_STOPPED')
    await closeAndCount(world, bob, alice, bob, 21_000n)
  })

  it('settles with what it was given back when nobody closes', async () => {
    const { world, alice, bob } = await open()
    const copy = bob.store.snapshot()
    await alice.pay(20_000n)
    await goBack(world, bob, copy)
    alice.crash()
    await world.mineTo((bob.channel.settleHeight ?? 0) + 1)
    assert.equal(bob.channel.spend?.kind, 'settlement')
    assert.ok(bob.balance > 19_000n, `${bob.balance} sat`)
  })

  it('still knows that the channel only closes after the next restart', async () => {
    const { world, alice, bob } = await open()
    const copy = bob.store.snapshot()
    await alice.pay(20_000n)
    await goBack(world, bob, copy)
    for (const node of [bob, alice]) await node.restart()
    await world.pass(2_000)
    assert.deepEqual([alice.channel.status, bob.channel.status], ['stopped', 'stopped'])
    assert.equal(await codeFrom(alice.pay(1n)), 'ERR_CHANNEL_STOPPED')
  })
})

describe('engine / a node that runs twice (REEST-7)', () => {
  it('is found out when the copy and the original have both met the payee; nothing is paid twice, nothing is lost', async () => {
    const { world, alice, bob } = await open()
    const copy = alice.store.snapshot()
    await alice.restart()
    await world.pass(2_000)
    await alice.pay(700n, 'original')
    const original = alice.store.snapshot()
    // The other process, on what was copied before.
    await goBack(world, alice, copy)
    await alice.pay(900n, 'copy').catch(() => {})
    await goBack(world, alice, original)
    assert.deepEqual([alice.channel.status, bob.channel.status], ['stopped', 'stopped'])
    const received = (await bob.payments()).reduce((sum, { amount }) => sum + amount, 0n)
    assert.equal(bob.channel.ourBalance, received)
    await closeAndCount(world, bob, alice, bob, received)
  })
})

describe('engine / a copy of every moment of a channel', () => {
  for (const victim of ['alice', 'bob'] as const) {
    it(`restored on ${victim === 'alice' ? 'the payer' : 'the payee'}: both end with what was paid`, async () => {
      const moments = await tell(victim, undefined)
      assert.ok(moments > 8, `${moments} moments`)
      for (let moment = 0; moment < moments; moment++) await tell(victim, moment)
    })
  }

  /**
   * A few payments and reconnections; then the victim goes back to one of its writes. Returns how
   * many there are.
   */
  async function tell(victim: 'alice' | 'bob', moment: number | undefined): Promise<number> {
    const { world, alice, bob } = await open()
    const node = victim === 'alice' ? alice : bob
    const copies: Snapshot[] = []
    node.store.onDurable((snapshot) => {
      copies.push(snapshot)
    })
    await alice.pay(700n)
    await Promise.all([alice.pay(10n), alice.pay(11n)])
    await bob.restart()
    await world.pass(2_000)
    await alice.pay(900n)
    await alice.restart()
    await world.pass(2_000)
    await alice.pay(300n)
    const copy = moment === undefined ? undefined : copies[moment]
    if (copy !== undefined) await goBack(world, node, copy)
    await alice.pay(50n).catch(() => {})
    const { ourBalance } = bob.channel
    assert.ok(
      ourBalance === 2_921n || ourBalance === 2_971n,
      `the payee holds ${ourBalance} sat after the copy of moment ${moment}`
    )
    await closeAndCount(world, bob, alice, bob, ourBalance)
    return copies.length
  }
})

/** Who asks for channels, and what is told (RESTORE-1, RESTORE-2). */
async function opened(): Promise<{ world: World; alice: Node; bob: Node }> {
  const nodes = await twoNodes()
  await nodes.world.open(nodes.alice, nodes.bob)
  return nodes
}

describe('engine / who is told', () => {
  it('nobody but the peer that a channel was opened with (ID-2)', async () => {
    const { world, alice } = await opened()
    const mallory = new RawPeer(world, 'mallory')
    const stream = await mallory.stream('bob')
    assert.deepEqual(await stream.say({ type: 'RestoreRequest', after: new Uint8Array(0) }), {
      type: 'RestoreDone'
    })
    assert.deepEqual(await stream.say({ type: 'ChannelReady' }), {
      type: 'Error',
      code: 'ERR_UNEXPECTED_MESSAGE',
      rule: 'ERR-2',
      text: 'ChannelReady has no place on a stream that asks for channels.',
      fatal: false
    })
    assert.equal(alice.channel.status, 'open')
  })

  it('a stranger that speaks of channels that nobody has is asked once', async () => {
    const { world, bob } = await opened()
    const mallory = new RawPeer(world, 'mallory')
    for (let n = 0; n < 5; n++) {
      const stream = await mallory.stream('bob')
      await stream.say(reestablishOf({ channelId: new Uint8Array(32).fill(n) }))
      assert.equal(stream.refusal?.code, 'ERR_UNKNOWN_CHANNEL')
    }
    assert.equal(mallory.incoming.length, 1)
    await mallory.incoming[0]?.say({ type: 'RestoreDone' })
    const again = await mallory.stream('bob')
    await again.say(reestablishOf({ channelId: new Uint8Array(32).fill(9) }))
    assert.equal(mallory.incoming.length, 1)
    assert.equal(bob.engine.channels().length, 1)
  })
})
