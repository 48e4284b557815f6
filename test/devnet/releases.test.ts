/**
 * The mempool rules that differ between releases of Bitcoin Core: fees below 1 sat/vB from 29.1 on,
 * clusters from 31 on.
 */
import assert from 'node:assert/strict'
import type { Transaction } from 'bitcoinjs-lib'
import { type EmbeddedChain, startDevnet } from '../../src/devnet/index.js'
import {
  accept,
  alice,
  bob,
  coinFor,
  coinsFor,
  freshChain,
  output,
  refuse,
  signed,
  type Spendable,
  TestClient
} from './support.js'

/** Spends an output of Alice's into as many of hers, of which the first has the rest. */
const spend = (coin: Spendable, fee: bigint, outputs = 1): Transaction =>
  signed({
    from: [{ ...coin, owner: alice }],
    to: [
      [alice.script, coin.value - fee - 1_000n * BigInt(outputs - 1)],
      ...Array.from({ length: outputs - 1 }, () => [alice.script, 1_000n] as const)
    ]
  })

describe('devnet / releases of Bitcoin Core', () => {
  describe('30: fees from 0.1 sat/vB on', () => {
    let chain: EmbeddedChain
    let coin: Spendable
    beforeEach(async () => {
      chain = await freshChain({ core: 30 })
      coin = await coinFor(chain, alice.script, 100_000n)
    })

    it('are relayed, and no lower ones', async () => {
      await refuse(chain, spend(coin, 10n), 'min relay fee not met, 10 < 11')
      await accept(chain, spend(coin, 11n))
    })

    it('of a replacement are as much higher', async () => {
      await accept(chain, spend(coin, 20n))
      await refuse(chain, spend(coin, 30n), 'insufficient fee')
      await accept(chain, spend(coin, 31n))
    })

    it('are told to Electrum clients', async () => {
      const devnet = await startDevnet({ seed: 'low fees', core: 30 })
      const client = await TestClient.connect(devnet.port, '1.6')
      assert.deepEqual(await client.call('mempool.get_info'), {
        mempoolminfee: 0.000001,
        minrelaytxfee: 0.000001,
        incrementalrelayfee: 0.000001
      })
      client.close()
      await devnet.stop()
    })

    it('come with the older limits on chains', async () => {
      let last = coin
      for (let i = 0; i < 25; i++) {
        const next = spend(last, 200n)
        await accept(chain, next)
        last = output(next, 0)
      }
      await refuse(chain, spend(last, 200n), 'too-long-mempool-chain')
    })
  })

  it('are those that there are', async () => {
    await assert.rejects(startDevnet({ core: 29 as 30 }), {
      code: 'ERR_CONFIG_INVALID',
      message: /core is one of 28, 30, 31/
    })
  })

  describe('31: clusters', () => {
    let chain: EmbeddedChain
    let coin: Spendable
    beforeEach(async () => {
      chain = await freshChain({ core: 31 })
      coin = await coinFor(chain, alice.script, 1_000_000n)
    })

    it('have at most 64 transactions, in whatever shape', async () => {
      let last = coin
      for (let i = 0; i < 64; i++) {
        const next = spend(last, 200n, 2)
        await accept(chain, next)
        last = output(next, 0)
      }
      await refuse(chain, spend(last, 200n), 'too-large-cluster')
      await refuse(chain, spend(output(spend(coin, 200n, 2), 1), 200n), 'too-large-cluster')
    })

    it('have at most 101,000 vB', async () => {
      const parent = spend(await coinFor(chain, alice.script, 10_000_000n), 100_000n, 1_500)
      await accept(chain, parent)
      const child = spend(output(parent, 0), 100_000n, 1_500)
      await accept(chain, child)
      assert.ok(parent.virtualSize() + child.virtualSize() < 101_000 - 1_000)
      await refuse(chain, spend(output(child, 0), 50_000n, 300), 'too-large-cluster')
      await accept(chain, spend(output(child, 0), 50_000n, 20))
    })

    it('know no carve-out: one more child is like any other', async () => {
      const parent = spend(coin, 5_000n, 40)
      await accept(chain, parent)
      for (let vout = 0; vout < 40; vout++) await accept(chain, spend(output(parent, vout), 200n))
      assert.equal((await chain.mempool()).length, 41, 'more than 25 descendants')
    })

    it('are replaced by what pays more everywhere in the order of the miner', async () => {
      const first = spend(coin, 1_000n)
      await accept(chain, first)
      await refuse(chain, spend(coin, 1_000n, 2), 'insufficient fee')
      // More in all, at a lower rate: what a miner has of the first bytes would be less.
      await refuse(
        chain,
        spend(coin, 1_200n, 30),
        'replacement-failed, insufficient feerate: does not improve feerate diagram'
      )
      await accept(chain, spend(coin, 1_100n))
    })

    it('are replaced also where the parent alone paid a higher rate, if all that goes with it did not: the rule about each direct conflict is gone', async () => {
      const parent = spend(coin, 110n)
      await accept(chain, parent)
      await accept(chain, spend(output(parent, 0), 22_000n))
      await refuse(chain, spend(coin, 22_000n), 'insufficient fee')
      await accept(chain, spend(coin, 22_121n))
      assert.equal((await chain.mempool()).length, 1)
    })

    it('may be joined by a replacement with an input that is unconfirmed (rule 2 is gone)', async () => {
      const [one, other] = (await coinsFor(chain, alice, 2, 100_000n)) as [Spendable, Spendable]
      const parent = spend(other, 500n)
      await accept(chain, spend(one, 500n))
      await accept(chain, parent)
      const both = signed({
        from: [
          { ...one, owner: alice },
          { ...output(parent, 0), owner: alice }
        ],
        to: [[bob.script, 150_000n]]
      })
      await accept(chain, both)
      const older = await freshChain()
      const [first, second] = (await coinsFor(older, alice, 2, 100_000n)) as [Spendable, Spendable]
      const its = spend(second, 500n)
      await accept(older, spend(first, 500n))
      await accept(older, its)
      await refuse(
        older,
        signed({
          from: [
            { ...first, owner: alice },
            { ...output(its, 0), owner: alice }
          ],
          to: [[bob.script, 150_000n]]
        }),
        'replacement-adds-unconfirmed'
      )
    })

    it('lose their last part when there is no room: a child goes before a parent that pays better', async () => {
      const small = await freshChain({ core: 31, mempoolVsize: 1_000 })
      const coins = await coinsFor(small, alice, 9, 10_000n)
      const parent = spend(coins[0] ?? assert.fail(), 2_000n)
      const child = spend(output(parent, 0), 150n)
      for (const each of [parent, child, ...coins.slice(1).map((one) => spend(one, 1_000n))]) {
        await accept(small, each)
      }
      const left = (await small.mempool()).map(({ txid }) => txid)
      assert.deepEqual(
        [left.includes(parent.getId() as never), left.includes(child.getId() as never)],
        [true, false]
      )
      assert.ok(
        (await small.feeRates()).minimum > 1_000n,
        'and what comes in has to pay more than it did'
      )
    })
  })
})
