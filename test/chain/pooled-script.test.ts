import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import fc from 'fast-check'
import { makeTransaction, parseTransaction } from '../../src/bitcoin/transaction.js'
import type { ElectrumChain, ServerReport } from '../../src/chain/chain.js'
import type { Anchor } from '../../src/chain/headers.js'
import type { ProvedTransaction } from '../../src/chain/history.js'
import { createServerPool } from '../../src/chain/pool.js'
import {
  type BlockLookup,
  hiddenBy,
  isSameHistory,
  type Member,
  mergeHistories,
  PooledScript,
  type PooledScriptContext,
  type ServerView
} from '../../src/chain/pooled-script.js'
import type { ProvedWatcher } from '../../src/chain/script-watch.js'
import { lowerMedian, nextBlockOf, type PoolTimes } from '../../src/chain/waiting.js'
import type { Txid } from '../../src/types/bytes.js'
import { blockHeight } from '../../src/types/units.js'
import { idOf } from './fake-chain.js'
import { type FakeServer, Refusal, SILENCE } from './fake-server.js'
import {
  FakeClock,
  realClock,
  Recorder,
  recordingWatcher,
  seededRandom,
  testScript
} from './helpers.js'
import { entries, watchWorld, type WatchWorld } from './watch-world.js'
import { BY_ANSWERS, copyBlocks, mineOn, PATIENT, twoServers, until } from './two-servers.js'

/** A transaction that spends a coin, one of each number. */
function made(coin: number, version = 1): Transaction {
  const tx = new Transaction()
  tx.version = version
  tx.addInput(new Uint8Array(32).fill(coin), 0)
  tx.addOutput(new Uint8Array(22), 1n)
  return tx
}

const at = (tx: Transaction, height?: number, branch = 'best'): ProvedTransaction => ({
  transaction: parseTransaction(tx.toBuffer()),
  height: height === undefined ? undefined : blockHeight(height),
  ...(height === undefined ? {} : { block: `${branch} ${height}` })
})
const view = (history: ProvedTransaction[], { isUsed = true } = {}): ServerView => ({
  history,
  isUsed
})
const best: BlockLookup = (height) => `best ${height}`
const shown = (views: ServerView[]): Array<[string, number | undefined]> =>
  mergeHistories(views, best).map(({ transaction: { txid }, height }) => [txid, height])

