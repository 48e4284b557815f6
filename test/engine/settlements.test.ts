/**
 * A server settles without its clients: all that it can when its user asks for it, what is due by
 * itself; each channel alone (TIME-9).
 */
import assert from 'node:assert/strict'
import { parseTransaction, type Transaction } from '../../src/bitcoin/transaction.js'
import type { ChannelInfo } from '../../src/channel/summary.js'
import type { Chain, Weight } from '../../src/engine/ports.js'
import type { Txid } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { blockDelta, feeRate, satoshi } from '../../src/types/units.js'
import { codeFrom, quiet, twoNodes, type Node, type NodeSetup, type World } from './world.js'

/**
 * Channels of alice's with bob, which end so many blocks from now; `paid` on each, or as listed.
 */
async function channels(
  ends: readonly number[],
  paid: bigint | readonly bigint[] = 20_000n,
  setup: NodeSetup = {}
): Promise<{ world: World; alice: Node; bob: Node; opened: ChannelInfo[] }> {
  const nodes = await twoNodes({ coin: 0n }, setup)
  const opened: ChannelInfo[] = []
  for (const blocks of ends) {
    nodes.alice.wallet.receive(200_000n)
    await nodes.world.mine()
    const opening = nodes.alice.engine.open({
      peer: 'bob',
      capacity: satoshi(100_000n),
      blocks: blockDelta(blocks),
      wait: 'ready'
    })
    await quiet()
    await nodes.world.mine()
    const channel = await opening
    await nodes.alice.engine.pay(
      channel.id,
      satoshi(typeof paid === 'bigint' ? paid : (paid[opened.length] ?? 0n)),
      ''
    )
    opened.push(channel)
  }
  return { ...nodes, opened }
}

/** Blocks that take none of it. */
async function emptyBlocks(world: World, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    world.chain.confirm()
    await quiet()
  }
}

const statuses = (node: Node): string[] => node.engine.channels().map(({ status }) => status)
const sent = (world: World, node: Node): Array<ReturnType<typeof parseTransaction>> =>
  world.broadcasts(node).map(parseTransaction)

/** What is bid for each, in the order of their opening. */
function rates(node: Node, opened: readonly ChannelInfo[]): Array<bigint | undefined> {
  return opened.map(({ id }) => {
    const state = node.engine.find(id)
    return state?.stage === 'established' ? state.publication?.feeRate : undefined
  })
}

