/**
 * The devnet's own coins: the coinbases of its blocks, to one P2WPKH key, from which `fund` pays.
 */
import { payments, script as bitcoinScript, Transaction } from 'bitcoinjs-lib'
import { fromString } from 'uint8arrays'
import { pointFromScalar, sign } from 'tiny-secp256k1'
import { addressFromScript, scriptFromAddress } from '../bitcoin/address.js'
import { hashFromTxid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { feeFor, feeRate, type Satoshi } from '../types/units.js'
import type { Coin } from './coins.js'
import { decodeTransaction, dustThreshold, sha256, type Tx } from './transaction.js'

/** 2 sat/vB: above the minimum, and too low for a test of the fee market to notice. */
const FEE_RATE = feeRate(2_000n)

/** P2WPKH input: 41 bytes and 27 vB of witness. Version, counts, lock and SegWit marker: 11 vB. */
const INPUT_VSIZE = 68
const OVERHEAD_VSIZE = 11

export class MinerWallet {
  readonly script: Uint8Array
  readonly #secret: Uint8Array
  readonly #publicKey: Uint8Array
  /** OP_DUP OP_HASH160 <key hash> OP_EQUALVERIFY OP_CHECKSIG, which BIP143 signs for P2WPKH. */
  readonly #scriptCode: Uint8Array

  /** @param seed any text; the same text gives the same key. Worthless regtest coins only. */
  constructor(seed: string) {
    this.#secret = sha256(fromString(`paychan devnet miner ${seed}`))
    const pubkey = pointFromScalar(this.#secret)
    const output = pubkey === null ? undefined : payments.p2wpkh({ pubkey }).output
    const scriptCode = pubkey === null ? undefined : payments.p2pkh({ pubkey }).output
    if (pubkey === null || output === undefined || scriptCode === undefined) {
      throw new Error(`No key can be made of the seed '${seed}'.`)
    }
    this.#publicKey = pubkey
    this.script = output
    this.#scriptCode = scriptCode
  }

  /**
   * A signed transaction that pays `amount` to `script` from these coins of ours, taking as many as
   * needed in their order; the change comes back to us.
   *
   * @throws PaychanError `ERR_INSUFFICIENT_FUNDS` (facts: asked, available).
   */
  pay(script: Uint8Array, amount: Satoshi, coins: readonly Coin[]): Tx {
    const outputsVsize = 9 + script.length + 9 + this.script.length
    const chosen: Coin[] = []
    let sum = 0n
    let fee = 0n
    for (const coin of coins) {
      chosen.push(coin)
      sum += coin.value
      fee = feeFor(FEE_RATE, OVERHEAD_VSIZE + outputsVsize + chosen.length * INPUT_VSIZE)
      if (sum >= amount + fee) return this.#build(script, amount, chosen, sum - amount - fee)
    }
    throw new PaychanError(
      'ERR_INSUFFICIENT_FUNDS',
      `The devnet has ${sum} sat that can be spent now, and was asked for ${amount} sat and the fee. Mine some blocks first.`,
      { asked: amount, available: sum }
    )
  }

  /** Splits coins of ours into `count` outputs of `value` to a script. */
  fanOut(script: Uint8Array, value: Satoshi, count: number, coins: readonly Coin[]): Tx {
    const chosen: Coin[] = []
    let sum = 0n
    for (const coin of coins) {
      chosen.push(coin)
      sum += coin.value
      const fee = feeFor(FEE_RATE, OVERHEAD_VSIZE + 31 * (count + 1) + chosen.length * INPUT_VSIZE)
      const change = sum - value * BigInt(count) - fee
      if (change >= dustThreshold(this.script)) {
        return this.signed(chosen, [
          ...Array.from({ length: count }, () => ({ script, value })),
          { script: this.script, value: change }
        ])
      }
    }
    throw new PaychanError(
      'ERR_INSUFFICIENT_FUNDS',
      `The devnet has ${sum} sat that can be spent now, and its load needs ${value * BigInt(count)} sat. Mine some blocks first.`,
      { asked: value * BigInt(count), available: sum }
    )
  }

  #build(script: Uint8Array, amount: Satoshi, coins: readonly Coin[], change: bigint): Tx {
    return this.signed(coins, [
      { script, value: amount },
      ...(change >= dustThreshold(this.script) ? [{ script: this.script, value: change }] : [])
    ])
  }

  /** A signed transaction from coins of ours to these outputs; the rest is its fee. */
  signed(
    coins: readonly Coin[],
    outputs: ReadonlyArray<{ readonly script: Uint8Array; readonly value: bigint }>
  ): Tx {
    const transaction = new Transaction()
    transaction.version = 2
    for (const { outPoint } of coins) {
      transaction.addInput(hashFromTxid(outPoint.txid), outPoint.vout, 0xfffffffd)
    }
    for (const { script, value } of outputs) transaction.addOutput(script, value)
    coins.forEach((coin, i) => {
      const digest = transaction.hashForWitnessV0(
        i,
        this.#scriptCode,
        coin.value,
        Transaction.SIGHASH_ALL
      )
      const signature = bitcoinScript.signature.encode(
        sign(digest, this.#secret),
        Transaction.SIGHASH_ALL
      )
      transaction.setWitness(i, [signature, this.#publicKey])
    })
    return decodeTransaction(transaction.toBuffer())
  }
}

/* Regtest addresses. */

/** The scriptPubKey of an address. @throws PaychanError `ERR_INVALID_ADDRESS` */
export function addressScript(address: string): Uint8Array {
  try {
    return scriptFromAddress(address, 'regtest')
  } catch (cause) {
    throw new PaychanError(
      'ERR_INVALID_ADDRESS',
      `'${address.slice(0, 100)}' is not a regtest address; one begins with bcrt1.`,
      {},
      { cause }
    )
  }
}

/** The address of a scriptPubKey; undefined when it has none. */
export function scriptAddress(script: Uint8Array): string | undefined {
  try {
    return addressFromScript(script, 'regtest')
  } catch {
    return undefined
  }
}
