import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Transaction } from 'bitcoinjs-lib'
import type { EmbeddedChain } from '../../src/devnet/index.js'
import {
  accept,
  alice,
  bid,
  coinsFor,
  freshChain,
  output,
  refuse,
  type Spendable
} from './support.js'

describe('devnet / mempool limit', () => {
  let chain: EmbeddedChain
  let coins: Spendable[]

  beforeEach(async () => {
    // Room for nine of 110 vB.
    chain = await freshChain({ mempoolVsize: 1_000 })
    coins = await coinsFor(chain, alice, 20, 1_000_000n)
  })

  const coin = (i: number): Spendable => {
    const found = coins[i]
    assert.ok(found !== undefined)
    return found
  }
  const has = async (tx: Transaction): Promise<boolean> =>
    (await chain.mempool()).some(({ txid }) => txid === tx.getId())
  /** Nine that pay these rates. */
  const fill = async (rate: (i: number) => number): Promise<Transaction[]> => {
    const bids = Array.from({ length: 9 }, (_, i) => bid(coin(i), rate(i)))
    for (const each of bids) await accept(chain, each)
    return bids
  }
  const minimum = async (): Promise<number> => Number((await chain.feeRates()).minimum)

  it('lets everything in that has room', async () => {
    await fill(() => 1)
    assert.equal((await chain.mempool()).length, 9)
    assert.equal(await minimum(), 1_000)
  })

  it('lets the worst go for a better one, and asks for more than that one paid from then on', async () => {
    const bids = await fill((i) => 10 + i)
    const better = bid(coin(9), 30)
    await accept(chain, better)
    assert.deepEqual(await Promise.all([...bids, better].map(has)), [
      false,
      ...bids.slice(1).map(() => true),
      true
    ])
    // What was let go paid 10 sat/vB; the incremental relay fee is 1.
    assert.equal(await minimum(), 11_000)
    const vsize = BigInt(bid(coin(10), 10).virtualSize())
    await refuse(
      chain,
      bid(coin(10), 10),
      `mempool min fee not met, ${vsize * 10n} < ${vsize * 11n}`
    )
    await refuse(
      chain,
      bid(coin(10), 0.5),
      `mempool min fee not met, ${vsize / 2n} < ${vsize * 11n}`
    )
    await accept(chain, bid(coin(10), 11.5))
  })

  it('lets the newest of equals go', async () => {
    const bids = await fill(() => 5)
    await accept(chain, bid(coin(9), 6))
    assert.deepEqual(await Promise.all(bids.map(has)), [...bids.slice(1).map(() => true), false])
  })

  it('refuses one that would be the worst itself', async () => {
    await fill(() => 5)
    await refuse(chain, bid(coin(9), 4), 'mempool full')
    assert.equal((await chain.mempool()).length, 9)
    assert.equal(await minimum(), 5_000)
  })

  it('lets all go that depends on the worst', async () => {
    const parent = bid(coin(0), 2)
    const child = bid(output(parent, 0), 3)
    await accept(chain, parent)
    await accept(chain, child)
    for (let i = 1; i <= 8; i++) await accept(chain, bid(coin(i), 10))
    assert.deepEqual(
      [await has(parent), await has(child), (await chain.mempool()).length],
      [false, false, 8]
    )
    await refuse(chain, bid(output(parent, 0), 20), 'bad-txns-inputs-missingorspent')
  })

  it('lets a child go alone when only the child is too poor', async () => {
    const parent = bid(coin(0), 3)
    const child = bid(output(parent, 0), 2)
    await accept(chain, parent)
    await accept(chain, child)
    for (let i = 1; i <= 8; i++) await accept(chain, bid(coin(i), 10))
    assert.deepEqual([await has(parent), await has(child)], [true, false])
  })

  it('keeps a poor parent whose child pays for it', async () => {
    const parent = bid(coin(0), 1)
    const child = bid(output(parent, 0), 50)
    await accept(chain, parent)
    await accept(chain, child)
    const others = [5, 6, 7, 8, 9, 10, 11, 12]
    for (const rate of others) await accept(chain, bid(coin(rate), rate))
    assert.deepEqual(
      [await has(parent), await has(child), (await chain.mempool()).length],
      [true, true, 9]
    )
  })

  it('measures the whole of what goes: parent and child paid 3 sat/vB together', async () => {
    const parent = bid(coin(0), 2)
    await accept(chain, parent)
    await accept(chain, bid(output(parent, 0), 4))
    for (let i = 1; i <= 8; i++) await accept(chain, bid(coin(i), 10))
    // (2 + 4) / 2 + 1, and some fractions of a byte.
    const rate = await minimum()
    assert.ok(rate >= 3_990 && rate <= 4_010, String(rate))
  })

  it('takes a replacement for what it pays, also in a full mempool', async () => {
    const bids = await fill(() => 5)
    const [first] = bids
    assert.ok(first !== undefined)
    await accept(chain, bid(coin(0), 7))
    assert.deepEqual(
      [await has(first), (await chain.mempool()).length, await minimum()],
      [false, 9, 1_000]
    )
  })

  it('tells the scripts of what goes', async () => {
    await fill(() => 5)
    const touched = new Set<string>()
    chain.on('mempool', (change) => {
      for (const script of change.touched) touched.add(script)
    })
    await refuse(chain, bid(coin(9), 4), 'mempool full')
    assert.equal(touched.size, 1)
  })

  it('keeps the limit after a reorganisation', async () => {
    await fill(() => 5)
    await chain.mine(1)
    for (let i = 9; i < 18; i++) await accept(chain, bid(coin(i), 8))
    await chain.reorg(1)
    const left = await chain.mempool()
    assert.equal(left.length, 9)
    assert.ok(left.every(({ fee, vsize }) => Number(fee) / vsize >= 8))
    assert.ok((await minimum()) >= 6_000)
  })

  describe('the raised minimum', () => {
    beforeEach(async () => {
      await fill(() => 99)
      await accept(chain, bid(coin(9), 120))
    })

    it('halves in 18 blocks once the mempool is nearly empty', async () => {
      assert.equal(await minimum(), 100_000)
      await chain.mine(18)
      assert.equal(await minimum(), 50_000)
      await chain.mine(18)
      assert.equal(await minimum(), 25_000)
      await refuse(chain, bid(coin(10), 24), 'mempool min fee not met')
      await accept(chain, bid(coin(10), 26))
    })

    it('is forgotten below half of the minimum for relay', async () => {
      // 100 sat/vB fall to 1.56 after 6 times 18 blocks, and to 0.39 after two times more.
      await chain.mine(6 * 18)
      assert.equal(await minimum(), 1_563)
      await refuse(chain, bid(coin(10), 1.2), 'mempool min fee not met')
      await chain.mine(2 * 18)
      await refuse(chain, bid(coin(10), 0.9), 'min relay fee not met')
      await accept(chain, bid(coin(10), 1))
    })

    it('does not fall when something cheaper is let go', async () => {
      await accept(chain, bid(coin(10), 130))
      assert.ok((await minimum()) >= 100_000)
    })
  })

  it('never holds more than its limit, and blocks never more than theirs, whatever comes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            act: fc.constantFrom('bid', 'bid', 'bid', 'bid', 'child', 'mine', 'reorg'),
            coin: fc.nat(19),
            rate: fc.integer({ min: 1, max: 50 }),
            outputs: fc.integer({ min: 1, max: 12 })
          }),
          { minLength: 20, maxLength: 40 }
        ),
        async (steps) => {
          const limits = { maxWeight: 2_400, mempoolVsize: 1_000 }
          const chain = await freshChain(limits)
          // A block of this weight has no room for twenty at once.
          const coins = await coinsFor(chain, alice, 12, 1_000_000n)
          const sent: Transaction[] = []
          for (const { act, coin: which, rate, outputs } of steps) {
            if (act === 'mine') await chain.mine(1)
            else if (act === 'reorg') await chain.reorg(1)
            else {
              const parent = act === 'child' ? sent.at(which % Math.max(1, sent.length)) : undefined
              const spent = parent === undefined ? coins[which % coins.length] : output(parent, 0)
              assert.ok(spent !== undefined)
              const tx = bid(spent, rate, outputs)
              if ((await chain.submit(tx.toBuffer())).accepted) sent.push(tx)
            }
            const size = (await chain.mempool()).reduce((sum, { vsize }) => sum + vsize, 0)
            assert.ok(size <= limits.mempoolVsize, `${size} vB`)
            const weight = await weightOf(chain, chain.best.height)
            assert.ok(weight <= limits.maxWeight, `${weight} WU`)
          }
        }
      ),
      { numRuns: 6, seed: 41 }
    )
  })
})

/** The weight of a block's transactions but the coinbase. */
async function weightOf(chain: EmbeddedChain, height: number): Promise<number> {
  let weight = 0
  for (const id of (await chain.blockTxids(height))?.slice(1) ?? []) {
    weight += Transaction.fromBuffer(
      (await chain.transaction(id))?.raw ?? new Uint8Array(0)
    ).weight()
  }
  return weight
}
