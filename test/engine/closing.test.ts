import assert from 'node:assert/strict'
import { PaychanError } from '../../src/types/errors.js'
import { feeRate, satoshi } from '../../src/types/units.js'
import { CAPACITY, codeFrom, quiet, soon, twoNodes, type Node, type World } from './world.js'

const OPENED_WITH = 1_000_000n

/** A channel on which 40,000 sat were paid. */
async function paid(): Promise<{ world: World; alice: Node; bob: Node }> {
  const nodes = await twoNodes()
  await nodes.world.open(nodes.alice, nodes.bob)
  await nodes.alice.pay(40_000n)
  return nodes
}

describe('engine / cooperative close', () => {
  it('asked for by the client, who pays the fee', async () => {
    const { world, alice, bob } = await paid()
    const closed = await alice.close()
    assert.deepEqual([closed.kind, world.chain.mempool], ['close', [closed.txid]])
    assert.deepEqual([alice.channel.status, bob.channel.status], ['closing', 'closing'])
    await world.mine()
    assert.deepEqual([alice.channel.status, bob.channel.status], ['closed', 'closed'])
    assert.equal(alice.channel.spend?.kind, 'close')
    assert.equal(bob.balance, 40_000n)
    assert.ok(alice.balance > OPENED_WITH - 40_000n - 1_000n)
  })

  it('asked for by the server, who pays the fee', async () => {
    const { world, alice, bob } = await paid()
    const before = OPENED_WITH - 40_000n
    assert.equal((await bob.close()).kind, 'close')
    await world.mine()
    assert.deepEqual([alice.channel.status, bob.channel.status], ['closed', 'closed'])
    assert.ok(bob.balance < 40_000n && bob.balance > 39_000n)
    assert.ok(alice.balance > before - 1_000n)
  })

  it('waits for the payments that wait and that are on their way, and takes no new ones', async () => {
    const { world, alice, bob } = await paid()
    bob.life.holdDisk()
    const payments = [alice.pay(100n)]
    await quiet()
    payments.push(alice.pay(200n))
    const closing = alice.close()
    const late = codeFrom(alice.pay(300n))
    await quiet()
    assert.deepEqual(world.said(alice, 'CloseRequest'), [])
    bob.life.releaseDisk()
    assert.equal((await closing).kind, 'close')
    assert.equal(await late, 'ERR_CHANNEL_CLOSED')
    await Promise.all(payments)
    await world.mine()
    assert.equal(bob.balance, 40_300n)
  })

  it('is refused when the peer is not there, with what happens instead', async () => {
    const { world, alice, bob } = await paid()
    await world.cut(alice, bob)
    const closing = alice.close()
    const refused = assert.rejects(closing, /comes back by itself at height \d+/)
    await world.pass(5_000)
    await refused
    assert.equal(await codeFrom(bob.close()), 'ERR_PEER_UNREACHABLE')
  })

  it('is refused by a peer that asks for a higher fee; the asker takes no payments any more', async () => {
    const { alice, bob, world } = await twoNodes()
    await world.open(alice, bob)
    bob.view.feeRate = 50_000n as typeof bob.view.feeRate
    await world.mine()
    await assert.rejects(alice.close(), { code: 'ERR_CLOSE_REFUSED' })
    assert.equal(await codeFrom(alice.pay(1_000n)), 'ERR_CHANNEL_CLOSED')
    bob.view.feeRate = 1_000n as typeof bob.view.feeRate
    await world.mine()
    assert.equal((await alice.close()).kind, 'close')
  })

  it('times out when the peer does not answer, and tells what happens then', async () => {
    const { world, alice, bob } = await paid()
    bob.life.holdDisk()
    const closing = assert.rejects(alice.close(), { code: 'ERR_CLOSE_TIMEOUT' })
    await quiet()
    await world.pass(60_000)
    await closing
  })

  it('is known to be done when the chain shows it, although the peer went away before it said so', async () => {
    const { world, alice, bob } = await paid()
    const closing = alice.close()
    await soon(
      () => world.chain.mempool.length !== 0,
      () => {
        world.network.cut('alice', 'bob')
      }
    )
    const closed = await closing
    assert.deepEqual([closed.kind, world.chain.mempool], ['close', [closed.txid]])
    assert.equal(alice.channel.status, 'closing')
    assert.equal(bob.channel.status, 'closing')
  })

  it('that was signed and never broadcast is broadcast again after a restart', async () => {
    const { world, alice, bob } = await paid()
    const commits = bob.commits
    bob.crashAt = (moment, commit) => moment === 'after' && commit > commits
    const closing = alice.close()
    await quiet()
    assert.deepEqual(world.chain.mempool, [])
    await bob.restart()
    assert.deepEqual(world.chain.mempool, [(await closing).txid])
    await world.mine()
    assert.deepEqual([alice.channel.status, bob.balance], ['closed', 40_000n])
  })
})

