/**
 * What a reorganisation takes out of its block stays as it is when a T1 has been made of it: with
 * another txid the T1 would be void (FUND-5).
 */
import assert from 'node:assert/strict'
import { addressFromScript, scriptOf } from '../../src/bitcoin/address.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { codeOf } from '../../src/types/errors.js'
import { feeRate } from '../../src/types/units.js'
import { BURIED_DEPTH } from '../../src/wallet/claims.js'
import { Bench, channelNamed, fundingScriptOf, sat } from './fixtures.js'
import type { Txid } from '../../src/types/bytes.js'

const TO = addressFromScript(
  scriptOf({ kind: 'witness', version: 0, program: new Uint8Array(20).fill(7) }),
  'regtest'
)

describe('wallet / out of its block', () => {
  let bench: Bench
  const rejects = async (work: Promise<unknown>, code: string): Promise<void> => {
    await assert.rejects(work, (error) => codeOf(error) === code)
  }
  const idOf = (id: Txid | undefined): Txid => id ?? assert.fail('nothing was sent')

  beforeEach(async () => {
    bench = await Bench.start()
  })
  afterEach(async () => {
    await bench.wallet.stop()
  })

  describe('a send, after a T1 was made of its change', () => {
    /**
     * A send with change in a block, a channel that is funded by the change, and the block is gone
     * again.
     */
    async function fundedByChange(isDearerVersionKept = false): Promise<{ send: Txid; T1: Txid }> {
      await bench.receive(60_000, 50_000)
      const { txid: id } = await bench.wallet.send({ to: TO, amount: 20_000n, feeRate: 1_000n })
      await bench.settled()
      if (isDearerVersionKept) {
        bench.chain.refusal = 'mempool full'
        await rejects(bench.wallet.bumpFee(idOf(id), { feeRate: 3_000n }), 'ERR_BROADCAST_REFUSED')
        bench.chain.refusal = undefined
      }
      bench.chain.mine()
      await bench.settled()
      await bench.wallet.lockCoins(
        bench.wallet
          .coins()
          .filter(({ outPoint }) => outPoint.txid !== id)
          .map(({ outPoint }) => outPoint)
      )
      const { raw, outPoint } = await bench.wallet.buildFunding({
        channel: channelNamed('a'),
        scriptPubKey: fundingScriptOf('a'),
        amount: sat(20_000),
        feeRate: feeRate(1_000n)
      })
      await bench.chain.broadcast(parseTransaction(raw))
      bench.chain.mine()
      await bench.settled()
      bench.chain.reorg(2)
      await bench.settled()
      return { send: idOf(id), T1: outPoint.txid }
    }

    it('is not replaced: the T1 would be void, and the channel with it (FUND-5)', async () => {
      const { send, T1 } = await fundedByChange()
      await rejects(bench.wallet.bumpFee(send, { feeRate: 9_000n }), 'ERR_CANNOT_BUMP')
      assert.ok(bench.chain.isPending(T1))
      await bench.wallet.releaseFunding(channelNamed('a'))
      bench.chain.drop(T1)
      await bench.settled()
      await bench.wallet.bumpFee(send, { feeRate: 9_000n })
    })

    it('is sent again in the version that the T1 spends, not in a dearer one that never came in', async () => {
      const { send, T1 } = await fundedByChange(true)
      assert.deepEqual([bench.chain.isPending(send), bench.chain.isPending(T1)], [true, true])
      bench.chain.mine(BURIED_DEPTH + 1)
      await bench.settled()
      assert.deepEqual(
        [bench.chain.isPending(T1), bench.chain.transaction(T1) !== undefined],
        [false, true]
      )
    })
  })

  describe('a sweep, after a T1 was made of it', () => {
    /**
     * A payout is swept, a channel is funded by what it brought, and a reorganisation takes the
     * sweep out of its block.
     */
    async function fundedBySweep(): Promise<Txid> {
      await bench.wallet.claim(bench.payout(50_000))
      bench.chain.mine()
      await bench.settled()
      const { txid: sweep } = parseTransaction(bench.chain.broadcasts[0] ?? assert.fail())
      bench.chain.mine()
      await bench.settled()
      const { raw } = await bench.wallet.buildFunding({
        channel: channelNamed('a'),
        scriptPubKey: fundingScriptOf('a'),
        amount: sat(20_000),
        feeRate: feeRate(1_000n)
      })
      await bench.chain.broadcast(parseTransaction(raw))
      bench.chain.reorg(1)
      bench.chain.rate = feeRate(5_000n)
      await bench.settled()
      return sweep
    }

    it('it is not replaced, however long it waits: the T1 would be void (FUND-5)', async () => {
      const sweep = await fundedBySweep()
      for (let i = 0; i < 10; i++) {
        bench.chain.mine(1, { empty: true })
        await bench.settled()
      }
      assert.ok(bench.chain.isPending(sweep))
    })

    it('it comes back as it was when the mempool loses it', async () => {
      const sweep = await fundedBySweep()
      bench.chain.drop(sweep)
      bench.chain.mine(1, { empty: true })
      await bench.settled()
      assert.ok(bench.chain.isPending(sweep))
    })
  })
})
