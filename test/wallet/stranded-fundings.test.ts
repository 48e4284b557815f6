/** T1s that wait for no block: after a while their owner may spend a coin of theirs by name. */
import assert from 'node:assert/strict'
import { addressFromScript, scriptOf } from '../../src/bitcoin/address.js'
import { fundingWitness } from '../../src/bitcoin/funding-spend.js'
import { completeRenewal, renewalSighash } from '../../src/bitcoin/renewal.js'
import { parseTransaction, type Transaction } from '../../src/bitcoin/transaction.js'
import type { BuiltFunding } from '../../src/engine/ports.js'
import { type OutPoint, outPointFromText, outPointText } from '../../src/types/bytes.js'
import { codeOf, messageOf } from '../../src/types/errors.js'
import { blockHeight, feeFor, feeRate, satoshi } from '../../src/types/units.js'
import { BURIED_DEPTH } from '../../src/wallet/claims.js'
import { ABANDONED } from '../../src/wallet/funding.js'
import { Bench, channelNamed, createTestSigner, fundingScriptOf, sat } from './fixtures.js'

const CHANNEL = channelNamed('new')
const AWAY = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'

describe('a T1 that is in no block', () => {
  let bench: Bench

  beforeEach(async () => {
    bench = await Bench.start()
  })
  afterEach(async () => {
    await bench.wallet.stop()
  })

  async function pass(blocks: number): Promise<void> {
    for (let n = 0; n < blocks; n++) {
      bench.sim.mine(1, { empty: true })
      await bench.settled()
    }
  }

  /** A top-up of a channel of 100,000 sat; nobody but its server could send it. */
  async function topUp(amount = 150_000): Promise<
    BuiltFunding & {
      readonly signed: Transaction
      /** As whoever lacks the signature of its server may show it. */
      readonly unsigned: Transaction
    }
  > {
    const path = { high: 1, low: 2, use: 'channel' } as const
    const clientKey = createTestSigner('old client').publicKey({ ...path, role: 'client' })
    const serverKey = createTestSigner('old server').publicKey({ ...path, role: 'server' })
    const old = bench.sim.fund(fundingScriptOf('old'), sat(100_000))
    bench.sim.mine()
    await bench.settled()
    const beside = {
      outPoint: { txid: old, vout: 0 },
      value: sat(100_000),
      clientKey,
      serverKey
    }
    const built = await bench.wallet.buildFunding({
      channel: CHANNEL,
      scriptPubKey: fundingScriptOf('new'),
      amount: sat(amount),
      feeRate: feeRate(1_000n),
      refundHeight: blockHeight(bench.sim.height + 1_000),
      beside
    })
    const t1 = parseTransaction(built.raw)
    const digest = renewalSighash(t1, beside)
    const [client, server] = (['client', 'server'] as const).map((role) =>
      createTestSigner(`old ${role}`).sign({ ...path, role }, digest)
    )
    const signed = completeRenewal(t1, beside, client ?? assert.fail(), server ?? assert.fail())
    const junk = new Uint8Array(72).fill(48)
    const unsigned = t1.withWitnesses(
      t1.inputs.map(({ witness }, i) => (i === 0 ? fundingWitness(beside, junk, junk) : witness))
    )
    return { ...built, signed, unsigned }
  }

  async function plain(amount: number, blocks = 200): Promise<BuiltFunding> {
    const built = await bench.wallet.buildFunding({
      channel: CHANNEL,
      scriptPubKey: fundingScriptOf('new'),
      amount: sat(amount),
      feeRate: feeRate(1_000n),
      refundHeight: blockHeight(bench.sim.height + blocks)
    })
    return built
  }

  /** A server shows it in each history of ours that it stands in, and no other server has it. */
  function showForEver({ raw, outputs }: Transaction, coin: string): void {
    const { txid, vout } = outPointFromText(coin)
    const spent = bench.chain.transaction(txid)?.outputs[vout] ?? assert.fail()
    for (const { script } of [spent, ...outputs]) bench.chain.makeUp(script, raw)
  }

  const reserved = (): string => {
    const coin = bench.wallet.coins().find(({ state }) => state === 'reserved')
    return outPointText(coin?.outPoint ?? assert.fail('no coin is reserved'))
  }

  async function send(coin: string, to?: string): Promise<string> {
    try {
      const ours = to ?? (await bench.wallet.newAddress())
      const sent = await bench.wallet.send({ to: ours, amount: 'all', coins: [coin] })
      await bench.settled()
      return sent.txid ?? assert.fail()
    } catch (error) {
      return `${codeOf(error)}: ${messageOf(error)}`
    }
  }

  describe('and that the server of a renewal keeps to itself (RENEW-7)', () => {
    it('sets the smallest coin that will do aside, and not the largest', async () => {
      await bench.receive(1_000_000_000, 99_847, 70_000, 10_000)
      await topUp()
      assert.equal(bench.wallet.balance().reserved, 70_000n)
    })

    it('sets two small coins aside rather than a large one', async () => {
      await bench.receive(1_000_000_000, 30_000, 29_000, 10_000)
      await topUp()
      assert.equal(bench.wallet.balance().reserved, 59_000n)
    })

    it('gives its coins back to who names one after 6 blocks: T1 is dead 6 blocks later', async () => {
      await bench.receive(70_000, 500_000)
      await topUp()
      const coin = reserved()
      const from = bench.sim.height + 6
      await pass(5)
      const refused = await send(coin)
      assert.match(refused, new RegExp(`^ERR_COIN_RESERVED: .* from height ${from} on .*--coin`))
      await pass(1)
      assert.match(await send(coin, AWAY), /^ERR_COIN_RESERVED/, 'to nobody else')
      const txid = await send(coin)
      for (let depth = 1; depth <= 6; depth++) {
        assert.equal(bench.wallet.fundingLostTo(CHANNEL), undefined)
        bench.sim.mine()
        await bench.settled()
      }
      assert.equal(bench.wallet.fundingLostTo(CHANNEL), txid)
      await bench.wallet.releaseFunding(CHANNEL)
      assert.equal(bench.wallet.balance().reserved, 0n)
    })

    it('is still known to be dead by a node that was away for long', async () => {
      await bench.receive(70_000, 500_000)
      await topUp()
      await pass(6)
      const txid = await send(reserved())
      await bench.wallet.stop()
      bench.sim.mine(BURIED_DEPTH + 20)
      await bench.restart()
      assert.equal(bench.wallet.fundingLostTo(CHANNEL), txid)
      await pass(5)
      assert.equal(bench.wallet.fundingLostTo(CHANNEL), txid)
      await bench.wallet.releaseFunding(CHANNEL)
      assert.equal(bench.wallet.balance().reserved, 0n)
    })

    it('gives the others back some blocks later when its channel never asks', async () => {
      await bench.receive(30_000, 29_000, 500_000)
      await topUp()
      await pass(6)
      await send(reserved())
      await bench.wallet.stop()
      bench.sim.mine(BURIED_DEPTH + 20)
      await bench.restart()
      await pass(6)
      assert.deepEqual(bench.wallet.reservedFor(), [])
    })

    it('keeps them while a server shows it, and for 6 blocks after that', async () => {
      await bench.receive(70_000)
      const { signed } = await topUp()
      await pass(5)
      await bench.chain.broadcast(signed)
      await pass(20)
      bench.sim.drop(signed.txid)
      await bench.settled()
      const coin = reserved()
      await pass(5)
      assert.match(await send(coin), /^ERR_COIN_RESERVED/)
      await pass(1)
      assert.doesNotMatch(await send(coin), /^ERR/)
    })

    it('is not shown by who shows it without the signature of its server: its coins come back', async () => {
      await bench.receive(70_000, 500_000)
      const { unsigned } = await topUp()
      const coin = reserved()
      const before = bench.wallet.balance()
      await pass(3)
      showForEver(unsigned, coin)
      await pass(3)
      assert.deepEqual(bench.wallet.balance(), before, 'neither spent nor paid by it')
      await bench.restart()
      await pass(6)
      assert.deepEqual(bench.wallet.balance(), before)
      const txid = await send(coin)
      for (let depth = 1; depth <= 6; depth++) {
        bench.sim.mine()
        await bench.settled()
      }
      assert.equal(bench.wallet.fundingLostTo(CHANNEL), txid)
    })

    it('is not lost to itself', async () => {
      await bench.receive(70_000)
      const { signed } = await topUp()
      await bench.chain.broadcast(signed)
      for (let n = 0; n < 10; n++) bench.sim.mine()
      await bench.settled()
      assert.equal(bench.wallet.fundingLostTo(CHANNEL), undefined)
    })

    it('has no child once one of its coins is sent: both would be in the way of that', async () => {
      await bench.receive(700_000)
      const { signed, outPoint } = await topUp()
      await pass(6)
      const txid = await send(reserved())
      const sent = bench.chain.broadcasts.length
      await bench.wallet.bumpFunding({
        ...{ funding: outPoint.txid, fundingTx: signed.raw, feeRate: feeRate(50_000n) },
        ...{ most: satoshi(7_500n), isLate: true, isRefused: true }
      })
      assert.equal(bench.chain.broadcasts.length, sent)
      assert.ok(
        bench.sim.waiting.has(parseTransaction(bench.chain.broadcasts.at(-1) ?? assert.fail()).txid)
      )
      await assert.rejects(
        bench.wallet.bumpFee(outPoint.txid, { feeRate: 20_000n, highFee: true }, () => signed.raw),
        (error) => codeOf(error) === 'ERR_CANNOT_BUMP' && messageOf(error).includes(txid)
      )
    })
  })

  describe('though its server has sent it (FUND-5, RENEW-6)', () => {
    it('gets a child like any other T1: the old channel is no coin of ours', async () => {
      await bench.receive(1_000_000)
      const { signed, outPoint, fee } = await topUp()
      await bench.chain.broadcast(signed)
      await bench.settled()
      await bench.wallet.bumpFunding({
        ...{ funding: outPoint.txid, fundingTx: signed.raw, feeRate: feeRate(10_000n) },
        ...{ most: satoshi(7_500n), isLate: true, isRefused: false }
      })
      await bench.settled()
      const child = parseTransaction(bench.chain.broadcasts.at(-1) ?? assert.fail())
      assert.equal(child.inputs[0]?.outPoint.txid, outPoint.txid)
      // Both pay 10 sat/vB.
      const paid = feeFor(feeRate(10_000n), signed.vsize + 110) - fee
      const change = signed.outputs.find(({ value }) => value > 200_000n)?.value ?? assert.fail()
      assert.equal(change - child.paidTo(), paid)
      const bumped = await bench.wallet.bumpFee(
        outPoint.txid,
        { feeRate: 20_000n, highFee: true },
        () => signed.raw
      )
      assert.deepEqual([bumped.kind, bumped.of], ['child', outPoint.txid])
    })

    it('gets none before it is complete: no server could take both', async () => {
      await bench.receive(1_000_000)
      const { raw, outPoint } = await topUp()
      await bench.wallet.bumpFunding({
        ...{ funding: outPoint.txid, fundingTx: raw, feeRate: feeRate(10_000n) },
        ...{ most: satoshi(7_500n), isLate: true, isRefused: true }
      })
      assert.deepEqual(bench.chain.broadcasts, [])
      await assert.rejects(
        bench.wallet.bumpFee(outPoint.txid, { feeRate: 20_000n }, () => raw),
        (error) => codeOf(error) === 'ERR_CANNOT_BUMP' && /not completed/.test(messageOf(error))
      )
    })

    it('takes its child along when it is given up', async () => {
      await bench.receive(1_000_000)
      const { signed, outPoint } = await topUp()
      await bench.chain.broadcast(signed)
      await bench.settled()
      await bench.wallet.bumpFee(
        outPoint.txid,
        { feeRate: 5_000n, highFee: true },
        () => signed.raw
      )
      await bench.settled()
      bench.sim.drop(outPoint.txid)
      await bench.wallet.releaseFunding(CHANNEL)
      const sent = bench.chain.broadcasts.length
      await pass(2)
      assert.equal(bench.chain.broadcasts.length, sent)
      assert.deepEqual(bench.errors, [])
    })
  })

  describe('because a reorganisation has taken what it spends (FUND-6)', () => {
    /** A coin of our own, and one of a stranger's that a reorganisation takes away. */
    async function stranded(): Promise<{ readonly own: OutPoint; readonly gone: OutPoint }> {
      await bench.receive(600_000)
      bench.sim.mine(3)
      await bench.receive(500_000)
      const [own, gone] = bench.wallet.coins().map(({ outPoint }) => outPoint)
      const { raw } = await plain(1_000_000)
      await bench.chain.broadcast(parseTransaction(raw))
      await bench.settled()
      bench.chain.reorg(1)
      bench.sim.drop((gone ?? assert.fail()).txid)
      await bench.settled()
      return { own: own ?? assert.fail(), gone: gone ?? assert.fail() }
    }

    it('gives the others back to who names one after 6 blocks without it', async () => {
      const { own } = await stranded()
      await pass(5)
      assert.match(await send(outPointText(own)), /^ERR_COIN_RESERVED/)
      await pass(1)
      const txid = await send(outPointText(own))
      bench.sim.mine(6)
      await bench.settled()
      assert.equal(bench.wallet.fundingLostTo(CHANNEL), txid)
    })

    it('keeps them while all that it spends is there', async () => {
      await bench.receive(600_000)
      await plain(500_000)
      await pass(100)
      assert.match(await send(reserved()), /^ERR_COIN_RESERVED/)
    })
  })

  describe('whose coins are chosen (FUND-6)', () => {
    it('from those that are 6 deep, as long as they are enough', async () => {
      await bench.receive(600_000)
      bench.sim.mine(4)
      await bench.receive(700_000)
      await plain(500_000)
      assert.equal(bench.wallet.balance().reserved, 600_000n)
    })

    it('from all of them when those are not enough: a wallet that was just paid can open', async () => {
      await bench.receive(600_000)
      bench.sim.mine(4)
      await bench.receive(700_000)
      const fee = bench.wallet.checkFunds(sat(900_000), feeRate(1_000n))
      assert.equal((await plain(900_000)).fee, fee)
      assert.equal(bench.wallet.balance().reserved, 1_300_000n)
    })

    it('from all of them when many small ones would cost more than twice as much', async () => {
      await bench.receive(...Array.from({ length: 10 }, () => 60_000))
      bench.sim.mine(4)
      await bench.receive(700_000)
      await plain(500_000)
      assert.equal(bench.wallet.balance().reserved, 700_000n)
    })

    it('from all of them when only so T1 costs no more than it may (HTTP-18)', async () => {
      await bench.receive(300_000, 300_000)
      bench.sim.mine(4)
      await bench.receive(700_000)
      const open = async (mostFee?: number): Promise<bigint> => {
        const [amount, rate] = [sat(500_000), feeRate(10_000n)]
        const most = mostFee === undefined ? undefined : sat(mostFee)
        const checked = bench.wallet.checkFunds(amount, rate, undefined, most)
        const { fee } = await bench.wallet.buildFunding({
          ...{ channel: CHANNEL, scriptPubKey: fundingScriptOf('new'), amount },
          ...{ feeRate: rate, mostFee: most }
        })
        const { reserved } = bench.wallet.balance()
        await bench.wallet.releaseFunding(CHANNEL)
        assert.equal(fee, checked)
        return reserved
      }
      // 153 vB with one coin, 221 with two.
      assert.equal(await open(), 600_000n)
      assert.equal(await open(2_210), 600_000n)
      assert.equal(await open(2_209), 700_000n)
      assert.equal(await open(1_530), 700_000n)
      await assert.rejects(open(1_529), (error) => codeOf(error) === 'ERR_FEE_TOO_HIGH')
      assert.equal(bench.wallet.balance().reserved, 0n)
    })

    it('for no more than T1 may cost, whatever was estimated before (HTTP-18)', async () => {
      await bench.receive(600_000)
      const request = {
        ...{ channel: CHANNEL, scriptPubKey: fundingScriptOf('new'), amount: sat(50_000) },
        ...{ feeRate: feeRate(300_000n), mostFee: sat(2_500) }
      }
      await assert.rejects(
        bench.wallet.buildFunding(request),
        (error) => codeOf(error) === 'ERR_FEE_TOO_HIGH'
      )
      assert.equal(bench.wallet.balance().reserved, 0n)
    })

    it('as they are named', async () => {
      await bench.receive(600_000)
      bench.sim.mine(4)
      await bench.receive(700_000)
      const coins = bench.wallet
        .coins()
        .flatMap(({ outPoint, value }) => (value === 700_000n ? [outPoint] : []))
      assert.equal(bench.wallet.checkFunds(sat(500_000), feeRate(1_000n), coins), 153n)
    })

    it('small for a top-up, even though a large one is deeper', async () => {
      await bench.receive(600_000)
      bench.sim.mine(4)
      await bench.receive(70_000)
      await topUp()
      assert.equal(bench.wallet.balance().reserved, 70_000n)
    })
  })

  it('gives its coins back to who names one 144 blocks after L, whatever is in its way (FUND-6)', async () => {
    await bench.receive(600_000)
    await plain(500_000, 50)
    const coin = reserved()
    await pass(50 + 143)
    assert.match(await send(coin), /^ERR_COIN_RESERVED: .* from height 295 on/)
    await pass(1)
    assert.doesNotMatch(await send(coin), /^ERR/)
  })

  it('gives them back then though a server shows it for ever: it spends nothing that is named (FUND-6)', async () => {
    await bench.receive(600_000)
    const { raw } = await plain(500_000, 50)
    const coin = reserved()
    showForEver(parseTransaction(raw), coin)
    await pass(50 + 143)
    assert.match(await send(coin), /^ERR_COIN_RESERVED: .* from height 295 on/)
    await pass(1)
    assert.match(await send(coin, AWAY), /^ERR_COIN_RESERVED/, 'to nobody else')
    const txid = await send(coin)
    assert.match(await send(coin), /^ERR_COIN_(RESERVED|SPENT): .*spent/, 'once')
    bench.sim.mine(6)
    await bench.settled()
    assert.equal(bench.wallet.fundingLostTo(CHANNEL), txid)
  })

  it('gives nothing back after a restart before blocks have passed since', async () => {
    await bench.receive(70_000)
    await topUp()
    await pass(6)
    await bench.restart()
    const coin = reserved()
    assert.match(await send(coin), /^ERR_COIN_RESERVED/)
    await pass(6)
    assert.doesNotMatch(await send(coin), /^ERR/)
  })
})

/* A T1 that was signed and came to nothing: its coins are not hidden by whoever still has it. */

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
      bench.sim.mine(BURIED_DEPTH, { empty: true })
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
    bench.sim.insert(parseTransaction(funding))
    bench.sim.mine()
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
    bench.sim.mine(BURIED_DEPTH + 20)
    await bench.settled()
    assert.deepEqual(onDisk(), [])
    assert.equal(removals.filter((key) => key.startsWith(ABANDONED)).length, 1, 'written once')
  })
})
