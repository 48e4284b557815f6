/** A T1 that does not confirm: its change pays for it, and T1 itself stays what it is (FUND-5). */
import assert from 'node:assert/strict'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { codeOf } from '../../src/types/errors.js'
import { feeRate } from '../../src/types/units.js'
import { BURIED_DEPTH } from '../../src/wallet/claims.js'
import { Bench, channelNamed, fundingScriptOf, sat } from './fixtures.js'
import type { FundingBump } from '../../src/engine/ports.js'
import type { Txid } from '../../src/types/bytes.js'

describe('wallet / the fee of T1', () => {
  let bench: Bench
  let funding: Txid
  const raws = new Map<Txid, Uint8Array>()

  beforeEach(async () => {
    bench = await Bench.start()
    await bench.receive(100_000)
    funding = await fund('a', 50_000)
  })
  afterEach(async () => {
    await bench.wallet.stop()
  })

  async function fund(name: string, amount: number): Promise<Txid> {
    const built = await bench.wallet.buildFunding({
      channel: channelNamed(name),
      scriptPubKey: fundingScriptOf(name),
      amount: sat(amount),
      feeRate: feeRate(1_000n)
    })
    raws.set(built.outPoint.txid, built.raw)
    await bench.chain.broadcast(parseTransaction(built.raw))
    await bench.settled()
    return built.outPoint.txid
  }

  const asked = (
    of: Txid,
    rate: bigint,
    most: number,
    isRefused = false,
    isLate = false
  ): FundingBump => ({
    funding: of,
    fundingTx: raws.get(of) ?? assert.fail(),
    feeRate: feeRate(rate),
    most: sat(most),
    isLate,
    isRefused
  })

  const rejects = async (work: Promise<unknown>, code: string): Promise<void> => {
    await assert.rejects(work, (error) => codeOf(error) === code)
  }

  it('FUND-5: is raised by a child of version 3 from the change, and T1 stays', async () => {
    const bumped = await bench.wallet.bumpFee(funding, { feeRate: 10_000n })
    await bench.settled()
    const child = parseTransaction(bench.chain.broadcasts.at(-1) ?? assert.fail())
    const parent = bench.chain.transaction(funding) ?? assert.fail('T1 is gone')
    assert.deepEqual([bumped.kind, bumped.of, bumped.txid], ['child', funding, child.txid])
    assert.equal(child.version, 3)
    assert.ok(child.vsize <= 1_000)
    assert.deepEqual(
      child.inputs.map(({ outPoint }) => outPoint.txid),
      [funding]
    )
    // 153 vB of T1 paid 1 sat/vB; both together, 153 + 110 vB, pay 10 sat/vB.
    assert.equal(bumped.fee, 2_630n - 153n)
    assert.ok(parent.vsize >= 152 && parent.vsize <= 153)
    assert.equal(bench.wallet.balance().pending, 50_000n - 2_630n)
  })

  it('is raised again by a dearer child, which replaces the first', async () => {
    const first = await bench.wallet.bumpFee(funding, { feeRate: 5_000n })
    const second = await bench.wallet.bumpFee(first.txid, { feeRate: 10_000n })
    await bench.settled()
    assert.equal(bench.chain.transaction(first.txid), undefined)
    assert.equal(bench.chain.isPending(second.txid), true)
    assert.equal(second.of, funding)
    await rejects(bench.wallet.bumpFee(funding, { feeRate: 10_000n }), 'ERR_FEERATE_TOO_LOW')
  })

  it('cannot be raised beyond what the change has, nor without change, and says so', async () => {
    await rejects(bench.wallet.bumpFee(funding, { feeRate: 1_000_000n }), 'ERR_INSUFFICIENT_FUNDS')
    bench.chain.mine()
    await bench.receive(20_000)
    // 20,000 - 19,800 - 153 is dust: no change.
    const bare = await fund('b', 69_600)
    await rejects(bench.wallet.bumpFee(bare, { feeRate: 10_000n }), 'ERR_NO_CHANGE')
    await bench.wallet.bumpFunding(asked(bare, 10_000n, 5_000))
  })

  it('of itself is raised within the bound that the channel gives', async () => {
    await bench.wallet.bumpFunding(asked(funding, 10_000n, 600))
    await bench.settled()
    assert.equal(bench.wallet.balance().pending, 50_000n - 153n - 600n)
    const count = bench.chain.broadcasts.length
    await bench.wallet.bumpFunding(asked(funding, 10_000n, 600))
    assert.equal(bench.chain.broadcasts.length, count, 'once is enough')
  })

  const feeOfLast = (): bigint => {
    const { inputs, outputs } = parseTransaction(bench.chain.broadcasts.at(-1) ?? assert.fail())
    const t1 = parseTransaction(raws.get(funding) ?? assert.fail())
    const vout = inputs[0]?.outPoint.vout ?? assert.fail()
    return (t1.outputs[vout]?.value ?? 0n) - (outputs[0]?.value ?? 0n)
  }

  it('EVID-7: is raised by a quarter a block while a server refuses it, whatever another one says, up to the bound', async () => {
    bench.chain.elsewhere = feeRate(3_000n)
    const ask = async (isRefused: boolean, isLate = false): Promise<void> => {
      await bench.wallet.bumpFunding(asked(funding, 1_000n, 900, isRefused, isLate))
      await bench.settled()
    }
    await ask(false)
    assert.equal(bench.chain.broadcasts.length, 1, 'it pays the estimate')
    const fees: bigint[] = []
    for (let n = 0; n < 12; n++) {
      await ask(true)
      fees.push(feeOfLast())
      bench.chain.mine(1, { empty: true })
      await bench.settled()
    }
    // 153 vB of T1 at 1 sat/vB, and 110 vB: both at 1.25 sat/vB, then what a replacement pays for
    // its own relay, until the child pays what the other server asks for.
    assert.deepEqual(fees.slice(0, 3), [176n, 287n, 398n])
    assert.deepEqual(new Set(fees.slice(3)), new Set([398n]))
    for (let n = 0; n < 12; n++) {
      await ask(false, true)
      bench.chain.mine(1, { empty: true })
      await bench.settled()
    }
    assert.equal(feeOfLast(), 900n, 'and when blocks pass over it though no server refuses it')
  })

  it('EVID-7: can be raised though no server shows T1, from what its channel keeps; and what servers say is told', async () => {
    bench.chain.drop(funding)
    await bench.settled()
    await rejects(bench.wallet.bumpFee(funding, { feeRate: 5_000n }), 'ERR_CANNOT_BUMP')
    const fundingOf = (id: Txid): Uint8Array | undefined => raws.get(id)
    bench.chain.refusal = 'min relay fee not met'
    await assert.rejects(
      bench.wallet.bumpFee(funding, { feeRate: 5_000n }, fundingOf),
      (error) =>
        codeOf(error) === 'ERR_BROADCAST_REFUSED' &&
        error instanceof Error &&
        /No server has the funding transaction .* takes packages/.test(error.message)
    )
    bench.chain.refusal = undefined
    const bumped = await bench.wallet.bumpFee(funding, { feeRate: 10_000n }, fundingOf)
    await bench.settled()
    assert.deepEqual([bumped.kind, bumped.of, bumped.broadcast], ['child', funding, true])
    assert.ok(bench.chain.isPending(funding) && bench.chain.isPending(bumped.txid))
  })

  it('does not use the unconfirmed change for anything else', async () => {
    await rejects(
      bench.wallet.send({ to: await bench.wallet.newAddress(), amount: 1_000n }),
      'ERR_INSUFFICIENT_FUNDS'
    )
  })

  it('is settled once T1 is in a block, and the child is not lost in a reorg', async () => {
    const child = await bench.wallet.bumpFee(funding, { feeRate: 10_000n })
    bench.chain.mine()
    await bench.settled()
    await rejects(bench.wallet.bumpFee(funding, { feeRate: 20_000n }), 'ERR_ALREADY_CONFIRMED')
    bench.chain.reorg(1)
    await bench.settled()
    bench.chain.drop(child.txid)
    bench.chain.mine(1, { empty: true })
    await bench.settled()
    assert.equal(bench.chain.isPending(child.txid), true)
    bench.chain.mine(BURIED_DEPTH + 1)
    await bench.settled()
    assert.deepEqual(bench.errors, [])
    assert.deepEqual(
      [...bench.store.snapshot().keys()].filter((key) => /outgoing|reservation/.test(key)),
      []
    )
  })

  it('has a child that can be replaced by itself when T1 is in a block without it', async () => {
    const child = await bench.wallet.bumpFee(funding, { feeRate: 10_000n })
    bench.chain.drop(child.txid)
    bench.chain.mine()
    await bench.settled()
    assert.equal(bench.chain.isPending(child.txid), true, 'it is sent again')
    const bumped = await bench.wallet.bumpFee(child.txid, { feeRate: 40_000n, highFee: true })
    await bench.settled()
    // 110 vB alone at 40 sat/vB.
    assert.deepEqual([bumped.kind, bumped.of, bumped.fee], ['replacement', child.txid, 4_400n])
    assert.equal(bench.chain.transaction(child.txid), undefined)
    await rejects(bench.wallet.bumpFee(funding, { feeRate: 50_000n }), 'ERR_ALREADY_CONFIRMED')
  })

  it('REF-7: gives the coins of a T1 back once a conflicting spend is buried, and not before', async () => {
    const other = await Bench.start({ seed: 'bob' })
    await other.receive(30_000, 40_000)
    const built = await other.wallet.buildFunding({
      channel: channelNamed('c'),
      scriptPubKey: fundingScriptOf('c'),
      amount: sat(60_000),
      feeRate: feeRate(1_000n)
    })
    const inputs = parseTransaction(built.raw).inputs
    assert.equal(inputs.length, 2)
    // The same words elsewhere have spent one of the two coins, so that T1 can never confirm.
    const twin = await Bench.start({ seed: 'bob', chain: other.chain })
    await twin.wallet.send({ to: await twin.wallet.newAddress(), amount: 35_000n })
    other.chain.mine(BURIED_DEPTH - 1)
    await other.settled()
    assert.deepEqual(other.wallet.reservedFor(), [channelNamed('c')])
    other.chain.mine()
    await other.settled()
    assert.deepEqual(other.wallet.reservedFor(), [])
    assert.equal(other.wallet.balance().reserved, 0n)
    await twin.wallet.stop()
    await other.wallet.stop()
  })
})
