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