describe('engine / alone', () => {
  it('the server is gone: the client has everything back at L, by T2', async () => {
    const { world, alice, bob } = await paid()
    bob.crash()
    await world.mineTo(alice.channel.refundHeight - 1)
    assert.deepEqual([world.chain.mempool, alice.channel.status], [[], 'stopped'])
    await world.mine()
    assert.deepEqual([alice.channel.status, world.chain.mempool.length], ['refunding', 1])
    await world.mine()
    assert.deepEqual([alice.channel.status, alice.channel.spend?.kind], ['closed', 'refund'])
    assert.ok(alice.balance > OPENED_WITH - 1_000n)
  })

  it("the client is gone: the server settles at the settlement height, by T3, and the client's rest is claimed when it comes back", async () => {
    const { world, alice, bob } = await paid()
    const { settleHeight } = bob.channel
    assert.ok(settleHeight !== undefined)
    alice.crash()
    await world.mineTo(settleHeight - 1)
    assert.deepEqual(world.chain.mempool, [])
    await world.mine()
    assert.deepEqual([bob.channel.status, world.chain.mempool.length], ['settling', 1])
    await world.mine()
    assert.deepEqual([bob.channel.status, bob.channel.spend?.kind], ['closed', 'settlement'])
    assert.ok(bob.balance > 39_000n && bob.balance < 40_000n)
    await alice.restart()
    assert.deepEqual(
      alice.wallet.claims.map(({ value }) => value),
      [CAPACITY - 40_000n]
    )
    assert.ok(alice.balance > OPENED_WITH - 40_000n - 1_000n)
  })

  it('a fee rises from block to block while a publication waits, and never falls', async () => {
    const { world, alice, bob } = await paid()
    alice.crash()
    void bob.close(true)
    await quiet()
    const seen = [world.chain.mempool[0]]
    for (let n = 0; n < 30; n++) {
      world.chain.confirm() // a block without it
      await quiet()
      assert.equal(world.chain.mempool.length, 1)
      seen.push(world.chain.mempool[0])
    }
    assert.ok(new Set(seen).size > 4, `${new Set(seen).size} bids in 30 blocks`)
    await world.mine()
    assert.equal(bob.channel.status, 'closed')
    assert.ok(bob.balance < 40_000n)
  })

  it("its user raises the fee at once, by a rate or by a quarter, and not above what is at stake; what is of no channel is the wallet's", async () => {
    const { world, alice, bob } = await paid()
    alice.crash()
    const { txid } = await bob.close(true)
    assert.ok(txid)
    const first = await bob.engine.bump(txid, feeRate(20_000n))
    assert.deepEqual([first?.of, first?.fee, world.chain.mempool], [txid, 3_620n, [first?.txid]])
    const second = await bob.engine.bump(first?.txid ?? '', undefined)
    assert.deepEqual([second?.fee, world.chain.mempool], [4_525n, [second?.txid]])
    await assert.rejects(
      bob.engine.bump(second?.txid ?? '', feeRate(300_000n)),
      (error) =>
        error instanceof PaychanError &&
        error.code === 'ERR_CANNOT_BUMP' &&
        error.facts.most === 39_706n
    )
    await assert.rejects(bob.engine.bump(second?.txid ?? '', feeRate(25_100n)), /1 sat\/vB more/)
    assert.equal(await bob.engine.bump('ab'.repeat(32), undefined), undefined)
    await world.mine()
    await assert.rejects(
      bob.engine.bump(second?.txid ?? '', undefined),
      (error) => error instanceof PaychanError && error.code === 'ERR_ALREADY_CONFIRMED'
    )
  })

  it('the bids of a refund go on after a restart', async () => {
    const { world, alice, bob } = await paid()
    bob.crash()
    await world.mineTo(alice.channel.refundHeight)
    const [first] = world.chain.mempool
    await alice.restart()
    world.chain.confirm()
    await quiet()
    assert.equal(world.chain.mempool.length, 1)
    assert.notEqual(world.chain.mempool[0], first)
  })

  it('the server settles at once when its user says so; the client learns of it from the chain', async () => {
    const { world, alice, bob } = await paid()
    await world.cut(alice, bob)
    const closed = await bob.close(true)
    assert.deepEqual([closed.kind, world.chain.mempool], ['settlement', [closed.txid]])
    await world.mine()
    assert.deepEqual([alice.channel.status, alice.channel.spend?.kind], ['closed', 'settlement'])
    assert.deepEqual(
      alice.wallet.claims.map(({ value }) => value),
      [CAPACITY - 40_000n]
    )
  })

  it('the client cannot settle, and a server without a share has nothing to', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    assert.equal(await codeFrom(alice.close(true)), 'ERR_NOTHING_TO_SETTLE')
    assert.equal(await codeFrom(bob.close(true)), 'ERR_NOTHING_TO_SETTLE')
    await alice.pay(1_000n)
  })

  it('a close that stays unconfirmed postpones nothing: the server settles at its height', async () => {
    const { world, alice, bob } = await paid()
    await alice.close()
    const { settleHeight } = bob.channel
    assert.ok(settleHeight !== undefined)
    while (world.chain.height < settleHeight) {
      world.chain.confirm()
      await quiet()
    }
    assert.ok(
      bob.story.some((news) => news.kind === 'published' && news.transaction === 'settlement')
    )
    await world.mine()
    assert.ok(bob.balance > 38_000n)
  })

  it('T1 that a reorg takes away goes out again, and no payment is made meanwhile', async () => {
    const { world, alice, bob } = await paid()
    world.reorg(1, 1)
    await quiet()
    assert.ok(alice.alarms.includes('ERR_FUNDING_REORGED'))
    assert.equal(await codeFrom(alice.pay(1_000n)), 'ERR_CHANNEL_NOT_OPEN')
    assert.equal(world.chain.mempool.length, 1)
    await world.mine()
    assert.deepEqual([alice.channel.status, bob.channel.status], ['open', 'open'])
    await alice.pay(1_000n)
    assert.equal(bob.channel.ourBalance, 41_000n)
  })

  it('a watch that the server refuses after a restart is an alarm, and is set up again with the next block', async () => {
    let refuse = false
    const { world, alice, bob } = await twoNodes({
      chain: (chain) => ({
        ...chain,
        get status() {
          return chain.status
        },
        get tip() {
          return chain.tip
        },
        watchScript: (script, watcher) =>
          refuse
            ? {
                ready: Promise.reject(
                  new PaychanError('ERR_ELECTRUM_REFUSED', 'too many subscriptions')
                ),
                isCurrent: false,
                stop: () => {}
              }
            : chain.watchScript(script, watcher)
      })
    })
    await world.open(alice, bob)
    await alice.pay(40_000n)
    refuse = true
    await alice.restart()
    assert.ok(alice.alarms.includes('ERR_WATCH_FAILED'))
    assert.deepEqual(
      [alice.channel.watched, alice.channel.spendable, alice.engine.unwatched()],
      [false, 0n, alice.channel.ourBalance]
    )
    assert.equal(await codeFrom(alice.pay(1_000n)), 'ERR_NOT_WATCHED', 'UPD-20')
    assert.equal(bob.channel.ourBalance, 40_000n)
    refuse = false
    await bob.close(true)
    await world.mine(2)
    assert.deepEqual([alice.channel.status, alice.channel.spend?.kind], ['closed', 'settlement'])
  })

  it('tells what is in channels, and counts no coin twice', async () => {
    const { world, alice, bob } = await paid()
    const total = (node: Node): bigint => node.engine.inChannels() + node.balance
    assert.equal(bob.engine.inChannels(), satoshi(40_000n))
    const before = total(alice)
    await alice.close()
    await quiet()
    assert.equal(bob.engine.inChannels(), 0n)
    assert.equal(total(bob), 40_000n)
    assert.ok(total(alice) <= before && total(alice) > before - 1_000n)
    await world.mine()
    assert.equal(total(bob), 40_000n)
  })
})
