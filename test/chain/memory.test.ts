import assert from 'node:assert/strict'
import { MemoryWorld } from '../../src/chain/memory-world.js'
import { MemoryChain } from '../../src/chain/memory.js'
import { satoshi } from '../../src/types/units.js'
import { recordingWatcher, testScript } from './helpers.js'

const script = testScript(1)

describe('memory chain', () => {
  it('shows one world to several views', async () => {
    const world = new MemoryWorld()
    const [one, two] = [new MemoryChain(world), new MemoryChain(world)]
    const [first, second] = [recordingWatcher(), recordingWatcher()]
    await Promise.all([one.watchScript(script, first).ready, two.watchScript(script, second).ready])
    const id = world.fund(script, satoshi(5_000n))
    await second.histories.when((history) => history[0]?.transaction.txid === id)
    assert.deepEqual(first.histories.all, second.histories.all)
  })

  it('confirms just what a test names', async () => {
    const world = new MemoryWorld()
    const wanted = world.fund(script, satoshi(5_000n))
    const waiting = world.fund(script, satoshi(6_000n))
    world.confirm(wanted)
    assert.deepEqual(
      world.historyOf(script).map(({ transaction: { txid }, height }) => [txid, height]),
      [
        [wanted, 1],
        [waiting, undefined]
      ]
    )
  })

  it('puts what a reorganisation undoes back into the mempool, except what is dropped', () => {
    const world = new MemoryWorld()
    const kept = world.fund(script, satoshi(5_000n))
    const lost = world.fund(script, satoshi(6_000n))
    world.mine(2)
    const before = world.tipHash
    world.reorg(2, 3, [lost])
    assert.equal(world.height, 3)
    assert.notEqual(world.tipHash, before)
    assert.deepEqual(world.mempool, [kept])
  })

  it('runs on the schedule that it is given, histories before the tip', () => {
    const world = new MemoryWorld()
    const work: Array<() => void> = []
    const chain = new MemoryChain(world, {
      schedule: (job) => {
        work.push(job)
      }
    })
    const events: string[] = []
    chain.watchScript(script, {
      onHistory: (history) => {
        events.push(`history ${history[0]?.height}`)
      },
      onError: () => {}
    })
    chain.onTip(({ height }) => {
      events.push(`tip ${height}`)
    })
    world.fund(script, satoshi(5_000n))
    world.mine()
    assert.deepEqual(events, ['tip 0'])
    for (let job = work.shift(); job !== undefined; job = work.shift()) job()
    assert.deepEqual(events, ['tip 0', 'history 1', 'tip 1'])
  })
})
