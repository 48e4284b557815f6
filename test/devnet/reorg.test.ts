import assert from 'node:assert/strict'
import type { EmbeddedChain } from '../../src/devnet/index.js'
import { scriptHashOf } from '../../src/devnet/transaction.js'
import { txid } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { satoshi, type Satoshi } from '../../src/types/units.js'
import {
  accept,
  alice,
  bob,
  coinFor,
  freshChain,
  SEQUENCE_RBF,
  signed,
  type Spendable
} from './support.js'

const AMOUNT = satoshi(100_000n)

/** A coin of Alice's in the newest block, and what it is spent by in the block above. */
async function spentCoin(): Promise<{ chain: EmbeddedChain; coin: Spendable; spend: string }> {
  const chain = await freshChain()
  const coin = await coinFor(chain, alice.script, AMOUNT)
  const tx = signed({ from: [{ ...coin, owner: alice }], to: [[bob.script, 90_000n]] })
  await accept(chain, tx)
  await chain.mine(1)
  return { chain, coin, spend: tx.getId() }
}

async function balance(
  chain: EmbeddedChain,
  script: Uint8Array
): Promise<Array<[Satoshi, number | undefined]>> {
  return (await chain.scriptCoins(scriptHashOf(script))).unspent.map(({ value, height }) => [
    value,
    height
  ])
}

