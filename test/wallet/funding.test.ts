/** T1, judged by code that did not build it: bitcoinjs' sighash and our own verification. */
import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import fc from 'fast-check'
import { selectUTXO } from '@scure/btc-signer/utxo.js'
import {
  MAX_TRUC_VSIZE,
  type Selectable,
  selectCoins,
  spendVsize
} from '../../src/bitcoin/coin-selection.js'
import { addressFromScript } from '../../src/bitcoin/address.js'
import { fromDer, SIGHASH } from '../../src/bitcoin/ecdsa.js'
import type { CoinEcdsa } from '../../src/bitcoin/owner-spend.js'
import { dustLimit } from '../../src/bitcoin/sizes.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import type { FundingBump } from '../../src/engine/ports.js'
import { outPointText, sameBytes, txid, type Txid } from '../../src/types/bytes.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { blockHeight, feeFor, feeRate, type FeeRate } from '../../src/types/units.js'
import { AddressBook, type OwnScript } from '../../src/wallet/addresses.js'
import { BURIED_DEPTH } from '../../src/wallet/claims.js'
import { loadEcdsa, wasmEcdsa } from '../../src/wallet/signer.js'
import { buildFundingTransaction } from '../../src/wallet/funding.js'
import { sized } from '../size.js'
import { Bench, channelNamed, fundingScriptOf, sat, testRoot } from './fixtures.js'

const book = new AddressBook(testRoot('alice'), 'regtest')
const changeScript = book.at('change', 0).scriptPubKey
const scriptPubKey = fundingScriptOf('one')
const ecdsa = loadEcdsa()

interface TestCoin extends Selectable {
  readonly own: OwnScript
}

function coin(value: number | bigint, i: number): TestCoin {
  return {
    outPoint: { txid: txid(i.toString(16).padStart(64, 'c')), vout: i },
    value: sat(value),
    own: book.at('receive', i % 8)
  }
}

const coins = (values: ReadonlyArray<number | bigint>): TestCoin[] => values.map(coin)

function select(
  values: ReadonlyArray<number | bigint>,
  amount: number,
  rate: FeeRate = feeRate(1000n)
): ReturnType<typeof selectCoins<TestCoin>> {
  return selectCoins({
    coins: coins(values),
    scriptPubKey,
    amount: sat(amount),
    feeRate: rate,
    changeScript
  })
}

