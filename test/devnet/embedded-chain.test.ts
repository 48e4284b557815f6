import assert from 'node:assert/strict'
import type { Transaction } from 'bitcoinjs-lib'
import { EmbeddedChain } from '../../src/devnet/index.js'
import { decodeTransaction, scriptHashOf } from '../../src/devnet/transaction.js'
import { selectTransactions } from '../../src/devnet/block.js'
import { Mempool } from '../../src/devnet/mempool.js'
import { satoshi } from '../../src/types/units.js'
import {
  accept,
  alice,
  bob,
  coinFor,
  freshChain,
  GENESIS_TIME,
  output,
  signed,
  unsigned
} from './support.js'

describe('devnet / embedded chain', () => {
  describe('mine', () => {
    it('puts 200 empty blocks on top well under a second', async () => {
      const chain = await freshChain()
      const start = process.cpuUsage()
      await chain.mine(200)
      const { user, system } = process.cpuUsage(start)
      assert.equal(chain.best.height, 320)
      assert.ok((user + system) / 1_000 < 1_000, `${(user + system) / 1_000} ms of CPU`)
    })

    it('empties the mempool of what it takes', async () => {
      const chain = await freshChain()
      const coin = await coinFor(chain, alice.script, 1_000_000n)
      const tx = signed({ from: [{ ...coin, owner: alice }], to: [[bob.script, 999_000n]] })
      await accept(chain, tx)
      await chain.mine(1)
      assert.deepEqual(await chain.mempool(), [])
      assert.equal((await chain.blockTxids(122))?.[1], tx.getId())
    })

    it('announces what it touched once it is the tip', async () => {
      const chain = await freshChain()
      const seen: [number, boolean][] = []
      chain.on('block', ({ touched }) =>
        seen.push([chain.best.height, touched.has(scriptHashOf(bob.script))])
      )
      await chain.fund(bob.script, satoshi(10_000n))
      await chain.mine(1)
      await chain.mine(2)
      assert.deepEqual(seen, [
        [121, true],
        [123, false]
      ])
    })

    it('mines nothing when asked for no block', async () => {
      const chain = await freshChain()
      assert.deepEqual(await chain.mine(0), [])
      assert.equal(chain.best.height, 120)
    })
  })

  describe('seed', () => {
    it('makes the same chain again, and another one from another seed', async () => {
      const make = async (seed: string): Promise<string> => {
        const chain = new EmbeddedChain({ seed, now: (height) => GENESIS_TIME + height * 600 })
        await chain.mine(110)
        await chain.fund(bob.script, satoshi(50_000n))
        await chain.mine(1)
        return chain.best.hash
      }
      assert.equal(await make('one'), await make('one'))
      assert.notEqual(await make('one'), await make('two'))
    })
  })

  describe('fund', () => {
    it('leaves the transaction in the mempool', async () => {
      const chain = await freshChain()
      const id = await chain.fund(bob.script, satoshi(10_000n))
      assert.equal((await chain.transaction(id))?.block, undefined)
      assert.deepEqual(
        (await chain.scriptCoins(scriptHashOf(bob.script))).unspent.map(({ value, height }) => [
          value,
          height
        ]),
        [[10_000n, undefined]]
      )
      await chain.mine(1)
      assert.equal((await chain.transaction(id))?.block?.height, 121)
    })

    it('takes as many coinbases as it needs', async () => {
      const chain = await freshChain()
      await chain.fund(bob.script, satoshi(12_000_000_000n))
      const [waiting] = await chain.mempool()
      assert.equal(
        decodeTransaction((await chain.transaction(waiting?.txid ?? ''))?.raw ?? new Uint8Array(0))
          .inputs.length,
        3
      )
    })

    it('goes on from its change without a block in between', async () => {
      const chain = await freshChain()
      for (let i = 0; i < 30; i++) await chain.fund(bob.script, satoshi(1_000n))
      await chain.mine(1)
      assert.equal((await chain.scriptCoins(scriptHashOf(bob.script))).unspent.length, 30)
    })

    it('says so when the coins do not suffice', async () => {
      const chain = await freshChain()
      await assert.rejects(chain.fund(bob.script, satoshi(200_000_000_000n)), {
        code: 'ERR_INSUFFICIENT_FUNDS'
      })
    })

    it('refuses dust', async () => {
      const chain = await freshChain()
      await assert.rejects(chain.fund(bob.script, satoshi(293n)), {
        code: 'ERR_BROADCAST_REFUSED',
        message: /dust/
      })
    })
  })

  describe('value', () => {
    it('is conserved: all coins are all subsidies, across halvings, fees and change', async () => {
      const chain = await freshChain()
      for (let i = 0; i < 12; i++) {
        await chain.fund(i % 2 === 0 ? alice.script : bob.script, satoshi(1_000_000n + BigInt(i)))
        await chain.mine(i * 5)
      }
      await chain.mine(1)
      let subsidies = 0n
      for (let height = 1; height <= chain.best.height; height++) {
        subsidies += 5_000_000_000n >> BigInt(Math.floor(height / 150))
      }
      assert.ok(chain.best.height > 300)
      assert.equal(chain.supply, subsidies)
    })
  })

  describe('coins of a script', () => {
    it('leave out what the mempool spends and show what it creates', async () => {
      const chain = await freshChain()
      const coin = await coinFor(chain, alice.script, 100_000n)
      const tx = signed({
        from: [{ ...coin, owner: alice }],
        to: [
          [bob.script, 40_000n],
          [alice.script, 59_000n]
        ]
      })
      await accept(chain, tx)
      const { unspent, spentByMempool } = await chain.scriptCoins(scriptHashOf(alice.script))
      assert.deepEqual(unspent, [
        { outPoint: output(tx, 1).outPoint, value: 59_000n, height: undefined }
      ])
      assert.deepEqual(spentByMempool, [{ ...coin, height: 121 }])
    })
  })

  describe('estimate', () => {
    it('is unknown while everything fits into the next block', async () => {
      const chain = await freshChain()
      await chain.fund(bob.script, satoshi(10_000n))
      assert.equal(await chain.estimateFeeRate(1), undefined)
    })
  })
})