describe('engine / settlements', () => {
  it('the user settles all: each channel by a transaction of its own, which pays its own fee (TIME-9)', async () => {
    const { world, alice, bob, opened } = await channels([300, 400, 500])
    const { settled } = await bob.engine.settleAll()
    assert.deepEqual(
      settled.map(({ channel }) => channel),
      opened.map(({ id }) => id)
    )
    assert.equal(new Set(settled.map(({ txid }) => txid)).size, 3)
    assert.deepEqual(
      sent(world, bob)
        .slice(-3)
        .map(({ inputs, outputs }) => [inputs.length, outputs[0]?.value, outputs[1]?.value]),
      Array(3).fill([1, 80_000n, 20_000n - 181n])
    )
    await world.mine()
    assert.deepEqual(
      [statuses(bob), statuses(alice)],
      [
        ['closed', 'closed', 'closed'],
        ['closed', 'closed', 'closed']
      ]
    )
    assert.deepEqual(
      alice.wallet.claims.map(({ value }) => value),
      [80_000n, 80_000n, 80_000n]
    )
  })

  it('channels that are due at the same height bid alone, a poor one beside a rich one; one that has time stays open (TIME-9)', async () => {
    const { world, alice, bob, opened } = await channels(
      [104, 102, 300],
      [90_000n, 2_000n, 20_000n]
    )
    await world.cut(alice, bob)
    bob.view.feeRate = feeRate(20_000n)
    await world.mineTo(Math.min(...opened.map(({ settleHeight }) => settleHeight ?? 0)) - 1)
    assert.deepEqual(rates(bob, opened), [undefined, undefined, undefined])
    const before = world.broadcasts(bob).length
    await emptyBlocks(world, 3)
    const [rich = 0n, poor = 0n, later] = rates(bob, opened)
    assert.deepEqual(
      [rich >= 20_000n, poor < 20_000n, later],
      [true, true, undefined],
      `${rich} and ${poor}`
    )
    assert.ok(
      sent(world, bob)
        .slice(before)
        .every(({ inputs }) => inputs.length === 1)
    )
  })

  it('what is not worth its fee now is left out, and so is what is being closed; the others are settled', async () => {
    const { alice, bob, opened } = await channels([300, 310, 320], [20_000n, 3_000n, 20_000n])
    bob.view.feeRate = feeRate(20_000n)
    alice.view.feeRate = feeRate(20_000n)
    await alice.world.mine()
    void alice.engine.close(opened[2]?.id ?? ('' as ChannelInfo['id']), false).catch(() => {})
    await quiet()
    assert.deepEqual(
      (await bob.engine.settleAll()).settled.map(({ channel }) => channel),
      [opened[0]?.id]
    )
  })

  it('nothing is settled where nothing is worth it, or where the chain is out of sight', async () => {
    const { bob } = await twoNodes()
    assert.deepEqual(await bob.engine.settleAll(), { settled: [], failed: [] })
    bob.view.setStatus('down')
    assert.equal(await codeFrom(bob.engine.settleAll()), 'ERR_CHAIN_UNAVAILABLE')
  })

  it('what no server takes holds up nothing else, and goes out again with every block', async () => {
    let refuses = true
    const refusing = (chain: Chain): Chain =>
      new Proxy(chain, {
        get: (target, name) => {
          if (name !== 'broadcast') return Reflect.get(target, name) as unknown
          return async (transaction: Transaction) => {
            const isFirst = transaction.outputs[0]?.value === 70_000n
            if (refuses && isFirst) {
              throw new PaychanError('ERR_BROADCAST_REFUSED', 'no', { kind: 'missing-inputs' })
            }
            return await target.broadcast(transaction)
          }
        }
      })
    const { world, bob, opened } = await channels([300, 310], [30_000n, 20_000n], {
      chain: refusing
    })
    const settling = bob.engine.settleAll()
    await quiet()
    await world.mine()
    assert.deepEqual(
      opened.map(({ id }) => bob.engine.describe(id).status),
      ['settling', 'closed']
    )
    refuses = false
    await world.mine(2)
    assert.deepEqual([statuses(bob), (await settling).settled.length], [['closed', 'closed'], 2])
  })

  it('a publication goes out for what is at stake, and a signed close waits for its place: nothing presses it (COST-6, COST-9)', async () => {
    const sent: Array<readonly [Weight | undefined, Txid]> = []
    const listening = (chain: Chain): Chain =>
      new Proxy(chain, {
        get: (target, name) => {
          if (name !== 'broadcast') return Reflect.get(target, name) as unknown
          return async (transaction: Transaction, weight?: Weight) => {
            sent.push([weight, transaction.inputs[0]?.outPoint.txid ?? transaction.txid])
            return await target.broadcast(transaction, weight)
          }
        }
      })
    const { world, alice, bob, opened } = await channels([300, 310], 20_000n, {
      chain: listening
    })
    sent.length = 0
    const [published, closed] = opened.map(({ id }) => id)
    assert.ok(published !== undefined && closed !== undefined)
    void bob.engine.close(published, true)
    void alice.engine.close(closed, false)
    await quiet()
    assert.deepEqual(
      [published, closed].map(
        (id) => sent.find(([, spent]) => spent === bob.engine.describe(id).funding?.txid)?.[0]
      ),
      [
        {
          publicationOf: published,
          stake: 20_000n,
          feeRate: 1_000n,
          isFundingThere: true
        },
        { patientFor: `close ${closed}` }
      ]
    )
    await world.mine()
    assert.deepEqual(statuses(bob), ['closed', 'closed'])
  })

  it('says which channel no server takes, and what became of the others', async () => {
    const refusing = (chain: Chain): Chain =>
      new Proxy(chain, {
        get: (target, name) => {
          if (name !== 'broadcast') return Reflect.get(target, name) as unknown
          return async (transaction: Transaction) => {
            if (transaction.outputs[0]?.value === 70_000n) {
              throw new PaychanError('ERR_BROADCAST_REFUSED', 'no', { kind: 'missing-inputs' })
            }
            return await target.broadcast(transaction)
          }
        }
      })
    const { world, bob, opened } = await channels([300, 310, 320], [20_000n, 30_000n, 20_000n], {
      chain: refusing
    })
    const settling = bob.engine.settleAll()
    await quiet()
    await world.pass(60_000)
    const { settled, failed } = await settling
    assert.deepEqual(
      settled.map(({ channel }) => channel),
      [opened[0]?.id, opened[2]?.id]
    )
    assert.deepEqual(
      failed.map(({ channel, code }) => [channel, code]),
      [[opened[1]?.id, 'ERR_CLOSE_TIMEOUT']]
    )
  })

  it('each fee rises while it waits, goes on after a restart, and never falls', async () => {
    const { world, bob, opened } = await channels([100, 104])
    await bob.engine.settleAll()
    let before = rates(bob, opened)
    const first = before
    for (let n = 0; n < 60; n++) {
      await emptyBlocks(world, 1)
      if (n === 20) await bob.restart()
      assert.equal(world.chain.mempool.length, 2)
      const now = rates(bob, opened)
      assert.ok(
        now.every((rate = 0n, i) => rate >= (before[i] ?? 0n)),
        'a bid has fallen'
      )
      before = now
    }
    assert.ok(
      before.every((rate = 0n, i) => rate > (first[i] ?? 0n)),
      'a bid has not risen'
    )
    await world.mine()
    assert.deepEqual(statuses(bob), ['closed', 'closed'])
  })

  it('after a reorg that lost them, they go out again (TIME-4)', async () => {
    const { world, bob } = await channels([300, 310])
    const { settled } = await bob.engine.settleAll()
    await world.mine()
    assert.deepEqual(statuses(bob), ['closed', 'closed'])
    world.reorg(
      1,
      2,
      settled.flatMap(({ txid }) => txid ?? [])
    )
    await quiet()
    assert.deepEqual(statuses(bob), ['settling', 'settling'])
    await world.mine(2)
    assert.deepEqual(statuses(bob), ['closed', 'closed'])
  })
})
