/** `submitpackage`: a child that pays for a parent which the mempool does not take alone. */
import assert from 'node:assert/strict'
import type { Transaction } from 'bitcoinjs-lib'
import type { EmbeddedChain } from '../../src/devnet/embedded-chain.js'
import {
  accept,
  alice,
  bid,
  coinsFor,
  freshChain,
  output,
  refuse,
  signed,
  type Spendable
} from './support.js'

describe('devnet / packages', () => {
  let chain: EmbeddedChain
  let coins: Spendable[]

  beforeEach(async () => {
    // Room for nine of 110 vB.
    chain = await freshChain({ mempoolVsize: 1_000 })
    coins = await coinsFor(chain, alice, 20, 1_000_000n)
  })

  const coin = (i: number): Spendable => coins[i] ?? assert.fail()
  const spend = (from: Spendable[], fee: bigint, version = 3): Transaction =>
    signed({
      from: from.map((each) => ({ ...each, owner: alice })),
      to: [[alice.script, from.reduce((sum, { value }) => sum + value, 0n) - fee]],
      version
    })
  const submit = async (...txs: Transaction[]): Promise<Array<readonly [string, string]>> =>
    (await chain.submitPackage(txs.map((tx) => tx.toBuffer()))).refused.map(
      ({ txid, reason }) => [txid, reason] as const
    )
  const waiting = async (tx: Transaction): Promise<boolean> =>
    (await chain.mempool()).some(({ txid }) => txid === tx.getId())

  it('a parent below the minimum of a full mempool comes in with a child that pays for both', async () => {
    for (let i = 0; i < 9; i++) await accept(chain, bid(coin(i), 10 + i))
    await accept(chain, bid(coin(9), 30))
    const parent = spend([coin(10)], 550n)
    await refuse(chain, parent, 'mempool min fee not met, 550 < 1210')
    const child = spend([output(parent, 0)], 20_000n)
    await refuse(chain, child, 'bad-txns-inputs-missingorspent')
    assert.deepEqual(await submit(parent, child), [])
    assert.deepEqual([await waiting(parent), await waiting(child)], [true, true])
  })

  it('not with one that pays too little for both', async () => {
    for (let i = 0; i < 9; i++) await accept(chain, bid(coin(i), 10 + i))
    await accept(chain, bid(coin(9), 30))
    const parent = spend([coin(10)], 550n)
    const child = spend([output(parent, 0)], 1_500n)
    assert.deepEqual(await submit(parent, child), [
      [parent.getId(), 'mempool min fee not met, 550 < 1210'],
      [child.getId(), 'mempool min fee not met, 2050 < 2420']
    ])
    assert.deepEqual([await waiting(parent), await waiting(child)], [false, false])
  })

  it('below what everybody relays only in version 3', async () => {
    for (const version of [3, 2]) {
      const parent = spend([coin(version)], 10n, version)
      const child = spend([output(parent, 0)], 20_000n, version)
      const refused = (await submit(parent, child)).map(([, reason]) => reason)
      assert.deepEqual(
        refused,
        version === 3 ? [] : ['min relay fee not met, 10 < 110', 'min relay fee not met, 10 < 110']
      )
    }
  })

  it('what can come in alone comes in alone, also when another one is refused', async () => {
    const parents = [spend([coin(0)], 1_000n, 2), spend([coin(1)], 1_000n, 2)]
    const child = spend(
      [output(parents[0] ?? assert.fail(), 0), output(parents[1] ?? assert.fail(), 0)],
      5n,
      2
    )
    assert.deepEqual(await submit(...parents, child), [
      [child.getId(), 'min relay fee not met, 5 < 178']
    ])
    for (const parent of parents) assert.equal(await waiting(parent), true)
  })

  it('is a child with its parents, and they are not of one another', async () => {
    const first = spend([coin(0)], 1_000n, 2)
    const second = spend([output(first, 0)], 1_000n, 2)
    const third = spend([output(second, 0)], 1_000n, 2)
    for (const txs of [
      [first, spend([coin(1)], 1_000n, 2)],
      [second, first],
      [first, second, third]
    ]) {
      assert.deepEqual(await submit(...txs), [
        [txs.at(-1)?.getId(), 'package-not-child-with-parents']
      ])
    }
  })
})
