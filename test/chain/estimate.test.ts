import assert from 'node:assert/strict'
import fc from 'fast-check'
import { LOWEST_RELAY_RATE } from '../../src/bitcoin/relay.js'
import { createElectrumChain, type ElectrumChain } from '../../src/chain/chain.js'
import {
  boundedEstimate,
  boundedRelayRates,
  HIGHEST_FEE_RATE,
  histogramRate
} from '../../src/chain/fees.js'
import type { ChainTimeouts } from '../../src/chain/waiting.js'
import type { ChainStatus, Clock } from '../../src/engine/ports.js'
import { blockDelta, feeRate } from '../../src/types/units.js'
import { FakeServer, Refusal } from './fake-server.js'
import { FakeClock, realClock, Recorder, seededRandom } from './helpers.js'

const fallback = feeRate(10_000n)
const none = { relayFee: undefined, lastGood: undefined, fallback }

describe('fee estimate', () => {
  it('turns BTC/kvB into sat/kvB without the noise of floating point', () => {
    assert.deepEqual(boundedEstimate({ ...none, answer: 0.00001 }), {
      rate: 1_000n,
      source: 'server'
    })
    assert.deepEqual(boundedEstimate({ ...none, answer: 0.00012345 }), {
      rate: 12_345n,
      source: 'server'
    })
  })

  it('never goes below what the server relays, which is 0.1 sat/vB at least, and 1 sat/vB where it does not say', () => {
    assert.equal(boundedEstimate({ ...none, answer: 0.000001 }).rate, 1_000n)
    assert.equal(boundedEstimate({ ...none, answer: 0.0000025, relayFee: 0.000001 }).rate, 250n)
    assert.equal(boundedEstimate({ ...none, answer: 0.000001, relayFee: 0.000003 }).rate, 300n)
    assert.equal(boundedEstimate({ ...none, answer: 0.00000001, relayFee: 0.00000001 }).rate, 100n)
    assert.equal(boundedEstimate({ ...none, answer: 0.00001, relayFee: 0.00005 }).rate, 5_000n)
    assert.equal(boundedEstimate({ ...none, answer: -1, relayFee: 0.0002 }).rate, 20_000n)
  })

  it('never goes above 1,000 sat/vB', () => {
    assert.equal(boundedEstimate({ ...none, answer: 0.05 }).rate, 1_000_000n)
    assert.equal(boundedEstimate({ ...none, answer: -1, relayFee: 0.09 }).rate, 1_000_000n)
  })

  for (const answer of [-1, 0, 1_000_000, Number.NaN, Number.POSITIVE_INFINITY, undefined]) {
    it(`falls back when the server says ${answer}`, () => {
      assert.deepEqual(boundedEstimate({ ...none, answer }), { rate: fallback, source: 'fallback' })
      assert.deepEqual(boundedEstimate({ ...none, answer, lastGood: feeRate(7_000n) }), {
        rate: 7_000n,
        source: 'last'
      })
      assert.equal(boundedEstimate({ ...none, answer: 0.00001, relayFee: answer }).rate, 1_000n)
    })
  }

  it('is not below what already waits for the same blocks, and is that when the server cannot tell', () => {
    assert.deepEqual(boundedEstimate({ ...none, answer: 0.00005, mempool: feeRate(80_000n) }), {
      rate: 80_000n,
      source: 'server'
    })
    assert.deepEqual(boundedEstimate({ ...none, answer: 0.0009, mempool: feeRate(80_000n) }), {
      rate: 90_000n,
      source: 'server'
    })
    assert.deepEqual(boundedEstimate({ ...none, answer: -1, mempool: feeRate(80_000n) }), {
      rate: 80_000n,
      source: 'mempool'
    })
    assert.deepEqual(
      boundedEstimate({ ...none, answer: -1, mempool: feeRate(8_000n), lastGood: feeRate(9_000n) })
        .rate,
      9_000n
    )
    assert.deepEqual(
      boundedEstimate({ ...none, answer: -1, mempool: feeRate(9_000_000_000n) }).rate,
      HIGHEST_FEE_RATE
    )
  })

  it('of the mempool: the rate at the end of so many blocks of a million vB; nothing while all of it fits, or for nonsense', () => {
    const histogram = [
      [50, 600_000],
      [20, 700_000],
      [3.5, 4_000_000]
    ] as const
    assert.deepEqual(
      [1, 2, 5, 6].map((blocks) => histogramRate(histogram, blocks)),
      [20_000n, 3_500n, 3_500n, undefined]
    )
    assert.equal(histogramRate([...histogram].reverse(), 1), 20_000n, 'in whatever order')
    for (const nonsense of [
      [[-1, 2_000_000]],
      [[Number.NaN, 2_000_000]],
      [[5, -3]],
      [[1e12, 2_000_000]]
    ] as const) {
      assert.equal(histogramRate(nonsense, 1), undefined)
    }
    assert.equal(histogramRate([], 1), undefined)
  })

  it('is within its bounds whatever a server says', () => {
    fc.assert(
      fc.property(fc.double(), fc.double(), (answer, relayFee) => {
        const { rate } = boundedEstimate({ answer, relayFee, lastGood: undefined, fallback })
        assert.ok(rate >= LOWEST_RELAY_RATE && rate <= HIGHEST_FEE_RATE)
      })
    )
  })

  it('what a mempool asks for: what the server says, 0.1 sat/vB at least, 1 sat/vB where it says nothing, and an increment of 10 sat/vB at most', () => {
    assert.deepEqual(boundedRelayRates({ minimum: 0.00003, incremental: 0.00002 }), {
      minimum: 3_000n,
      incremental: 2_000n
    })
    assert.deepEqual(boundedRelayRates({ minimum: 0.000002, incremental: 0.000001 }), {
      minimum: 200n,
      incremental: 100n
    })
    assert.deepEqual(boundedRelayRates({ minimum: 0.0000001, incremental: 0.0000001 }), {
      minimum: 100n,
      incremental: 100n
    })
    assert.deepEqual(boundedRelayRates({ minimum: 0.05, incremental: 0.05 }), {
      minimum: HIGHEST_FEE_RATE,
      incremental: 10_000n
    })
    for (const nonsense of [undefined, -1, 0, Number.NaN, 1_000_000]) {
      assert.deepEqual(boundedRelayRates({ minimum: nonsense, incremental: nonsense }), {
        minimum: 1_000n,
        incremental: 1_000n
      })
    }
  })
})

/*
 * What a transaction has to pay, asked of a server over its lifetime: silent, absurd, old or new.
 */

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
