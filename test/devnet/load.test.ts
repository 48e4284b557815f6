/** Congestion: blocks that are full, a mempool that has an end, and a rate that follows a trace. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Transaction } from 'bitcoinjs-lib'
import { type Devnet, type EmbeddedChain, startDevnet } from '../../src/devnet/index.js'
import { FeeFloor } from '../../src/devnet/mempool.js'
import { DEFAULT_RELEASE, RELEASES } from '../../src/devnet/rules.js'
import {
  congestedMonth,
  formatTrace,
  parseTrace,
  rateAt,
  type Trace
} from '../../src/devnet/trace.js'
import { PaychanError } from '../../src/types/errors.js'
import { feeRate } from '../../src/types/units.js'
import {
  accept,
  alice,
  bid,
  coinsFor,
  freshChain,
  output,
  type Spendable,
  TestClient
} from './support.js'
import { itInAll } from '../size.js'

const BLOCK_WEIGHT = 100_000

async function loaded(
  trace: Trace,
  run: (devnet: Devnet) => Promise<void>,
  options: { readonly mempoolVsize?: number } = {}
): Promise<void> {
  const devnet = await startDevnet({
    seed: 'load',
    blockWeight: BLOCK_WEIGHT,
    load: trace,
    ...options
  })
  try {
    await run(devnet)
  } finally {
    await devnet.stop()
  }
}

describe('devnet / trace', () => {
  it('reads heights and rates, comments and empty lines; holds a value until the next', () => {
    const trace = parseTrace('# a story\n0,5\n\n10,120.5 # a burst\n12,8\n')
    assert.deepEqual(
      [0, 9, 10, 11, 12, 1_000].map((height) => rateAt(trace, height)),
      [5_000n, 5_000n, 120_500n, 120_500n, 8_000n, 8_000n]
    )
  })

  for (const [what, text, line] of [
    ['words', '0,5\nten,6', 2],
    ['no rate', '5', 1],
    ['a height that does not come after', '5,1\n5,2', 2],
    ['a negative rate', '0,-1', 1],
    ['nothing', '# nothing\n', 0]
  ] as const) {
    it(`refuses ${what}, with the line`, () => {
      assert.throws(
        () => parseTrace(text),
        (error) =>
          error instanceof PaychanError &&
          error.code === 'ERR_INVALID_TRACE' &&
          error.facts.line === line
      )
    })
  }

  it('the congested month is the same each time, can be written and read, has quiet hours and peaks of hundreds of sat/vB', () => {
    const month = congestedMonth()
    assert.deepEqual(parseTrace(formatTrace(month)), congestedMonth())
    const rates = month.map(({ rate }) => Number(rate) / 1_000)
    assert.deepEqual(
      [month.length, Math.min(...rates) < 15, Math.max(...rates) > 200],
      [720, true, true]
    )
    assert.notDeepEqual(congestedMonth(2), month)
  })
})

describe('devnet / fee floor', () => {
  it('is what was evicted and 1 sat/vB more, and halves in 72 blocks, faster when the mempool empties', () => {
    const [full, half, empty] = [0.9, 0.4, 0.1].map((used) => {
      const floor = new FeeFloor(RELEASES[DEFAULT_RELEASE])
      floor.raise(63_000n)
      assert.deepEqual([floor.rate, floor.isRaised], [64_000n, true])
      for (let n = 0; n < 36; n++) floor.decay(used)
      return Number(floor.rate)
    })
    assert.deepEqual([full, half, empty], [45_255, 32_001, 16_000])
  })

  it('comes back to 1 sat/vB', () => {
    const floor = new FeeFloor(RELEASES[DEFAULT_RELEASE])
    floor.raise(10_000n)
    for (let n = 0; n < 400; n++) floor.decay(1)
    assert.deepEqual([floor.rate, floor.isRaised], [1_000n, false])
  })
})

describe('devnet / load', function () {
  this.slow(20_000)
  it('fills each block, at about the rate of the trace; what pays less waits, what pays more is in the next', async () => {
    await loaded(parseTrace('0,20\n6,100\n12,5'), async (devnet) => {
      for (let n = 0; n < 18; n++) {
        const before = await devnet.backend.mempool()
        await devnet.mine()
        const left = new Set((await devnet.backend.mempool()).map(({ txid }) => txid))
        const mined = before.filter(({ txid }) => !left.has(txid))
        const vsize = mined.reduce((sum, entry) => sum + entry.vsize, 0)
        assert.ok(vsize <= BLOCK_WEIGHT / 4, `a block of ${vsize} vB`)
        const estimate = await devnet.backend.estimateFeeRate(1)
        assert.ok(estimate !== undefined, 'the next block is full')
        const least = Math.min(...mined.map(({ fee, vsize }) => (Number(fee) * 1_000) / vsize))
        const rate = Number(rateAt(parseTrace('0,20\n6,100\n12,5'), n))
        assert.ok(least >= rate * 0.99, `${least} in a block of ${rate}`)
      }
    })
  })

  it('a mempool that is full evicts the worst, raises its floor, and says "mempool min fee not met"', async () => {
    await loaded(
      parseTrace('0,5\n3,50'),
      async (devnet) => {
        await devnet.mine(6)
        const size = (await devnet.backend.mempool()).reduce((sum, { vsize }) => sum + vsize, 0)
        assert.ok(size <= 32_000, `${size} vB wait`)
        const { minimum } = await devnet.backend.feeRates()
        assert.ok(minimum > feeRate(1_000n), `${minimum}`)
        await assert.rejects(
          devnet.fund('bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080', 100_000n),
          /mempool min fee not met/
        )
      },
      { mempoolVsize: 32_000 }
    )
  })

  itInAll('never holds more than it has room for, whatever the trace does', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 3, maxLength: 6 }),
        async (rates) => {
          await loaded(
            rates.map((rate, i) => ({ height: i * 2, rate: feeRate(BigInt(rate * 1_000)) })),
            async (devnet) => {
              for (let n = 0; n < 8; n++) {
                await devnet.mine()
                const size = (await devnet.backend.mempool()).reduce(
                  (sum, { vsize }) => sum + vsize,
                  0
                )
                assert.ok(size <= 40_000)
              }
            },
            { mempoolVsize: 40_000 }
          )
        }
      ),
      { numRuns: 3 }
    )
  })
})

describe('devnet / estimates', () => {
  let chain: EmbeddedChain
  let coins: Spendable[]

  beforeEach(async () => {
    // Five of 1,000 vB, and nothing else.
    chain = await freshChain({ maxWeight: 20_000 })
    coins = await coinsFor(chain, alice, 20, 1_000_000n)
  })

  const send = async (i: number, rate: number, outputs = 30): Promise<Transaction> => {
    const coin = coins[i]
    assert.ok(coin !== undefined)
    const tx = bid(coin, rate, outputs)
    await accept(chain, tx)
    return tx
  }
  const isNext = async (tx: Transaction): Promise<boolean> => {
    await chain.mine(1)
    return (await chain.transaction(tx.getId()))?.block?.height === chain.best.height
  }

  it('are not made while the next blocks have room', async () => {
    for (let i = 0; i < 3; i++) await send(i, 20)
    assert.equal(await chain.estimateFeeRate(1), undefined)
    for (let i = 3; i < 6; i++) await send(i, 20)
    assert.notEqual(await chain.estimateFeeRate(1), undefined)
    assert.equal(await chain.estimateFeeRate(2), undefined)
  })

  it('name what is enough for the next block, and a tenth less is not', async () => {
    for (let i = 0; i < 8; i++) await send(i, 20 + i)
    const rate = Number(await chain.estimateFeeRate(1)) / 1_000
    // Blocks hold four of these (1,040 vB each), which pay 24 to 27.
    assert.ok(rate > 24 && rate < 24.5, String(rate))
    assert.equal(await isNext(await send(10, rate * 0.9)), false)
    for (let i = 11; i < 15; i++) await send(i, 40 + i)
    assert.equal(await isNext(await send(15, Number(await chain.estimateFeeRate(1)) / 1_000)), true)
  })

  it('are lower for later blocks', async () => {
    for (let i = 0; i < 14; i++) await send(i, 20 + i)
    const rates = await Promise.all(
      [1, 2, 3].map(async (target) => Number(await chain.estimateFeeRate(target)))
    )
    assert.ok(
      rates.every((rate, i) => i === 0 || rate < (rates[i - 1] ?? 0)),
      rates.join()
    )
    assert.equal(await chain.estimateFeeRate(4), undefined)
  })

  it('count a poor parent with the child that pays for it', async () => {
    for (let i = 0; i < 3; i++) await send(i, 50)
    const parent = await send(3, 2)
    const child = bid(output(parent, 0), 60)
    await accept(chain, child)
    for (let i = 4; i < 8; i++) await send(i, 3)
    const rate = Number(await chain.estimateFeeRate(1))
    assert.ok(rate > 7_000 && rate < 10_000, String(rate))
  })

  it('need limits that make sense', async () => {
    for (const options of [
      { blockWeight: 3_999 },
      { blockWeight: 3_996_001 },
      { mempoolVsize: 999 },
      { mempoolVsize: 1_000.5 }
    ]) {
      await assert.rejects(startDevnet(options), { code: 'ERR_CONFIG_INVALID' })
    }
  })

  it('are told to Electrum clients, with what the mempool asks for', async () => {
    const devnet = await startDevnet({ seed: 'estimates', blockWeight: 8_000, mempoolVsize: 4_000 })
    const client = await TestClient.connect(devnet.port, '1.6')
    const older = await TestClient.connect(devnet.port, '1.4')
    try {
      assert.equal(await client.call('blockchain.estimatefee', 1), -1)
      assert.deepEqual(await client.call('mempool.get_info'), {
        mempoolminfee: 0.00001,
        minrelaytxfee: 0.00001,
        incrementalrelayfee: 0.00001
      })
      for (let i = 0; i < 3; i++) await devnet.fund(alice.address, 1_000_000n)
      await devnet.mine(1)
      // 1,500 vB each: a block has room for one of them, the mempool for two.
      const bids = (await devnet.utxos(alice.script)).map((coin, i) => bid(coin, 30 + 10 * i, 45))
      for (const each of bids) assert.equal((await devnet.submit(each.toBuffer())).accepted, true)
      assert.deepEqual(
        ((await client.call('mempool.get_fee_histogram')) as number[][]).map(([rate]) => rate),
        [50, 40]
      )
      const estimate = Number(await client.call('blockchain.estimatefee', 1))
      assert.ok(estimate >= 0.0005 && estimate < 0.000505, String(estimate))
      const { mempoolminfee, ...others } = (await client.call('mempool.get_info')) as Record<
        string,
        number
      >
      assert.ok(
        mempoolminfee !== undefined && mempoolminfee >= 0.00031 && mempoolminfee < 0.000315,
        String(mempoolminfee)
      )
      assert.deepEqual(others, { minrelaytxfee: 0.00001, incrementalrelayfee: 0.00001 })
      assert.equal(await older.call('blockchain.relayfee'), 0.00001)
    } finally {
      client.close()
      older.close()
      await devnet.stop()
    }
  })
})
