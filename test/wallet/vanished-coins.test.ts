/**
 * Sends whose coins a reorganisation takes away, or somebody else spends: never paid twice, never
 * locked for good.
 */
import assert from 'node:assert/strict'
import { addressFromScript, scriptOf } from '../../src/bitcoin/address.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { codeOf } from '../../src/types/errors.js'
import { BURIED_DEPTH } from '../../src/wallet/claims.js'
import { Bench, sat } from './fixtures.js'
import type { Txid } from '../../src/types/bytes.js'

const STRANGER = scriptOf({ kind: 'witness', version: 0, program: new Uint8Array(20).fill(7) })
const TO = addressFromScript(STRANGER, 'regtest')

describe('wallet / a send whose coins vanish', () => {
  let bench: Bench
  let coins: Txid[]
  const rejects = async (work: Promise<unknown>, code: string): Promise<void> => {
    await assert.rejects(work, (error) => codeOf(error) === code)
  }
  const idOf = (id: Txid | undefined): Txid => id ?? assert.fail('nothing was sent')
  const spentBy = (raw: Uint8Array | undefined): Txid[] =>
    parseTransaction(raw ?? assert.fail())
      .inputs.map(({ outPoint }) => outPoint.txid)
      .sort()
  const outgoingOnDisk = (): string[] =>
    [...bench.store.snapshot().keys()].filter((key) => key.startsWith('wallet/outgoing/'))

  beforeEach(async () => {
    bench = await Bench.start()
    coins = []
    for (const value of [60_000, 50_000]) {
      coins.push(bench.chain.pay(await bench.freshScript(), sat(value)))
      bench.chain.mine()
    }
    await bench.settled()
  })
  afterEach(async () => {
    await bench.wallet.stop()
  })

  /**
   * A reorganisation undoes payments to us, and whoever made them has spent the coins elsewhere.
   */
  async function vanish(...ids: Txid[]): Promise<void> {
    bench.chain.reorg(5)
    for (const id of ids) bench.chain.drop(id)
    bench.chain.mine(6)
    await bench.settled()
  }

  it('goes on without the coin that is gone, and conflicts with what it was before', async () => {
    const sent = await bench.wallet.send({ to: TO, amount: 100_000n, feeRate: 1_000n })
    const first = bench.chain.broadcasts.at(-1) ?? assert.fail()
    assert.deepEqual(spentBy(first), [...coins].sort())
    await vanish(coins[0] ?? assert.fail())
    const late = bench.chain.pay(await bench.freshScript(), sat(70_000))
    bench.chain.mine()
    await bench.settled()
    await bench.wallet.bumpFee(idOf(sent.txid), { feeRate: 3_000n })
    assert.deepEqual(
      spentBy(bench.chain.broadcasts.at(-1)),
      [coins[1] ?? assert.fail(), late].sort()
    )
    await rejects(bench.chain.broadcast(parseTransaction(first)), 'ERR_BROADCAST_REFUSED')
    bench.chain.mine(BURIED_DEPTH)
    await bench.settled()
    assert.deepEqual(
      bench.chain.unspent(STRANGER).map(({ value }) => value),
      [100_000n]
    )
    assert.deepEqual(outgoingOnDisk(), [])
    assert.equal(bench.wallet.balance().reserved, 0n)
  })

  it('is not replaced by what would not conflict with every version: the payee could be paid twice', async () => {
    const sent = await bench.wallet.send({ to: TO, amount: 100_000n, feeRate: 1_000n })
    const [a = assert.fail(), b = assert.fail()] = coins
    await bench.receive(100_000)
    await vanish(a)
    await bench.wallet.bumpFee(idOf(sent.txid), { feeRate: 3_000n })
    await vanish(b)
    await bench.receive(200_000)
    await rejects(bench.wallet.bumpFee(idOf(sent.txid), { feeRate: 5_000n }), 'ERR_CANNOT_BUMP')
    assert.equal(outgoingOnDisk().length, 1, 'its coins are kept: they may come back')
  })

  it('that somebody with the same words overtakes is told as such, and its other coins are free', async () => {
    bench.chain.refusal = 'mempool full'
    await rejects(
      bench.wallet.send({ to: TO, amount: 100_000n, feeRate: 1_000n }),
      'ERR_BROADCAST_REFUSED'
    )
    bench.chain.refusal = undefined
    const twin = await Bench.start({ chain: bench.chain })
    const theirs = await twin.wallet.send({ to: TO, amount: 55_000n, feeRate: 1_000n })
    assert.deepEqual(spentBy(bench.chain.broadcasts.at(-1)), [coins[0]])
    bench.chain.mine(BURIED_DEPTH - 1)
    await bench.settled()
    assert.equal(bench.wallet.balance().reserved, 50_000n)
    bench.chain.mine()
    await bench.settled()
    const told = bench.errors.filter((error) => codeOf(error) === 'ERR_SEND_OVERTAKEN')
    assert.deepEqual(
      told.map((error) => String(error).includes(idOf(theirs.txid))),
      [true]
    )
    assert.equal(bench.wallet.balance().reserved, 0n)
    await bench.wallet.send({ to: TO, amount: 40_000n })
    await twin.wallet.stop()
  })

  it('shows the feerate that it pays when what is left is no change', async () => {
    // 60,000 - 59,700 - 110 = 190 sat are less than a change output has to have: 300 sat for 110
    // vB.
    const { fee, feeRate, change } = await bench.wallet.send({
      to: TO,
      amount: 59_700n,
      feeRate: 1_000n,
      dryRun: true
    })
    assert.deepEqual([fee, change, feeRate], [300n, 0n, 300_000n / 110n])
  })
})
