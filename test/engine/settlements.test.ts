/** Several channels settled by one transaction. */
import assert from 'node:assert/strict'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { blockDelta, feeRate, satoshi } from '../../src/types/units.js'
import type { ChannelInfo } from '../../src/channel/summary.js'
import type { Chain, ScriptWatcher } from '../../src/engine/ports.js'
import { PaychanError } from '../../src/types/errors.js'
import { codeFrom, quiet, twoNodes, type Node, type NodeSetup, type World } from './world.js'

/** Channels of alice's with bob, which end so many blocks from now; `paid` on each, or as listed. */
async function channels (ends: readonly number[], paid: bigint | readonly bigint[] = 20_000n, setup: NodeSetup = {}, client: NodeSetup = {}): Promise<{ world: World, alice: Node, bob: Node, opened: ChannelInfo[] }> {
  const nodes = await twoNodes({ coin: 0n, ...client }, setup)
  const opened: ChannelInfo[] = []
  for (const blocks of ends) {
    nodes.alice.wallet.receive(200_000n)
    await nodes.world.mine()
    const opening = nodes.alice.engine.open({ peer: 'bob', capacity: satoshi(100_000n), blocks: blockDelta(blocks), wait: 'ready' })
    await quiet()
    await nodes.world.mine()
    const channel = await opening
    await nodes.alice.engine.pay(channel.id, satoshi(typeof paid === 'bigint' ? paid : paid[opened.length] ?? 0n), '')
    opened.push(channel)
  }
  return { ...nodes, opened }
}

const spends = (node: Node): Array<string | undefined> => node.engine.channels().map(({ spend }) => spend?.txid)
const statuses = (node: Node): string[] => node.engine.channels().map(({ status }) => status)

