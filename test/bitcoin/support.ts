/** Fixed keys and channels for the tests of this room. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import * as secp from 'tiny-secp256k1'
import bitcore from 'bitcore-lib'
import * as bitcoin from 'bitcoinjs-lib'
import { Buffer } from 'node:buffer'
import type { CloseTerms } from '../../src/bitcoin/closing.js'
import type { Role } from '../../src/bitcoin/keys.js'
import type { FundingOutput, StateTemplate } from '../../src/bitcoin/template.js'
import type { TxOutput } from '../../src/bitcoin/transaction.js'
import { txid } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { blockHeight, satoshi, type Satoshi } from '../../src/types/units.js'

export interface KeyPair {
  readonly secret: Uint8Array
  readonly publicKey: Uint8Array
  readonly sign: (digest: Uint8Array) => Uint8Array
}

/** A key pair whose secret is one byte, repeated. */
function keyPair(byte: number): KeyPair {
  const secret = new Uint8Array(32).fill(byte)
  const publicKey = secp.pointFromScalar(secret, true)
  assert.ok(publicKey)
  return { secret, publicKey, sign: (digest) => secp.sign(digest, secret) }
}

export const K1 = keyPair(0x11)
export const K2 = keyPair(0x22)
export const CLIENT_PAYOUT = keyPair(0x33)
export const SERVER_PAYOUT = keyPair(0x44)
export const STRANGER = keyPair(0x55)

export function funding(changes: Partial<FundingOutput> = {}): FundingOutput {
  return {
    outPoint: { txid: txid('ab'.repeat(31) + '01'), vout: 1 },
    value: satoshi(1_000_000n),
    clientKey: K1.publicKey,
    serverKey: K2.publicKey,
    ...changes
  }
}

export function state(payerBalance: bigint, changes: Partial<StateTemplate> = {}): StateTemplate {
  return {
    funding: funding(),
    version: 3,
    lock: blockHeight(0),
    payer: 'client',
    payerBalance: satoshi(payerBalance),
    payerPayoutKey: CLIENT_PAYOUT.publicKey,
    ...changes
  }
}

/** A close of that channel. */
export function close(feePayer: Role): CloseTerms {
  return {
    funding: funding(),
    version: 3,
    clientBalance: satoshi(600_000n),
    serverBalance: satoshi(400_000n),
    clientScript: p2wpkh(1),
    serverScript: p2wpkh(2),
    fee: satoshi(500n),
    feePayer
  }
}

/** The channel key of a side, and of the other. */
export function channelKeys(payer: Role): { payer: KeyPair; payee: KeyPair } {
  return payer === 'client' ? { payer: K1, payee: K2 } : { payer: K2, payee: K1 }
}

/** A P2WPKH script; its 20 bytes are one byte, repeated. */
export function p2wpkh(byte = 0xcc): Uint8Array {
  return Uint8Array.from([0, 20, ...new Uint8Array(20).fill(byte)])
}

export const P2PKH = Uint8Array.from([0x76, 0xa9, 20, ...new Uint8Array(20).fill(7), 0x88, 0xac])
export const P2SH = Uint8Array.from([0xa9, 20, ...new Uint8Array(20).fill(7), 0x87])
export const P2WSH = Uint8Array.from([0, 32, ...new Uint8Array(32).fill(7)])
export const P2TR = Uint8Array.from([0x51, 32, ...new Uint8Array(32).fill(7)])

export const anyTxid = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => txid(Buffer.from(bytes).toString('hex')))
export const anyAmount = fc.bigInt(0n, 2_100_000_000_000_000n).map(satoshi)
export const anyKey = fc.uint8Array({ minLength: 31, maxLength: 31 }).map((bytes) => {
  // A leading 01 keeps the number between 1 and the order of the curve.
  const point = secp.pointFromScalar(Uint8Array.from([1, ...bytes]), true)
  assert.ok(point)
  return point
})

/** Asserts that a call throws a PaychanError with this code. */
export function refuses(call: () => unknown, code: string, sentence?: RegExp): void {
  assert.throws(call, (error) => {
    assert.ok(error instanceof PaychanError, `not a PaychanError: ${String(error)}`)
    assert.equal(error.code, code)
    if (sentence !== undefined) assert.match(error.message, sentence)
    return true
  })
}

export const sum = (values: readonly Satoshi[]): bigint =>
  values.reduce((total, value) => total + value, 0n)

/*
 * A second opinion on signed transactions: bitcore-lib's script interpreter, with the flags of a
 * mempool.
 */

/**
 * Bits of `SCRIPT_VERIFY_*` in Bitcoin Core's script/interpreter.h: what its mempool asks for, but
 * CLEANSTACK (8), with which this interpreter refuses valid SegWit spends.
 */
const VERIFY = {
  P2SH: 0,
  STRICTENC: 1,
  DERSIG: 2,
  LOW_S: 3,
  NULLDUMMY: 4,
  SIGPUSHONLY: 5,
  MINIMALDATA: 6,
  DISCOURAGE_UPGRADABLE_NOPS: 7,
  CHECKLOCKTIMEVERIFY: 9,
  CHECKSEQUENCEVERIFY: 10,
  WITNESS: 11,
  MINIMALIF: 13,
  NULLFAIL: 14,
  WITNESS_PUBKEYTYPE: 15
}
const FLAGS = Object.values(VERIFY).reduce((flags, bit) => flags | (1 << bit), 0)

/** What is wrong with an input of a transaction; undefined when it spends the output validly. */
export function judge(raw: Uint8Array, index: number, spent: TxOutput): string | undefined {
  const input = bitcoin.Transaction.fromBuffer(Uint8Array.from(raw)).ins[index]
  if (input === undefined) return 'no such input'
  const { Script, Transaction } = bitcore
  const interpreter = new Script.Interpreter()
  const valid = interpreter.verify(
    new Script(Buffer.from(input.script)),
    new Script(Buffer.from(spent.script)),
    new Transaction(Buffer.from(raw)),
    index,
    FLAGS,
    input.witness.map((item) => Buffer.from(item)),
    Number(spent.value)
  )
  return valid ? undefined : interpreter.errstr
}