describe('histories of several servers', () => {
  const [a, b, rival] = [made(1), made(2), made(1, 2)]

  it('what one of them has proved is there, whatever the others say', () => {
    for (const others of [[], [at(a)], [at(b, 7)]]) {
      assert.ok(
        shown([view(others), view([at(a, 5)])]).some(
          ([id, height]) => id === a.getId() && height === 5
        )
      )
    }
  })

  it('of one server alone it is the very one that it tells, as long as its blocks count', () => {
    const told = [at(a, 5), at(b)]
    assert.equal(mergeHistories([view(told)], best), told)
    for (const views of [[view([at(a, 5, 'other')])], [view(told, { isUsed: false })]]) {
      assert.notEqual(mergeHistories(views, best), views[0]?.history)
    }
  })

  it('what is proved on a branch that has lost waits again', () => {
    assert.deepEqual(shown([view([at(a, 5, 'other')]), view([])]), [[a.getId(), undefined]])
    assert.deepEqual(shown([view([at(a, 5, 'other')])]), [[a.getId(), undefined]])
  })

  it('of what waits the bytes count that were shown as waiting: a proof says nothing of witnesses', () => {
    const [forged, real] = [at(a, 5, 'other'), at(a)]
    for (const views of [
      [view([forged]), view([real])],
      [view([real]), view([forged])]
    ]) {
      const [merged] = mergeHistories(views, best)
      assert.equal(merged?.transaction, real.transaction)
      assert.equal(merged?.shownBy, 2, 'both know of it')
    }
    const [proved, told] = [made(3), made(3)]
    proved.setWitness(0, [Uint8Array.of(1)])
    told.setWitness(0, [Uint8Array.of(2)])
    assert.deepEqual(
      mergeHistories([view([at(proved, 5, 'other')]), view([at(told)])], best).map(
        ({ transaction, shownBy }) => [transaction.inputs[0]?.witness[0]?.[0], shownBy]
      ),
      [[2, 2]]
    )
  })

  it('of one transaction with two witnesses both are there, whoever answers last: nothing proves either', () => {
    const [one, other] = [made(3), made(3)]
    one.setWitness(0, [Uint8Array.of(1)])
    other.setWitness(0, [Uint8Array.of(2)])
    for (const height of [5, undefined]) {
      const views = [view([at(one, height)]), view([at(other, height)]), view([at(one, height)])]
      assert.deepEqual(
        mergeHistories(views, best).map(({ transaction, shownBy }) => [
          transaction.inputs[0]?.witness[0]?.[0],
          shownBy
        ]),
        height === undefined
          ? [
              [1, 2],
              [2, 1]
            ]
          : [
              [1, undefined],
              [2, undefined]
            ]
      )
      const [first] = views
      assert.ok(first)
      assert.ok(!isSameHistory(first.history, [at(other, height)]))
      assert.ok(isSameHistory(first.history, [at(one, height)]))
    }
  })

  it('what a block has made impossible is gone, with what spends it', () => {
    const child = new Transaction()
    child.addInput(rival.getHash(), 0)
    child.addOutput(new Uint8Array(22), 1n)
    assert.deepEqual(shown([view([at(rival), at(child)]), view([at(a, 5)])]), [[a.getId(), 5]])
  })

  it('what spends a transaction that a block has taken waits on: it is a child, and no rival', () => {
    const child = new Transaction()
    child.addInput(a.getHash(), 0)
    child.addOutput(new Uint8Array(22), 1n)
    const grandchild = new Transaction()
    grandchild.addInput(child.getHash(), 0)
    grandchild.addOutput(new Uint8Array(22), 1n)
    // One server has not seen the block yet.
    assert.deepEqual(shown([view([at(a), at(child), at(grandchild)]), view([at(a, 5)])]), [
      [a.getId(), 5],
      [child.getId(), undefined],
      [grandchild.getId(), undefined]
    ])
  })

  it('what is in blocks comes by height, the lowest first, whoever shows it first', () => {
    const [first, second, third] = [made(3), made(4), made(5)]
    const views = [view([at(third, 9)]), view([at(first, 2), at(second, 7)])]
    for (const each of [views, [...views].reverse()]) {
      assert.deepEqual(shown(each), [
        [first.getId(), 2],
        [second.getId(), 7],
        [third.getId(), 9]
      ])
    }
  })

  it('rivals that wait are both shown: whoever looks has to think of either', () => {
    assert.deepEqual(
      shown([view([at(a)]), view([at(rival)])])
        .map(([id]) => id)
        .sort(),
      [a.getId(), rival.getId()].sort()
    )
  })

  it('of a server that was dropped only what it has proved counts', () => {
    assert.deepEqual(shown([view([at(a, 5), at(b)], { isUsed: false }), view([])]), [
      [a.getId(), 5]
    ])
  })

  it('who leaves out what is proved is found, who only has not heard of what waits is not', () => {
    const merged = mergeHistories([view([at(a, 5), at(b)]), view([])], best)
    assert.equal(hiddenBy([], best, merged)?.transaction.txid, a.getId())
    assert.equal(
      hiddenBy([], (height) => (height <= 4 ? best(height) : undefined), merged),
      undefined,
      'it has not come as far'
    )
    assert.equal(
      hiddenBy([], (height) => `other ${height}`, merged),
      undefined,
      'it is on another branch'
    )
    assert.equal(hiddenBy([at(a)], best, merged), undefined)
  })

  it('in whatever order they are asked, the same is proved', () => {
    const entry = fc.record({
      coin: fc.integer({ min: 1, max: 5 }),
      version: fc.integer({ min: 1, max: 2 }),
      height: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined })
    })
    fc.assert(
      fc.property(
        fc.array(fc.array(entry, { maxLength: 4 }), { minLength: 1, maxLength: 4 }),
        (servers) => {
          // What is proved is where it is: one height, and one of two rivals.
          const blockOf = (coin: number): number => coin + 10
          const views = servers.map((rows) =>
            view([
              ...new Map(
                rows.map(({ coin, version, height }) => {
                  const tx = made(coin, height === undefined ? version : 1)
                  return [
                    tx.getId(),
                    at(tx, height === undefined ? undefined : blockOf(coin))
                  ] as const
                })
              ).values()
            ])
          )
          const proved = (each: ServerView[]): string[] =>
            shown(each)
              .flatMap(([id, height]) => (height === undefined ? [] : `${id}:${height}`))
              .sort()
          assert.deepEqual(proved(views), proved([...views].reverse()))
          for (const { history } of views) {
            for (const {
              transaction: { txid: id },
              height
            } of history) {
              if (height !== undefined) {
                assert.ok(shown(views).some(([each, where]) => each === id && where === height))
              }
            }
          }
          const ids = shown(views).map(([id]) => id)
          assert.equal(new Set(ids).size, ids.length)
        }
      )
    )
  })
})

describe('what the next block takes, by several servers', () => {
  it('is the higher of the two in the middle, up to four times the lower one: who says too little keeps nobody out of blocks', () => {
    const cases: Array<readonly [bigint[], bigint | undefined]> = [
      [[], undefined],
      [[30n], 30n],
      [[1n, 30n], 4n],
      [[20n, 30n], 30n],
      [[30n, 1_000n], 120n],
      [[1n, 30n, 1_000n], 30n]
    ]
    for (const [told, taken] of cases) assert.equal(nextBlockOf(told), taken, told.join())
  })
})

