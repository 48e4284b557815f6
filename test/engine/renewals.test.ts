/**
 * Renewals and top-ups between two engines: the closing transaction of one channel funds the next.
 */
import assert from 'node:assert/strict'
import { FINAL_DEPTH } from '../../src/channel/funding.js'
import type { Policy } from '../../src/channel/policy.js'
import type { Link } from '../../src/engine/ports.js'
import { toHex, txid, type ChannelId } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { blockDelta, feeRate, satoshi } from '../../src/types/units.js'
import { CAPACITY, quiet, World, type Node } from './world.js'

/**
 * L minus the tip: settled at +84, last payment at +72. Of 60 blocks a renewal would have too few
 * for payments (RENEW-11).
 */
const LASTING = blockDelta(120)

/**
 * Of T1 that spends the old channel alone: (51 + 43) x 4 + 222 bytes / 4 = 150 vB at 1.1 sat/vB.
 */
const FEE = 165n

async function pair({ step }: { step?: number } = {}): Promise<{
  world: World
  alice: Node
  bob: Node
  old: ChannelId
}> {
  const world = new World()
  const alice = await world.node('alice')
  const bob = await world.node('bob', { coin: 0n })
  const opening = alice.engine.open({
    peer: 'bob',
    capacity: CAPACITY,
    blocks: LASTING,
    ...(step === undefined ? {} : { step: blockDelta(step) }),
    wait: 'ready'
  })
  await quiet()
  await world.mine()
  const { id } = await opening
  await alice.pay(20_000n, 'before')
  return { world, alice, bob, old: id }
}

async function renew(
  { world, alice, old }: { world: World; alice: Node; old: ChannelId },
  amount = 0n
): ReturnType<Node['engine']['renew']> {
  const renewing = alice.engine.renew(old, {
    amount: satoshi(amount),
    blocks: LASTING,
    wait: 'ready'
  })
  renewing.catch(() => {})
  await quiet()
  await world.mine()
  return await renewing
}

