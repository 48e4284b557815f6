/** T1, judged by code that did not build it: bitcoinjs' sighash and our own verification. */
import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import fc from 'fast-check'
import { fromDer, SIGHASH } from '../../src/bitcoin/ecdsa.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { outPointText, sameBytes, txid } from '../../src/types/bytes.js'
import { codeOf } from '../../src/types/errors.js'
import { blockHeight, feeFor, feeRate, type FeeRate } from '../../src/types/units.js'
import { AddressBook } from '../../src/wallet/addresses.js'
import { MAX_TRUC_VSIZE, selectCoins, type Selectable } from '../../src/bitcoin/coin-selection.js'
import { loadEcdsa } from '../../src/wallet/ecdsa.js'
import { buildFundingTransaction } from '../../src/wallet/funding.js'
import { testRoot } from './test-root.js'
import { fundingScriptOf, sat } from './fixtures.js'
import type { OwnScript } from '../../src/wallet/addresses.js'

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
    changeFirst = false
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
      secretOf: ({ own }) => book.secret(own)
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
})
