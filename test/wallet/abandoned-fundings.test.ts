/** A T1 that was signed and came to nothing: its coins are not hidden by whoever still has it. */
import assert from 'node:assert/strict'
import { addressFromScript, scriptOf } from '../../src/bitcoin/address.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { feeRate } from '../../src/types/units.js'
import { ABANDONED } from '../../src/wallet/funding.js'
import { BURIED_DEPTH } from '../../src/wallet/claims.js'
import { Bench, channelNamed, fundingScriptOf, sat } from './fixtures.js'

const STRANGER = scriptOf({ kind: 'witness', version: 0, program: new Uint8Array(20).fill(7) })
const COIN = 500_000

describe('wallet / a T1 that was abandoned (RENEW-7)', () => {
  const channel = channelNamed('lost')
  let bench: Bench
  let funding: Uint8Array

  beforeEach(async () => {
    bench = await Bench.start()
    await bench.receive(COIN)
    const built = await bench.wallet.buildFunding({
      channel,
      scriptPubKey: fundingScriptOf('lost'),
      amount: sat(100_000),
      feeRate: feeRate(1_000n)
    })
    funding = built.raw
  })

  afterEach(async () => {
    await bench.wallet.stop()
  })

  /** One server goes on showing T1 in the history of the coin that it spends. */
  async function showIt(): Promise<void> {
    const [spent] = parseTransaction(funding).inputs
    const source = bench.chain.transaction((spent ?? assert.fail()).outPoint.txid)
    bench.chain.makeUp((source?.outputs[0] ?? assert.fail()).script, funding)
    await bench.settled()
  }

  const onDisk = (): string[] =>
    [...bench.store.snapshot().keys()].filter((key) => key.startsWith(ABANDONED))

  it('hides no coin, whoever shows it and for however long, also after a restart', async () => {
    await bench.wallet.releaseFunding(channel)
    await showIt()
    for (const again of [false, true]) {
      if (again) await bench.restart()
      bench.chain.mine(BURIED_DEPTH, { empty: true })
      await bench.settled()
      assert.equal(bench.wallet.balance().confirmed, BigInt(COIN))
      assert.deepEqual(
        bench.wallet.coins().map(({ state }) => state),
        ['free']
      )
    }
    const sent = await bench.wallet.send({
      to: addressFromScript(STRANGER, 'regtest'),
      amount: 400_000n,
      feeRate: 1_000n
    })
    assert.equal(sent.amount, 400_000n)
  })

  it('hides its coins as long as it is not abandoned', async () => {
    await showIt()
    assert.equal(bench.wallet.balance().confirmed, 0n)
  })

  it('counts when a block has it after all, and is forgotten when that is buried', async () => {
    await bench.wallet.releaseFunding(channel)
    assert.equal(onDisk().length, 1)
    bench.chain.insert(funding)
    bench.chain.mine()
    await bench.settled()
    const { fee } = { fee: BigInt(COIN) - parseTransaction(funding).paidTo() }
    assert.equal(bench.wallet.balance().confirmed, BigInt(COIN - 100_000) - fee)
    assert.equal(onDisk().length, 1)
    const removals: string[] = []
    const commit = bench.store.commit.bind(bench.store)
    bench.store.commit = async (changes) => {
      removals.push(...changes.flatMap(({ key, value }) => (value === undefined ? [key] : [])))
      await commit(changes)
    }
    // Blocks that come faster than the disk writes.
    bench.chain.mine(BURIED_DEPTH + 20)
    await bench.settled()
    assert.deepEqual(onDisk(), [])
    assert.equal(removals.filter((key) => key.startsWith(ABANDONED)).length, 1, 'written once')
  })
})
