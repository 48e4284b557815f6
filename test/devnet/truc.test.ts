import assert from 'node:assert/strict'
import type { Transaction } from 'bitcoinjs-lib'
import type { EmbeddedChain } from '../../src/devnet/embedded-chain.js'
import {
  accept,
  alice,
  bob,
  coinFor,
  freshChain,
  output,
  refuse,
  signed,
  type Spendable
} from './support.js'

describe('devnet / version 3 (BIP431)', () => {
  let chain: EmbeddedChain
  let coin: Spendable

  beforeEach(async () => {
    chain = await freshChain()
    coin = await coinFor(chain, alice.script, 1_000_000n)
  })

  const parent = (version: number, outputs = 3): Transaction =>
    signed({
      from: [{ ...coin, owner: alice }],
      to: Array.from({ length: outputs }, () => [bob.script, 100_000n] as const),
      version
    })
  const spend = (
    of: Transaction,
    vout: number,
    version: number,
    outputs = 1,
    fee = 1_500n
  ): Transaction =>
    signed({
      from: [{ ...output(of, vout), owner: bob }],
      to: Array.from(
        { length: outputs },
        () => [bob.script, (100_000n - fee) / BigInt(outputs)] as const
      ),
      version
    })

  it('may be confirmed, and be spent by any version then', async () => {
    const tx = parent(3)
    await accept(chain, tx)
    await chain.mine(1)
    await accept(chain, spend(tx, 0, 2))
    await accept(chain, spend(tx, 1, 3))
  })

  it('spends no unconfirmed output of another version', async () => {
    const tx = parent(2)
    await accept(chain, tx)
    await refuse(chain, spend(tx, 0, 3), 'truc-spends-nontruc')
  })

  it('is not spent unconfirmed by another version', async () => {
    const tx = parent(3)
    await accept(chain, tx)
    await refuse(chain, spend(tx, 0, 2), 'truc-spent-by-nontruc')
    await accept(chain, spend(tx, 0, 3))
  })

  it('has at most 10,000 vB', async () => {
    const sized = (outputs: number): Transaction =>
      signed({
        from: [{ ...coin, owner: alice }],
        to: Array.from({ length: outputs }, () => [bob.script, 1_000n] as const),
        version: 3
      })
    assert.ok(sized(319).virtualSize() <= 10_000 && sized(320).virtualSize() > 10_000)
    await refuse(chain, sized(320), 'truc-vsize-toobig')
    await accept(chain, sized(319))
  })

  it('has at most 1,000 vB as a child', async () => {
    const tx = parent(3)
    await accept(chain, tx)
    assert.ok(
      spend(tx, 0, 3, 30).virtualSize() > 1_000 && spend(tx, 0, 3, 29).virtualSize() <= 1_000
    )
    await refuse(chain, spend(tx, 0, 3, 30), 'truc-child-toobig')
    await accept(chain, spend(tx, 0, 3, 29))
  })

  it('has one unconfirmed parent', async () => {
    const other = await coinFor(chain, alice.script, 50_000n)
    const [a, b] = [
      parent(3),
      signed({ from: [{ ...other, owner: alice }], to: [[bob.script, 49_000n]], version: 3 })
    ]
    await accept(chain, a)
    await accept(chain, b)
    await refuse(
      chain,
      signed({
        from: [
          { ...output(a, 0), owner: bob },
          { ...output(b, 0), owner: bob }
        ],
        to: [[bob.script, 140_000n]],
        version: 3
      }),
      'truc-ancestors-toomany'
    )
  })

  it('has no grandparent', async () => {
    const tx = parent(3)
    const child = spend(tx, 0, 3)
    await accept(chain, tx)
    await accept(chain, child)
    await refuse(
      chain,
      signed({
        from: [{ ...output(child, 0), owner: bob }],
        to: [[bob.script, 90_000n]],
        version: 3
      }),
      'truc-ancestors-toomany'
    )
  })

  it('has one child; another takes its place when it pays as a replacement must', async () => {
    const tx = parent(3)
    const [first, cheap, rich] = [spend(tx, 0, 3), spend(tx, 1, 3), spend(tx, 2, 3, 1, 3_000n)]
    await accept(chain, tx)
    await accept(chain, first)
    await refuse(chain, cheap, 'insufficient fee (including sibling eviction)')
    await accept(chain, rich)
    assert.deepEqual(
      (await chain.mempool()).map(({ txid }) => txid),
      [tx.getId(), rich.getId()]
    )
  })
})
