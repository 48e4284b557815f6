/** Coins that were locked or named: what is never chosen, what is spent exactly, and what lasts. */
import assert from 'node:assert/strict'
import { addressFromScript, scriptFromAddress, scriptOf } from '../../src/bitcoin/address.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { type OutPoint, outPointFromText, outPointText } from '../../src/types/bytes.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { feeRate } from '../../src/types/units.js'
import { BURIED_DEPTH } from '../../src/wallet/claims.js'
import { Bench, channelNamed, fundingScriptOf, sat } from './fixtures.js'

const TO = addressFromScript(
  scriptOf({ kind: 'witness', version: 0, program: new Uint8Array(20).fill(7) }),
  'regtest'
)

describe('wallet / coin control', () => {
  let bench: Bench

  beforeEach(async () => {
    bench = await Bench.start()
  })
  afterEach(async () => {
    await bench.wallet.stop()
  })

  /** The coin of a value. */
  function coin(value: number): OutPoint {
    return (
      bench.wallet.coins().find((each) => each.value === BigInt(value))?.outPoint ??
      assert.fail(`there is no coin of ${value} sat`)
    )
  }
  const named = (...values: number[]): string[] => values.map((value) => outPointText(coin(value)))
  const stateOf = (outPoint: OutPoint): string | undefined =>
    bench.wallet.coins().find((each) => outPointText(each.outPoint) === outPointText(outPoint))
      ?.state
  const inputsOf = (raw: Uint8Array | undefined): string[] =>
    parseTransaction(raw ?? assert.fail('nothing was broadcast'))
      .inputs.map(({ outPoint }) => outPointText(outPoint))
      .sort()
  const spent = (): string[] => inputsOf(bench.chain.broadcasts.at(-1))
  const locksOnDisk = (): string[] =>
    [...bench.store.snapshot().keys()].filter((key) => key.startsWith('wallet/locked/'))

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

  describe('a locked coin', () => {
    it('is never chosen: not for a send, not for all, not for a channel, not for a higher fee', async () => {
      await bench.receive(100_000, 40_000)
      const locked = coin(100_000)
      await bench.wallet.lockCoins([locked])
      await rejects(bench.wallet.send({ to: TO, amount: 50_000n }), 'ERR_INSUFFICIENT_FUNDS', {
        available: 40_000n,
        locked: 100_000n
      })
      assert.throws(
        () => {
          bench.wallet.checkFunds(sat(50_000), feeRate(1_000n))
        },
        { code: 'ERR_INSUFFICIENT_FUNDS' }
      )
      await rejects(
        bench.wallet.buildFunding({
          channel: channelNamed('a'),
          scriptPubKey: fundingScriptOf('a'),
          amount: sat(50_000),
          feeRate: feeRate(1_000n)
        }),
        'ERR_INSUFFICIENT_FUNDS',
        { locked: 100_000n }
      )
      const { txid } = await bench.wallet.send({ to: TO, amount: 39_800n, feeRate: 1_000n })
      await bench.settled()
      await rejects(
        bench.wallet.bumpFee(txid ?? assert.fail(), { feeRate: 50_000n }),
        'ERR_INSUFFICIENT_FUNDS'
      )
      bench.sim.mine()
      await bench.settled()
      await rejects(bench.wallet.send({ to: TO, amount: 'all' }), 'ERR_INSUFFICIENT_FUNDS', {
        locked: 100_000n
      })
      assert.equal(stateOf(locked), 'locked')
    })

    it('says so in the balance and in the sentence of an error', async () => {
      await bench.receive(100_000, 40_000)
      await bench.wallet.lockCoins([coin(100_000)])
      bench.hasBalance({ confirmed: 140_000n, locked: 100_000n })
      await assert.rejects(
        bench.wallet.send({ to: TO, amount: 50_000n }),
        /100,000 sat are locked: free them with `paychan coins unlock`/
      )
    })

    it('is spent when it is named', async () => {
      await bench.receive(100_000, 200_000)
      await bench.wallet.lockCoins([coin(100_000)])
      const coins = named(100_000)
      await bench.wallet.send({ to: TO, amount: 20_000n, coins })
      assert.deepEqual(spent(), coins)
    })

    it('stays locked after a restart, and after its channel was given up', async () => {
      await bench.receive(100_000)
      const locked = coin(100_000)
      await bench.wallet.lockCoins([locked])
      await bench.wallet.buildFunding({
        channel: channelNamed('a'),
        scriptPubKey: fundingScriptOf('a'),
        amount: sat(50_000),
        feeRate: feeRate(1_000n),
        coins: [locked]
      })
      assert.equal(stateOf(locked), 'reserved')
      assert.deepEqual(
        [bench.wallet.balance().reserved, bench.wallet.balance().locked],
        [100_000n, 0n]
      )
      await bench.restart()
      await bench.wallet.releaseFunding(channelNamed('a'))
      assert.equal(stateOf(locked), 'locked')
      await rejects(bench.wallet.send({ to: TO, amount: 'all' }), 'ERR_INSUFFICIENT_FUNDS')
    })

    it('is free again once it is unlocked, in this life and the next', async () => {
      await bench.receive(100_000)
      await bench.wallet.lockCoins([coin(100_000)])
      await bench.wallet.unlockCoins([coin(100_000)])
      assert.equal(stateOf(coin(100_000)), 'free')
      await bench.restart()
      await bench.wallet.send({ to: TO, amount: 'all' })
    })

    it('is not locked when the disk refuses, and then still may be chosen', async () => {
      await bench.receive(100_000)
      bench.store.failNext()
      await rejects(bench.wallet.lockCoins([coin(100_000)]), 'ERR_STORE_FAILED')
      assert.equal(stateOf(coin(100_000)), 'free')
    })

    it('that a reorganisation takes away breaks nothing, and is locked when it comes back', async () => {
      const id = bench.sim.fund(await bench.freshScript(), sat(100_000))
      bench.sim.mine()
      await bench.settled()
      const locked = { txid: id, vout: 0 }
      await bench.wallet.lockCoins([locked])
      bench.chain.reorg(1)
      await bench.settled()
      assert.equal(stateOf(locked), 'locked', 'in the mempool again')
      const paid = bench.chain.transaction(id) ?? assert.fail()
      bench.sim.drop(id)
      await bench.settled()
      await bench.restart()
      assert.deepEqual(bench.wallet.coins(), [])
      bench.hasBalance({})
      bench.sim.insert(paid)
      bench.sim.mine()
      await bench.settled()
      await rejects(bench.wallet.send({ to: TO, amount: 'all' }), 'ERR_INSUFFICIENT_FUNDS', {
        locked: 100_000n
      })
      bench.chain.reorg(1)
      bench.sim.drop(id)
      await bench.settled()
      await bench.wallet.unlockCoins([locked])
      assert.deepEqual(locksOnDisk(), [])
    })

    it('is forgotten only when its spend is buried', async () => {
      await bench.receive(100_000)
      await bench.wallet.lockCoins([coin(100_000)])
      await bench.wallet.send({ to: TO, amount: 'all', coins: named(100_000) })
      bench.sim.mine(BURIED_DEPTH - 1)
      await bench.settled()
      assert.equal(locksOnDisk().length, 1)
      bench.sim.mine()
      await bench.settled()
      assert.deepEqual(locksOnDisk(), [])
    })

    it('that is the change of a funding transaction does not pay for it, neither by itself nor when asked', async () => {
      await bench.receive(100_000)
      const { raw, outPoint } = await bench.wallet.buildFunding({
        channel: channelNamed('a'),
        scriptPubKey: fundingScriptOf('a'),
        amount: sat(50_000),
        feeRate: feeRate(1_000n)
      })
      bench.sim.insert(parseTransaction(raw))
      await bench.settled()
      const change = bench.wallet.coins()[0]?.outPoint ?? assert.fail('there is no change')
      await bench.wallet.lockCoins([change])
      await bench.wallet.bumpFunding({
        funding: outPoint.txid,
        fundingTx: raw,
        feeRate: feeRate(9_000n),
        most: sat(5_000),
        isLate: false,
        isRefused: false
      })
      await rejects(bench.wallet.bumpFee(outPoint.txid, { feeRate: 9_000n }), 'ERR_COIN_LOCKED', {
        coin: outPointText(change)
      })
      assert.equal(bench.chain.broadcasts.length, 0)
      await bench.wallet.unlockCoins([change])
      await bench.wallet.bumpFee(outPoint.txid, { feeRate: 9_000n })
      assert.deepEqual(spent(), [outPointText(change)])
    })
  })

  describe('coins that are named', () => {
    it('are spent, all of them and no others', async () => {
      await bench.receive(100_000, 50_000, 20_000)
      const coins = named(20_000, 50_000)
      const sent = await bench.wallet.send({ to: TO, amount: 10_000n, coins, feeRate: 1_000n })
      assert.deepEqual(spent(), [...coins].sort())
      assert.equal(sent.amount + sent.fee + sent.change, 70_000n)
    })

    it('of all are spent whole, also those that are not worth their fee', async () => {
      await bench.receive(100_000, 600)
      const coins = named(100_000, 600)
      const sent = await bench.wallet.send({ to: TO, amount: 'all', coins, feeRate: 10_000n })
      assert.equal(sent.amount + sent.fee, 100_600n)
      assert.deepEqual(spent(), [...coins].sort())
    })

    it('that do not suffice fail, and others are not touched', async () => {
      await bench.receive(100_000, 20_000)
      await rejects(
        bench.wallet.send({ to: TO, amount: 20_000n, coins: named(20_000), feeRate: 1_000n }),
        'ERR_INSUFFICIENT_FUNDS',
        { asked: 20_000n, available: 20_000n, fee: 110n }
      )
      const request = {
        channel: channelNamed('a'),
        scriptPubKey: fundingScriptOf('a'),
        amount: sat(30_000),
        feeRate: feeRate(1_000n),
        coins: [coin(20_000)]
      }
      await rejects(bench.wallet.buildFunding(request), 'ERR_INSUFFICIENT_FUNDS')
      assert.throws(
        () => {
          bench.wallet.checkFunds(sat(30_000), feeRate(1_000n), [coin(20_000)])
        },
        { code: 'ERR_INSUFFICIENT_FUNDS' }
      )
      assert.deepEqual(
        bench.wallet.coins().map(({ state }) => state),
        ['free', 'free']
      )
      assert.deepEqual(bench.chain.broadcasts, [])
    })

    it('fund a channel, exactly they', async () => {
      await bench.receive(100_000, 50_000, 20_000)
      const coins = [coin(20_000), coin(50_000)]
      const { raw } = await bench.wallet.buildFunding({
        channel: channelNamed('a'),
        scriptPubKey: fundingScriptOf('a'),
        amount: sat(10_000),
        feeRate: feeRate(1_000n),
        coins
      })
      assert.deepEqual(inputsOf(raw), coins.map(outPointText).sort())
    })

    it('stay the only ones when the fee is raised, also after a restart', async () => {
      await bench.receive(100_000, 50_000)
      const coins = named(50_000)
      const { txid = assert.fail() } = await bench.wallet.send({
        to: TO,
        amount: 49_000n,
        coins,
        feeRate: 1_000n
      })
      await bench.settled()
      await bench.restart()
      await rejects(bench.wallet.bumpFee(txid, { feeRate: 20_000n }), 'ERR_INSUFFICIENT_FUNDS')
      await bench.wallet.bumpFee(txid, { feeRate: 5_000n })
      assert.deepEqual(spent(), coins)
    })

    it('are refused, each with its reason, when they cannot be spent', async () => {
      await bench.receive(100_000, 50_000, 30_000)
      const [gone, taken, kept] = [coin(100_000), coin(50_000), coin(30_000)]
      await bench.wallet.send({ to: TO, amount: 'all', coins: [outPointText(gone)] })
      await bench.settled()
      await bench.wallet.buildFunding({
        channel: channelNamed('a'),
        scriptPubKey: fundingScriptOf('a'),
        amount: sat(20_000),
        feeRate: feeRate(1_000n),
        coins: [taken]
      })
      const young = { txid: bench.sim.fund(await bench.freshScript(), sat(7_000)), vout: 0 }
      await bench.settled()
      const send = async (...coins: OutPoint[]): Promise<unknown> =>
        await bench.wallet.send({ to: TO, amount: 1_000n, coins: coins.map(outPointText) })
      const unknown = { ...kept, vout: 9 }
      await rejects(send(unknown), 'ERR_COIN_UNKNOWN', { coin: outPointText(unknown) })
      await rejects(send(gone), 'ERR_COIN_SPENT', { coin: outPointText(gone) })
      await rejects(send(taken), 'ERR_COIN_RESERVED', {
        coin: outPointText(taken),
        channel: channelNamed('a')
      })
      await rejects(send(young), 'ERR_COIN_UNCONFIRMED', { coin: outPointText(young) })
      await rejects(send(kept, kept), 'ERR_INVALID_OUTPOINT')
      await rejects(send(), 'ERR_INVALID_OUTPOINT')
      await rejects(
        bench.wallet.send({ to: TO, amount: 1_000n, coins: ['nonsense'] }),
        'ERR_INVALID_OUTPOINT'
      )
      assert.equal(stateOf(kept), 'free')
    })

    it('that a send of ours spends are reserved while no mempool has it', async () => {
      await bench.receive(100_000)
      const coins = named(100_000)
      bench.chain.refusal = 'mempool full'
      await rejects(bench.wallet.send({ to: TO, amount: 'all', coins }), 'ERR_BROADCAST_REFUSED')
      assert.equal(stateOf(coin(100_000)), 'reserved')
      await rejects(bench.wallet.send({ to: TO, amount: 'all', coins }), 'ERR_COIN_RESERVED')
    })
  })

  it('shows each coin with its address, its label and its confirmations', async () => {
    const address = await bench.wallet.newAddress()
    await bench.wallet.label(address, 'salary')
    bench.sim.fund(scriptFromAddress(address, 'regtest'), sat(100_000))
    await bench.settled()
    assert.deepEqual(
      bench.wallet
        .coins()
        .map(({ address, label, confirmations, state }) => [address, label, confirmations, state]),
      [[address, 'salary', 0, 'unconfirmed']]
    )
    bench.sim.mine(3)
    await bench.settled()
    assert.deepEqual(
      bench.wallet.coins().map(({ confirmations, state }) => [confirmations, state]),
      [[3, 'free']]
    )
  })

  it('locks and unlocks only what there is, and all or nothing', async () => {
    await bench.receive(100_000)
    const unknown = outPointFromText(`${'ab'.repeat(32)}:0`)
    await rejects(bench.wallet.lockCoins([coin(100_000), unknown]), 'ERR_COIN_UNKNOWN', {
      coin: outPointText(unknown)
    })
    await rejects(bench.wallet.unlockCoins([unknown]), 'ERR_COIN_UNKNOWN')
    assert.deepEqual(locksOnDisk(), [])
    await bench.wallet.lockCoins([coin(100_000)])
    await bench.wallet.lockCoins([coin(100_000)])
    await bench.wallet.unlockCoins([coin(100_000)])
    await bench.wallet.unlockCoins([coin(100_000)])
    assert.equal(stateOf(coin(100_000)), 'free')
  })

  it('does not call a coin unknown before the server has told which there are', async () => {
    const disk = bench.store.snapshot()
    await bench.wallet.newAddress()
    await bench.wallet.stop()
    const offline = await Bench.start({ disk })
    offline.chain.setStatus('down')
    await offline.wallet.newAddress()
    await offline.restart()
    assert.equal(
      await offline.wallet.lockCoins([outPointFromText(`${'ab'.repeat(32)}:0`)]).catch(codeOf),
      'ERR_CHAIN_UNAVAILABLE'
    )
    await offline.wallet.stop()
  })
})

/*
 * A feerate or a target: what each comes to, and what is refused; and the sends that `bitcoin:`
 * URIs ask for.
 */

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
    bench.chain.feeRate = feeRate(3_000n)
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
      bench.chain.feeRate = feeRate(1_000n)
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
      bench.chain.feeRate = feeRate(5_000n)
      const { txid = assert.fail() } = await bench.wallet.send({ to: TO, amount: 1_000n })
      await bench.settled()
      bench.chain.feeRate = feeRate(20_000n)
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
    bench.chain.feeRate = feeRate(1_000n)
    const least = await bench.wallet.bumpFee(txid, { target: 144 })
    assert.equal(least.fee, 705n + 141n)
    await bench.settled()
    bench.chain.feeRate = feeRate(20_000n)
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
