/**
 * The mempool rules that differ between releases of Bitcoin Core, judged by the devnet and by the
 * real program: those of 30 by Knots with these fees, those of 31 by a Bitcoin Core 31 where there
 * is one.
 */
import assert from 'node:assert/strict'
import type { Transaction } from 'bitcoinjs-lib'
import { z } from 'zod'
import type { EmbeddedChain } from '../../src/devnet/index.js'
import type { CoreRelease } from '../../src/devnet/rules.js'
import {
  alice,
  coinFor,
  coinsFor,
  freshChain,
  output,
  signed,
  type Spendable
} from '../devnet/support.js'
import { Bitcoind, CORE_COMMAND, rawBlock } from './bitcoind.js'

const hasCore = (process.env[CORE_COMMAND] ?? '') !== ''

/** Spends an output of Alice's into as many of hers, of which the first has the rest. */
const spend = (coin: Spendable, fee: bigint, outputs = 1, version = 2): Transaction =>
  signed({
    from: [{ ...coin, owner: alice }],
    version,
    to: [
      [alice.script, coin.value - fee - 1_000n * BigInt(outputs - 1)],
      ...Array.from({ length: outputs - 1 }, () => [alice.script, 1_000n] as const)
    ]
  })

for (const release of [
  30,
  ...(hasCore ? ([31] as const) : [])
] as const satisfies readonly CoreRelease[]) {
  describe(`releases / the rules of Core ${release}`, () => {
    let chain: EmbeddedChain
    let bitcoind: Bitcoind
    let shown = 0

    beforeEach(async () => {
      chain = await freshChain({ core: release })
      bitcoind = await Bitcoind.start(release)
      shown = 0
    })

    afterEach(async () => {
      await bitcoind.stop()
    })

    async function showBlocks(): Promise<void> {
      const blocks: string[] = []
      for (; shown < chain.best.height; shown++) {
        blocks.push((await rawBlock(chain, shown + 1)) ?? assert.fail())
      }
      assert.ok((await bitcoind.submitBlocks(blocks)).every((verdict) => verdict === null))
    }

    /**
     * Both are shown it, and say the same: in the verdict, and in the first words of the reason.
     */
    async function judged(transaction: Transaction): Promise<boolean> {
      await showBlocks()
      const raw = transaction.toBuffer()
      const ours = await chain.submit(raw)
      const theirs = await bitcoind
        .call(z.string(), 'sendrawtransaction', transaction.toHex(), 0)
        .then(
          () => undefined,
          (error: unknown) => String((error as Error).message)
        )
      assert.deepEqual(
        ours.accepted ? undefined : ours.reason.split(/[,;[]/)[0]?.trim(),
        theirs?.split(/[,;[]/)[0]?.trim(),
        `${ours.accepted ? 'accepted' : ours.reason}, and ${theirs ?? 'accepted'}`
      )
      return ours.accepted
    }

    it('take fees from 0.1 sat/vB on, and as much more of a replacement', async () => {
      const coin = await coinFor(chain, alice.script, 100_000n)
      const verdicts: boolean[] = []
      for (const fee of [10n, 11n, 20n, 22n, 32n, 33n]) {
        verdicts.push(await judged(spend(coin, fee)))
      }
      assert.deepEqual(verdicts, [false, true, false, true, false, true])
    })

    it('bound what hangs together', async () => {
      let last = await coinFor(chain, alice.script, 1_000_000n)
      let taken = 0
      for (let i = 0; i < 65; i++) {
        const next = spend(last, 200n, 2)
        if (!(await judged(next))) break
        taken += 1
        last = output(next, 0)
      }
      assert.equal(taken, release === 31 ? 64 : 25)
    })

    it('replace by what a miner gains, in the order of what he takes', async () => {
      const [first, second, third] = (await coinsFor(chain, alice, 3, 200_000n)) as [
        Spendable,
        Spendable,
        Spendable
      ]
      const parent = spend(first, 110n)
      assert.equal(await judged(parent), true)
      assert.equal(await judged(spend(output(parent, 0), 22_000n)), true)
      assert.equal(await judged(spend(first, 22_000n)), false)
      assert.equal(await judged(spend(first, 22_150n)), true)
      assert.equal(await judged(spend(second, 1_000n)), true)
      assert.equal(await judged(spend(second, 1_200n, 30)), false, 'more in all, at a lower rate')
      const other = spend(third, 500n)
      assert.equal(await judged(other), true)
      const both = signed({
        from: [
          { ...second, owner: alice },
          { ...output(other, 0), owner: alice }
        ],
        to: [[alice.script, 350_000n]]
      })
      assert.equal(await judged(both), release === 31, 'an unconfirmed input that is new')
    })

    it('of version 3 are the same in all', async () => {
      const coin = await coinFor(chain, alice.script, 500_000n)
      const parent = spend(coin, 200n, 2, 3)
      assert.equal(await judged(parent), true)
      assert.equal(await judged(spend(output(parent, 0), 300n, 1, 3)), true)
      assert.equal(await judged(spend(output(parent, 0), 300n, 30, 3)), false)
      assert.equal(await judged(spend(coin, 5_000n, 3, 3)), true, 'with its child')
    })
  })
}
