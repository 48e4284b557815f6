import assert from 'node:assert/strict'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { createServerPool } from '../../src/chain/pool.js'
import type { PoolTimes } from '../../src/chain/waiting.js'
import type { ElectrumChain, ServerReport } from '../../src/chain/chain.js'
import type { Clock, Tip } from '../../src/engine/ports.js'
import { blockDelta } from '../../src/types/units.js'
import { type FakeServer, Refusal } from './fake-server.js'
import { idOf, makeHeader } from './fake-chain.js'
import { FakeClock, realClock, Recorder, seededRandom, statusOf, testScript } from './helpers.js'
import { toHex } from '../../src/types/bytes.js'
import type { PaychanError } from '../../src/types/errors.js'
import { BY_ANSWERS, mineOn, NEVER, PATIENT, twoServers } from './two-servers.js'

describe('server pool', () => {
  let first: FakeServer
  let second: FakeServer
  let chain: ElectrumChain
  let tips: Recorder<Tip>
  let reports: Recorder<ServerReport>
  let logged: string[]

  beforeEach(async () => {
    ;[first, second] = await twoServers()
  })

  afterEach(async () => {
    await chain.stop()
    await Promise.all([first.close(), second.close()])
  })

  async function start(
    times: Partial<PoolTimes> = {},
    wait = true,
    clock: Clock = realClock
  ): Promise<void> {
    tips = new Recorder()
    reports = new Recorder()
    logged = []
    chain = createServerPool({
      servers: [{ url: first.url }, { url: second.url }],
      network: 'regtest',
      clock,
      random: seededRandom(),
      timeouts: PATIENT,
      times: { ...BY_ANSWERS, settle: 10, ...times },
      log: (line) => {
        logged.push(line)
      },
      onReport: (report) => {
        reports.push(report)
      }
    })
    chain.onTip((tip) => {
      tips.push(tip)
    })
    await chain.start()
    if (!wait) return
    while (!chain.servers.every(({ state }) => state === 'used')) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
  }

  /** Waits for what the servers say of their states, as `used,down`. */
  async function states(wanted: string): Promise<void> {
    while (chain.servers.map(({ state }) => state).join() !== wanted) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
  }

  /** Short times pass by themselves; by hand the clock is set, and long ones never run out. */
  function standing(hand: FakeClock): Clock {
    return {
      now: () => hand.now(),
      after: (ms, callback) => (ms < 10_000 ? realClock.after(ms, callback) : () => {})
    }
  }

  /** The first server's chain is known up to a height. */
  async function reaches(height: number): Promise<void> {
    while (chain.servers[0]?.height !== height) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
  }

  /** The same block on both. */
  function mineBoth(): void {
    mineOn(first, second)
  }

  it('goes on without a pause when one of them goes', async () => {
    await start()
    assert.equal(chain.server, first.url)
    await first.close()
    while (chain.servers[0]?.state !== 'down') {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    assert.equal(chain.status, 'synced')
    second.chain.mine()
    second.notifyTip()
    assert.equal((await tips.when(({ height }) => height === 4)).hash, second.chain.tipHash)
    assert.equal(chain.server, second.url)
    assert.deepEqual(reports.all, [], 'a server that is down has done nothing wrong')
  })

  it('takes the chain with the most work, from whoever shows it, and drops who stays on the other one', async () => {
    await start({ lag: 300 })
    first.chain.mine(1)
    first.notifyTip()
    await tips.when(({ height }) => height === 4)
    second.chain.mine(2)
    second.notifyTip()
    assert.equal((await tips.when(({ height }) => height === 5)).hash, second.chain.tipHash)
    const { code, text } = await reports.when(() => true)
    assert.equal(code, 'ERR_CHAIN_BEHIND')
    assert.match(
      text,
      new RegExp(
        `${first.url} follows a chain with less work than the one that ${second.url} has shown`
      )
    )
    assert.deepEqual(
      chain.servers.map(({ state }) => state),
      ['dropped', 'used']
    )
  })

  it('stays with the tip that it has when another one has as much work', async () => {
    await start({ settle: 5 })
    first.chain.mine()
    first.notifyTip()
    const { hash } = await tips.when(({ height }) => height === 4)
    second.chain.mine()
    second.notifyTip()
    while (chain.servers[1]?.height !== 4) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    assert.equal(chain.tip?.hash, hash)
  })

  it('drops who is stuck, and takes it back when it has come after', async () => {
    await start({ lag: 20, retry: 100 })
    second.chain.mine(2)
    second.notifyTip()
    assert.match(
      (await reports.when(() => true)).text,
      /is stuck at height 3, while .* has shown block 5/
    )
    first.chain.blocks.splice(0, first.chain.blocks.length, ...second.chain.blocks)
    while (!chain.servers.every(({ state }) => state === 'used')) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    assert.equal(chain.servers[0]?.height, 5)
  })

  it('drops who is of another network, or shows a header without work', async () => {
    second.on('blockchain.headers.subscribe', () => ({
      height: 4,
      hex: toHex(makeHeader(second.chain.header(3), new Uint8Array(32), { work: false }))
    }))
    await start({}, false)
    assert.equal((await reports.when(() => true)).code, 'ERR_CHAIN_LIED')
    assert.match(chain.servers[1]?.problem ?? '', /without proof of work/)
    assert.equal(chain.status === 'down', false)
  })

  it('has its first tip once everybody who is connecting has said where they stand, or after a while', async () => {
    first.chain.mine()
    second.on('server.version', async () => await new Promise(() => {}))
    await start({ first: 200 }, false)
    while (chain.servers[0]?.state !== 'used') {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    assert.deepEqual([chain.tip, chain.status], [undefined, 'connecting'])
    assert.equal((await tips.when(() => true)).height, 4)
    assert.equal(chain.status, 'synced')
  })

  it('has its first tip after a time without any server once those that were there are back, or after a while (EVID-6)', async () => {
    await start({ first: 300 })
    const { port } = new URL(second.url)
    await Promise.all([first.close(), second.close()])
    while (chain.status !== 'down') {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    mineBoth()
    await first.listen()
    while (chain.servers[0]?.state !== 'used') {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    assert.deepEqual(
      [chain.tip?.height, chain.status],
      [3, 'connecting'],
      'the second one may know more'
    )
    mineBoth()
    await second.listen(Number(port))
    await tips.when(({ height }) => height === 5)
    assert.deepEqual([chain.status, tips.all.map(({ height }) => height)], ['synced', [3, 5]])
    await Promise.all([first.close(), second.close()])
    while (chain.status !== 'down') {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    mineBoth()
    await first.listen()
    assert.equal(
      (await tips.when(({ height }) => height === 6)).hash,
      first.chain.tipHash,
      'the second one does not come back'
    )
    assert.equal(chain.status, 'synced')
  })

  it('waits with the third block in a minute for who is silent: it may hang, and one server alone tell old blocks one by one (EVID-6)', async () => {
    const hand = new FakeClock()
    await start({ settle: 5, row: 60_000 }, true, hand)
    first.chain.mine()
    first.notifyTip()
    await reaches(4)
    hand.advance(5)
    await tips.when(({ height }) => height === 4)
    const third = hand.now()
    for (let height = 5; height < 10; height++) {
      first.chain.mine()
      first.notifyTip()
      await reaches(height)
      hand.advance(5)
    }
    hand.advance(20_000)
    assert.deepEqual(
      tips.all.map(({ height }) => height),
      [3, 4]
    )
    await second.close()
    while (chain.servers[1]?.state !== 'down') {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    assert.equal(chain.tip?.height, 4, 'nor when it turns out to be gone')
    second.chain.blocks.splice(0, second.chain.blocks.length, ...first.chain.blocks)
    await second.listen()
    while (chain.servers[1]?.height !== 9) {
      hand.advance(5)
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    hand.advance(5)
    await tips.when(({ height }) => height === 9)
    assert.ok(hand.now() - third < 60_000, 'by itself it would have been told later')
    assert.deepEqual(
      tips.all.map(({ height }) => height),
      [3, 4, 9]
    )
  })

  it('waits no longer than that, and not where all have the block', async () => {
    const hand = new FakeClock()
    await start({ settle: 5, row: 300 }, true, hand)
    for (let n = 0; n < 3; n++) {
      mineBoth()
      first.notifyTip()
      second.notifyTip()
      await tips.when(({ height }) => height === 4 + n)
    }
    first.chain.mine()
    first.notifyTip()
    await reaches(7)
    hand.advance(299)
    assert.equal(chain.tip?.height, 6)
    hand.advance(1)
    assert.equal(chain.tip?.height, 7)
  })

  it('drops who was not there at first, and breaks the protocol once it is', async () => {
    const { port } = new URL(second.url)
    await second.close()
    await start({}, false)
    while (chain.servers[1]?.state !== 'down') {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    assert.deepEqual(reports.all, [])
    second.on('server.version', () => ['Other', '9'])
    await second.listen(Number(port))
    assert.equal((await reports.when(() => true)).code, 'ERR_ELECTRUM_PROTOCOL')
    assert.equal(chain.servers[1]?.state, 'dropped')
  })

  for (const [what, blocks] of [
    ['less than an hour', 5],
    ['an hour', 4]
  ] as const) {
    it(`waits for a server that was gone ${what} before the others, or does not (EVID-6)`, async () => {
      const hand = new FakeClock()
      const isMissed = blocks === 5
      await start({ first: NEVER }, true, standing(hand))
      const { port } = new URL(second.url)
      await second.close()
      await states('used,down')
      hand.advance(isMissed ? 3_599_999 : 3_600_000)
      await first.close()
      await states('down,down')
      mineBoth()
      await first.listen()
      await states('used,down')
      if (isMissed) {
        assert.deepEqual([chain.tip?.height, chain.status], [3, 'connecting'])
        mineBoth()
        await second.listen(Number(port))
      }
      assert.equal((await tips.when(({ height }) => height > 3)).height, blocks)
    })
  }

  for (const [ms, isRow] of [
    [59_999, true],
    [60_000, false]
  ] as const) {
    it(`the third block ${ms} ms after the others ${isRow ? 'waits' : 'does not wait'} for who is silent (EVID-6)`, async () => {
      const hand = new FakeClock()
      await start({ settle: 5, row: 60_000 }, true, standing(hand))
      first.chain.mine()
      first.notifyTip()
      await tips.when(({ height }) => height === 4)
      hand.advance(ms)
      first.chain.mine()
      first.notifyTip()
      if (isRow) {
        await reaches(5)
        mineBoth()
        second.notifyTip()
        first.notifyTip()
      }
      await tips.when(({ height }) => height > 4)
      assert.equal(chain.tip?.height, isRow ? 6 : 5)
    })
  }

  it('waits for its first tip as long as it is told to, and says aloud what it reports', async () => {
    const hand = new FakeClock()
    second.on('server.version', async () => await new Promise(() => {}))
    await start({ first: 7_000 }, false, hand)
    await hand.set.when((ms) => ms === 7_000)
    hand.advance(6_999)
    assert.equal(tips.all.length, 0)
    hand.advance(1)
    assert.equal(tips.last?.height, 3)
    assert.equal(logged.length, 0)
    hand.advance(20_000)
    second.on('server.version', () => ['Other', '9'])
    second.drop()
    for (let ms = 1; reports.all.length === 0; ms++) {
      hand.advance(ms)
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    assert.ok(logged.includes(reports.last?.text ?? ''))
  })

  it('follows whoever had the block first, also the second one', async () => {
    await start({ settle: 5 })
    second.chain.mine()
    second.notifyTip()
    const { hash } = await tips.when(({ height }) => height === 4)
    first.chain.mine()
    first.notifyTip()
    while (chain.servers[0]?.height !== 4) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    assert.deepEqual([chain.tip?.hash, chain.server], [hash, second.url])
  })

  it('leaves no timer behind: not for a tip that waits, a server that is behind, or a script that is looked at later', async () => {
    const hand = new FakeClock()
    await start({ lag: 60_001, omission: 60_002 }, true, hand)
    const watched = new Recorder<number | undefined>()
    await chain.watchScript(testScript(1), {
      onHistory: (history) => {
        watched.push(history[0]?.height)
      },
      onError: assert.fail
    }).ready
    second.on('blockchain.scripthash.get_history', () => [])
    first.chain.pay(testScript(1))
    mineBoth()
    for (const server of [first, second]) {
      server.notifyScript(testScript(1))
      server.notifyTip()
    }
    await watched.when((height) => height === 4)
    await tips.when(({ height }) => height === 4)
    const mineFirst = async (): Promise<void> => {
      const { length } = hand.set.all
      first.chain.mine()
      first.notifyTip()
      await hand.set.when((ms) => ms === 10, length)
    }
    await mineFirst()
    hand.advance(10)
    await tips.when(({ height }) => height === 5)
    await mineFirst()
    assert.ok([10, 60_001, 60_002].every((ms) => hand.set.all.includes(ms)))
    await chain.stop()
    assert.equal(hand.pending, 0)
  })

  it('leaves no timer behind for a server that it has dropped', async () => {
    const hand = new FakeClock()
    second.on('server.version', () => ['Other', '9'])
    await start({}, false, hand)
    await states('used,dropped')
    await chain.stop()
    assert.equal(hand.pending, 0)
    assert.equal(reports.all.length, 1)
  })

  it('asks who is on the way while nobody is there, and nobody who is gone while somebody is', async () => {
    await start({}, false, standing(new FakeClock()))
    assert.equal(chain.status, 'connecting')
    assert.ok((await chain.estimateFeeRate(blockDelta(6))) > 0n)
    await states('used,used')
    await second.close()
    await states('used,down')
    // Else the answer would wait for the one that is gone.
    const hand = new FakeClock()
    await chain.stop()
    await start({ answers: 20_000 }, false, standing(hand))
    await states('used,down')
    assert.ok((await chain.estimateFeeRate(blockDelta(6))) > 0n)
  })

  it('says that nobody can be asked when all are dropped', async () => {
    for (const server of [first, second]) server.on('server.version', () => ['Other', '9'])
    await start({}, false)
    await states('dropped,dropped')
    const unavailable = (what: string) => (error: PaychanError) => {
      assert.equal(error.code, 'ERR_CHAIN_UNAVAILABLE')
      assert.match(
        error.message,
        new RegExp(`Could not ${what}: none of .* can be used\\. .*${first.url}`)
      )
      return true
    }
    const payment = parseTransaction(first.chain.pay(testScript(1)).toBuffer())
    await assert.rejects(chain.broadcast(payment), unavailable('broadcast the transaction'))
    await assert.rejects(chain.relayRates(), unavailable('ask for the relay fee'))
    await assert.rejects(
      chain.estimateFeeRate(blockDelta(6)),
      unavailable('estimate the fee for 6 blocks')
    )
    assert.deepEqual(
      reports.all.map(
        ({ text }) =>
          /The others go on\. It is tried again in 1000 s|No other Electrum server is up\. It is tried again in 1000 s/.exec(
            text
          )?.[0]
      ),
      [
        'The others go on. It is tried again in 1000 s',
        'No other Electrum server is up. It is tried again in 1000 s'
      ]
    )
  })

  it('counts its watched scripts, each once, and forgets those that nobody watches', async () => {
    await start()
    const watcher = { onHistory: () => {}, onError: () => {} }
    const watches = [1, 1, 2].map((n) => chain.watchScript(testScript(n), watcher))
    await Promise.all(
      watches.map(async ({ ready }) => {
        await ready
      })
    )
    assert.equal(chain.watches.total, 2)
    for (const watch of watches) watch.stop()
    assert.equal(chain.watches.total, 0)
  })

  it('has nothing to complain of before anything has gone wrong', async () => {
    chain = createServerPool({
      servers: [{ url: first.url }, { url: second.url }],
      network: 'regtest',
      clock: realClock,
      random: seededRandom()
    })
    assert.deepEqual([chain.lastError, chain.lastErrorCode], [undefined, undefined])
  })

  it('is down, with the reasons of all, when none is left, and tries again', async () => {
    for (const server of [first, second]) server.on('server.version', () => ['Other', '9'])
    await start({ retryAlone: 30 }, false)
    while (
      chain.lastError === undefined ||
      !chain.lastError.includes(first.url) ||
      !chain.lastError.includes(second.url)
    ) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    assert.equal(chain.lastErrorCode, 'ERR_ELECTRUM_PROTOCOL')
    const synced = statusOf(chain, 'synced')
    first.restore('server.version')
    await synced
    assert.deepEqual(
      [chain.lastError, chain.lastErrorCode],
      [undefined, undefined],
      'one is enough, whatever is wrong with the other'
    )
  })

  it('tries a dropped one again as soon as none of the others is up, and not before', async () => {
    second.on('server.version', () => ['Other', '9'])
    const hand = new FakeClock()
    const clock: Clock = {
      now: () => hand.now(),
      after: (ms, callback) =>
        ms < 10_000 ? realClock.after(ms, callback) : hand.after(ms, callback)
    }
    await start({ retry: 600_000, retryAlone: 30_000 }, false, clock)
    const states = (): string => chain.servers.map(({ state }) => state).join()
    while (states() !== 'used,dropped') {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    second.restore('server.version')
    hand.advance(599_000)
    assert.equal(states(), 'used,dropped')
    assert.equal(reports.all.length, 1)
    await first.close()
    while (states() !== 'down,used') {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    hand.advance(1_000)
    assert.equal(states(), 'down,used', 'at its first time it is not tried once more')
    // It is alone until those that were there before have had time to come back (EVID-6).
    const synced = statusOf(chain, 'synced')
    hand.advance(60_000)
    await synced
  })

  it('asks for no header again that is buried, whoever is tried again: of another chain one tells enough', async () => {
    first.chain.mine(200)
    second.chain.blocks.splice(1)
    second.chain.pay(testScript(9))
    second.chain.mine(150)
    await start({ lag: 20, retry: 100 }, false)
    await reports.when(({ code }) => code === 'ERR_CHAIN_BEHIND')
    const before = second.requests.all.length
    assert.match(
      (await reports.when(({ code }) => code === 'ERR_WRONG_CHAIN')).text,
      /at height 103, where block [0-9a-f]{64} was buried/
    )
    const asked = second.requests.all
      .slice(before)
      .filter(({ method }) => method === 'blockchain.block.headers')
    assert.deepEqual(
      asked.map(({ params }) => params),
      [
        [103, 1],
        [103, 1]
      ]
    )
  })

  it('has the histories of a block before its tip, whichever server is first', async () => {
    await start({ settle: 5_000 })
    const told: string[] = []
    await chain.watchScript(testScript(1), {
      onHistory: (history) => {
        told.push(`history ${history[0]?.height ?? 'empty'}`)
      },
      onError: assert.fail
    }).ready
    const payment = first.chain.pay(testScript(1))
    mineBoth()
    chain.onTip(({ height }) => {
      told.push(`tip ${height}`)
    })
    second.on('blockchain.scripthash.get_history', () => [])
    second.notifyTip()
    first.notifyTip()
    first.notifyScript(testScript(1))
    await tips.when(({ height }) => height === 4)
    assert.deepEqual(told, ['history empty', 'tip 3', 'history 4', 'tip 4'])
    assert.equal(first.chain.heightOf(idOf(payment)), 4)
  })

  it('estimates by the median; who falls silent, or is away, is heard by what it said last', async () => {
    const rates = [0.0002, 0.0009]
    for (const [i, server] of [first, second].entries()) {
      server.on('blockchain.estimatefee', () => rates[i])
    }
    await start()
    assert.equal(await chain.estimateFeeRate(blockDelta(6)), 20_000n, 'of two the lower one')
    first.on('blockchain.estimatefee', async () => await new Promise(() => {}))
    assert.equal(await chain.estimateFeeRate(blockDelta(6)), 20_000n)
    assert.equal(
      await chain.estimateFeeRate(blockDelta(3)),
      90_000n,
      'never said: by what has come'
    )
    await first.close()
    while (chain.servers[0]?.state !== 'down') {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    assert.equal(await chain.estimateFeeRate(blockDelta(6)), 20_000n)
  })

  it('of what the next block takes it believes the higher of two, of later ones and of the relay fee the lower', async () => {
    for (const [server, rate] of [
      [first, 0.0003],
      [second, 0.0002]
    ] as const) {
      server.on('blockchain.estimatefee', () => rate)
      server.on('blockchain.relayfee', () => rate / 10)
    }
    await start()
    assert.deepEqual(
      [await chain.estimateFeeRate(blockDelta(1)), await chain.estimateFeeRate(blockDelta(2))],
      [30_000n, 20_000n]
    )
    assert.equal((await chain.relayRates()).minimum, 2_000n)
  })

  it('who falls silent is heard by what it said within the last hour', async () => {
    const hand = new FakeClock()
    const rates = [0.0002, 0.0009]
    for (const [i, server] of [first, second].entries()) {
      server.on('blockchain.estimatefee', () => rates[i])
    }
    await start({}, true, standing(hand))
    assert.equal(await chain.estimateFeeRate(blockDelta(6)), 20_000n)
    first.on('blockchain.estimatefee', async () => await new Promise(() => {}))
    hand.advance(3_599_999)
    assert.equal(await chain.estimateFeeRate(blockDelta(6)), 20_000n)
    hand.advance(1)
    assert.equal(await chain.estimateFeeRate(blockDelta(6)), 90_000n)
  })

  it('who is slow to answer what it has never been asked is heard by what it said of sooner blocks, which are no cheaper (EVID-6)', async () => {
    first.on('blockchain.estimatefee', () => 0.01)
    second.on('blockchain.estimatefee', () => 0.00005)
    await start()
    assert.equal(await chain.estimateFeeRate(blockDelta(6)), 5_000n)
    second.on('blockchain.estimatefee', async () => await new Promise(() => {}))
    assert.equal(
      await chain.estimateFeeRate(blockDelta(144)),
      5_000n,
      'a sweep asks for that, once in a month'
    )
    assert.equal(await chain.estimateFeeRate(blockDelta(3)), 1_000_000n)
  })

  it('broadcasts to all, is content with one that takes it, tells who does not, and says why when none does', async () => {
    await start()
    const payment = first.chain.pay(testScript(1))
    const refuse = (): never => {
      throw new Refusal('min relay fee not met, 1 < 100')
    }
    first.on('blockchain.transaction.broadcast', refuse)
    second.on('blockchain.transaction.broadcast', () => idOf(payment))
    assert.equal((await chain.broadcast(parseTransaction(payment.toBuffer()))).txid, idOf(payment))
    assert.deepEqual(
      [first, second].map((server) => server.count('blockchain.transaction.broadcast')),
      [1, 1]
    )
    const { code, text, server } = await reports.when(() => true)
    assert.deepEqual([code, server], ['ERR_SERVERS_DISAGREE', first.url])
    assert.match(
      text,
      new RegExp(
        `refuses transaction ${idOf(payment)} \\(min relay fee not met, 1 < 100\\), and ${second.url} has taken it`
      )
    )
    await chain.broadcast(parseTransaction(payment.toBuffer()))
    while (first.count('blockchain.transaction.broadcast') < 2) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    second.on('blockchain.transaction.broadcast', refuse)
    await assert.rejects(chain.broadcast(parseTransaction(payment.toBuffer())), {
      code: 'ERR_BROADCAST_REFUSED'
    })
    assert.equal(reports.all.length, 1, 'what comes again with every block is told once')
  })

  it('hears all about a broadcast, whoever takes it first, and waits for nobody for ever', async () => {
    await start()
    const payment = first.chain.pay(testScript(1))
    first.on('blockchain.transaction.broadcast', () => idOf(payment))
    second.on('blockchain.transaction.broadcast', async () => {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
      throw new Refusal('mempool min fee not met, 1 < 100')
    })
    assert.deepEqual(await chain.broadcast(parseTransaction(payment.toBuffer())), {
      txid: idOf(payment),
      taken: 1,
      of: 2,
      refusals: [{ kind: 'fee-too-low', reason: 'mempool min fee not met, 1 < 100' }]
    })
    second.on('blockchain.transaction.broadcast', async () => await new Promise(() => {}))
    assert.deepEqual(await chain.broadcast(parseTransaction(payment.toBuffer())), {
      txid: idOf(payment),
      taken: 1,
      of: 2,
      refusals: []
    })
  })

  for (const [liar, honest] of [
    [0, 1],
    [1, 0]
  ] as const) {
    it(`takes a refusal for the fee for weightier than any other, also when the ${liar === 0 ? 'first' : 'second'} server lies`, async () => {
      await start()
      const servers = [first, second]
      const payment = first.chain.pay(testScript(1))
      servers[liar]?.on('blockchain.transaction.broadcast', () => {
        throw new Refusal('bad-txns-inputs-missingorspent')
      })
      servers[honest]?.on('blockchain.transaction.broadcast', () => {
        throw new Refusal('mempool full')
      })
      await assert.rejects(
        chain.broadcast(parseTransaction(payment.toBuffer())),
        ({ code, facts: { kind } }: PaychanError) =>
          code === 'ERR_BROADCAST_REFUSED' && kind === 'fee-too-low'
      )
    })
  }

  it('says how many servers show what waits, and tells when only that changes', async () => {
    await start()
    const histories = new Recorder<ReadonlyArray<number | undefined>>()
    const watch = chain.watchScript(testScript(1), {
      onHistory: (history) => {
        histories.push(history.map(({ shownBy }) => shownBy))
      },
      onError: () => {}
    })
    await watch.ready
    const payment = first.chain.pay(testScript(1))
    first.notifyScript(testScript(1))
    await histories.when(([shownBy]) => shownBy === 1)
    second.chain.mempool.push(payment)
    second.notifyScript(testScript(1))
    await histories.when(([shownBy]) => shownBy === 2)
    watch.stop()
  })

  it('is current where one of the servers that are used tells of a script', async () => {
    await start()
    for (const server of [first, second]) {
      server.on('blockchain.scripthash.subscribe', () => {
        throw new Refusal('excessive resource usage')
      })
    }
    first.restore('blockchain.scripthash.subscribe')
    const watch = chain.watchScript(testScript(1), { onHistory: () => {}, onError: () => {} })
    assert.equal(watch.isCurrent, false, 'nobody has told yet')
    await watch.ready
    assert.equal(watch.isCurrent, true)
    await first.close()
    while (chain.servers[0]?.state !== 'down') {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    assert.equal(chain.status, 'synced')
    assert.equal(watch.isCurrent, false, 'the other one declines to tell')
    watch.stop()
  })

  it("with one server is that server's chain", async () => {
    await start()
    const alone = createServerPool({
      servers: [{ url: first.url }],
      network: 'regtest',
      clock: realClock,
      random: seededRandom()
    })
    assert.deepEqual(
      alone.servers.map(({ url, state }) => [url, state]),
      [[first.url, 'connecting']]
    )
    await alone.stop()
  })
})
