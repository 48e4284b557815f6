import assert from 'node:assert/strict'
import { crypto, Transaction } from 'bitcoinjs-lib'
import { isForgedSpend } from '../../src/bitcoin/owner-spend.js'
import { scriptOf } from '../../src/bitcoin/address.js'
import { toDer } from '../../src/bitcoin/ecdsa.js'
import { fundingWitnessScript, p2wsh, payoutWitnessScript } from '../../src/bitcoin/scripts.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { satoshi } from '../../src/types/units.js'
import { loadEcdsa } from '../../src/wallet/ecdsa.js'

const ecdsa = loadEcdsa()
const VALUE = 50_000n
const [one, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
const [K1, K2] = [ecdsa.publicKeyOf(one), ecdsa.publicKeyOf(other)]
const ALL = 0x01

function spend(): Transaction {
  const tx = new Transaction()
  tx.version = 3
  tx.addInput(new Uint8Array(32).fill(7), 1, 0xfffffffd)
  tx.addOutput(p2wsh(Uint8Array.of(0x51)), VALUE - 500n)
  return tx
}

function sign(tx: Transaction, script: Uint8Array, secret: Uint8Array): Uint8Array {
  return toDer(ecdsa.sign(secret, tx.hashForWitnessV0(0, script, VALUE, ALL)), ALL)
}

function judge(tx: Transaction, index: number, script: Uint8Array, value: bigint): boolean {
  const spent = { script, value: satoshi(value) }
  return isForgedSpend(parseTransaction(tx.toBuffer()), index, spent, ecdsa.verify)
}

describe('spends that wait, of a script of ours', () => {
  const isForged = (tx: Transaction, script: Uint8Array): boolean => judge(tx, 0, script, VALUE)
  const funding = fundingWitnessScript(K1, K2)
  const payout = payoutWitnessScript(K1)

  it('of a funding output: both have signed, or it is forged', () => {
    const tx = spend()
    const [client, server] = [sign(tx, funding, one), sign(tx, funding, other)]
    const witness = (...items: Uint8Array[]): boolean => {
      tx.setWitness(0, items)
      return isForged(tx, p2wsh(funding))
    }
    const nothing = new Uint8Array()
    assert.equal(witness(nothing, client, server, funding), false)
    for (const items of [
      [],
      [nothing, client, client, funding],
      [nothing, server, client, funding],
      [client, server, funding],
      [nothing, client, server, payout],
      [nothing, client, nothing, funding]
    ]) {
      assert.equal(witness(...items), true)
    }
  })

  it('of a payout: its owner has signed, or it is forged', () => {
    const tx = spend()
    tx.setWitness(0, [sign(tx, payout, one), payout])
    assert.equal(isForged(tx, p2wsh(payout)), false)
    for (const items of [[sign(tx, payout, other), payout], [payout], [new Uint8Array(), payout]]) {
      tx.setWitness(0, items)
      assert.equal(isForged(tx, p2wsh(payout)), true)
    }
  })

  it('of a coin of the wallet (P2WPKH): its key has signed this spend of this amount, or it is forged', () => {
    const hash = crypto.hash160(K1)
    const [coin, code] = [Uint8Array.of(0, 20, ...hash), scriptOf({ kind: 'p2pkh', hash })]
    const tx = spend()
    const [good, wrong] = [sign(tx, code, one), sign(tx, code, other)]
    const another = spend()
    another.locktime = 1
    const judged = (...items: Uint8Array[]): boolean => {
      tx.setWitness(0, items)
      return isForged(tx, coin)
    }
    assert.equal(judged(good, K1), false)
    // A key of somebody else with a signature of its own, the signature of somebody else, of another transaction, over another script.
    for (const items of [
      [wrong, K2],
      [wrong, K1],
      [good, K2],
      [sign(another, code, one), K1],
      [sign(tx, coin, one), K1]
    ]) {
      assert.equal(judged(...items), true)
    }
    // Too few items, too many, and none that is a signature.
    for (const items of [
      [],
      [good],
      [K1],
      [good, K1, K1],
      [good, K1, new Uint8Array()],
      [new Uint8Array(), K1],
      [K1, good]
    ]) {
      assert.equal(judged(...items), true, `${items.length} items`)
    }
    tx.setWitness(0, [good, K1])
    assert.equal(judge(tx, 0, coin, VALUE + 1n), true, 'another amount')
    assert.equal(judge(tx, 1, coin, VALUE), true, 'an input that is not there')
  })

  it('of a script that is none of ours cannot be judged, if only it is that script', () => {
    const tx = spend()
    tx.setWitness(0, [Uint8Array.of(0x51)])
    assert.equal(isForged(tx, p2wsh(Uint8Array.of(0x51))), false)
    assert.equal(isForged(tx, p2wsh(Uint8Array.of(0x52))), true)
    assert.equal(isForged(tx, Uint8Array.of(0x51, 0x20, ...new Uint8Array(32))), false, 'taproot')
  })
})
