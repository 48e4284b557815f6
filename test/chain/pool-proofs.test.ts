/**
 * What several servers have proved of a script: it counts in the best chain, whoever is silent,
 * slow, dropped, or on another branch.
 */
import assert from 'node:assert/strict'
import type { ElectrumChain } from '../../src/chain/chain.js'
import type { Anchor } from '../../src/chain/headers.js'
import { createServerPool, type ServerReport } from '../../src/chain/pool.js'
import type { PoolTimes } from '../../src/chain/timeouts.js'
import { idOf } from './fake-chain.js'
import { FakeServer, Refusal, SILENCE } from './fake-server.js'
import {
  FakeClock,
  realClock,
  Recorder,
  recordingWatcher,
  seededRandom,
  testScript
} from './helpers.js'
import { entries } from './watch-world.js'

const NEVER = 1_000_000
const HISTORY = 'blockchain.scripthash.get_history'
const SUBSCRIBE = 'blockchain.scripthash.subscribe'
const SCRIPT = testScript(1)

describe('server pool / proofs', () => {
  let first: FakeServer
  let second: FakeServer
  let chain: ElectrumChain
  let reports: Recorder<ServerReport>
  let anchors: Recorder<Anchor>

  beforeEach(async () => {
    ;[first, second] = [await new FakeServer().listen(), await new FakeServer().listen()]
    mineBoth(3)
  })

  afterEach(async () => {
    await chain.stop()
    await Promise.all([first.close(), second.close()])
  })

  async function start(
    times: Partial<PoolTimes> = {},
    clock: typeof realClock = realClock
  ): Promise<void> {
    ;[reports, anchors] = [new Recorder(), new Recorder()]
    chain = createServerPool({
      servers: [{ url: first.url }, { url: second.url }],
      network: 'regtest',
      clock,
      random: seededRandom(),
      timeouts: { retryFirst: 2, retryMost: 20, ping: NEVER, silence: NEVER, request: NEVER },
      times: {
        lag: NEVER,
        omission: NEVER,
        answers: 100,
        settle: NEVER,
        retry: NEVER,
        retryAlone: NEVER,
        ...times
      },
      onReport: (report) => {
        reports.push(report)
      },
      onAnchor: (anchor) => {
        anchors.push(anchor)
      }
    })
    await chain.start()
    await areUsed()
  }

  async function until(test: () => boolean): Promise<void> {
    while (!test()) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
  }

  const areUsed = async (): Promise<void> => {
    await until(() => chain.servers.every(({ state }) => state === 'used'))
  }
  const areAt = async (...heights: number[]): Promise<void> => {
    await until(() => chain.servers.every(({ height }, i) => height === heights[i]))
  }

  function mineBoth(count = 1): void {
    first.chain.mine(count)
    copy(first, second)
  }

  function copy(from: FakeServer, to: FakeServer): void {
    to.chain.blocks.splice(0, to.chain.blocks.length, ...from.chain.blocks)
  }

  it('counts though the server that is preferred comes to the block later, and says nothing of it', async () => {
    first.on(HISTORY, () => [])
    await start({ omission: 20 })
    const watcher = recordingWatcher()
    await chain.watchScript(SCRIPT, watcher).ready
    const payment = idOf(first.chain.pay(SCRIPT))
    mineBoth()
    second.notifyScript(SCRIPT)
    second.notifyTip()
    await areAt(3, 4)
    first.notifyTip()
    const history = await watcher.histories.when((each) =>
      each.some(({ height }) => height !== undefined)
    )
    assert.deepEqual(entries(history), [[payment, 4]])
    const { code, server } = await reports.when(() => true)
    assert.deepEqual([code, server], ['ERR_CHAIN_LIED', first.url])
  })

  it('counts in the block at the same height of the branch that wins', async () => {
    first.on(HISTORY, () => [])
    await start()
    const watcher = recordingWatcher()
    await chain.watchScript(SCRIPT, watcher).ready
    const payment = first.chain.pay(SCRIPT)
    second.chain.mempool.push(payment)
    first.chain.mine(2)
    second.chain.mine()
    first.notifyTip()
    await areAt(5, 3)
    second.notifyScript(SCRIPT)
    second.notifyTip()
    await areAt(5, 4)
    assert.deepEqual(
      entries(await watcher.histories.when((each) => each.length > 0)),
      [[idOf(payment), undefined]],
      'proved on a branch with less work'
    )
    copy(first, second)
    second.notifyTip()
    assert.deepEqual(
      entries(
        await watcher.histories.when((each) => each.some(({ height }) => height !== undefined))
      ),
      [[idOf(payment), 4]]
    )
  })

  it('does not count before it is proved in the branch that wins, at whatever height', async () => {
    await start({ settle: 10 })
    const watcher = recordingWatcher()
    await chain.watchScript(SCRIPT, watcher).ready
    first.chain.mine(2)
    const payment = second.chain.pay(SCRIPT)
    second.chain.mine()
    second.notifyScript(SCRIPT)
    second.notifyTip()
    await watcher.histories.when((each) => each.some(({ height }) => height === 4))
    copy(first, second)
    second.on(HISTORY, () => SILENCE)
    second.notifyTip()
    first.notifyTip()
    const last = await watcher.histories.when(
      (each) => each.length === 1 && each[0]?.height === undefined
    )
    assert.deepEqual(entries(last), [[idOf(payment), undefined]])
  })

  it('asks a server anew that leaves something out, and drops it only when it still does', async () => {
    await start({ omission: 10 })
    const watcher = recordingWatcher()
    await chain.watchScript(SCRIPT, watcher).ready
    const payment = idOf(first.chain.pay(SCRIPT))
    mineBoth()
    const asked = second.count(HISTORY)
    first.notifyScript(SCRIPT)
    first.notifyTip()
    second.notifyTip()
    await areAt(4, 4)
    assert.deepEqual(entries(await watcher.histories.when((each) => each.length > 0)), [
      [payment, 4]
    ])
    await until(() => second.count(HISTORY) > asked)
    const more = idOf(first.chain.pay(SCRIPT))
    mineBoth()
    second.notifyScript(SCRIPT)
    second.notifyTip()
    await areAt(4, 5)
    await watcher.histories.when((each) => each.some(({ transaction: { txid } }) => txid === more))
    // The next time it is asked as well.
    const third = idOf(first.chain.pay(SCRIPT))
    mineBoth()
    const before = second.count(HISTORY)
    first.notifyScript(SCRIPT)
    first.notifyTip()
    second.notifyTip()
    await areAt(6, 6)
    await watcher.histories.when((each) => each.some(({ transaction: { txid } }) => txid === third))
    await until(() => second.count(HISTORY) > before)
    assert.deepEqual(reports.all, [], 'it was only slow')
    assert.deepEqual(
      chain.servers.map(({ state }) => state),
      ['used', 'used']
    )
  })

  it('counts while the server that has proved it is dropped, and while it is asked again', async () => {
    first.on(HISTORY, () => [])
    await start({ retry: 20 })
    const watcher = recordingWatcher()
    await chain.watchScript(SCRIPT, watcher).ready
    const payment = idOf(first.chain.pay(SCRIPT))
    mineBoth()
    second.notifyScript(SCRIPT)
    second.notifyTip()
    first.notifyTip()
    await watcher.histories.when((each) => each.some(({ height }) => height === 4))
    second.on(HISTORY, () => SILENCE)
    second.send('garbage\n')
    assert.equal((await reports.when(() => true)).code, 'ERR_ELECTRUM_PROTOCOL')
    const asked = second.count(HISTORY)
    await until(() => second.count(HISTORY) > asked)
    const other = first.chain.pay(SCRIPT)
    first.on(HISTORY, () => [{ tx_hash: idOf(other), height: 0 }])
    first.notifyScript(SCRIPT)
    assert.deepEqual(
      entries(
        await watcher.histories.when((each) =>
          each.some(({ transaction: { txid } }) => txid === idOf(other))
        )
      ),
      [
        [payment, 4],
        [idOf(other), undefined]
      ]
    )
  })

  it('watches a script again on a server that has refused it, and meanwhile on the other', async () => {
    first.on(SUBSCRIBE, () => {
      throw new Refusal('too many subscriptions')
    })
    await start({ retry: 20 })
    const watcher = recordingWatcher()
    await chain.watchScript(SCRIPT, watcher).ready
    assert.deepEqual(watcher.errors.all, [])
    first.restore(SUBSCRIBE)
    await until(() => first.count(HISTORY) > 0)
    second.drop()
    const payment = first.chain.pay(SCRIPT)
    first.notifyScript(SCRIPT)
    assert.deepEqual(entries(await watcher.histories.when((each) => each.length > 0)), [
      [idOf(payment), undefined]
    ])
  })

  it('tells the buried block to remember at the first start, and only of the best chain', async () => {
    mineBoth(200)
    second.chain.mine(20)
    await start({ settle: 10 })
    second.notifyTip()
    await areAt(203, 223)
    const { height, hash } = await anchors.when(() => true)
    assert.equal(hash, chain.headers.hashAt(height))
  })

  it('gives a server that is always a block late the time to come to each of them', async () => {
    const clock = new FakeClock()
    await start({ lag: 60_000, settle: 1 }, clock)
    const tell = async (): Promise<void> => {
      first.chain.mine()
      first.notifyTip()
      await areAt(first.chain.height, chain.servers[1]?.height ?? 0)
    }
    await tell()
    for (let round = 0; round < 5; round++) {
      clock.advance(40_000)
      await tell()
      second.chain.blocks.splice(0, second.chain.blocks.length, ...first.chain.blocks.slice(0, -1))
      second.notifyTip()
      await areAt(first.chain.height, first.chain.height - 1)
    }
    assert.deepEqual(reports.all, [])
    clock.advance(60_000)
    assert.match((await reports.when(() => true)).text, /is stuck at height/)
  })
})
