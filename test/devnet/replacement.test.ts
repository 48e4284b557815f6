import assert from 'node:assert/strict'
import type { Transaction } from 'bitcoinjs-lib'
import type { EmbeddedChain } from '../../src/devnet/index.js'
import {
  accept,
  alice,
  bid,
  bob,
  coinFor,
  coinsFor,
  freshChain,
  output,
  refuse,
  signed,
  type Spendable
} from './support.js'

describe('devnet / replacement (BIP125, full RBF)', () => {
  let chain: EmbeddedChain
  let coin: Spendable

  beforeEach(async () => {
    chain = await freshChain()
    coin = await coinFor(chain, alice.script, 100_000n)
  })

  /** Pays Bob everything but the fee. */
  const withFee = (fee: bigint, sequence = 0xfffffffd): Transaction =>
    signed({ from: [{ ...coin, owner: alice, sequence }], to: [[bob.script, coin.value - fee]] })
  const child = (parent: Transaction, fee: bigint): Transaction =>
    signed({
      from: [{ ...output(parent, 0), owner: bob }],
      to: [[bob.script, output(parent, 0).value - fee]]
    })
  const waiting = async (): Promise<string[]> => (await chain.mempool()).map(({ txid }) => txid)

  it('takes the place of one that pays less, whether it signals or not', async () => {
    const first = withFee(1_000n, 0xffffffff)
    await accept(chain, first)
    const second = withFee(2_000n)
    await accept(chain, second)
    assert.deepEqual(await waiting(), [second.getId()])
    assert.equal(await chain.transaction(first.getId()), undefined)
  })

  it('refuses the same fee, and less', async () => {
    await accept(chain, withFee(2_000n))
    await refuse(chain, withFee(2_000n, 0xfffffffc), 'insufficient fee')
    await refuse(chain, withFee(1_500n), 'insufficient fee')
  })

  it('asks for 1 sat/vB of its own size on top (rule 4)', async () => {
    const first = withFee(1_000n)
    await accept(chain, first)
    const size = BigInt(first.virtualSize())
    const tooLittle = await chain.submit(withFee(1_000n + size - 1n).toBuffer())
    assert.ok(
      !tooLittle.accepted &&
        tooLittle.reason.includes('not enough additional fees to relay; 0.00000109 < 0.0000011'),
      JSON.stringify(tooLittle)
    )
    await accept(chain, withFee(1_000n + size))
  })

  it('asks for the fees of all that it evicts (rule 3)', async () => {
    const first = withFee(1_000n)
    await accept(chain, first)
    await accept(chain, child(first, 5_000n))
    const cheap = await chain.submit(withFee(5_999n).toBuffer())
    assert.ok(
      !cheap.accepted &&
        cheap.reason.includes('less fees than conflicting txs; 0.00005999 < 0.00006'),
      JSON.stringify(cheap)
    )
    const rich = withFee(6_200n)
    await accept(chain, rich)
    assert.deepEqual(await waiting(), [rich.getId()])
  })

  it('asks for a higher fee rate than each that it conflicts with', async () => {
    await accept(chain, withFee(2_000n))
    // Ten times the size for twice the fee.
    const large = signed({
      from: [{ ...coin, owner: alice }],
      to: Array.from({ length: 30 }, () => [bob.script, 3_200n] as const)
    })
    const refused = await chain.submit(large.toBuffer())
    assert.ok(!refused.accepted)
    assert.match(
      refused.reason,
      /^insufficient fee, rejecting replacement [0-9a-f]{64}; new feerate 0\.000\d+ BTC\/kvB <= old feerate 0\.00018181 BTC\/kvB$/
    )
  })

  it('brings no new unconfirmed input (rule 2)', async () => {
    const other = await coinFor(chain, bob.script, 50_000n)
    const unconfirmed = signed({ from: [{ ...other, owner: bob }], to: [[bob.script, 49_000n]] })
    await accept(chain, unconfirmed)
    await accept(chain, withFee(1_000n))
    const replacement = signed({
      from: [
        { ...coin, owner: alice },
        { ...output(unconfirmed, 0), owner: bob }
      ],
      to: [[bob.script, 100_000n]]
    })
    await refuse(chain, replacement, 'replacement-adds-unconfirmed')
  })

  it('does not spend what it evicts', async () => {
    const first = withFee(1_000n)
    await accept(chain, first)
    const circular = signed({
      from: [
        { ...coin, owner: alice },
        { ...output(first, 0), owner: bob }
      ],
      to: [[bob.script, 150_000n]]
    })
    await refuse(chain, circular, 'bad-txns-spends-conflicting-tx')
  })

  it('evicts at most 100 (rule 5)', async () => {
    const coins = await Promise.all(
      Array.from(
        { length: 5 },
        async (_, i) => await coinFor(chain, alice.script, 200_000n + BigInt(i))
      )
    )
    const parents = coins.map((each) =>
      signed({
        from: [{ ...each, owner: alice }],
        to: Array.from({ length: 20 }, () => [alice.script, 9_900n] as const)
      })
    )
    for (const [i, parent] of parents.entries()) {
      await accept(chain, parent)
      // Four parents with 20 children and one with 16: 5 + 4 x 20 + 16 = 101.
      for (let vout = 0; vout < (i === 4 ? 16 : 20); vout++) {
        await accept(
          chain,
          signed({ from: [{ ...output(parent, vout), owner: alice }], to: [[bob.script, 9_700n]] })
        )
      }
    }
    const replacement = (count: number): Transaction =>
      signed({
        from: coins.slice(0, count).map((each) => ({ ...each, owner: alice })),
        to: [[bob.script, 50_000n]]
      })
    assert.equal((await chain.mempool()).length, 101)
    await refuse(chain, replacement(5), 'too many potential replacements')
    await accept(chain, replacement(4))
    assert.equal((await chain.mempool()).length, 18)
  })
})

/* `submitpackage`: a child that pays for a parent which the mempool does not take alone. */

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
