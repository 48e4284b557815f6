import assert from 'node:assert/strict'
import type { Transaction } from 'bitcoinjs-lib'
import type { EmbeddedChain } from '../../src/devnet/embedded-chain.js'
import { startDevnet } from '../../src/devnet/devnet.js'
import { accept, alice, bid, coinsFor, freshChain, output, type Spendable } from './support.js'
import { TestClient } from './electrum/client.js'

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