describe('engine / settlements', () => {
  it('the user settles all: one transaction, each client has its own, the server the rest', async () => {
    const { world, alice, bob } = await channels([300, 400, 500])
    const settled = await bob.engine.settleAll()
    assert.equal(new Set(settled.map(({ txid }) => txid)).size, 1)
    assert.equal(settled.length, 3)
    await world.mine()
    assert.deepEqual([statuses(bob), statuses(alice)], [['closed', 'closed', 'closed'], ['closed', 'closed', 'closed']])
    assert.deepEqual(alice.wallet.claims.map(({ value }) => value), [80_000n, 80_000n, 80_000n])
    const raw = world.broadcasts(bob).at(-1)
    assert.ok(raw)
    const { vsize, outputs } = parseTransaction(raw)
    assert.deepEqual([outputs.length, vsize < 3 * 181], [4, true])
    assert.equal(60_000n - (outputs.at(-1)?.value ?? 0n) <= BigInt(vsize + 12), true, 'one fee, at the estimate of 1 sat/vB')
  })

  it('channels that are due at about the same height go together; one that has time stays open', async () => {
    const { world, alice, bob, opened } = await channels([104, 100, 300])
    await world.cut(alice, bob)
    const due = Math.min(...opened.map(({ settleHeight }) => settleHeight ?? 0))
    await world.mineTo(due - 1)
    assert.deepEqual(spends(bob), [undefined, undefined, undefined])
    await world.mine(2)
    const [late, second, first] = spends(bob)
    assert.deepEqual([late, first === second, first !== undefined], [undefined, true, true])
    assert.deepEqual(statuses(bob), ['offline', 'closed', 'closed'])
  })

  it('one alone is settled as ever', async () => {
    const { world, bob } = await channels([100])
    const [only] = await bob.engine.settleAll()
    await world.mine()
    assert.deepEqual([spends(bob), parseTransaction(world.broadcasts(bob).at(-1) ?? new Uint8Array()).outputs.length], [[only?.txid], 2])
  })

  it('nothing is settled where nothing is worth it', async () => {
    const { bob } = await twoNodes()
    assert.deepEqual(await bob.engine.settleAll(), [])
  })

  it('the fee of all rises while it waits, goes on after a restart, and never falls', async () => {
    const { world, bob } = await channels([100, 104])
    await bob.engine.settleAll()
    const seen = new Set(world.chain.mempool)
    for (let n = 0; n < 60; n++) {
      world.chain.confirm()
      await quiet()
      if (n === 20) await bob.restart()
      assert.equal(world.chain.mempool.length, 1)
      for (const txid of world.chain.mempool) seen.add(txid)
    }
    assert.ok(seen.size > 2, `${seen.size} bids`)
    await world.mine()
    assert.deepEqual(statuses(bob), ['closed', 'closed'])
    assert.equal(new Set(spends(bob)).size, 1)
  })

  it('after a reorg that lost it, it goes out again (TIME-4)', async () => {
    const { world, bob } = await channels([300, 310])
    const [first] = await bob.engine.settleAll()
    await world.mine()
    assert.deepEqual(statuses(bob), ['closed', 'closed'])
    world.chain.reorg(1, 2, first?.txid === undefined ? [] : [first.txid])
    await quiet()
    assert.deepEqual(statuses(bob), ['settling', 'settling'])
    await world.mine(2)
    assert.deepEqual([statuses(bob), new Set(spends(bob)).size], [['closed', 'closed'], 1])
  })

  it('comes apart when a mempool does not take it for another reason than its fee: each channel is settled alone', async () => {
    const refusing = (chain: Chain): Chain => new Proxy(chain, {
      get: (target, name) => {
        if (name !== 'broadcast') return Reflect.get(target, name) as unknown
        return async (raw: Uint8Array) => {
          if (parseTransaction(raw).inputs.length > 1 && parseTransaction(raw).outputs.length === 3) throw new PaychanError('ERR_BROADCAST_REFUSED', 'no', { kind: 'missing-inputs' })
          return await target.broadcast(raw)
        }
      }
    })
    const { world, bob } = await channels([300, 310], 20_000n, { chain: refusing })
    void bob.engine.settleAll().catch(() => {})
    await quiet()
    await world.mine(3)
    assert.deepEqual([statuses(bob), new Set(spends(bob)).size], [['closed', 'closed'], 2])
  })

  /** All of bob's channels settled by one transaction; alice, whose server shows no mempool, closes the first. */
  async function closedInBatch (ends: readonly number[], paid?: readonly bigint[], rate = 1_000n): Promise<{ world: World, bob: Node, batch: string }> {
    const hiding = (chain: Chain): Chain => new Proxy(chain, {
      get: (target, name) => name === 'watchScript'
        ? (script: Uint8Array, watcher: ScriptWatcher) => target.watchScript(script, { ...watcher, onHistory: (history) => { watcher.onHistory(history.filter(({ height }) => height !== undefined)) } })
        : Reflect.get(target, name) as unknown
    })
    const { world, alice, bob, opened } = await channels(ends, paid, {}, { chain: hiding })
    for (const { chain } of [alice, bob]) chain.feeRate = feeRate(rate)
    await world.mine()
    const [settled] = await bob.engine.settleAll()
    // Its fee is less than what the batch pays, so that no mempool takes it.
    void alice.engine.close(opened[0]?.id ?? '' as ChannelInfo['id'], false).catch(() => {})
    await quiet()
    assert.deepEqual(waiting(world, bob), [ends.length])
    return { world, bob, batch: settled?.txid ?? '' }
  }

  /** Blocks that take none of it. */
  async function emptyBlocks (world: World, count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      world.chain.confirm()
      await quiet()
    }
  }

  /** How many channels each transaction settles that waits in the mempool, a close apart. */
  const waiting = (world: World, bob: Node): number[] => {
    const raws = new Map(world.broadcasts(bob).map((raw) => [parseTransaction(raw).txid, raw]))
    return world.chain.mempool.flatMap((txid) => parseTransaction(raws.get(txid) ?? new Uint8Array()).inputs.length).sort((a, b) => a - b)
  }
  const batches = (node: Node): Array<number | undefined> => node.engine.states().map((state) => state.stage === 'established' ? state.publication?.batch?.channels : undefined)

  it('a channel that its client closes leaves with the next block and bids alone; the others go on without it (TIME-9)', async () => {
    const { world, bob } = await closedInBatch([300, 310, 320])
    await emptyBlocks(world, 1)
    assert.deepEqual([waiting(world, bob), batches(bob)], [[1, 2], [undefined, 2, 2]])
    await emptyBlocks(world, 5)
    assert.deepEqual(waiting(world, bob), [1, 2])
    await world.mine()
    assert.deepEqual([statuses(bob), new Set(spends(bob)).size], [['closed', 'closed', 'closed'], 2])
  })

  it('of two, the other one is alone then, and bids alone as well', async () => {
    const { world, bob } = await closedInBatch([300, 310])
    await emptyBlocks(world, 1)
    assert.deepEqual([waiting(world, bob), batches(bob)], [[1, 1], [undefined, undefined]])
  })

  it('comes apart when those that are left are too poor to replace it', async () => {
    const { world, bob } = await closedInBatch([300, 310, 320], [20_000n, 800n, 800n], 3_000n)
    await emptyBlocks(world, 1)
    assert.deepEqual(batches(bob), [undefined, undefined, undefined])
  })

  it('stays together while no server can be asked', async () => {
    let away = false
    const leaving = (chain: Chain): Chain => new Proxy(chain, {
      get: (target, name) => name === 'broadcast' && away ? () => Promise.reject(new Error('no server answers')) : Reflect.get(target, name) as unknown
    })
    const { world, bob } = await channels([300, 310], 20_000n, { chain: leaving })
    await bob.engine.settleAll()
    away = true
    await emptyBlocks(world, 2)
    away = false
    await emptyBlocks(world, 1)
    assert.deepEqual([waiting(world, bob), batches(bob)], [[2], [2, 2]])
  })

  it('`bumpfee` says of a batch that it rises by itself, and raises what has left one', async () => {
    const { world, bob, batch } = await closedInBatch([300, 310])
    assert.equal(await codeFrom(bob.engine.bump(batch, undefined)), 'ERR_CANNOT_BUMP')
    await emptyBlocks(world, 1)
    const alone = bob.engine.states().flatMap((state) => state.stage === 'established' && state.closes.length > 0 && state.publication !== undefined ? [state.publication] : [])
    const bumped = await bob.engine.bump(alone[0]?.txid ?? '', feeRate(10_000n))
    assert.ok(bumped !== undefined && bumped.fee > (alone[0]?.fee ?? 0n))
    assert.equal(await bob.engine.bump(batch, undefined), undefined, 'the batch is nobody\'s any more')
  })
})
