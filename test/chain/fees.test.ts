/**
 * What a transaction has to pay, asked of a server over its lifetime: silent, absurd, old or new.
 */
import assert from 'node:assert/strict'
import { createElectrumChain, type ElectrumChain } from '../../src/chain/chain.js'
import type { ChainTimeouts } from '../../src/chain/timeouts.js'
import type { ChainStatus, Clock } from '../../src/engine/ports.js'
import { blockDelta, feeRate } from '../../src/types/units.js'
import { FakeServer, Refusal } from './fake-server.js'
import { FakeClock, realClock, Recorder, seededRandom } from './helpers.js'

describe('electrum chain / fee estimate', () => {
  let server: FakeServer
  let chain: ElectrumChain
  let statuses: Recorder<ChainStatus>

  function create(
    clock: Clock = realClock,
    timeouts: Partial<ChainTimeouts> = { retryFirst: 2, retryMost: 20 }
  ): void {
    statuses = new Recorder()
    chain = createElectrumChain({
      url: server.url,
      network: 'regtest',
      clock,
      random: seededRandom(),
      timeouts,
      log: () => {}
    })
    chain.onStatus((status) => {
      statuses.push(status)
    })
  }

  beforeEach(async () => {
    server = await new FakeServer().listen()
    server.chain.mine(3)
    create()
    await chain.start()
    await statuses.when((status) => status === 'synced')
  })

  afterEach(async () => {
    await chain.stop()
    await server.close()
  })

  it('is what the server says, within bounds', async () => {
    server.on('blockchain.estimatefee', ([blocks]) => (blocks === 6 ? 0.0002 : 0.0004))
    assert.equal(await chain.estimateFeeRate(blockDelta(6)), feeRate(20_000n))
    assert.equal(await chain.estimateFeeRate(blockDelta(2)), feeRate(40_000n))
  })

  it('falls back to the last good answer, and after an hour to the fallback', async () => {
    const clock = new FakeClock()
    await chain.stop()
    create(clock, { ping: 10_000_000 })
    await chain.start()
    await statuses.when((status) => status === 'synced')
    server.on('blockchain.estimatefee', () => 0.0002)
    assert.equal(await chain.estimateFeeRate(blockDelta(6)), feeRate(20_000n))
    for (const answer of [-1, 0, 1e6, null, 'much']) {
      server.on('blockchain.estimatefee', () => answer)
      assert.equal(await chain.estimateFeeRate(blockDelta(6)), feeRate(20_000n), String(answer))
    }
    server.on('blockchain.estimatefee', () => {
      throw new Refusal('daemon busy')
    })
    assert.equal(await chain.estimateFeeRate(blockDelta(6)), feeRate(20_000n))
    clock.advance(3_600_000)
    assert.equal(await chain.estimateFeeRate(blockDelta(6)), feeRate(1_000n))
  })

  it('and what the mempool asks for: of mempool.get_info, or of blockchain.relayfee with a server of before protocol 1.6, which is not asked for the other', async () => {
    server.on('blockchain.relayfee', () => 0.00003)
    server.on('mempool.get_info', () => ({
      mempoolminfee: 0.00005,
      minrelaytxfee: 0.00001,
      incrementalrelayfee: 0.00002
    }))
    assert.deepEqual(await chain.relayRates(), { minimum: 3_000n, incremental: 1_000n })
    assert.equal(server.count('mempool.get_info'), 0)
    const before = statuses.all.length
    server.version = '1.6'
    server.drop()
    await statuses.when((status) => status === 'synced', before)
    assert.deepEqual(await chain.relayRates(), { minimum: 5_000n, incremental: 2_000n })
  })

  it('waits for a server, but not for ever', async () => {
    const clock = new FakeClock()
    await chain.stop()
    await server.close()
    create(clock, { call: 20_000, retryFirst: 1_000_000, retryMost: 1_000_000 })
    await chain.start()
    await statuses.when((status) => status === 'down')
    const estimate = assert.rejects(chain.estimateFeeRate(blockDelta(6)), {
      code: 'ERR_CHAIN_UNAVAILABLE',
      message: /within 20 s.*Cannot reach/
    })
    clock.advance(20_000)
    await estimate
  })
})
