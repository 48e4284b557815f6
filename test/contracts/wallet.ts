/** What every `Wallet` has to do for the engine, whatever its coins are. */
import assert from 'node:assert/strict'
import { readFunding, checkFundingTx } from '../../src/bitcoin/funding.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { outPointText, toHex, txid, type OutPoint } from '../../src/types/bytes.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { feeFor, feeRate, type Satoshi, satoshi } from '../../src/types/units.js'
import { channelNamed, fundingScriptOf, sat } from '../wallet/fixtures.js'
import type { BuiltFunding, Wallet } from '../../src/engine/ports.js'

/** A wallet with confirmed coins of the given values. */
export interface WalletPlace {
  readonly wallet: Wallet
  /** The value of a coin that the wallet was given. */
  readonly valueOf: (outPoint: OutPoint) => Satoshi | undefined
  /** The script that it gives out at an index. */
  readonly scriptAt: (index: number) => Uint8Array
  readonly stop: () => Promise<void>
}

const RATE = feeRate(2500n)

export function walletContract(
  name: string,
  makePlace: (coins: readonly number[]) => Promise<WalletPlace>
): void {
  describe(`wallet contract / ${name}`, () => {
    let place: WalletPlace | undefined

    afterEach(async () => {
      await place?.stop()
    })

    async function walletWith(...coins: number[]): Promise<WalletPlace> {
      place = await makePlace(coins)
      return place
    }

    function build(
      wallet: Wallet,
      channel: string,
      amount: number,
      rate = RATE
    ): Promise<BuiltFunding> {
      return wallet.buildFunding({
        channel: channelNamed(channel),
        scriptPubKey: fundingScriptOf(channel),
        amount: sat(amount),
        feeRate: rate
      })
    }

    const inputsOf = ({ raw }: BuiltFunding): string[] =>
      parseTransaction(raw).inputs.map(({ outPoint }) => outPointText(outPoint))

    describe('newScript', () => {
      it('never gives the same script twice', async () => {
        const { wallet } = await walletWith()
        const scripts = await Promise.all(
          Array.from({ length: 10 }, async () => toHex(await wallet.newScript()))
        )
        assert.equal(new Set(scripts).size, 10)
        for (const script of scripts) assert.match(script, /^0014[0-9a-f]{40}$/)
      })
    })

    describe('recognise', () => {
      it('knows its own scripts, also those that it is still to give out, and gives none of them out again', async () => {
        const { wallet, scriptAt } = await walletWith()
        const given = await wallet.newScript()
        assert.equal(await wallet.recognise(given), true)
        assert.equal(
          await wallet.recognise(Uint8Array.from([0, 20, ...new Uint8Array(20).fill(7)])),
          false
        )
        for (let n = 0; n < 2; n++) assert.equal(await wallet.recognise(scriptAt(5)), true)
        assert.equal(toHex(await wallet.newScript()), toHex(scriptAt(6)))
      })
    })

    describe('closeScript', () => {
      it('is the same for the same index, is recognised, and moves no address', async () => {
        const { wallet, scriptAt } = await walletWith()
        const scripts = [0, 1, 40, 0].map((index) => toHex(wallet.closeScript(index)))
        assert.deepEqual([new Set(scripts).size, scripts[3]], [3, scripts[0]])
        for (let n = 0; n < 2; n++) {
          assert.equal(await wallet.recognise(wallet.closeScript(40)), true)
        }
        assert.equal(toHex(await wallet.newScript()), toHex(scriptAt(0)))
      })
    })

    describe('buildFunding', () => {
      it('pays the channel in a transaction that passes the checks of the other side', async () => {
        const { wallet } = await walletWith(1_000_000)
        const { raw, outPoint } = await build(wallet, 'one', 400_000)
        const transaction = readFunding(raw)
        checkFundingTx(transaction, {
          outPoint,
          script: fundingScriptOf('one'),
          capacity: sat(400_000)
        })
        assert.equal(transaction.version, 3)
        assert.ok(transaction.inputs.every(({ sequence }) => sequence < 0xffffffff))
      })

      it('loses nothing: inputs = outputs + fee, and the fee is the rate asked for', async () => {
        const { wallet, valueOf } = await walletWith(300_000, 200_000, 100_000)
        const { raw, fee } = await build(wallet, 'one', 450_000)
        const { inputs, outputs, vsize } = parseTransaction(raw)
        const spent = inputs.reduce(
          (sum, { outPoint }) =>
            sum + (valueOf(outPoint) ?? assert.fail('an input that is no coin')),
          0n
        )
        assert.equal(spent, outputs.reduce((sum, { value }) => sum + value, 0n) + fee)
        // A signature may be a byte or two shorter than reckoned with: 2 inputs, at most 1 vB less.
        assert.ok(
          fee >= feeFor(RATE, vsize) && fee <= feeFor(RATE, vsize + 2),
          `${fee} sat for ${vsize} vB`
        )
      })

      it('sets its coins aside: the next one takes others', async () => {
        const { wallet } = await walletWith(500_000, 500_000)
        const first = await build(wallet, 'one', 300_000)
        const second = await build(wallet, 'two', 300_000)
        assert.notDeepEqual(inputsOf(first), inputsOf(second))
      })

      it('gives two that are built at once different coins', async () => {
        const { wallet } = await walletWith(500_000, 500_000, 500_000)
        const built = await Promise.all(
          ['one', 'two', 'three'].map(async (channel) => await build(wallet, channel, 300_000))
        )
        assert.equal(new Set(built.flatMap(inputsOf)).size, 3)
      })

      it('refuses what the coins do not cover, with the figures, and sets nothing aside', async () => {
        const { wallet } = await walletWith(100_000, 50_000)
        await assert.rejects(build(wallet, 'one', 150_000), (error) => {
          assert.ok(error instanceof PaychanError)
          assert.equal(error.code, 'ERR_INSUFFICIENT_FUNDS')
          assert.equal(error.facts['asked'], 150_000n)
          assert.equal(error.facts['available'], 150_000n)
          assert.match(error.message, /paychan address/)
          return true
        })
        await build(wallet, 'one', 140_000)
      })

      it('says before anything is built whether the coins would do, and sets nothing aside', async () => {
        const { wallet } = await walletWith(100_000, 50_000)
        wallet.checkFunds(satoshi(140_000n), RATE)
        assert.throws(
          () => {
            wallet.checkFunds(satoshi(150_000n), RATE)
          },
          { code: 'ERR_INSUFFICIENT_FUNDS' }
        )
        await build(wallet, 'one', 90_000)
        assert.throws(
          () => {
            wallet.checkFunds(satoshi(90_000n), RATE)
          },
          { code: 'ERR_INSUFFICIENT_FUNDS' }
        )
      })

      it('spends exactly the coins that are named, or sets nothing aside', async () => {
        const { wallet } = await walletWith(100_000, 50_000, 30_000)
        const all = await build(wallet, 'all', 179_000)
        const named = parseTransaction(all.raw)
          .inputs.map(({ outPoint }) => outPoint)
          .slice(0, 2)
        await wallet.releaseFunding(channelNamed('all'))
        const request = {
          channel: channelNamed('one'),
          scriptPubKey: fundingScriptOf('one'),
          feeRate: RATE,
          coins: named
        }
        await assert.rejects(wallet.buildFunding({ ...request, amount: sat(179_000) }), {
          code: 'ERR_INSUFFICIENT_FUNDS'
        })
        assert.throws(
          () => {
            wallet.checkFunds(sat(179_000), RATE, named)
          },
          { code: 'ERR_INSUFFICIENT_FUNDS' }
        )
        wallet.checkFunds(sat(1_000), RATE, named)
        assert.deepEqual(
          inputsOf(await wallet.buildFunding({ ...request, amount: sat(1_000) })).sort(),
          named.map(outPointText).sort()
        )
        const unknown = [{ txid: txid('ab'.repeat(32)), vout: 0 }]
        await assert.rejects(
          wallet.buildFunding({
            ...request,
            channel: channelNamed('two'),
            amount: sat(1_000),
            coins: unknown
          }),
          { code: 'ERR_COIN_UNKNOWN' }
        )
      })

      it('refuses a channel below dust', async () => {
        const { wallet } = await walletWith(100_000)
        await assert.rejects(build(wallet, 'one', 329), { code: 'ERR_INVALID_AMOUNT' })
        await build(wallet, 'one', 330)
      })

      it('builds one T1 for a channel, not two', async () => {
        const { wallet } = await walletWith(100_000, 100_000)
        await build(wallet, 'one', 50_000)
        await assert.rejects(build(wallet, 'one', 50_000), { code: 'ERR_FUNDING_EXISTS' })
      })

      it('refuses when it would take more coins than a version 3 transaction may have', async () => {
        const { wallet } = await walletWith(...Array.from({ length: 160 }, () => 2_000))
        // 160 x 68 vB = 10,880 vB
        await assert.rejects(
          build(wallet, 'one', 290_000, feeRate(1000n)),
          (error) =>
            codeOf(error) === 'ERR_INSUFFICIENT_FUNDS' || codeOf(error) === 'ERR_TOO_MANY_COINS'
        )
        await assert.rejects(build(wallet, 'one', 290_000, feeRate(100n)), {
          code: 'ERR_TOO_MANY_COINS'
        })
        const { raw } = await build(wallet, 'one', 250_000, feeRate(100n))
        assert.ok(parseTransaction(raw).vsize <= 10_000)
      })
    })

    describe('releaseFunding', () => {
      it('frees the coins for the next one', async () => {
        const { wallet } = await walletWith(500_000)
        const first = await build(wallet, 'one', 300_000)
        await assert.rejects(build(wallet, 'two', 300_000), { code: 'ERR_INSUFFICIENT_FUNDS' })
        await wallet.releaseFunding(channelNamed('one'))
        assert.deepEqual(inputsOf(await build(wallet, 'two', 300_000)), inputsOf(first))
      })

      it('does nothing for a channel it does not know', async () => {
        const { wallet } = await walletWith()
        await wallet.releaseFunding(channelNamed('never heard of'))
      })
    })

    describe('claim', () => {
      it('may be told of the same output twice', async () => {
        const { wallet } = await walletWith()
        const output = {
          outPoint: { txid: txid('ab'.repeat(32)), vout: 0 },
          value: sat(10_000),
          scriptPubKey: fundingScriptOf('payout'),
          key: { role: 'client', high: 1, low: 2, use: 'payout' }
        } as const
        await wallet.claim(output)
        await wallet.claim(output)
      })
    })
  })
}
