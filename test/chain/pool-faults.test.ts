/** What a pool of servers does about those that are wrong, are late, or stand on another branch. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ElectrumChain, ServerReport } from '../../src/chain/chain.js'
import { HeaderChain } from '../../src/chain/headers.js'
import { chainParams } from '../../src/chain/params.js'
import { createServerPool } from '../../src/chain/pool.js'
import { poolTimes, type PoolTimes } from '../../src/chain/waiting.js'
import type { ChainStatus, Clock, Tip } from '../../src/engine/ports.js'
import { idOf, merkleProof } from './fake-chain.js'
import { type FakeServer, Refusal } from './fake-server.js'
import {
  FakeClock,
  realClock,
  Recorder,
  recordingWatcher,
  seededRandom,
  testScript
} from './helpers.js'
import { entries } from './watch-world.js'
import { BY_ANSWERS, mineOn, NEVER, PATIENT, twoServers, until } from './two-servers.js'

const HISTORY = 'blockchain.scripthash.get_history'
const PROOF = 'blockchain.transaction.get_merkle'
const SCRIPT = testScript(1)

describe('server pool / faults', () => {
  let first: FakeServer
  let second: FakeServer
  let chain: ElectrumChain
  let reports: Recorder<ServerReport>
  let tips: Recorder<Tip>
  let statuses: ChainStatus[]
  let logged: string[]

  beforeEach(async () => {
    ;[first, second] = await twoServers()
  })

  afterEach(async () => {
    await chain.stop()
    await Promise.all([first.close(), second.close()])
  })

  function mineBoth(count = 1): void {
    mineOn(first, second, count)
  }

  function make(
    times: Partial<PoolTimes> = {},
    more: Partial<Parameters<typeof createServerPool>[0]> = {}
  ): void {
    ;[reports, tips, statuses, logged] = [new Recorder(), new Recorder(), [], []]
    chain = createServerPool({
      servers: [{ url: first.url }, { url: second.url }],
      network: 'regtest',
      clock: realClock,
      random: seededRandom(),
      timeouts: PATIENT,
      times: { ...BY_ANSWERS, first: NEVER, ...times },
      log: (line) => {
        logged.push(line)
      },
      onReport: (report) => {
        reports.push(report)
      },
      ...more
    })
    chain.onStatus((status) => {
      statuses.push(status)
    })
    chain.onTip((tip) => {
      tips.push(tip)
    })
  }

  async function start(times: Partial<PoolTimes> = {}, clock: Clock = realClock): Promise<void> {
    make(times, { clock })
    await chain.start()
    await areStates('used,used')
  }

  const states = (): string => chain.servers.map(({ state }) => state).join()
  const areStates = async (wanted: string): Promise<void> => {
    await until(() => states() === wanted)
  }

  /** The second server gives proofs that prove nothing. */
  function forgeProofs(): void {
    const ids = [1, 2].map((n) => idOf(first.chain.pay(testScript(8), BigInt(n))))
    second.on(PROOF, (params) => ({ ...merkleProof(ids, 0), block_height: params[1] }))
  }

  it('have no row of blocks to wait with on regtest alone', () => {
    assert.deepEqual(
      [poolTimes('signet').row, poolTimes('regtest').row, poolTimes('regtest', { row: 7 }).row],
      [60_000, 0, 7]
    )
    make()
  })

  it('a server whose proofs are false is dropped, and who watches hears nothing of it, while there is another one', async () => {
    forgeProofs()
    const paid = first.chain.pay(SCRIPT)
    mineBoth()
    await start()
    const connection = second.connections.last ?? assert.fail()
    const closed = once(connection, 'close')
    const watcher = recordingWatcher()
    await chain.watchScript(SCRIPT, watcher).ready
    const { code, server } = await reports.when(() => true)
    assert.deepEqual([code, server, states()], ['ERR_CHAIN_LIED', second.url, 'used,dropped'])
    assert.deepEqual(
      [entries(watcher.histories.last ?? []), watcher.errors.all],
      [[[idOf(paid), 4]], []]
    )
    assert.ok(
      logged.some((line) => line.startsWith(`${second.url}: The Electrum server claims that`))
    )
    await closed
  })

  it('a server that refuses a script is not dropped for it', async () => {
    second.on('blockchain.scripthash.subscribe', () => {
      throw new Refusal('excessive resource usage')
    })
    await start()
    await chain.watchScript(SCRIPT, recordingWatcher()).ready
    await until(() => logged.some((line) => line.startsWith(`${second.url}: `)))
    assert.deepEqual([reports.all, states()], [[], 'used,used'])
  })

  it('a server whose proofs are false is kept when the others are gone, and who watches hears of it', async () => {
    forgeProofs()
    first.chain.pay(SCRIPT)
    mineBoth()
    await start()
    await first.close()
    await areStates('down,used')
    const watcher = recordingWatcher()
    const { ready } = chain.watchScript(SCRIPT, watcher)
    ready.catch(() => {})
    assert.match((await watcher.errors.next()).message, /does not lead to the block/)
    assert.deepEqual([reports.all, states()], [[], 'down,used'])
  })

  it('what only a dropped server has shown waiting is gone with it', async () => {
    await start()
    const watcher = recordingWatcher()
    await chain.watchScript(SCRIPT, watcher).ready
    second.chain.pay(SCRIPT)
    second.notifyScript(SCRIPT)
    await watcher.histories.when((history) => history.length === 1)
    second.send('garbage\n')
    await watcher.histories.when((history) => history.length === 0, watcher.histories.all.length)
    assert.equal(states(), 'used,dropped')
  })

  it('nobody waits for a server that is dropped: the tip is told at once', async () => {
    await start({ lag: 20 })
    first.chain.mine()
    first.notifyTip()
    assert.equal((await tips.when(({ height }) => height === 4)).hash, first.chain.tipHash)
    assert.equal(states(), 'used,dropped')
    await first.close()
    await until(() => chain.status === 'down')
    assert.equal(chain.lastErrorCode, 'ERR_CHAIN_UNAVAILABLE')
  })

  it('says why the first of them cannot be used, also when others have shown it', async () => {
    await start({ lag: 20, settle: 5 })
    second.chain.mine()
    second.notifyTip()
    await reports.when(({ server }) => server === first.url)
    await second.close()
    await until(() => chain.status === 'down')
    assert.equal(chain.lastErrorCode, 'ERR_CHAIN_BEHIND')
  })

  it('a server that was dropped has as much time as any other once it is back', async () => {
    const clock = new FakeClock()
    await start({ lag: 60_000, retry: 70_000, settle: 1 }, clock)
    first.chain.mine()
    first.notifyTip()
    await until(() => clock.set.all.includes(60_000))
    clock.advance(50_000)
    second.send('garbage\n')
    await areStates('used,dropped')
    // Only what waits for another try is left of it.
    clock.advance(69_999)
    assert.equal(states(), 'used,dropped')
    const set = clock.set.all.length
    clock.advance(1)
    await areStates('used,used')
    await until(() => clock.set.all.slice(set).includes(60_000))
    clock.advance(59_999)
    assert.deepEqual([reports.all.length, states()], [1, 'used,used'])
    clock.advance(1)
    assert.deepEqual([reports.all.length, states()], [2, 'used,dropped'])
    assert.equal(clock.set.last, 70_000, 'and it is tried again')
  })

  it('what is proved counts as soon as the followed server has the block, though its tip still waits', async () => {
    first.on(HISTORY, () => [])
    await start()
    const watcher = recordingWatcher()
    await chain.watchScript(SCRIPT, watcher).ready
    const paid = first.chain.pay(SCRIPT)
    mineBoth()
    second.notifyScript(SCRIPT)
    second.notifyTip()
    assert.deepEqual(entries(await watcher.histories.when((history) => history.length > 0)), [
      [idOf(paid), undefined]
    ])
    await until(() => chain.servers[1]?.height === 4)
    first.chain.mine()
    first.notifyTip()
    await watcher.histories.when(([each]) => each?.height === 4)
    assert.equal(chain.tip?.height, 3, 'the second one is still to tell what came with block 5')
  })

  it('what is proved on a branch that another one has overtaken counts no more, though nobody tells anything new', async () => {
    await start({ settle: 5 })
    const watcher = recordingWatcher()
    await chain.watchScript(SCRIPT, watcher).ready
    const paid = first.chain.pay(SCRIPT)
    second.chain.mempool.push(paid)
    second.notifyScript(SCRIPT)
    await watcher.histories.when(([each]) => each !== undefined)
    first.chain.mine()
    first.notifyScript(SCRIPT)
    first.notifyTip()
    await watcher.histories.when(([each]) => each?.height === 4)
    await tips.when(({ height }) => height === 4)
    second.chain.mempool.splice(0)
    second.chain.mine(2)
    second.chain.mempool.push(paid)
    const from = watcher.histories.all.length
    second.notifyTip()
    await tips.when(({ height }) => height === 5)
    assert.deepEqual(watcher.histories.all.slice(from).map(entries), [[[idOf(paid), undefined]]])
  })

  it('a script has its history before the first tip, by the blocks of whoever is there', async () => {
    second.on('server.version', async () => await new Promise(() => {}))
    const paid = first.chain.pay(SCRIPT)
    first.chain.mine()
    make()
    await chain.start()
    await areStates('used,connecting')
    const watcher = recordingWatcher()
    await chain.watchScript(SCRIPT, watcher).ready
    assert.deepEqual(
      [entries(watcher.histories.all[0] ?? []), chain.tip],
      [[[idOf(paid), 4]], undefined]
    )
  })

  it('each status is told once, and none after the end', async () => {
    await start({ settle: 5 })
    for (let height = 4; height <= 6; height++) {
      mineBoth()
      for (const server of [first, second]) server.notifyTip()
      await tips.when((tip) => tip.height === height)
    }
    await chain.stop()
    assert.deepEqual(statuses, ['synced'])
  })

  it('leaves no timer behind for a script that nobody watches any more, nor for one that a server has refused', async () => {
    const clock = new FakeClock()
    await start({ omission: 60_002, retry: 60_003 }, clock)
    second.on(HISTORY, () => [])
    const watcher = recordingWatcher()
    const watch = chain.watchScript(SCRIPT, watcher)
    await watch.ready
    first.chain.pay(SCRIPT)
    mineBoth()
    for (const server of [first, second]) {
      server.notifyScript(SCRIPT)
      server.notifyTip()
    }
    await clock.set.when((ms) => ms === 60_002)
    const before = clock.pending
    watch.stop()
    assert.equal(clock.pending, before - 1)
    second.on('blockchain.scripthash.subscribe', () => {
      throw new Refusal('excessive resource usage')
    })
    await chain.watchScript(testScript(2), recordingWatcher()).ready
    await clock.set.when((ms) => ms === 60_003)
    await chain.stop()
    assert.equal(clock.pending, 0)
  })

  it('counts a script until the last of those who watch it has stopped', async () => {
    await start()
    const watcher = { onHistory: () => {}, onError: () => {} }
    const [one, other] = [chain.watchScript(SCRIPT, watcher), chain.watchScript(SCRIPT, watcher)]
    other.stop()
    assert.equal(chain.watches.total, 1)
    one.stop()
    assert.equal(chain.watches.total, 0)
  })

  it('every server has to have the block that this data directory remembers', async () => {
    make({}, { anchor: { height: 2, hash: 'ab'.repeat(32) } })
    await chain.start()
    await areStates('dropped,dropped')
    assert.equal(chain.lastErrorCode, 'ERR_WRONG_CHAIN')
  })

  it('no server is asked for headers that are known', async () => {
    const known = new HeaderChain(chainParams('regtest'))
    for (let height = 1; height <= 3; height++) known.connect(height, first.chain.header(height))
    make({}, { known })
    await chain.start()
    await areStates('used,used')
    const starts = [first, second].flatMap(({ requests }) =>
      requests.all.flatMap(({ method, params: [from] }) =>
        method === 'blockchain.block.headers' ? [from] : []
      )
    )
    assert.ok(
      starts.every((from) => from === 3),
      starts.join()
    )
  })

  it('a server alone is never dropped: there is nobody to compare it with, and it is tried again soon', async () => {
    first.on('server.version', () => ['Other', '9'])
    make({}, { servers: [{ url: first.url }] })
    await chain.start()
    await until(() => chain.lastErrorCode === 'ERR_ELECTRUM_PROTOCOL')
    assert.equal(states(), 'down')
    await chain.stop()
    make({}, { servers: [] })
    assert.throws(() => chain.headers, { code: 'ERR_CONFIG_INVALID' })
  })
})