describe('engine / renewals', () => {
  it('one after the other use few addresses (OPEN-13), and keep no stream of a channel that is over (WIRE-14)', async () => {
    const { world, alice, bob, old } = await pair()
    const before = alice.wallet.scriptsDrawn
    const restartedAt = 3
    let newest = old
    for (let n = 0; n < 16; n++) {
      newest = (await renew({ world, alice, old: newest })).id
      if (n === restartedAt) {
        await alice.restart()
        await world.mine()
      }
    }
    // One that goes on, and those that a reorganisation might still bring back.
    const most = 1 + FINAL_DEPTH
    const drawn = alice.wallet.scriptsDrawn - before
    assert.ok(drawn <= most, `${drawn} addresses`)
    for (const { engine } of [alice, bob]) {
      const linked = engine
        .states()
        .filter((state) => state.stage === 'established' && state.link !== 'down')
      assert.ok(linked.length <= most, `${linked.length} streams`)
    }
    await alice.engine.pay(newest, satoshi(100n), 'goes on')
    assert.deepEqual([alice.alarms, bob.alarms], [[], []])
  })

  it('closes the old channel and funds the new one by one transaction; balances go on', async () => {
    const story = await pair()
    const { alice, bob, old } = story
    const fresh = await renew(story)
    assert.notEqual(fresh.id, old)
    assert.equal(fresh.status, 'open')
    for (const node of [alice, bob]) {
      const before = node.engine.describe(old)
      const after = node.engine.describe(fresh.id)
      assert.equal(before.status, 'closed')
      assert.equal(before.spend?.txid, after.funding?.txid, 'not the same transaction')
      assert.equal(after.capacity, CAPACITY - FEE)
    }
    assert.deepEqual(
      [alice.engine.describe(fresh.id).ourBalance, bob.engine.describe(fresh.id).ourBalance],
      [480_000n - FEE, 20_000n]
    )
    await alice.engine.pay(fresh.id, satoshi(100n), 'after')
    assert.equal(bob.engine.describe(fresh.id).ourBalance, 20_100n)
    assert.deepEqual([alice.alarms, bob.alarms], [[], []])
  })

  it('takes no payment on the old channel once it is signed, nor on the new one before T1 is buried (RENEW-6)', async () => {
    const story = await pair()
    const { world, alice, bob, old } = story
    const renewing = alice.engine.renew(old, {
      amount: satoshi(0n),
      blocks: LASTING,
      wait: 'broadcast'
    })
    await quiet()
    const { id } = await renewing
    assert.deepEqual(
      [alice, bob].map((node) => node.engine.describe(old).status),
      ['closing', 'closing']
    )
    assert.match(alice.engine.describe(old).reason ?? '', /^renewed as channel [0-9a-f]{8}$/)
    await assert.rejects(alice.engine.pay(old, satoshi(1n), ''), { code: 'ERR_CHANNEL_CLOSED' })
    await assert.rejects(alice.engine.pay(id, satoshi(1_000n), ''), {
      code: 'ERR_CHANNEL_NOT_OPEN'
    })
    await world.mine()
    await alice.engine.pay(id, satoshi(1_000n), '')
    assert.equal(bob.engine.describe(id).ourBalance, 21_000n)
  })

  it('tops up by coins of the wallet, which pays the fee: the channel grows by exactly the amount', async () => {
    const story = await pair()
    const { alice, bob, old } = story
    const fresh = await renew(story, 100_000n)
    assert.equal(fresh.capacity, CAPACITY + 100_000n)
    assert.deepEqual([fresh.ourBalance, fresh.theirBalance], [580_000n, 20_000n])
    assert.equal(bob.engine.describe(fresh.id).ourBalance, 20_000n)
    assert.equal(alice.engine.describe(old).status, 'closed')
    // The wallet had 1,000,000 sat: 181 went to T1 of the old channel, the rest of the difference
    // is the fee of the top-up.
    const spent = 1_000_000n - 500_000n - 100_000n - alice.balance
    assert.ok(spent > 300n && spent < 600n, `fees of ${spent} sat`)
  })

  it('keeps the turns of a two-way channel going: the server pays back what it brought along', async () => {
    const story = await pair({ step: 2 })
    const { world, alice, bob } = story
    const fresh = await renew(story)
    assert.equal(fresh.mode, 'two-way')
    await bob.engine.pay(fresh.id, satoshi(15_000n), 'back')
    assert.equal(alice.engine.describe(fresh.id).ourBalance, 495_000n - FEE)
    await alice.engine.close(fresh.id, false)
    await world.mine()
    assert.equal(bob.balance, 5_000n)
  })

  it('gives the server what it brought along when the client refunds the new channel (RENEW-2)', async () => {
    const story = await pair()
    const { world, alice, bob } = story
    const fresh = await renew(story)
    bob.crash()
    await world.mine(Number(LASTING))
    await world.mine(2)
    assert.equal(alice.engine.describe(fresh.id).spend?.kind, 'refund')
    await bob.restart()
    await world.mine()
    assert.equal(bob.balance, 20_000n, 'the server has not got its share of T2')
    assert.equal(bob.engine.describe(fresh.id).status, 'closed')
  })

  it('settles the new channel at the height when the client is gone', async () => {
    const story = await pair()
    const { world, alice, bob } = story
    const fresh = await renew(story)
    await alice.engine.pay(fresh.id, satoshi(30_000n), '')
    alice.crash()
    await world.mine(Number(LASTING))
    assert.equal(bob.engine.describe(fresh.id).spend?.kind, 'settlement')
    assert.ok(bob.balance > 49_000n, `${bob.balance} sat`)
  })

  it('renews itself before its end, for as many blocks again', async () => {
    const world = new World()
    const alice = await world.node('alice')
    const bob = await world.node('bob', { coin: 0n })
    const opening = alice.engine.open({
      peer: 'bob',
      capacity: CAPACITY,
      blocks: LASTING,
      renewFor: LASTING,
      wait: 'ready'
    })
    await quiet()
    await world.mine()
    const { id, lastPaymentHeight } = await opening
    // Of channels of one moment none is the newest.
    await world.pass(1)
    await alice.pay(20_000n)
    await world.mine((lastPaymentHeight ?? 0) - 6 - world.chain.height - 1)
    assert.equal(alice.engine.channels().length, 1)
    await world.mine(2)
    const [fresh] = alice.engine.channels()
    assert.deepEqual(
      [fresh?.renews, fresh?.status, fresh?.renewFor, fresh?.theirBalance],
      [id, 'open', LASTING, 20_000n]
    )
    assert.deepEqual(
      [alice.engine.describe(id).status, bob.engine.describe(id).status],
      ['closed', 'closed']
    )
    assert.deepEqual([alice.alarms, bob.alarms], [[], []])
  })

  it('of a channel whose renewal cannot be had closes it in peace instead', async () => {
    const world = new World()
    const alice = await world.node('alice')
    const bob = await world.node('bob', { coin: 0n, policy: { maxCapacity: CAPACITY } })
    const opening = alice.engine.open({
      peer: 'bob',
      capacity: CAPACITY,
      blocks: LASTING,
      renewFor: blockDelta(9_000),
      wait: 'ready'
    })
    await quiet()
    await world.mine()
    const { id, lastPaymentHeight } = await opening
    // Of channels of one moment none is the newest.
    await world.pass(1)
    await alice.pay(20_000n)
    await world.mine((lastPaymentHeight ?? 0) + 5 - world.chain.height)
    assert.ok(alice.alarms.includes('ERR_RENEWAL_FAILED'))
    assert.deepEqual(
      [alice.engine.describe(id).spend?.kind, bob.engine.describe(id).spend?.kind],
      ['close', 'close']
    )
  })

  describe('by itself', () => {
    /** Alice asks for a channel that renews itself, and it is open. */
    async function lasting(
      world: World,
      blocks = LASTING,
      server: { coin: bigint; policy?: Partial<Policy> } = { coin: 0n }
    ): Promise<{ alice: Node; bob: Node; old: ChannelId; last: number }> {
      const bob = await world.node('bob', server)
      const alice = await world.node('alice')
      const opening = alice.engine.open({
        peer: 'bob',
        capacity: CAPACITY,
        blocks,
        renewFor: blocks,
        wait: 'ready'
      })
      opening.catch(() => {})
      await quiet()
      await world.mine()
      const { id, lastPaymentHeight } = await opening
      // Of channels of one moment none is the newest.
      await world.pass(1)
      await alice.pay(20_000n)
      return { alice, bob, old: id, last: lastPaymentHeight ?? assert.fail() }
    }
    const alive = (node: Node): number =>
      node.engine.states().filter(({ stage }) => stage !== 'abandoned').length

    it('is not had of a server that leaves it no blocks for payments: the channel closes, and a person is told (RENEW-11)', async () => {
      const world = new World()
      const server: Parameters<typeof lasting>[2] = { coin: 0n }
      const { alice, bob, old, last } = await lasting(world, LASTING, server)
      // Another policy is all that it takes: the earliest last payment that OPEN-8 allows.
      server.policy = { settleMargin: blockDelta(Number(LASTING) - 12 - 3), minBlocks: LASTING }
      await bob.restart()
      await world.pass(10_000)
      await world.mineTo(last + 10)
      assert.deepEqual([alive(alice), alice.engine.describe(old).spend?.kind], [1, 'close'])
      assert.ok(alice.alarms.includes('ERR_RENEWAL_FAILED'))
      assert.match(alice.alarmTexts.join(), /leaves 2 of 120 blocks for payments/)
    })

    it('is tried once in a block, however often a server that refuses it comes back (RENEW-14)', async () => {
      const world = new World()
      const server: Parameters<typeof lasting>[2] = { coin: 0n }
      const { alice, bob, last } = await lasting(world, LASTING, server)
      server.policy = { maxCapacity: satoshi(20_000n) }
      await bob.restart()
      await world.pass(10_000)
      await world.mineTo(last - 7)
      const before = world.said(alice, 'OpenChannel').length
      const tries = (): number => world.said(alice, 'OpenChannel').length - before
      await world.mine()
      for (let n = 0; n < 4; n++) {
        await bob.restart()
        await world.pass(60_000)
      }
      assert.equal(tries(), 1)
      await world.mine()
      assert.equal(tries(), 2)
    })

    it('is done as soon as the chain is seen again, when an outage has taken its window from both sides', async () => {
      const world = new World()
      const { alice, bob, old, last } = await lasting(world)
      await world.mineTo(last - 7)
      for (const { view } of [alice, bob]) view.setStatus('down')
      await world.mineTo(last + 4)
      for (const { view } of [bob, alice]) view.setStatus('synced')
      await quiet()
      await world.pass(60_000)
      await world.mine(2)
      const [fresh] = alice.engine.channels()
      assert.deepEqual([fresh?.renews, fresh?.status], [old, 'open'])
      assert.deepEqual(bob.alarms, [])
    })

    it('is done as soon as the peer is back, without waiting for a block', async () => {
      const world = new World()
      const { alice, bob, old, last } = await lasting(world)
      await world.cut(alice, bob)
      await world.mineTo(last - 2)
      assert.equal(alive(alice), 1)
      world.mend(alice, bob)
      await world.pass(60_000)
      assert.deepEqual(
        [alive(alice), alice.engine.channels()[0]?.renews, alice.alarms],
        [2, old, []]
      )
    })

    it('that comes to nothing is told, when the peer closes what could not be renewed', async () => {
      const world = new World()
      const { alice, bob, old, last } = await lasting(world)
      await world.mineTo(last - 7)
      alice.view.setStatus('down')
      await world.mineTo(last + 4)
      alice.view.setStatus('synced')
      await world.pass(60_000)
      await world.mine(2)
      assert.deepEqual(
        [alice.engine.describe(old).spend?.kind, bob.engine.describe(old).spend?.kind],
        ['close', 'close']
      )
      assert.deepEqual([...new Set(alice.alarms)], ['ERR_RENEWAL_FAILED'])
      assert.match(
        alice.alarmTexts.join(),
        /was to renew itself and did not in time: it is closed now/
      )
    })

    it('is not begun for so few blocks that an honest server leaves it less than half (RENEW-11)', async () => {
      const opening = lasting(new World(), blockDelta(60))
      await assert.rejects(opening, {
        code: 'ERR_TERMS_REFUSED',
        message: /Ask for 98 blocks or more/
      })
    })

    it('is not done of a channel that was funded too late to have lasted: it closes, and a person is told (RENEW-12)', async () => {
      const world = new World()
      const bob = await world.node('bob', { coin: 0n })
      const alice = await world.node('alice')
      const opening = alice.engine.open({
        peer: 'bob',
        capacity: CAPACITY,
        blocks: LASTING,
        renewFor: LASTING,
        wait: 'ready'
      })
      await quiet()
      for (let n = 0; n < 40; n++) {
        world.chain.confirm()
        await quiet()
      }
      await world.mine()
      const { id, lastPaymentHeight } = await opening
      // Of channels of one moment none is the newest.
      await world.pass(1)
      await alice.pay(20_000n)
      await world.mineTo((lastPaymentHeight ?? 0) + 10)
      assert.deepEqual(
        [alive(alice), alive(bob), alice.engine.describe(id).spend?.kind],
        [1, 1, 'close']
      )
      assert.deepEqual([...new Set(alice.alarms)], ['ERR_RENEWAL_FAILED'])
      assert.match(alice.alarmTexts.join(), /has lasted 25 blocks, .* `paychan renew`/)
    })
  })

  describe('that its client begins and does not go on with', () => {
    /**
     * Bob's turn, and Alice says nothing more on a stream of hers once she has asked for a refund
     * to be signed.
     */
    async function stalling(): Promise<{
      world: World
      alice: Node
      bob: Node
      old: ChannelId
      stall: () => Promise<void>
    }> {
      let isSilent = false
      const world = new World()
      const bob = await world.node('bob', { coin: 0n })
      const alice = await world.node('alice', {
        peers: (peers) => ({
          ...peers,
          open: async (peer, listener) => {
            const link = await peers.open(peer, (opened) => listener(silenced(opened)))
            return silenced(link)
          }
        })
      })
      const silenced = (link: Link): Link => {
        let isStalled = false
        return {
          peer: link.peer,
          address: link.address,
          send: (message) => {
            if (isStalled) return
            link.send(message)
            isStalled = isSilent && message.type === 'RefundRequest'
          },
          close: () => {
            if (!isStalled) link.close()
          }
        }
      }
      const opening = alice.engine.open({
        peer: 'bob',
        capacity: CAPACITY,
        blocks: LASTING,
        step: blockDelta(2),
        wait: 'ready'
      })
      await quiet()
      await world.mine()
      const { id: old } = await opening
      await alice.pay(20_000n)
      await bob.pay(1_000n)
      isSilent = true
      return {
        world,
        alice,
        bob,
        old,
        stall: async () => {
          alice.engine
            .renew(old, { amount: satoshi(0n), blocks: LASTING, wait: 'ready' })
            .catch(() => {})
          await quiet()
          assert.equal(
            bob.engine.states().filter(({ stage }) => stage === 'refund-signed').length,
            1,
            'nothing is stalled'
          )
        }
      }
    }

    it('holds the payments of the server back for ten seconds, and not again in the same block (RENEW-13)', async () => {
      const { world, bob, old, stall } = await stalling()
      await stall()
      const first = bob.engine.pay(old, satoshi(1_000n), '')
      await world.pass(9_000)
      assert.equal(bob.engine.describe(old).ourBalance, 19_000n, 'it is not held back at all')
      await world.pass(2_000)
      await first
      // Alice gives up after a minute, and begins anew.
      await world.pass(60_000)
      await stall()
      await bob.engine.pay(old, satoshi(1_000n), '')
      assert.equal(bob.engine.describe(old).ourBalance, 17_000n)
      assert.deepEqual(bob.alarms, [])
    })

    it('does not keep the server from closing', async () => {
      const { world, bob, old, stall } = await stalling()
      await stall()
      const paying = bob.engine.pay(old, satoshi(1_000n), '')
      await world.pass(11_000)
      await paying
      await bob.engine.close(old, false)
      await world.mine()
      assert.equal(bob.engine.describe(old).spend?.kind, 'close')
    })
  })

  describe('is refused', () => {
    it('to the server, and twice', async () => {
      const { alice, bob, old } = await pair()
      await assert.rejects(
        bob.engine.renew(old, { amount: satoshi(0n), blocks: LASTING, wait: 'ready' }),
        { code: 'ERR_NOT_THE_CLIENT' }
      )
      const first = alice.engine.renew(old, {
        amount: satoshi(0n),
        blocks: LASTING,
        wait: 'broadcast'
      })
      await assert.rejects(
        alice.engine.renew(old, { amount: satoshi(0n), blocks: LASTING, wait: 'broadcast' }),
        { code: 'ERR_RENEWAL_UNDER_WAY' }
      )
      await first
      await assert.rejects(
        alice.engine.renew(old, { amount: satoshi(0n), blocks: LASTING, wait: 'broadcast' }),
        { code: 'ERR_CHANNEL_CLOSED' }
      )
    })

    it('when the client is too poor for the fee, and says what helps', async () => {
      const { alice, old } = await pair()
      await alice.engine.pay(old, satoshi(479_800n), 'nearly all')
      await assert.rejects(
        alice.engine.renew(old, { amount: satoshi(0n), blocks: LASTING, wait: 'ready' }),
        { code: 'ERR_INSUFFICIENT_BALANCE', message: /paychan topup/ }
      )
    })

    it('by a server that does not take the new terms, and the old channel goes on', async () => {
      const { alice, bob, old } = await pair()
      await assert.rejects(
        alice.engine.renew(old, { amount: satoshi(0n), blocks: blockDelta(9_000), wait: 'ready' }),
        { code: 'ERR_OPEN_REFUSED' }
      )
      await alice.engine.pay(old, satoshi(1_000n), 'on')
      assert.equal(bob.engine.describe(old).ourBalance, 21_000n)
    })

    it('as often as the server likes, with one address of the wallet for all of them (OPEN-13)', async () => {
      const { world, alice, old } = await pair()
      const before = alice.wallet.scriptsDrawn
      const offered = (): string[] =>
        world.left.flatMap((left) =>
          left.kind === 'message' && left.message.type === 'OpenChannel'
            ? [toHex(left.message.closeScript)]
            : []
        )
      for (let n = 0; n < 5; n++) {
        await assert.rejects(
          alice.engine.renew(old, { amount: satoshi(0n), blocks: blockDelta(9_000), wait: 'ready' })
        )
      }
      assert.equal(alice.wallet.scriptsDrawn - before, 1)
      // What came about keeps its own.
      await renew({ world, alice, old })
      const [first, ...renewals] = offered()
      assert.deepEqual([renewals.length, new Set(renewals).size], [6, 1])
      await alice.engine.open({
        ...{ peer: 'bob', capacity: satoshi(100_000n), blocks: LASTING },
        wait: 'broadcast'
      })
      assert.equal(new Set([first, ...renewals, ...offered()]).size, 3)
    })

    it('by a server whose estimate is another one, after the signature: says what to do with the old channel', async () => {
      const { world, alice, bob, old } = await pair()
      bob.view.feeRate = feeRate(50_000n)
      await world.mine()
      const renewing = alice.engine.renew(old, {
        amount: satoshi(100_000n),
        blocks: LASTING,
        wait: 'ready'
      })
      const refusal = await renewing.catch((error: unknown) => error)
      assert.ok(refusal instanceof PaychanError)
      assert.equal(refusal.code, 'ERR_RENEWAL_NOT_SIGNED')
      assert.deepEqual([refusal.facts.old, refusal.facts.code], [old, 'ERR_RENEWAL_FEE'])
      assert.match(refusal.message, new RegExp(`paychan close ${old.slice(0, 8)}`))
      bob.view.feeRate = undefined
      await world.mine()
      await alice.engine.close(old, false)
      await world.mine()
      assert.equal(alice.engine.describe(old).spend?.kind, 'close')
    })

    it('when the wallet lacks the coins of a top-up, before the peer is asked', async () => {
      const { alice, old } = await pair()
      await assert.rejects(
        alice.engine.renew(old, { amount: satoshi(800_000n), blocks: LASTING, wait: 'ready' }),
        { code: 'ERR_INSUFFICIENT_FUNDS' }
      )
      await alice.engine.pay(old, satoshi(1_000n), 'on')
    })
  })

  it('lets payments wait while it is made, and takes them when nothing comes of it', async () => {
    const { world, alice, bob, old } = await pair()
    world.cutAt(bob, 'RefundSignature')
    const renewing = alice.engine.renew(old, {
      amount: satoshi(0n),
      blocks: LASTING,
      wait: 'ready'
    })
    const failed = assert.rejects(renewing)
    world.mend(alice, bob)
    await failed
    world.mend(alice, bob)
    await world.pass(61_000)
    await alice.engine.pay(old, satoshi(1_000n), 'on')
    assert.equal(bob.engine.describe(old).ourBalance, 21_000n)
  })

  describe('that its server keeps to itself', () => {
    async function withheld(): Promise<Awaited<ReturnType<typeof pair>> & { id: ChannelId }> {
      const story = await pair()
      const { world, alice, old } = story
      world.cutAt(alice, 'RenewalRequest')
      const renewing = alice.engine.renew(old, {
        amount: satoshi(100_000n),
        blocks: LASTING,
        wait: 'broadcast'
      })
      await assert.rejects(renewing, (error: PaychanError) => {
        assert.equal(error.code, 'ERR_FUNDING_NOT_TAKEN')
        assert.match(error.message, /--coin/)
        return true
      })
      const fresh = alice.engine.states().find(({ id }) => id !== old) ?? assert.fail()
      return { ...story, id: fresh.id }
    }

    it('is not called sent: no server has T1 (FUND-3)', async () => {
      const { world, alice, bob, id } = await withheld()
      assert.equal(alice.engine.describe(id).status, 'confirming')
      world.mend(alice, bob)
      await world.pass(61_000)
      await world.mine()
      assert.equal(alice.engine.describe(id).status, 'open', 'it goes on all the same')
    })

    it('is given up once a coin of its T1 is spent for good (RENEW-7); the old channel closes in peace', async () => {
      const { world, alice, bob, old, id } = await withheld()
      const by = txid('ab'.repeat(32))
      alice.wallet.lostTo.set(id, by)
      await world.mine()
      const { status, reason } = alice.engine.describe(id)
      assert.equal(status, 'abandoned')
      assert.match(reason ?? '', new RegExp(`${by}.*close ${old.slice(0, 8)}`))
      assert.equal(alice.wallet.reservedFor.includes(id), false)
      world.mend(alice, bob)
      await quiet()
      const closed = await alice.engine.close(old, false)
      await quiet()
      assert.equal(alice.engine.describe(old).spend?.txid, closed.txid)
    })
  })

  it('is lost when another spend of the old channel is buried (RENEW-7), and its coins are free again', async () => {
    const story = await pair()
    const { world, alice, bob, old } = story
    const renewing = alice.engine.renew(old, {
      amount: satoshi(100_000n),
      blocks: LASTING,
      wait: 'broadcast'
    })
    const { id } = await renewing
    assert.deepEqual(alice.wallet.reservedFor.includes(id), true)
    // T1 stays in the mempool until the server settles, which is then due (CLOSE-8).
    for (let n = 0; n < Number(LASTING) - 20; n++) {
      world.chain.confirm()
      await quiet()
    }
    assert.equal(bob.engine.describe(old).spend?.kind, 'settlement')
    await world.mine(6)
    assert.deepEqual(
      [alice.engine.describe(id).status, bob.engine.find(id)],
      ['abandoned', undefined]
    )
    assert.match(alice.engine.describe(id).reason ?? '', /ended by transaction/)
    assert.equal(alice.wallet.reservedFor.includes(id), false)
  })
})