describe('coin selection', () => {
  it('takes the largest coin that does it, and gives change', () => {
    const { inputs, fee, change } = select([10_000, 500_000, 90_000], 100_000)
    assert.deepEqual(
      inputs.map(({ value }) => value),
      [500_000n]
    )
    // 8 + 1 + 41 + 1 + 43 + 31 = 125 bytes, 2 + 1 + 73 + 34 = 110 of witness: (125 x 4 + 110) / 4 =
    // 153 vB at most
    assert.equal(fee, 153n)
    assert.equal(change, 500_000n - 100_000n - 153n)
  })

  it('needs no change where coins fit', () => {
    // Without change 31 vB less: 122 sat.
    assert.deepEqual(select([500_000, 100_122], 100_000), {
      inputs: [coin(100_122, 1)],
      fee: 122n,
      change: 0n
    })
  })

  it('gives what would be dust to the miner', () => {
    // 153 sat of fee and 294 sat, the dust limit of P2WPKH, make the smallest change.
    assert.equal(select([100_000 + 153 + 294], 100_000).change, 294n)
    const { fee, change } = select([100_000 + 153 + 293], 100_000)
    assert.deepEqual({ fee, change }, { fee: 446n, change: 0n })
  })

  it('counts a feerate that is no whole number of sat/vB exactly', () => {
    assert.equal(select([500_000], 100_000, feeRate(1001n)).fee, 154n)
    assert.equal(select([500_000], 100_000, feeRate(1500n)).fee, 230n)
    // One coin that covers amount and fee to the satoshi: 122 x 1.5 = 183 sat.
    assert.equal(select([100_183], 100_000, feeRate(1500n)).fee, 183n)
    assert.throws(
      () => select([100_182], 100_000, feeRate(1500n)),
      (error) => codeOf(error) === 'ERR_INSUFFICIENT_FUNDS'
    )
  })

  it('leaves coins alone that cost more than they bring', () => {
    // 68 vB x 10 sat/vB = 680 sat an input
    assert.deepEqual(
      select([200_000, 600, 600, 600], 197_000, feeRate(10_000n)).inputs.map(({ value }) => value),
      [200_000n]
    )
    assert.throws(
      () => select([100_000, ...Array.from({ length: 50 }, () => 650)], 100_000, feeRate(10_000n)),
      (error) => codeOf(error) === 'ERR_INSUFFICIENT_FUNDS'
    )
  })

  it('says what is missing with the fee of the coins that are worth it: what brings more than it costs', () => {
    const fee = (...values: number[]): unknown => {
      try {
        return select(values, 100_000, feeRate(10_000n)).fee
      } catch (error) {
        assert.ok(error instanceof PaychanError && error.code === 'ERR_INSUFFICIENT_FUNDS')
        return error.facts['fee']
      }
    }
    // 122 vB with one input, 258 vB with three; each costs 680 sat.
    assert.deepEqual([fee(680, 680, 680), fee(681, 681, 681)], [1_220n, 2_580n])
  })

  describe('of coins that are named, takes all of them', () => {
    const named = (
      values: readonly number[],
      amount: number,
      maxVsize?: number
    ): ReturnType<typeof selectCoins<TestCoin>> =>
      selectCoins({
        coins: coins(values),
        scriptPubKey,
        amount: sat(amount),
        feeRate: feeRate(1_000n),
        changeScript,
        exact: true,
        ...(maxVsize === undefined ? {} : { maxVsize })
      })

    it('if they pay for it, to the satoshi', () => {
      assert.deepEqual(named([60_000, 40_190], 100_000).inputs.length, 2)
      assert.equal(named([100_122], 100_000).fee, 122n)
      assert.throws(
        () => named([100_121], 100_000),
        (error) => {
          assert.ok(error instanceof PaychanError && error.code === 'ERR_INSUFFICIENT_FUNDS')
          assert.deepEqual(error.facts, { asked: 100_000n, available: 100_121n, fee: 122n })
          return true
        }
      )
    })

    it('if they fit with change: 153 vB for one', () => {
      assert.equal(named([500_000], 100_000, 153).inputs.length, 1)
      assert.throws(
        () => named([500_000], 100_000, 152),
        (error) => {
          assert.ok(error instanceof PaychanError && error.code === 'ERR_TOO_MANY_COINS')
          assert.deepEqual(error.facts, { asked: 100_000n, coins: 1 })
          return true
        }
      )
    })
  })

  describe('of a wallet with 3,000 coins', () => {
    const many = Array.from({ length: 3_000 }, (_, i) => 2_000 + i * 7)

    /** Selects, and says how many coins were looked at closely. */
    function counted(values: readonly number[], amount: number): [number[], bigint, number] {
      const looked = new Set<string>()
      const { inputs, change } = selectCoins({
        coins: coins(values).map((each) => ({
          ...each,
          get own() {
            looked.add(outPointText(each.outPoint))
            return each.own
          }
        })),
        scriptPubKey,
        amount: sat(amount),
        feeRate: feeRate(1_000n),
        changeScript,
        maxVsize: 100_000
      })
      return [inputs.map(({ value }) => Number(value)), change, looked.size]
    }

    it('takes the biggest, and looks closely at few', () => {
      const [inputs, , looked] = counted(many, 60_000)
      assert.deepEqual(inputs.slice(0, 2), [22_993, 22_986])
      assert.equal(inputs.length, 3)
      assert.ok(looked <= 70, `${looked} were looked at`)
    })

    it('finds the one that fits without change, also among coins that are all bigger', () => {
      assert.deepEqual(counted([...many, 800 + 122], 800).slice(0, 2), [[922], 0n])
      assert.deepEqual(counted([...many, 1_501], 1_501 - 122).slice(0, 2), [[1_501], 0n])
    })

    it('takes as many as it needs, also nearly all', () => {
      const all = many.reduce((sum, value) => sum + value - 68, 0)
      assert.ok(counted(many.slice(0, 1_000), 5_000_000)[0].length > 800)
      assert.throws(() => counted(many, all), { code: 'ERR_INSUFFICIENT_FUNDS' })
    })
  })

  it('takes as many as fit, and not one vB more', () => {
    const within = (maxVsize: number): number =>
      selectCoins({
        coins: coins([60_000, 60_000]),
        scriptPubKey,
        amount: sat(100_000),
        feeRate: feeRate(1_000n),
        changeScript,
        maxVsize
      }).inputs.length
    // 68 vB more than with one.
    assert.equal(within(221), 2)
    assert.throws(
      () => within(220),
      (error) => codeOf(error) === 'ERR_TOO_MANY_COINS'
    )
  })

  it('takes the coins that selectUTXO of @scure/btc-signer takes', () => {
    const value = fc.oneof(
      fc.integer({ min: 1, max: 2_000 }),
      fc.integer({ min: 2_000, max: 1_000_000 })
    )
    const rate = fc.bigInt({ min: 100n, max: 40_000n })
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 30 }),
        fc.nat({ max: 29 }),
        fc.oneof(fc.integer({ min: -3, max: 3 }), fc.integer({ min: 290, max: 298 })),
        rate,
        (values, taken, left, perKvb) => {
          const all = coins(values)
          // What some of them pay for without change, with a little left, or a little too much.
          const those = values.slice(0, taken + 1)
          const fee = feeFor(feeRate(perKvb), spendVsize(those.length, [scriptPubKey]))
          const amount = BigInt(those.reduce((sum, each) => sum + each, 0) - left) - fee
          if (amount < 330n) return
          const found = selectUTXO(
            all.map(({ outPoint, value: sats, own }) => ({
              txid: outPoint.txid,
              index: outPoint.vout,
              witnessUtxo: { amount: sats * 1_000n, script: own.scriptPubKey }
            })),
            [{ script: scriptPubKey, amount: amount * 1_000n }],
            'exactBiggest/accumBiggest',
            {
              feePerByte: perKvb,
              changeAddress: addressFromScript(changeScript, 'mainnet'),
              dust: dustLimit(changeScript),
              dustRelayFeeRate: 1_000n,
              createTx: false,
              bip69: false
            }
          )
          const ours = (): string[] =>
            select(values, Number(amount), feeRate(perKvb)).inputs.map(({ outPoint }) =>
              outPointText(outPoint)
            )
          if (found === undefined) assert.throws(ours, { code: 'ERR_INSUFFICIENT_FUNDS' })
          else {
            const theirs = found.inputs.map(({ index }) => all[index ?? -1])
            assert.deepEqual(
              ours(),
              theirs.map((each) => each && outPointText(each.outPoint))
            )
          }
        }
      ),
      { numRuns: sized({ small: 300, all: 5_000 }) }
    )
  })

  it('prefers few coins to a fit that is too large for version 3', () => {
    const values = [...Array.from({ length: 170 }, () => 10_000), 5_000_000]
    assert.ok(select(values, 1_600_000).inputs.length < 150)
  })

  it('never overspends, never loses a satoshi, never makes dust, never goes beyond 10,000 vB', () => {
    const value = fc.oneof(
      fc.integer({ min: 1, max: 2_000 }),
      fc.integer({ min: 1, max: 5_000_000 })
    )
    const rate = fc.integer({ min: 0, max: 200_000 }).map((n) => feeRate(BigInt(n)))
    fc.assert(
      fc.property(
        fc.array(value, { maxLength: 30 }),
        fc.integer({ min: 330, max: 6_000_000 }),
        rate,
        (values, amount, feeRate) => {
          let selection
          try {
            selection = select(values, amount, feeRate)
          } catch (error) {
            assert.equal(codeOf(error), 'ERR_INSUFFICIENT_FUNDS')
            // It is true: not even the best use of all worthwhile coins would do.
            const worth = coins(values)
              .map(({ value }) => value - feeFor(feeRate, 68))
              .filter((gain) => gain > 0n)
              .reduce((sum, gain) => sum + gain, 0n)
            assert.ok(worth < BigInt(amount) + feeFor(feeRate, 54 + 1), `${worth} sat would do`)
            return
          }
          const { inputs, fee, change } = selection
          assert.equal(
            new Set(inputs.map(({ outPoint }) => outPointText(outPoint))).size,
            inputs.length
          )
          assert.equal(
            inputs.reduce((sum, { value }) => sum + value, 0n),
            BigInt(amount) + change + fee
          )
          assert.ok(change === 0n || change >= 294n)
          const vsize = Math.ceil(
            (4 * (8 + 1 + 41 * inputs.length + 1 + 43 + (change > 0n ? 31 : 0)) +
              2 +
              108 * inputs.length) /
              4
          )
          assert.ok(vsize <= MAX_TRUC_VSIZE)
          assert.ok(fee >= feeFor(feeRate, vsize))
          // What goes to the miner beyond the rate is less than change would have cost and had to
          // be.
          assert.ok(fee <= feeFor(feeRate, vsize) + (change > 0n ? 0n : feeFor(feeRate, 31) + 295n))
        }
      ),
      { numRuns: 200 }
    )
  })
})

