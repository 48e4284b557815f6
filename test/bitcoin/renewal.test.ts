/** T1 of a renewal: each of its limits, on both sides of it (RENEW-4). */
import assert from 'node:assert/strict'
import { fundingWitnessScript } from '../../src/bitcoin/scripts.js'
import {
  checkRenewalTx,
  completeRenewal,
  type RenewalBounds,
  renewalLock
} from '../../src/bitcoin/renewal.js'
import { dustLimit } from '../../src/bitcoin/sizes.js'
import {
  makeTransaction,
  type Transaction,
  type TxInput,
  type TxOutput
} from '../../src/bitcoin/transaction.js'
import { crypto } from 'bitcoinjs-lib'
import { concat } from 'uint8arrays'
import { txid } from '../../src/types/bytes.js'
import { codeOf } from '../../src/types/errors.js'
import { blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import { funding, K1, K2 } from './support.js'

/** A witness program of any version and length. */
const program = (version: number, length: number): Uint8Array =>
  concat([
    Uint8Array.of(version === 0 ? 0 : 0x50 + version, length),
    new Uint8Array(length).fill(7)
  ])
const P2WPKH = program(0, 20)
const CHANNEL = concat([
  Uint8Array.of(0, 32),
  crypto.sha256(fundingWitnessScript(K1.publicKey, K2.publicKey))
])

const FROM = [{ outPoint: { txid: txid('cd'.repeat(32)), vout: 0 }, sequence: 0 }]
const oldTx = makeTransaction({
  version: 2,
  inputs: FROM,
  outputs: [{ script: CHANNEL, value: satoshi(1_000_000n) }]
})
const old = funding({ outPoint: { txid: oldTx.txid, vout: 0 }, value: satoshi(1_000_000n) })
/** Ten coins of the client's wallet. */
const wallet = makeTransaction({
  version: 2,
  inputs: FROM,
  outputs: Array.from({ length: 10 }, () => ({ script: P2WPKH, value: satoshi(10_000n) }))
})
const BOUNDS: RenewalBounds = {
  height: blockHeight(500),
  lastPaymentHeight: blockHeight(600),
  leastRate: feeRate(1_000n),
  mostRate: feeRate(2_000n)
}
const SEQUENCE = 0xfffffffd

describe('bitcoin / T1 of a renewal (RENEW-4)', () => {
  interface Draft {
    readonly coins?: number
    readonly change?: TxOutput
    readonly fee?: bigint
    readonly lockTime?: number
    readonly coinSequence?: number
  }

  const coin = (vout: number, sequence = SEQUENCE): Pick<TxInput, 'outPoint' | 'sequence'> => ({
    outPoint: { txid: wallet.txid, vout },
    sequence
  })

  /** With six coins and a change of 31 bytes it has 600 vB, the most that there may be. */
  function draft({
    coins = 6,
    change = { script: program(1, 31), value: satoshi(5_000n) },
    fee = 1_000n,
    lockTime = 500,
    coinSequence = SEQUENCE
  }: Draft = {}): Transaction {
    const capacity = 1_000_000n + 10_000n * BigInt(coins) - change.value - fee
    return makeTransaction({
      version: 3,
      lockTime: blockHeight(lockTime),
      inputs: [
        { outPoint: old.outPoint, sequence: SEQUENCE },
        ...Array.from({ length: coins }, (_, n) => coin(n, coinSequence))
      ],
      outputs: [{ script: CHANNEL, value: satoshi(capacity) }, change]
    })
  }

  const checked = (tx: Transaction, previous = [wallet.raw], bounds = BOUNDS): unknown => {
    try {
      return checkRenewalTx(tx, old, previous, bounds)
    } catch (error) {
      return codeOf(error)
    }
  }

  it('has at most 600 vB', () => {
    assert.equal(checked(draft()), 1_000n)
    const change = { script: program(1, 32), value: satoshi(5_000n) }
    assert.equal(checked(draft({ change })), 'ERR_RENEWAL_TOO_LARGE')
  })

  it('pays no less and no more than what it may', () => {
    assert.deepEqual(
      [599n, 600n, 1_200n, 1_201n].map((fee) => checked(draft({ fee }))),
      ['ERR_RENEWAL_FEE', 600n, 1_200n, 'ERR_RENEWAL_FEE']
    )
  })

  it('pays no more than 600 vB cost, however small it is: that is what has to be outbid', () => {
    assert.deepEqual(
      [1_200n, 1_201n].flatMap((fee) => [0, 1, 6].map((coins) => checked(draft({ coins, fee })))),
      [1_200n, 1_200n, 1_200n, 'ERR_RENEWAL_FEE', 'ERR_RENEWAL_FEE', 'ERR_RENEWAL_FEE']
    )
  })

  it('spends no coins beside the old output from the last height for payments on', () => {
    const at = (height: number, coins: number): unknown =>
      checked(draft({ coins }), [wallet.raw], { ...BOUNDS, height: blockHeight(height) })
    assert.deepEqual(
      [at(599, 1), at(600, 1), at(601, 6), at(600, 0)],
      [1_000n, 'ERR_RENEWAL_INPUT', 'ERR_RENEWAL_INPUT', 1_000n]
    )
  })

  it('has a lock that the tip has reached', () => {
    assert.deepEqual(
      [500, 501].map((lockTime) => checked(draft({ lockTime }))),
      [1_000n, 'ERR_RENEWAL_FORM']
    )
  })

  it('has a change of a usual form, and no dust', () => {
    const changes = (script: Uint8Array, less = 0n): unknown =>
      checked(draft({ change: { script, value: satoshi(dustLimit(script) - less) } }))
    assert.deepEqual(
      [changes(program(1, 31)), changes(program(1, 31), 1n), changes(program(0, 31))],
      [1_000n, 'ERR_RENEWAL_FORM', 'ERR_RENEWAL_FORM']
    )
  })

  it('spends the old channel, and coins that have no relative lock', () => {
    assert.deepEqual(
      [SEQUENCE - 1, SEQUENCE, SEQUENCE + 2].map((coinSequence) =>
        checked(draft({ coinSequence }))
      ),
      ['ERR_RENEWAL_INPUT', 1_000n, 1_000n]
    )
    const { outputs } = draft()
    const other = makeTransaction({ version: 3, inputs: [coin(0)], outputs })
    assert.throws(() => checkRenewalTx(other, old, [wallet.raw], BOUNDS), {
      code: 'ERR_RENEWAL_INPUT',
      facts: { version: 3 }
    })
    const { inputs } = draft()
    const ofVersion2 = makeTransaction({ version: 2, inputs, outputs })
    assert.throws(() => checkRenewalTx(ofVersion2, old, [wallet.raw], BOUNDS), {
      code: 'ERR_RENEWAL_INPUT',
      facts: { version: 2 }
    })
  })

  it('counts the old output once, also when the transaction that has made it is shown', () => {
    assert.equal(checked(draft(), [oldTx.raw, wallet.raw]), 1_000n)
  })

  it('is completed in its own input; the signatures of the coins stay', () => {
    const unsigned = draft({ coins: 2 })
    const witness = [new Uint8Array(71).fill(1), K1.publicKey]
    const given = unsigned.withWitnesses([[], witness, witness])
    const signature = K1.sign(new Uint8Array(32).fill(1))
    const { inputs } = completeRenewal(given, old, signature, signature)
    assert.deepEqual(
      inputs.map(({ witness: items }) => items.length),
      [4, 2, 2]
    )
    assert.deepEqual(inputs[1]?.witness, witness)
  })

  it('is locked two blocks below the tip, which the server may not have seen', () => {
    assert.deepEqual(
      [undefined, 1, 2, 500].map((tip) =>
        renewalLock(tip === undefined ? undefined : blockHeight(tip))
      ),
      [0, 0, 0, 498]
    )
  })
})
