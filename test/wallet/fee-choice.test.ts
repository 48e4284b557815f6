/**
 * A feerate or a target: what each comes to, and what is refused; and the sends that `bitcoin:`
 * URIs ask for.
 */
import assert from 'node:assert/strict'
import { addressFromScript, scriptOf } from '../../src/bitcoin/address.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { PaychanError } from '../../src/types/errors.js'
import { feeRate } from '../../src/types/units.js'
import { Bench } from './fixtures.js'

const TO = addressFromScript(
  scriptOf({ kind: 'witness', version: 0, program: new Uint8Array(20).fill(7) }),
  'regtest'
)

describe('wallet / the choice of a fee', () => {
  let bench: Bench

  beforeEach(async () => {
    bench = await Bench.start()
    await bench.receive(100_000)
    bench.chain.targets.length = 0
  })
  afterEach(async () => {
    await bench.wallet.stop()
  })

  async function rejects(
    work: Promise<unknown>,
    code: string,
    facts: Record<string, unknown> = {}
  ): Promise<void> {
    await assert.rejects(work, (error) => {
      assert.ok(error instanceof PaychanError)
      assert.equal(error.code, code)
      for (const [name, value] of Object.entries(facts)) {
        assert.equal(error.facts[name], value, name)
      }
      return true
    })
  }

  it('by a target asks the servers for just that one, and shows fee, feerate and size', async () => {
    bench.chain.rate = feeRate(3_000n)
    const sent = await bench.wallet.send({ to: TO, amount: 30_000n, target: 144 })
    assert.deepEqual(bench.chain.targets, [144])
    // 141 vB with the longest signature, x 3 sat/vB; the real one may be a byte or so shorter.
    assert.deepEqual([sent.fee, sent.feeRate], [423n, 3_000n])
    assert.equal(sent.vsize, parseTransaction(bench.chain.broadcasts.at(-1) ?? assert.fail()).vsize)
  })

  it('shows the largest size that it may come to in a dry run', async () => {
    assert.equal(
      (await bench.wallet.send({ to: TO, amount: 30_000n, target: 1, dryRun: true })).vsize,
      141
    )
    assert.equal(
      (await bench.wallet.send({ to: TO, amount: 'all', target: 1, dryRun: true })).vsize,
      110
    )
  })

  it('without either asks for 6 blocks, and with a feerate asks for nothing', async () => {
    await bench.wallet.send({ to: TO, amount: 30_000n, dryRun: true })
    await bench.wallet.send({ to: TO, amount: 30_000n, feeRate: 2_500n, dryRun: true })
    assert.deepEqual(bench.chain.targets, [6])
  })

  it('refuses both at once, and targets that are none', async () => {
    await rejects(
      bench.wallet.send({ to: TO, amount: 1_000n, feeRate: 1_000n, target: 3 }),
      'ERR_INVALID_FEERATE'
    )
    for (const target of [0, -1, 1.5, 1_009, NaN]) {
      await rejects(bench.wallet.send({ to: TO, amount: 1_000n, target }), 'ERR_INVALID_TARGET')
    }
    await bench.wallet.send({ to: TO, amount: 1_000n, target: 1_008, dryRun: true })
  })

  it('refuses a feerate that the server would not relay, with the least that it does', async () => {
    bench.chain.minimum = feeRate(4_000n)
    await rejects(
      bench.wallet.send({ to: TO, amount: 1_000n, feeRate: 3_999n }),
      'ERR_FEERATE_TOO_LOW',
      { satPerVByte: 3.999, least: 4 }
    )
    await bench.wallet.send({ to: TO, amount: 1_000n, feeRate: 4_000n })
  })

  it('takes a feerate as it is while there is no server', async () => {
    bench.chain.setStatus('down')
    const sent = await bench.wallet.send({ to: TO, amount: 30_000n, feeRate: 2_000n })
    assert.deepEqual([sent.fee, sent.broadcast], [282n, false])
    await rejects(bench.wallet.send({ to: TO, amount: 1_000n, target: 3 }), 'ERR_CHAIN_UNAVAILABLE')
  })

  describe('asks first (ERR_FEE_TOO_HIGH), unless that is meant, before', () => {
    it('a send whose fee exceeds the amount; a dry run shows it', async () => {
      const slip = { to: TO, amount: 1_000n, feeRate: 8_000n }
      await rejects(bench.wallet.send(slip), 'ERR_FEE_TOO_HIGH', { fee: 1_128n, amount: 1_000n })
      assert.equal((await bench.wallet.send({ ...slip, dryRun: true })).fee, 1_128n)
      assert.deepEqual(
        [bench.chain.broadcasts, bench.wallet.balance().reserved],
        [[], 0n],
        'nothing was sent or set aside'
      )
      await bench.wallet.send({ ...slip, highFee: true })
    })

    it('no send whose fee is just the amount', async () => {
      await bench.wallet.send({ to: TO, amount: 1_128n, feeRate: 8_000n })
    })

    it('a feerate above ten times the estimate, of a send or of a higher fee', async () => {
      bench.chain.rate = feeRate(1_000n)
      await rejects(
        bench.wallet.send({ to: TO, amount: 30_000n, feeRate: 10_001n }),
        'ERR_FEE_TOO_HIGH',
        { satPerVByte: 10.001, estimate: 1 }
      )
      const { txid = assert.fail() } = await bench.wallet.send({
        to: TO,
        amount: 30_000n,
        feeRate: 10_000n
      })
      await bench.settled()
      await rejects(bench.wallet.bumpFee(txid, { feeRate: 12_500n }), 'ERR_FEE_TOO_HIGH', {
        satPerVByte: 12.5,
        estimate: 1
      })
      await bench.wallet.bumpFee(txid, { feeRate: 12_500n, highFee: true })
    })

    it('a replacement whose fee exceeds the amount, by whatever choice', async () => {
      bench.chain.rate = feeRate(5_000n)
      const { txid = assert.fail() } = await bench.wallet.send({ to: TO, amount: 1_000n })
      await bench.settled()
      bench.chain.rate = feeRate(20_000n)
      await rejects(bench.wallet.bumpFee(txid, {}), 'ERR_FEE_TOO_HIGH', {
        fee: 2_820n,
        amount: 1_000n
      })
      assert.equal((await bench.wallet.bumpFee(txid, { highFee: true })).fee, 2_820n)
    })
  })

  it('raises a fee to a target, or to the least that replaces when that is more', async () => {
    const { txid = assert.fail() } = await bench.wallet.send({
      to: TO,
      amount: 30_000n,
      feeRate: 5_000n
    })
    await bench.settled()
    bench.chain.rate = feeRate(1_000n)
    const least = await bench.wallet.bumpFee(txid, { target: 144 })
    assert.equal(least.fee, 705n + 141n)
    await bench.settled()
    bench.chain.rate = feeRate(20_000n)
    const raised = await bench.wallet.bumpFee(txid, { target: 1 })
    assert.equal(raised.fee, 2_820n)
    assert.deepEqual(bench.chain.targets.slice(-2), [144, 1])
    await rejects(
      bench.wallet.bumpFee(txid, { target: 1, feeRate: 30_000n }),
      'ERR_INVALID_FEERATE'
    )
  })
})

