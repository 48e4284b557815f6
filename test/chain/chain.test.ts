import assert from 'node:assert/strict'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import {
  createElectrumChain,
  type ElectrumChain,
  type ServerReport
} from '../../src/chain/chain.js'
import { HeaderChain } from '../../src/chain/headers.js'
import { MOST_FAVOURS } from '../../src/chain/broadcasting.js'
import type { ChainTimeouts } from '../../src/chain/waiting.js'
import { chainParams } from '../../src/chain/params.js'
import type { ChainStatus, Clock, Tip } from '../../src/engine/ports.js'
import { blockDelta } from '../../src/types/units.js'
import { PaychanError } from '../../src/types/errors.js'
import { makeHeader } from './fake-chain.js'
import { FakeServer, Refusal, SILENCE } from './fake-server.js'
import {
  FakeClock,
  realClock,
  Recorder,
  recordingWatcher,
  seededRandom,
  testScript
} from './helpers.js'
import { toHex } from '../../src/types/bytes.js'

// Short delays between tries: the tests wait for what happens then, never for the time itself.
const QUICK: Partial<ChainTimeouts> = { retryFirst: 2, retryMost: 20 }

describe('electrum chain', () => {
  let server: FakeServer
  let chain: ElectrumChain
  let tips: Recorder<Tip>
  let statuses: Recorder<ChainStatus>
  let lines: Recorder<string>

  function create(clock: Clock = realClock, timeouts: Partial<ChainTimeouts> = QUICK): void {
    tips = new Recorder()
    statuses = new Recorder()
    lines = new Recorder()
    chain = createElectrumChain({
      url: server.url,
      network: 'regtest',
      clock,
      random: seededRandom(),
      timeouts,
      log: (line) => {
        lines.push(line)
      }
    })
    chain.onTip((tip) => {
      tips.push(tip)
    })
    chain.onStatus((status) => {
      statuses.push(status)
    })
  }

  beforeEach(async () => {
    server = await new FakeServer().listen()
    server.chain.mine(3)
    create()
  })

  afterEach(async () => {
    await chain.stop()
    await server.close()
  })

  describe('connecting', () => {
    it('introduces itself first, then verifies the tip', async () => {
      assert.equal(chain.status, 'connecting')
      assert.equal(chain.tip, undefined)
      await chain.start()
      assert.deepEqual(await tips.when(() => true), { height: 3, hash: server.chain.tipHash })
      await statuses.when((status) => status === 'synced')
      assert.deepEqual(server.requests.all[0], {
        method: 'server.version',
        params: ['paychan', ['1.4', '1.7']]
      })
      assert.deepEqual(chain.tip, tips.last)
      assert.equal(chain.lastError, undefined)
      assert.equal(chain.server, server.url)
    })

    it('tells a late listener the tip at once', async () => {
      await chain.start()
      await tips.when(() => true)
      const heights: number[] = []
      chain.onTip(({ height }) => {
        heights.push(height)
      })
      assert.deepEqual(heights, [3])
    })

    it('starts while the server is down, says so, and finds it when it comes up', async () => {
      await server.close()
      await chain.start()
      await statuses.when((status) => status === 'down')
      assert.match(chain.lastError ?? '', /Cannot reach the Electrum server at 127\.0\.0\.1/)
      await server.listen()
      await statuses.when((status) => status === 'synced')
      assert.equal(chain.tip?.height, 3)
    })

    it('comes back after a drop, and sees what happened meanwhile', async () => {
      await chain.start()
      await statuses.when((status) => status === 'synced')
      const before = statuses.all.length
      await server.close()
      await statuses.when((status) => status === 'down')
      assert.equal(tips.last?.height, 3)
      server.chain.mine(2)
      await server.listen()
      await statuses.when((status) => status === 'synced', before)
      assert.equal(chain.tip?.height, 5)
    })

    it('waits longer after every failure up to a bound, and starts over after a session that has lasted', async () => {
      const clock = new FakeClock()
      const others = {
        connect: 100_001,
        request: 100_002,
        ping: 100_003,
        settle: 100_004,
        silence: 300_000
      }
      await server.close()
      create(clock, { retryFirst: 1000, retryMost: 8000, ...others })
      await chain.start()
      const delays: number[] = []
      for (let n = 0; n < 6; n++) {
        const delay = await clock.set.when((ms) => ms <= 8000, clock.set.all.length)
        delays.push(delay)
        if (n === 5) await server.listen()
        clock.advance(delay)
      }
      delays.forEach((delay, n) => {
        assert.ok(
          delay >= Math.min(8000, 1000 * 2 ** n) / 2 && delay <= Math.min(8000, 1000 * 2 ** n),
          delays.join()
        )
      })
      await statuses.when((status) => status === 'synced')
      const short = clock.set.when((ms) => ms <= 8000, clock.set.all.length)
      server.drop()
      const delay = await short
      assert.ok(delay > 1000, 'the session did not last: no quick return')
      const again = statuses.all.length
      clock.advance(delay)
      await statuses.when((status) => status === 'synced', again)
      clock.advance(8000)
      const next = clock.set.when((ms) => ms <= 8000, clock.set.all.length)
      server.drop()
      assert.ok((await next) <= 1000)
    })

    it('gives up a connection attempt that hangs, and a server that does not answer its pings', async () => {
      const clock = new FakeClock()
      create(clock, { silence: 10_000, ping: 60_000 })
      await chain.start()
      await statuses.when((status) => status === 'synced')
      await clock.set.when((ms) => ms === 60_000)
      server.on('server.ping', () => SILENCE)
      const sent = server.count('server.ping')
      clock.advance(60_000)
      while (server.count('server.ping') === sent) await server.requests.next()
      clock.advance(10_000)
      await statuses.when((status) => status === 'down')
      assert.match(chain.lastError ?? '', /sent nothing for 10 s/)
    })

    it('tells the tip of a server that hangs up over the histories, again and again (COST-3)', async () => {
      chain.watchScript(testScript(1), recordingWatcher())
      let hungUp = 0
      for (const method of [
        'blockchain.scripthash.subscribe',
        'blockchain.scriptpubkey.subscribe'
      ]) {
        server.on(method, (_params, socket) => {
          hungUp += 1
          socket.destroy()
          return SILENCE
        })
      }
      await chain.start()
      assert.equal((await tips.when(() => true)).height, 3)
      assert.ok(hungUp <= 5, `${hungUp} times`)
    })

    it('after stop nothing goes on: no timers, no calls, status down', async () => {
      const clock = new FakeClock()
      create(clock)
      await chain.start()
      await statuses.when((status) => status === 'synced')
      chain.watchScript(testScript(1), recordingWatcher())
      await chain.stop()
      await chain.stop()
      assert.equal(chain.status, 'down')
      assert.equal(clock.pending, 0)
      await assert.rejects(chain.estimateFeeRate(blockDelta(6)), { code: 'ERR_CHAIN_UNAVAILABLE' })
    })
  })

  describe('blocks', () => {
    beforeEach(async () => {
      await chain.start()
      await statuses.when((status) => status === 'synced')
    })

    it('follows new ones', async () => {
      server.chain.mine()
      server.notifyTip()
      await tips.when(({ height }) => height === 4)
      server.chain.mine(10)
      server.notifyTip()
      assert.equal((await tips.when(({ height }) => height === 14)).hash, server.chain.tipHash)
    })

    it('follows a reorganisation to the branch with more work', async () => {
      const old = server.chain.tipHash
      server.chain.unmine(2)
      server.chain.mine(3)
      server.notifyTip()
      const tip = await tips.when(({ hash }) => hash === server.chain.tipHash)
      assert.equal(tip.height, 4)
      assert.notEqual(tip.hash, old)
      assert.equal(chain.status, 'synced')
    })

    it('drops a server that falls back to less work, keeps the tip, and returns once it has caught up', async () => {
      const best = server.chain.tipHash
      const block = server.chain.blocks.pop()
      server.notifyTip()
      await statuses.when((status) => status === 'down')
      assert.match(chain.lastError ?? '', /behind height 3/)
      assert.equal(chain.tip?.hash, best)
      if (block !== undefined) server.chain.blocks.push(block)
      await statuses.when((status) => status === 'synced', statuses.all.length)
      assert.equal(chain.tip.hash, best)
    })

    it('drops a server that announces a header without work or without link', async () => {
      for (const header of [
        makeHeader(server.chain.header(3), new Uint8Array(32), { work: false }),
        makeHeader(server.chain.header(1), new Uint8Array(32)),
        makeHeader(server.chain.header(3), new Uint8Array(32), { bits: 0x1f00ffff })
      ]) {
        const seen = statuses.all.length
        server.notify('blockchain.headers.subscribe', [{ height: 4, hex: toHex(header) }])
        await statuses.when((status) => status === 'down', seen)
        await statuses.when((status) => status === 'synced', seen)
        assert.equal(chain.tip?.height, 3)
      }
      assert.equal(tips.all.length, 1)
    })
  })

  it('that costs work is followed though our clock is hours behind, which is said once', async () => {
    const params = { ...chainParams('regtest'), fixedDifficulty: false, minDifficultyBlocks: false }
    const reports = new Recorder<ServerReport>()
    chain = createElectrumChain({
      url: server.url,
      network: 'regtest',
      // The first block of regtest is of 2011.
      clock: { ...realClock, now: () => 0 },
      random: seededRandom(),
      known: new HeaderChain(params),
      onReport: (report) => {
        reports.push(report)
      }
    })
    const heights = new Recorder<number>()
    chain.onTip(({ height }) => {
      heights.push(height)
    })
    await chain.start()
    await heights.when((height) => height === 3)
    server.chain.mine(1)
    server.notifyTip()
    await heights.when((height) => height === 4)
    assert.deepEqual(
      reports.all.map(({ code }) => code),
      ['ERR_CLOCK_BEHIND']
    )
  })

  describe('a server that cannot be used', () => {
    it('of another network is refused with a sentence', async () => {
      server.chain.blocks[0] = { header: chainParams('testnet').genesis, transactions: [] }
      await chain.start()
      await lines.when((line) => line.includes('does not serve regtest'))
      assert.equal(chain.status, 'down')
      assert.match(chain.lastError ?? '', /first block is another one/)
      assert.equal(chain.tip, undefined)
    })

    it('that speaks another version, or rubbish, is refused and tried again', async () => {
      server.on('server.version', () => ['Other', '0.9'])
      await chain.start()
      await lines.when((line) => line.includes('speaks none of the versions 1.4 to 1.7'))
      server.on('server.version', () => ({ hello: 'world' }))
      await lines.when((line) => line.includes('wrong form'))
      server.on('server.version', (_params, socket) => {
        socket.write('SSH-2.0-OpenSSH_9\r\n')
        return SILENCE
      })
      await lines.when((line) => line.includes('not a JSON-RPC message'))
      server.restore('server.version')
      await statuses.when((status) => status === 'synced')
    })
  })

  describe('broadcast', () => {
    it('sends the transaction and resolves with its id', async () => {
      const transaction = server.chain.pay(testScript(1))
      server.on('blockchain.transaction.broadcast', ([hex]) =>
        hex === transaction.toHex() ? transaction.getId() : 'wrong'
      )
      const sent = chain.broadcast(parseTransaction(Uint8Array.from(transaction.toBuffer())))
      await chain.start()
      assert.equal((await sent).txid, transaction.getId())
    })

    it('lets few favours wait: another one is refused at once, and what carries money is not (COST-3)', async () => {
      const transaction = server.chain.pay(testScript(1))
      const sent = parseTransaction(transaction.toBuffer())
      let answers = 0
      server.on('blockchain.transaction.broadcast', () =>
        answers++ < MOST_FAVOURS ? SILENCE : transaction.getId()
      )
      await chain.start()
      const waiting = Array.from({ length: MOST_FAVOURS }, () => chain.broadcast(sent, 'favour'))
      await assert.rejects(chain.broadcast(sent, 'favour'), { code: 'ERR_CHAIN_BUSY' })
      await server.requests.when(() => server.count('blockchain.transaction.broadcast') === 4)
      assert.equal((await chain.broadcast(sent)).taken, 1)
      await assert.rejects(chain.broadcast(sent, 'favour'), { code: 'ERR_CHAIN_BUSY' })
      server.drop()
      await Promise.all(waiting)
      assert.equal((await chain.broadcast(sent, 'favour')).taken, 1, 'there is room again')
    })

    it('sends no favour while the server has refused much, of whatever kind; what carries money goes (COST-11)', async () => {
      const transaction = server.chain.pay(testScript(1))
      const sent = parseTransaction(transaction.toBuffer())
      server.on('blockchain.transaction.broadcast', () => {
        throw new Refusal('the transaction was rejected by network rules.\n\nnon-final')
      })
      await chain.start()
      for (let n = 0; n < 15; n++) {
        await assert.rejects(chain.broadcast(sent), { code: 'ERR_BROADCAST_REFUSED' })
      }
      await assert.rejects(chain.broadcast(sent, 'favour'), { code: 'ERR_CHAIN_BUSY' })
      server.on('blockchain.transaction.broadcast', () => transaction.getId())
      assert.equal((await chain.broadcast(sent)).taken, 1)
      assert.equal(server.count('blockchain.transaction.broadcast'), 16)
    })

    it('resolves when the server has it already', async () => {
      await chain.start()
      const transaction = server.chain.pay(testScript(1))
      for (const text of [
        'txn-already-in-mempool',
        'Transaction already in block chain',
        'the transaction was rejected by network rules.\n\nTransaction outputs already in utxo set'
      ]) {
        server.on('blockchain.transaction.broadcast', () => {
          throw new Refusal(text)
        })
        assert.equal(
          (await chain.broadcast(parseTransaction(transaction.toBuffer()))).txid,
          transaction.getId()
        )
      }
    })

    it('rejects with kind and reason when the server refuses it', async () => {
      await chain.start()
      const transaction = server.chain.pay(testScript(1))
      server.on('blockchain.transaction.broadcast', () => {
        throw new Refusal('the transaction was rejected by network rules.\n\nnon-final')
      })
      await assert.rejects(
        chain.broadcast(parseTransaction(transaction.toBuffer())),
        (error: unknown) => {
          assert.ok(error instanceof PaychanError)
          assert.equal(error.code, 'ERR_BROADCAST_REFUSED')
          assert.deepEqual(error.facts, {
            kind: 'non-final',
            reason: 'the transaction was rejected by network rules. non-final',
            txid: transaction.getId()
          })
          return true
        }
      )
    })

    it('is made again when the server drops mid-call', async () => {
      await chain.start()
      const transaction = server.chain.pay(testScript(1))
      let calls = 0
      server.on('blockchain.transaction.broadcast', () => {
        if (++calls > 1) throw new Refusal('txn-already-known')
        server.drop()
        return SILENCE
      })
      assert.equal(
        (await chain.broadcast(parseTransaction(transaction.toBuffer()))).txid,
        transaction.getId()
      )
      assert.equal(calls, 2)
    })

    it('rejects when the server answers with another id', async () => {
      await chain.start()
      const transaction = server.chain.pay(testScript(1))
      server.on('blockchain.transaction.broadcast', () => 'cd'.repeat(32))
      await assert.rejects(chain.broadcast(parseTransaction(transaction.toBuffer())), {
        code: 'ERR_CHAIN_LIED'
      })
    })

    it('rejects when the chain is stopped meanwhile', async () => {
      const transaction = server.chain.pay(testScript(1))
      const sent = chain.broadcast(parseTransaction(transaction.toBuffer()))
      await chain.stop()
      await assert.rejects(sent, { code: 'ERR_CHAIN_UNAVAILABLE' })
    })
  })
})
