/** The keys and the channel that all vectors are about. */
import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import * as secp from 'tiny-secp256k1'
import { fundingScript } from '../../../src/bitcoin/funding.js'
import { fundingWitnessScript } from '../../../src/bitcoin/scripts.js'
import type { FundingOutput } from '../../../src/bitcoin/template.js'
import type { TxOutput } from '../../../src/bitcoin/transaction.js'
import { buildCoinbase } from '../../../src/devnet/block.js'
import { hashFromTxid, toHex, txid } from '../../../src/types/bytes.js'
import { blockHeight, satoshi } from '../../../src/types/units.js'

export interface Key {
  readonly privateKey: Uint8Array
  readonly publicKey: Uint8Array
  readonly sign: (digest: Uint8Array) => Uint8Array
}

/** A private key of one byte, repeated: easy to type into another implementation. */
export function key(byte: number): Key {
  const privateKey = new Uint8Array(32).fill(byte)
  const publicKey = secp.pointFromScalar(privateKey, true)
  assert.ok(publicKey)
  return { privateKey, publicKey, sign: (digest) => secp.sign(digest, privateKey) }
}

export const KEYS = {
  clientChannel: key(0x11),
  serverChannel: key(0x22),
  clientPayout: key(0x33),
  serverPayout: key(0x44),
  wallet: key(0x66)
}

export const VERSION = 3
export const REFUND_HEIGHT = blockHeight(1000)
export const CAPACITY = satoshi(1_000_000n)

/** P2WPKH, where each side wants to be paid by a close, and the payee by a state. */
export const CLIENT_SCRIPT = p2wpkh(KEYS.clientPayout)
export const SERVER_SCRIPT = p2wpkh(KEYS.serverPayout)

export function p2wpkh({ publicKey }: Key): Uint8Array {
  return Uint8Array.from([0, 20, ...bitcoin.crypto.hash160(publicKey)])
}

/**
 * Where the wallet's coins come from, on any regtest chain whose block 1 has this coinbase: so that
 * what is built here can be shown to a real bitcoind. The coinbase says nothing of its block but
 * the height.
 */
export const COINBASE = bitcoin.Transaction.fromBuffer(
  Uint8Array.from(buildCoinbase(1, p2wpkh(KEYS.wallet), satoshi(5_000_000_000n), []).raw)
)

/** Spends the coinbase: the two coins of T1, the one of a renewal, and the rest. */
export const ORIGIN = originOfCoins()

function originOfCoins(): bitcoin.Transaction {
  const script = p2wpkh(KEYS.wallet)
  const tx = new bitcoin.Transaction()
  tx.version = 2
  tx.addInput(COINBASE.getHash(), 0, 0xfffffffd)
  for (const value of [700_000n, 400_000n, 300_000n, 4_998_599_000n]) tx.addOutput(script, value)
  const signature = KEYS.wallet.sign(
    tx.hashForWitnessV0(0, scriptCode(script), 5_000_000_000n, bitcoin.Transaction.SIGHASH_ALL)
  )
  tx.setWitness(0, [
    bitcoin.script.signature.encode(signature, bitcoin.Transaction.SIGHASH_ALL),
    KEYS.wallet.publicKey
  ])
  return tx
}

/**
 * The serialization without witnesses, which a `RenewalRequest` shows of other transactions
 * (RENEW-4).
 */
export function stripped(tx: bitcoin.Transaction): string {
  const copy = tx.clone()
  copy.stripWitnesses()
  return copy.toHex()
}

/** P2WPKH is signed over the P2PKH script of its key (BIP143). */
export function scriptCode(script: Uint8Array): Uint8Array {
  return Uint8Array.from([0x76, 0xa9, 20, ...script.slice(2), 0x88, 0xac])
}

/** The wallet's two coins. */
export const COINS = [0, 1].map((vout) => ({
  outPoint: { txid: txid(ORIGIN.getId()), vout },
  value: satoshi(ORIGIN.outs[vout]?.value ?? 0n),
  script: p2wpkh(KEYS.wallet)
}))

/** T1, unsigned: the change first, the funding output second, 1,000 sat for the fee. */
export function unsignedFunding(): bitcoin.Transaction {
  const tx = new bitcoin.Transaction()
  tx.version = VERSION
  for (const { outPoint } of COINS) {
    tx.addInput(hashFromTxid(outPoint.txid), outPoint.vout, 0xfffffffd)
  }
  tx.addOutput(p2wpkh(KEYS.wallet), 99_000n)
  tx.addOutput(fundingScript(KEYS.clientChannel.publicKey, KEYS.serverChannel.publicKey), CAPACITY)
  return tx
}

/** The digest of an input of T1. */
export function fundingSighash(tx: bitcoin.Transaction, input: number): Uint8Array {
  const coin = COINS[input]
  assert.ok(coin)
  return tx.hashForWitnessV0(
    input,
    scriptCode(coin.script),
    coin.value,
    bitcoin.Transaction.SIGHASH_ALL
  )
}

/** T1, signed. */
export function signedFunding(): bitcoin.Transaction {
  const tx = unsignedFunding()
  COINS.forEach((_, i) => {
    const signature = KEYS.wallet.sign(fundingSighash(tx, i))
    tx.setWitness(i, [
      bitcoin.script.signature.encode(signature, bitcoin.Transaction.SIGHASH_ALL),
      KEYS.wallet.publicKey
    ])
  })
  return tx
}

export const FUNDING: FundingOutput = {
  outPoint: { txid: txid(unsignedFunding().getId()), vout: 1 },
  value: CAPACITY,
  clientKey: KEYS.clientChannel.publicKey,
  serverKey: KEYS.serverChannel.publicKey
}

/** The funding output as the files write it. */
export const FUNDING_JSON = {
  outPoint: FUNDING.outPoint,
  sat: Number(CAPACITY),
  clientKey: toHex(FUNDING.clientKey),
  serverKey: toHex(FUNDING.serverKey),
  witnessScript: toHex(fundingWitnessScript(FUNDING.clientKey, FUNDING.serverKey))
}

export function outputJson({ script, value }: TxOutput): { scriptPubKey: string; sat: number } {
  return { scriptPubKey: toHex(script), sat: Number(value) }
}

/** The txid and real size of a transaction. */
export function summary(raw: Uint8Array): { raw: string; txid: string; vsize: number } {
  const tx = bitcoin.Transaction.fromBuffer(raw)
  return { raw: toHex(raw), txid: tx.getId(), vsize: tx.virtualSize() }
}

/**
 * The other mathematically valid signature of the same digest, (r, n - s), which nobody may accept.
 */
export function highS(signature: Uint8Array): Uint8Array {
  return Uint8Array.from([...signature.slice(0, 32), ...secp.privateNegate(signature.slice(32))])
}