describe('wallet / a send to a bitcoin: URI', () => {
  let bench: Bench

  beforeEach(async () => {
    bench = await Bench.start()
    await bench.receive(1_000_000)
  })
  afterEach(async () => {
    await bench.wallet.stop()
  })

  async function rejects(work: Promise<unknown>, code: string, sentence: RegExp): Promise<void> {
    await assert.rejects(
      work,
      (error) =>
        error instanceof PaychanError && error.code === code && sentence.test(error.message)
    )
  }

  it('pays what it asks for, under its label, and shows its message', async () => {
    const sent = await bench.wallet.send({
      to: `bitcoin:${TO}?amount=0.001&label=The%20bakery&message=Order%2017`
    })
    assert.deepEqual([sent.to, sent.amount, sent.message], [TO, 100_000n, 'Order 17'])
    await bench.settled()
    assert.equal(bench.wallet.transactions(() => undefined)[0]?.label, 'The bakery')
  })

  it('takes the label that was given, and the amount when the URI has none', async () => {
    await bench.wallet.send({ to: `bitcoin:${TO}?label=theirs`, amount: 50_000n, label: 'mine' })
    await bench.settled()
    assert.equal(bench.wallet.transactions(() => undefined)[0]?.label, 'mine')
  })

  it('takes the same amount twice, and refuses another one, all, or none', async () => {
    const to = `bitcoin:${TO}?amount=0.001`
    await bench.wallet.send({ to, amount: 100_000n, dryRun: true })
    await rejects(
      bench.wallet.send({ to, amount: 99_999n }),
      'ERR_INVALID_AMOUNT',
      /asks for 100,000 sat, and 99,999 sat was given/
    )
    await rejects(
      bench.wallet.send({ to, amount: 'all' }),
      'ERR_INVALID_AMOUNT',
      /and all was given/
    )
    await rejects(bench.wallet.send({ to: `bitcoin:${TO}` }), 'ERR_INVALID_AMOUNT', /How much/)
    await rejects(bench.wallet.send({ to: TO }), 'ERR_INVALID_AMOUNT', /How much/)
    await rejects(
      bench.wallet.send({ to: `bitcoin:${TO}?amount=0.001&req-x=1` }),
      'ERR_URI_UNSUPPORTED',
      /req-x/
    )
    assert.deepEqual(bench.chain.broadcasts, [])
  })
})