describe('the lower median', () => {
  it('is the middle one, of two the lower', () => {
    assert.deepEqual(
      [
        lowerMedian([3n]),
        lowerMedian([9n, 2n]),
        lowerMedian([5n, 1n, 9n]),
        lowerMedian([4n, 3n, 2n, 1n]),
        lowerMedian([])
      ],
      [3n, 2n, 5n, 2n, undefined]
    )
  })
})

/*
 * What several servers have proved of a script: it counts in the best chain, whoever is silent,
 * slow, dropped, or on another branch.
 */

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
    ;[first, second] = await twoServers()
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
      timeouts: PATIENT,
      times: { ...BY_ANSWERS, ...times },
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

  const areUsed = async (): Promise<void> => {
    await until(() => chain.servers.every(({ state }) => state === 'used'))
  }
  const areAt = async (...heights: number[]): Promise<void> => {
    await until(() => chain.servers.every(({ height }, i) => height === heights[i]))
  }

  function mineBoth(count = 1): void {
    mineOn(first, second, count)
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
    copyBlocks(first, second)
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
    copyBlocks(first, second)
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
    second.chain.mine()
    second.notifyTip()
    await until(() => chain.tip?.height === 224)
    assert.equal(anchors.all.length, 1)
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

/* The bytes of a transaction take most of the memory of a watch: what is the same is kept once. */

const script = testScript(1)

describe('transactions that are kept once', () => {
  describe('between a chain and who watches', () => {
    let world: WatchWorld
    let id: Txid

    beforeEach(async () => {
      world = await watchWorld()
      id = idOf(world.server.chain.pay(script))
      world.server.chain.mine()
      world.server.notifyTip()
    })

    afterEach(async () => {
      await world.stop()
    })

    /** What the history of a chain holds when the watcher keeps these bytes itself. */
    async function heldWith(kept: Uint8Array | undefined): Promise<Uint8Array | undefined> {
      const watcher = recordingWatcher()
      const { ready } = (await world.connect()).watchScript(script, {
        ...watcher,
        kept: (asked) => (asked === id ? kept : undefined)
      })
      await ready
      return watcher.histories.all.at(-1)?.[0]?.transaction.raw
    }

    it("two servers' histories hold the same array, when each is told what the other has", async () => {
      const first = await heldWith(undefined)
      assert.ok(first)
      assert.equal(await heldWith(first), first)
    })

    it('bytes that differ are not exchanged: the server has sent others', async () => {
      const sent = await heldWith(undefined)
      assert.ok(sent)
      const other = Uint8Array.from([...sent, 0])
      assert.deepEqual(await heldWith(other), sent)
    })
  })

  describe('between servers', () => {
    const transaction = makeTransaction({
      version: 2,
      inputs: [{ outPoint: { txid: 'ab'.repeat(32) as Txid, vout: 0 }, sequence: 0 }],
      outputs: []
    })
    const context: PooledScriptContext = {
      log: () => {},
      best: () => undefined,
      onError: () => true,
      onDifference: () => {},
      onOmission: () => {},
      later: () => () => {},
      onUnused: () => {}
    }

    function member(url: string, watchers: ProvedWatcher[]): Member {
      return {
        url,
        isUsed: true,
        isUp: true,
        blockAt: () => undefined,
        watchScript: (_script, watcher) => {
          watchers.push(watcher)
          return { ready: Promise.resolve(), isCurrent: true, stop: () => {} }
        }
      }
    }

    it('nothing is told before a server has told, nor by one that is not asked any more', () => {
      const told: number[] = []
      const failed: string[] = []
      const watchers: ProvedWatcher[] = []
      const pooled = new PooledScript(script, {
        ...context,
        onError: (_member, { message }) => {
          failed.push(message)
          return true
        }
      })
      pooled.add({
        onHistory: (history) => {
          told.push(history.length)
        },
        onError: () => {}
      })
      const server = member('tcp://first', watchers)
      pooled.attach(server)
      pooled.update()
      assert.deepEqual(told, [])
      pooled.attach(server)
      const [old, present] = watchers
      old?.onHistory([{ transaction, height: undefined }])
      old?.onError(new Error('of the old one'))
      assert.deepEqual([told, failed], [[], []])
      present?.onError(new Error('of the present one'))
      present?.onHistory([{ transaction, height: undefined }])
      assert.deepEqual([told, failed], [[1], ['of the present one']])
    })

    it('each is told what another one has sent, and what the one who watches keeps', () => {
      const watchers: ProvedWatcher[] = []
      const pooled = new PooledScript(script, context)
      pooled.add({
        onHistory: () => {},
        onError: () => {},
        kept: (id) => (id === 'cd'.repeat(32) ? transaction.raw : undefined)
      })
      pooled.attach(member('tcp://first', watchers))
      pooled.attach(member('tcp://second', watchers))
      const [first, second] = watchers
      assert.equal(second?.kept?.(transaction.txid), undefined)
      first?.onHistory([{ transaction, height: undefined }])
      assert.equal(second?.kept?.(transaction.txid), transaction.raw)
      assert.equal(second?.kept?.('cd'.repeat(32) as Txid), transaction.raw)
    })
  })
})
