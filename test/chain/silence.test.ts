import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { Transaction } from 'bitcoinjs-lib'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { createElectrumChain } from '../../src/chain/chain.js'
import { RpcConnection } from '../../src/chain/electrum/rpc.js'
import type { ChainStatus } from '../../src/engine/ports.js'
import { systemClock } from '../../src/node/system.js'
import { FakeServer, Refusal, SILENCE } from './fake-server.js'
import { FakeClock, Recorder, seededRandom } from './helpers.js'

describe('an Electrum server that hangs', () => {
  let server: FakeServer
  let clock: FakeClock
  beforeEach(async () => {
    server = await new FakeServer().listen()
    clock = new FakeClock()
  })
  afterEach(async () => {
    await server.close()
  })

  it('is noticed 10 s after the call that it does not answer; the call is made again at the next connection', async () => {
    const chain = createElectrumChain({
      url: server.url,
      network: 'regtest',
      clock,
      random: seededRandom()
    })
    const statuses = new Recorder<ChainStatus>()
    chain.onStatus((status) => {
      statuses.push(status)
    })
    await chain.start()
    await statuses.when((status) => status === 'synced')
    const transaction = new Transaction()
    transaction.addInput(new Uint8Array(32).fill(1), 0)
    transaction.addOutput(new Uint8Array(22), 1_000n)
    for (const method of ['blockchain.transaction.broadcast', 'server.ping']) {
      server.on(method, () => SILENCE)
    }
    const call = chain.broadcast(parseTransaction(transaction.toBuffer()))
    await server.requests.when(({ method }) => method === 'blockchain.transaction.broadcast')
    clock.advance(9_999)
    assert.equal(chain.status, 'synced')
    const down = statuses.when((status) => status === 'down')
    clock.advance(1)
    await down
    assert.match(chain.lastError ?? '', /sent nothing for 10 s/)
    server.restore('server.ping')
    server.on('blockchain.transaction.broadcast', () => transaction.getId())
    const back = statuses.when((status) => status === 'synced', statuses.all.length)
    clock.advance(500)
    await back
    assert.equal((await call).txid, transaction.getId())
    await chain.stop()
    assert.equal(clock.pending, 0)
  })

  it('has not hung when this process was too busy to read its answer', async () => {
    const socket = createConnection({ host: '127.0.0.1', port: Number(new URL(server.url).port) })
    await once(socket, 'connect')
    const connection = new RpcConnection(socket, {
      clock: systemClock,
      requestTimeout: 10_000,
      silence: 50,
      onNotification: () => {}
    })
    server.on('server.ping', () => {
      // The answer lies in the socket by the time that the timer is due.
      queueMicrotask(() => {
        const end = performance.now() + 100
        while (performance.now() < end);
      })
      return null
    })
    assert.equal(await connection.request('server.ping', []), null)
    connection.close(new Error('done'))
  })

  it('may refuse pings: that is an answer too', async () => {
    server.on('server.ping', () => {
      throw new Refusal('unknown method')
    })
    const chain = createElectrumChain({
      url: server.url,
      network: 'regtest',
      clock,
      random: seededRandom()
    })
    const statuses = new Recorder<ChainStatus>()
    chain.onStatus((status) => {
      statuses.push(status)
    })
    await chain.start()
    await statuses.when((status) => status === 'synced')
    await clock.set.when((ms) => ms === 15_000)
    const timers = clock.set.all.length
    clock.advance(15_000)
    await clock.set.when((ms) => ms === 15_000, timers)
    assert.equal(chain.status, 'synced')
    await chain.stop()
  })

  describe('in one answer only', () => {
    let rpc: RpcConnection
    let probes: Array<Promise<unknown>>
    beforeEach(async () => {
      const socket = createConnection(server.port, '127.0.0.1')
      await once(socket, 'connect')
      probes = []
      rpc = new RpcConnection(socket, {
        clock,
        requestTimeout: 30_000,
        silence: 10_000,
        onNotification: () => {},
        onQuiet: () => {
          probes.push(rpc.request('server.ping', []).catch(() => {}))
        }
      })
      server.on('slow', () => SILENCE)
    })
    afterEach(() => {
      rpc.close(new Error('the test is over'))
    })

    it('is asked for a sign of life every 5 s, and kept when it gives one', async () => {
      const slow = rpc.request('slow', [])
      for (let count = 1; count <= 5; count++) {
        clock.advance(5_000)
        assert.equal(probes.length, count)
        await probes.at(-1)
      }
      server.send('{"id":0,"result":"at last"}\n')
      assert.equal(await slow, 'at last')
      assert.equal(clock.pending, 0)
    })

    it('is left when it gives none', async () => {
      server.on('server.ping', () => SILENCE)
      const slow = rpc.request('slow', [])
      clock.advance(5_000)
      assert.equal(probes.length, 1)
      clock.advance(5_000)
      await assert.rejects(slow, {
        code: 'ERR_CHAIN_UNAVAILABLE',
        message: /sent nothing for 10 s/
      })
      assert.equal(clock.pending, 0)
    })

    it('is not asked while nothing waits', async () => {
      await rpc.request('server.version', [])
      clock.advance(1_000_000)
      assert.equal(probes.length, 0)
      assert.equal(rpc.isOpen, true)
    })
  })
})
