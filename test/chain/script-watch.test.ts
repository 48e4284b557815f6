import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { createElectrumChain, type ElectrumChain } from '../../src/chain/chain.js'
import { scriptHashOf } from '../../src/chain/electrum/session.js'
import { backoffDelay } from '../../src/chain/waiting.js'
import { fromHex } from '../../src/types/bytes.js'
import { codeOf } from '../../src/types/errors.js'
import { idOf } from './fake-chain.js'
import { type FakeServer, Refusal, SILENCE } from './fake-server.js'
import { isSettled, Recorder, recordingWatcher, seededRandom, testScript } from './helpers.js'
import { entries, watchWorld, type WatchWorld } from './watch-world.js'

const script = testScript(1)

describe('electrum chain / watchScript', () => {
  let world: WatchWorld
  let server: FakeServer
  let chain: ElectrumChain

  beforeEach(async () => {
    world = await watchWorld()
    server = world.server
    chain = world.chain
  })

  afterEach(async () => {
    await world.stop()
  })

  it('names a script as the Electrum protocol does', () => {
    // The example of the protocol's documentation: P2PKH of the first block's coinbase address.
    assert.equal(
      scriptHashOf(fromHex('76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac')),
      '8b01df4e368ea28f8dc0423bcf7a4923e3a12d307c875e47a0cfbf90b5c39161'
    )
  })

  it('is ready with an empty history', async () => {
    const watcher = recordingWatcher()
    await chain.watchScript(script, watcher).ready
    assert.deepEqual(watcher.histories.all, [[]])
  })

  it('tells a new session first of the scripts that cannot wait: the server may refuse to watch more', async () => {
    const scripts = [10, 11, 12, 13].map(testScript)
    const hashes = scripts.map(scriptHashOf)
    for (const [n, each] of scripts.entries()) {
      await chain.watchScript(each, { ...recordingWatcher(), canWait: () => n % 2 === 0 }).ready
    }
    const before = server.requests.all.length
    let left = 2
    server.on('blockchain.scripthash.subscribe', () => {
      if (left-- > 0) return null
      throw new Refusal('excessive resource usage')
    })
    server.drop()
    await server.requests.when(
      () =>
        server.requests.all
          .slice(before)
          .filter(({ method }) => method === 'blockchain.scripthash.subscribe').length >= 4
    )
    const asked = server.requests.all
      .slice(before)
      .filter(({ method }) => method === 'blockchain.scripthash.subscribe')
      .map(({ params }) => hashes.indexOf(String(params[0])))
    assert.deepEqual(asked.slice(0, 4), [1, 3, 0, 2])
  })

  it('delivers what comes into the mempool, and then its block, each once', async () => {
    const watcher = recordingWatcher()
    await chain.watchScript(script, watcher).ready
    const transaction = server.chain.pay(script)
    server.notifyScript(script)
    server.notifyScript(script)
    const [seen] = await watcher.histories.when((history) => history.length === 1)
    assert.deepEqual(seen, {
      transaction: parseTransaction(transaction.toBuffer()),
      height: undefined
    })
    server.chain.mine()
    server.notifyTip()
    server.notifyScript(script)
    await watcher.histories.when((history) => history[0]?.height === 4)
    assert.equal(watcher.histories.all.length, 3)
    assert.deepEqual(watcher.errors.all, [])
  })

  it("delivers spends of the script's outputs", async () => {
    const watcher = recordingWatcher()
    const funding = server.chain.pay(script)
    const spend = new Transaction()
    spend.addInput(funding.getHash(), 0)
    spend.addOutput(testScript(2), 900n)
    server.chain.mempool.push(spend)
    await chain.watchScript(script, watcher).ready
    assert.deepEqual(entries(watcher.histories.last ?? []), [
      [idOf(funding), undefined],
      [idOf(spend), undefined]
    ])
  })

  for (const [what, notify] of [
    [
      'the header first',
      () => {
        server.notifyTip()
        server.notifyScript(script)
      }
    ],
    [
      'the history first',
      () => {
        server.notifyScript(script)
        server.notifyTip()
      }
    ],
    [
      'the header only',
      () => {
        server.notifyTip()
      }
    ]
  ] as const) {
    it(`delivers the history of a block before its tip when the server sends ${what}`, async () => {
      const events = new Recorder<string>()
      server.chain.pay(script)
      await chain.watchScript(script, {
        onHistory: ([first]) => {
          events.push(`history ${first?.height}`)
        },
        onError: () => {}
      }).ready
      chain.onTip(({ height }) => {
        events.push(`tip ${height}`)
      })
      server.chain.mine()
      notify()
      await events.when((event) => event === 'tip 4')
      assert.deepEqual(events.all, ['history undefined', 'tip 3', 'history 4', 'tip 4'])
    })
  }

  it('delivers the history before the tip when the transaction was never in the mempool', async () => {
    const events = new Recorder<string>()
    await chain.watchScript(script, {
      onHistory: ([first]) => {
        events.push(`history ${first?.height}`)
      },
      onError: () => {}
    }).ready
    chain.onTip(({ height }) => {
      events.push(`tip ${height}`)
    })
    server.chain.pay(script)
    server.chain.mine()
    // The latest moment that still counts: all that a server sends before it answers a ping.
    server.on('server.ping', () => {
      server.notifyScript(script)
      return null
    })
    server.notifyTip()
    await events.when((event) => event === 'tip 4')
    assert.deepEqual(events.all, ['history undefined', 'tip 3', 'history 4', 'tip 4'])
  })

  it('does not take a transaction for an error that is replaced while it is fetched', async () => {
    const watcher = recordingWatcher()
    server.chain.pay(script)
    server.on('blockchain.transaction.get', () => {
      server.chain.mempool.splice(0)
      server.notifyScript(script)
      throw new Refusal('No such mempool or blockchain transaction.')
    })
    await chain.watchScript(script, watcher).ready
    assert.deepEqual(watcher.histories.all, [[]])
    assert.deepEqual(watcher.errors.all, [])
  })

  it('does not let a history that never comes hold back the tip for ever', async () => {
    const tips = new Recorder<number>()
    server.chain.pay(script)
    await chain.stop()
    const late = new Recorder<() => void>()
    // Time stands still except for the one limit that this is about.
    const clock = {
      now: () => 0,
      after: (ms: number, callback: () => void) => {
        if (ms === 3000) late.push(callback)
        return () => {}
      }
    }
    chain = createElectrumChain({
      url: server.url,
      network: 'regtest',
      clock,
      random: seededRandom()
    })
    chain.onTip(({ height }) => {
      tips.push(height)
    })
    await chain.start()
    await chain.watchScript(script, recordingWatcher()).ready
    await tips.when((height) => height === 3)
    server.on('blockchain.scripthash.get_history', () => SILENCE)
    server.chain.mine()
    const next = late.next()
    server.notifyTip()
    const callback = await next
    await server.requests.when(({ method }) => method === 'blockchain.scripthash.get_history')
    callback()
    await tips.when((height) => height === 4)
    await chain.stop()
  })

  it('fetches again when the history changes while it is fetched', async () => {
    const watcher = recordingWatcher()
    await chain.watchScript(script, watcher).ready
    server.chain.pay(script)
    server.on('blockchain.transaction.get', ([id]) => {
      server.restore('blockchain.transaction.get')
      server.chain.pay(script, 2000n)
      server.notifyScript(script)
      return server.honest('blockchain.transaction.get', [id])
    })
    server.notifyScript(script)
    await watcher.histories.when((history) => history.length === 2)
  })

  describe('several watchers of one script', () => {
    it('share one subscription; the second has the history at once', async () => {
      server.chain.pay(script)
      const [one, two, three] = [recordingWatcher(), recordingWatcher(), recordingWatcher()]
      const [first, second] = [chain.watchScript(script, one), chain.watchScript(script, two)]
      await Promise.all([first.ready, second.ready])
      await chain.watchScript(script, three).ready
      assert.equal(server.count('blockchain.scripthash.subscribe'), 1)
      assert.deepEqual(two.histories.all, one.histories.all)
      assert.deepEqual(three.histories.all, one.histories.all)
    })

    it('stop one by one', async () => {
      const [one, two] = [recordingWatcher(), recordingWatcher()]
      const [first, second] = [chain.watchScript(script, one), chain.watchScript(script, two)]
      await Promise.all([first.ready, second.ready])
      first.stop()
      first.stop()
      server.chain.pay(script)
      server.notifyScript(script)
      await two.histories.when((history) => history.length === 1)
      assert.equal(one.histories.all.length, 1)
      second.stop()
      const three = recordingWatcher()
      await chain.watchScript(script, three).ready
      assert.equal(two.histories.all.length, 2)
      assert.equal(three.histories.last?.length, 1)
    })

    it('do not suffer when one of them throws', async () => {
      const watcher = recordingWatcher()
      const bad = chain.watchScript(script, {
        onHistory: () => {
          throw new Error('a bug')
        },
        onError: () => {}
      })
      await Promise.all([bad.ready, chain.watchScript(script, watcher).ready])
      assert.equal(watcher.histories.all.length, 1)
    })

    it('leave nothing behind, however many come and go', async () => {
      for (let n = 0; n < 50; n++) {
        const watch = chain.watchScript(script, recordingWatcher())
        await watch.ready
        watch.stop()
        chain.onTip(() => {})()
        chain.onStatus(() => {})()
      }
      const histories = server.count('blockchain.scripthash.get_history')
      server.notifyScript(script)
      server.chain.mine()
      const tip = new Recorder<number>()
      chain.onTip(({ height }) => {
        tip.push(height)
      })
      server.notifyTip()
      await tip.when((height) => height === 4)
      assert.equal(server.count('blockchain.scripthash.get_history'), histories)
    })
  })

  describe('across connections', () => {
    it('waits while the server is down, and is ready when it comes up', async () => {
      await server.close()
      await world.statuses.when((status) => status === 'down')
      const watcher = recordingWatcher()
      const { ready } = chain.watchScript(script, watcher)
      assert.equal(await isSettled(ready), false)
      server.chain.pay(script)
      await server.listen()
      await ready
      assert.equal(watcher.histories.last?.length, 1)
    })

    it('delivers what changed while the server was away, before the tip', async () => {
      const events = new Recorder<string>()
      await chain.watchScript(script, {
        onHistory: (history) => {
          events.push(`history of ${history.length}`)
        },
        onError: () => {}
      }).ready
      chain.onTip(({ height }) => {
        events.push(`tip ${height}`)
      })
      await server.close()
      server.chain.pay(script)
      server.chain.mine(2)
      await server.listen()
      await events.when((event) => event === 'tip 5')
      assert.deepEqual(events.all, ['history of 0', 'tip 3', 'history of 1', 'tip 5'])
    })

    it('says nothing when nothing has changed', async () => {
      const watcher = recordingWatcher()
      server.chain.pay(script)
      await chain.watchScript(script, watcher).ready
      const seen = world.statuses.all.length
      server.drop()
      await world.statuses.when((status) => status === 'synced', seen)
      assert.equal(server.count('blockchain.scripthash.subscribe'), 2)
      assert.equal(watcher.histories.all.length, 1)
      assert.deepEqual(watcher.errors.all, [])
    })

    for (const method of [
      'blockchain.scripthash.subscribe',
      'blockchain.scripthash.get_history',
      'blockchain.transaction.get',
      'blockchain.transaction.get_merkle'
    ]) {
      it(`survives a drop in the middle of ${method}`, async () => {
        const transaction = server.chain.pay(script)
        server.chain.mine()
        server.notifyTip()
        server.on(method, () => {
          server.restore(method)
          server.drop()
          return SILENCE
        })
        const watcher = recordingWatcher()
        await chain.watchScript(script, watcher).ready
        assert.deepEqual(entries(watcher.histories.last ?? []), [[idOf(transaction), 4]])
        assert.deepEqual(watcher.errors.all, [])
      })
    }
  })

  describe('a watch that cannot be set up', () => {
    it('rejects when the server refuses the subscription, and is gone', async () => {
      const watcher = recordingWatcher()
      server.on('blockchain.scripthash.subscribe', () => {
        throw new Refusal('excessive resource usage')
      })
      await assert.rejects(chain.watchScript(script, watcher).ready, {
        code: 'ERR_ELECTRUM_REFUSED',
        message: /excessive resource usage/
      })
      server.restore('blockchain.scripthash.subscribe')
      const again = recordingWatcher()
      await chain.watchScript(script, again).ready
      assert.equal(watcher.histories.all.length, 0)
    })

    it('does not end the process when nobody looks at the rejection', async () => {
      server.on('blockchain.scripthash.subscribe', () => {
        throw new Refusal('no')
      })
      chain.watchScript(script, recordingWatcher())
      await server.requests.when(({ method }) => method === 'blockchain.scripthash.subscribe')
      await chain.broadcast(parseTransaction(server.chain.pay(script).toBuffer())).catch(() => {})
    })

    it('that stood before is an error to its watcher, and is tried again', async () => {
      const watcher = recordingWatcher()
      await chain.watchScript(script, watcher).ready
      server.on('blockchain.scripthash.subscribe', () => {
        throw new Refusal('busy')
      })
      server.chain.pay(script)
      server.drop()
      assert.match((await watcher.errors.when(() => true)).message, /busy/)
      server.restore('blockchain.scripthash.subscribe')
      await watcher.histories.when((history) => history.length === 1)
    })

    it('is an error when the answer has the wrong form, and is tried again', async () => {
      const watcher = recordingWatcher()
      server.on('blockchain.scripthash.get_history', () => ({ no: 'list' }))
      const { ready } = chain.watchScript(script, watcher)
      assert.equal(codeOf(await watcher.errors.when(() => true)), 'ERR_ELECTRUM_PROTOCOL')
      server.restore('blockchain.scripthash.get_history')
      await ready
    })
  })
})

const backoff = { firstMs: 500, mostMs: 30_000 }
const lowest = { bytes: (length: number) => new Uint8Array(length) }
const highest = { bytes: (length: number) => new Uint8Array(length).fill(255) }

describe('backoff', () => {
  it('doubles from the first delay up to the longest', () => {
    assert.deepEqual(
      [0, 1, 2, 5, 6, 1000].map((failures) => backoffDelay(backoff, failures, highest)),
      [500, 1000, 2000, 16_000, 30_000, 30_000]
    )
  })

  it('takes off up to a half at random', () => {
    assert.equal(backoffDelay(backoff, 1, lowest), 500)
    const random = seededRandom()
    const delays = new Set(Array.from({ length: 20 }, () => backoffDelay(backoff, 1, random)))
    assert.ok(delays.size > 10)
    for (const delay of delays) assert.ok(delay >= 500 && delay <= 1000)
  })
})