describe('funding transaction', () => {
  function build(
    values: readonly number[],
    amount: number,
    changeFirst = false,
    library?: CoinEcdsa
  ): {
    built: ReturnType<typeof buildFundingTransaction>
    spent: readonly TestCoin[]
    change: bigint
  } {
    const selection = select(values, amount)
    const built = buildFundingTransaction({
      ...selection,
      scriptPubKey,
      amount: sat(amount),
      changeScript,
      changeFirst,
      lockTime: blockHeight(123),
      secretOf: ({ own }) => book.secret(own),
      ecdsa: library
    })
    return { built, spent: selection.inputs, change: selection.change }
  }

  it('is version 3, locked to the tip, and every input lets the lock count', () => {
    const { version, lockTime, inputs } = parseTransaction(build([500_000], 100_000).built.raw)
    assert.equal(version, 3)
    assert.equal(lockTime, 123)
    assert.ok(inputs.every(({ sequence }) => sequence === 0xfffffffe))
  })

  it('has signatures that are valid, low-S, and commit to everything', () => {
    const { built, spent } = build([60_000, 50_000, 40_000, 30_000], 150_000)
    const tx = bitcoin.Transaction.fromBuffer(built.raw)
    assert.equal(tx.ins.length, spent.length)
    tx.ins.forEach(({ witness, script, hash, index }, i) => {
      const [der, publicKey] = witness
      assert.ok(der !== undefined && publicKey !== undefined && witness.length === 2)
      assert.equal(script.length, 0)
      const { signature, sighashType } = fromDer(der)
      assert.equal(sighashType, SIGHASH.ALL)
      const coin =
        spent.find(
          ({ outPoint }) =>
            outPoint.vout === index && sameBytes(Buffer.from(outPoint.txid, 'hex').reverse(), hash)
        ) ?? assert.fail('an unknown input')
      const program = bitcoin.crypto.hash160(publicKey)
      assert.deepEqual([...coin.own.scriptPubKey], [0, 20, ...program])
      const scriptCode = Uint8Array.from([0x76, 0xa9, 20, ...program, 0x88, 0xac])
      assert.equal(
        ecdsa.verify(
          publicKey,
          tx.hashForWitnessV0(i, scriptCode, coin.value, SIGHASH.ALL),
          signature
        ),
        true
      )
    })
  })

  it('names its funding output wherever that is', () => {
    for (const changeFirst of [false, true]) {
      const { built, change } = build([500_000], 100_000, changeFirst)
      const { outputs } = parseTransaction(built.raw)
      assert.equal(built.outPoint.vout, changeFirst ? 1 : 0)
      assert.deepEqual(outputs[built.outPoint.vout], { script: scriptPubKey, value: 100_000n })
      assert.deepEqual(outputs[changeFirst ? 0 : 1], { script: changeScript, value: change })
    }
  })

  it('leaves the change out where there is none', () => {
    const { built } = build([100_122], 100_000, true)
    assert.equal(parseTransaction(built.raw).outputs.length, 1)
    assert.equal(built.outPoint.vout, 0)
  })

  it('is the same transaction when it is built again', () => {
    assert.deepEqual(build([60_000, 50_000], 100_000).built, build([60_000, 50_000], 100_000).built)
  })

  it('is the same transaction whichever library signs', () => {
    const { built } = build([60_000, 50_000], 100_000)
    for (const library of [ecdsa, wasmEcdsa()]) {
      assert.deepEqual(build([60_000, 50_000], 100_000, false, library).built, built)
    }
  })
})