describe('devnet / a reorganisation', () => {
  it('replaces blocks by one more; none of the new ones is an old one', async () => {
    const chain = await freshChain()
    const hashes = async (): Promise<string[]> =>
      await Promise.all(
        [116, 117, 118, 119, 120].map(async (height) =>
          Buffer.from((await chain.header(height)) ?? []).toString('hex')
        )
      )
    const before = await hashes()
    const blocks = await chain.reorg(3)
    const after = await hashes()
    assert.deepEqual(
      blocks.map(({ height }) => height),
      [118, 119, 120, 121]
    )
    assert.deepEqual(after.slice(0, 2), before.slice(0, 2))
    for (const header of after.slice(2)) assert.ok(!before.includes(header))
    assert.equal(chain.best.hash, blocks.at(-1)?.hash)
  })

  it('can be undone by another one, many times', async () => {
    const chain = await freshChain()
    const tips = new Set([chain.best.hash])
    for (let n = 0; n < 10; n++) {
      await chain.reorg(5)
      tips.add(chain.best.hash)
    }
    assert.equal(tips.size, 11)
    assert.equal(chain.best.height, 130)
  })

  it('lets what was confirmed wait again, parents before children', async () => {
    const { chain, coin, spend } = await spentCoin()
    await chain.reorg(2)
    assert.deepEqual(
      (await chain.mempool()).map(({ txid }) => txid),
      [coin.outPoint.txid, spend]
    )
    assert.deepEqual(await balance(chain, bob.script), [[90_000n, undefined]])
    assert.deepEqual((await chain.scriptHistory(scriptHashOf(alice.script))).confirmed, [])
    await chain.mine(1)
    assert.deepEqual(await balance(chain, bob.script), [[90_000n, 124]])
  })

  it('gives coins back that a block had spent, and takes those that it had made', async () => {
    const { chain, spend } = await spentCoin()
    await chain.reorg(1, { without: [(await chain.transaction(spend))?.txid ?? assert.fail()] })
    assert.deepEqual(await balance(chain, alice.script), [[AMOUNT, 121]])
    assert.deepEqual(await balance(chain, bob.script), [])
    assert.equal(await chain.transaction(spend), undefined)
  })

  it('mines the same transactions again when it is asked to', async () => {
    const { chain, spend } = await spentCoin()
    await chain.reorg(2, { transactions: 'mine' })
    assert.deepEqual(await chain.mempool(), [])
    assert.equal((await chain.transaction(spend))?.block?.height, 121)
  })

  it('leaves the first of the new blocks empty when it is asked to, and mines them in the second', async () => {
    const { chain, coin, spend } = await spentCoin()
    await chain.reorg(2, { transactions: 'second' })
    assert.deepEqual(await chain.mempool(), [])
    assert.deepEqual(
      await Promise.all(
        [coin.outPoint.txid, spend].map(
          async (txid) => (await chain.transaction(txid))?.block?.height
        )
      ),
      [122, 122]
    )
  })

  it('mines those again that have a lock, as soon as it lets them', async () => {
    const chain = await freshChain()
    const coin = await coinFor(chain, alice.script, AMOUNT)
    const locked = signed({
      from: [{ ...coin, owner: alice, sequence: SEQUENCE_RBF }],
      to: [[alice.script, 90_000n]],
      locktime: 122
    })
    await chain.mine(1)
    await accept(chain, locked)
    await chain.mine(1)
    const delayed = signed({
      from: [
        {
          outPoint: { txid: txid(locked.getId()), vout: 0 },
          value: 90_000n,
          owner: alice,
          sequence: 1
        }
      ],
      to: [[bob.script, 80_000n]]
    })
    await accept(chain, delayed)
    await chain.mine(1)
    await chain.reorg(4, { transactions: 'mine' })
    const heights = await Promise.all(
      [locked, delayed].map(async (tx) => (await chain.transaction(tx.getId()))?.block?.height)
    )
    assert.deepEqual(heights, [123, 124])
  })

  it('drops them all when it is asked to; what they had spent is there again', async () => {
    const { chain, coin } = await spentCoin()
    const { supply } = chain
    await chain.reorg(2, { transactions: 'drop' })
    assert.deepEqual(
      [await chain.mempool(), await balance(chain, alice.script), await balance(chain, bob.script)],
      [[], [], []]
    )
    assert.equal(await chain.transaction(coin.outPoint.txid), undefined)
    assert.ok(chain.supply > supply - 2n * 5_000_000_000n)
  })

  it('drops a transaction with all that spends it', async () => {
    const { chain, coin } = await spentCoin()
    await chain.reorg(2, { without: [coin.outPoint.txid] })
    assert.deepEqual(await chain.mempool(), [])
  })

  it('has a conflict instead: the other one cannot come back', async () => {
    const { chain, coin, spend } = await spentCoin()
    const other = signed({
      from: [{ ...coin, owner: alice, sequence: SEQUENCE_RBF }],
      to: [[alice.script, 80_000n]]
    })
    await chain.reorg(1, { instead: [Uint8Array.from(other.toBuffer())] })
    assert.equal(await chain.transaction(spend), undefined)
    assert.deepEqual(await balance(chain, alice.script), [[80_000n, 122]])
  })

  it('has a conflict instead, also when the others are mined again', async () => {
    const { chain, coin, spend } = await spentCoin()
    const other = signed({ from: [{ ...coin, owner: alice }], to: [[alice.script, 80_000n]] })
    await chain.reorg(1, { instead: [Uint8Array.from(other.toBuffer())], transactions: 'mine' })
    assert.deepEqual([await chain.transaction(spend), await chain.mempool()], [undefined, []])
  })

  it('takes back a version 3 transaction whose parent is of another version, as Bitcoin Core does (BIP431 is for newcomers)', async () => {
    const chain = await freshChain()
    const coin = await coinFor(chain, alice.script, AMOUNT)
    const tx = signed({
      from: [{ ...coin, owner: alice }],
      to: [[bob.script, 90_000n]],
      version: 3
    })
    await accept(chain, tx)
    await chain.mine(1)
    await chain.reorg(2)
    assert.deepEqual(
      (await chain.mempool()).map(({ txid }) => txid),
      [coin.outPoint.txid, tx.getId()]
    )
  })

  it('keeps what waited in the mempool, unless it hangs on what is gone', async () => {
    const { chain, spend } = await spentCoin()
    const other = await coinFor(chain, alice.script, AMOUNT)
    const child = signed({
      from: [
        {
          outPoint: { txid: (await chain.transaction(spend))?.txid ?? assert.fail(), vout: 0 },
          value: 90_000n,
          owner: bob
        }
      ],
      to: [[bob.script, 80_000n]]
    })
    const free = signed({ from: [{ ...other, owner: alice }], to: [[bob.script, 70_000n]] })
    await accept(chain, child)
    await accept(chain, free)
    await chain.reorg(2, { without: [(await chain.transaction(spend))?.txid ?? assert.fail()] })
    const waiting = (await chain.mempool()).map(({ txid }) => txid)
    assert.deepEqual(
      [waiting.includes(child.getId() as never), waiting.includes(free.getId() as never)],
      [false, true]
    )
  })

  it('is announced once, when it is done', async () => {
    const { chain } = await spentCoin()
    const seen: Array<[number, boolean]> = []
    chain.on('block', ({ touched }) => {
      seen.push([
        chain.best.height,
        touched.has(scriptHashOf(alice.script)) && touched.has(scriptHashOf(bob.script))
      ])
    })
    await chain.reorg(2)
    assert.deepEqual(seen, [[123, true]])
  })

  it('conserves the coins: the supply is what the new blocks say', async () => {
    const { chain } = await spentCoin()
    const before = chain.supply
    await chain.reorg(2, { transactions: 'mine' })
    // One block more than before.
    assert.equal(chain.supply - before, 5_000_000_000n)
  })

  for (const depth of [0, -1, 1.5, 100, 1_000_000]) {
    it(`refuses a depth of ${depth}`, async () => {
      const chain = await freshChain()
      const { hash } = chain.best
      await assert.rejects(
        chain.reorg(depth),
        (error) => error instanceof PaychanError && error.code === 'ERR_INVALID_DEPTH'
      )
      assert.equal(chain.best.hash, hash)
    })
  }

  it('may be 99 deep, and the miner can still pay', async () => {
    const chain = await freshChain()
    await chain.reorg(99)
    assert.equal(chain.best.height, 121)
    await chain.fund(bob.script, AMOUNT)
    await chain.mine(1)
    assert.equal((await balance(chain, bob.script)).length, 1)
  })
})