describe('devnet / miner', () => {
  const source = unsigned({
    from: [],
    to: Array.from({ length: 10 }, () => [alice.script, 10_000n] as const)
  })
  const parent = (n: number): Transaction =>
    signed({ from: [{ ...output(source, n), owner: alice }], to: [[alice.script, 9_000n]] })
  const childOf = (of: Transaction): Transaction =>
    signed({ from: [{ ...output(of, 0), owner: alice }], to: [[bob.script, 5_000n]] })
  const order = (pool: Mempool, maxWeight?: number): string[] =>
    selectTransactions(pool, maxWeight).map(({ tx }) => tx.txid)
  const add = (pool: Mempool, transaction: Transaction, fee: bigint): string =>
    pool.add(decodeTransaction(transaction.toBuffer()), satoshi(fee), []).tx.txid

  it('takes the best fee rate first, and the earlier one of two that pay the same', () => {
    const pool = new Mempool()
    const ids = [500n, 900n, 500n, 700n].map((fee, i) => add(pool, parent(i), fee))
    assert.deepEqual(order(pool), [ids[1], ids[3], ids[0], ids[2]])
  })

  it('takes a poor parent for the sake of its rich child, parent first', () => {
    const pool = new Mempool()
    const poor = parent(0)
    const [a, b, c] = [
      add(pool, poor, 200n),
      add(pool, parent(1), 1_000n),
      add(pool, childOf(poor), 4_000n)
    ]
    assert.deepEqual(order(pool), [a, c, b])
  })

  it('takes a rich parent alone when its child is poor', () => {
    const pool = new Mempool()
    const rich = parent(0)
    const [a, b, c] = [
      add(pool, rich, 4_000n),
      add(pool, childOf(rich), 200n),
      add(pool, parent(1), 1_000n)
    ]
    assert.deepEqual(order(pool), [a, c, b])
  })

  it('leaves for the next block what does not fit', () => {
    const pool = new Mempool()
    const ids = [500n, 900n, 700n].map((fee, i) => add(pool, parent(i), fee))
    const weight = parent(0).weight()
    assert.deepEqual(order(pool, 2 * weight + weight / 2), [ids[1], ids[2]])
  })
})