/* A T1 that does not confirm: its change pays for it, and T1 itself stays what it is (FUND-5). */

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

  it('is not raised by a child in the place of one that another T1 spends (FUND-5)', async () => {
    const { txid: child } = await bench.wallet.bumpFee(funding, { feeRate: 5_000n })
    bench.sim.mine()
    await bench.settled()
    const second = await fund('b', 30_000)
    bench.sim.mine()
    await bench.settled()
    bench.chain.reorg(2)
    await bench.settled()
    assert.deepEqual([bench.sim.waiting.has(funding), bench.sim.waiting.has(second)], [true, true])
    await bench.wallet.bumpFunding(asked(funding, 20_000n, 5_000))
    await bench.settled()
    assert.deepEqual([bench.sim.waiting.has(child), bench.sim.waiting.has(second)], [true, true])
    await rejects(bench.wallet.bumpFee(funding, { feeRate: 20_000n }), 'ERR_CANNOT_BUMP')
    bench.sim.mine()
    await bench.settled()
    assert.notEqual(bench.chain.transaction(second), undefined)
  })

  it('is raised again by a dearer child, which replaces the first', async () => {
    const first = await bench.wallet.bumpFee(funding, { feeRate: 5_000n })
    const { inputs } = bench.chain.transaction(first.txid) ?? assert.fail()
    assert.ok(
      inputs.every(({ sequence }) => sequence === 0xfffffffd),
      'it says so itself (BIP125)'
    )
    const second = await bench.wallet.bumpFee(first.txid, { feeRate: 10_000n })
    await bench.settled()
    assert.equal(bench.chain.transaction(first.txid), undefined)
    assert.equal(bench.sim.waiting.has(second.txid), true)
    assert.equal(second.of, funding)
    await rejects(bench.wallet.bumpFee(funding, { feeRate: 10_000n }), 'ERR_FEERATE_TOO_LOW')
  })

  it('cannot be raised beyond what the change has, nor without change, and says so', async () => {
    await rejects(bench.wallet.bumpFee(funding, { feeRate: 1_000_000n }), 'ERR_INSUFFICIENT_FUNDS')
    bench.sim.mine()
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
      bench.sim.mine(1, { empty: true })
      await bench.settled()
    }
    // 153 vB of T1 at 1 sat/vB, and 110 vB: both at 1.25 sat/vB, then what a replacement pays for
    // its own relay, until the child pays what the other server asks for.
    assert.deepEqual(fees.slice(0, 3), [176n, 287n, 398n])
    assert.deepEqual(new Set(fees.slice(3)), new Set([398n]))
    for (let n = 0; n < 12; n++) {
      await ask(false, true)
      bench.sim.mine(1, { empty: true })
      await bench.settled()
    }
    assert.equal(feeOfLast(), 900n, 'and when blocks pass over it though no server refuses it')
  })

  it('EVID-7: can be raised though no server shows T1, from what its channel keeps; and what servers say is told', async () => {
    bench.sim.drop(funding)
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
    bench.chain.refusal = 'bad-txns-inputs-missingorspent'
    await assert.rejects(bench.wallet.bumpFee(funding, { feeRate: 7_000n }, fundingOf), (error) => {
      assert.ok(error instanceof PaychanError && error.code === 'ERR_BROADCAST_REFUSED')
      assert.match(error.message, /A coin that it spends is not on the chain just now/)
      assert.doesNotMatch(error.message, /bumpfee/, 'a higher fee does not help')
      return true
    })
    bench.chain.refusal = undefined
    const bumped = await bench.wallet.bumpFee(funding, { feeRate: 10_000n }, fundingOf)
    await bench.settled()
    assert.deepEqual([bumped.kind, bumped.of, bumped.broadcast], ['child', funding, true])
    assert.ok(bench.sim.waiting.has(funding) && bench.sim.waiting.has(bumped.txid))
  })

  it('does not use the unconfirmed change for anything else', async () => {
    await rejects(
      bench.wallet.send({ to: await bench.wallet.newAddress(), amount: 1_000n }),
      'ERR_INSUFFICIENT_FUNDS'
    )
  })

  it('is settled once T1 is in a block, and the child is not lost in a reorg', async () => {
    const child = await bench.wallet.bumpFee(funding, { feeRate: 10_000n })
    bench.sim.mine()
    await bench.settled()
    await rejects(bench.wallet.bumpFee(funding, { feeRate: 20_000n }), 'ERR_ALREADY_CONFIRMED')
    bench.chain.reorg(1)
    await bench.settled()
    bench.sim.drop(child.txid)
    bench.sim.mine(1, { empty: true })
    await bench.settled()
    assert.equal(bench.sim.waiting.has(child.txid), true)
    bench.sim.mine(BURIED_DEPTH + 1)
    await bench.settled()
    assert.deepEqual(bench.errors, [])
    assert.deepEqual(
      [...bench.store.snapshot().keys()].filter((key) => /outgoing|reservation/.test(key)),
      []
    )
  })

  it('has a child that can be replaced by itself when T1 is in a block without it', async () => {
    const child = await bench.wallet.bumpFee(funding, { feeRate: 10_000n })
    bench.sim.drop(child.txid)
    bench.sim.mine()
    await bench.settled()
    assert.equal(bench.sim.waiting.has(child.txid), true, 'it is sent again')
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
    other.sim.mine(BURIED_DEPTH - 1)
    await other.settled()
    assert.deepEqual(other.wallet.reservedFor(), [channelNamed('c')])
    other.sim.mine()
    await other.settled()
    assert.deepEqual(other.wallet.reservedFor(), [])
    assert.equal(other.wallet.balance().reserved, 0n)
    await twin.wallet.stop()
    await other.wallet.stop()
  })
})
