/**
 * A second opinion on signed transactions: bitcore-lib's script interpreter, with the flags of a
 * mempool.
 */
import bitcore from 'bitcore-lib'
import * as bitcoin from 'bitcoinjs-lib'
import { Buffer } from 'node:buffer'
import type { TxOutput } from '../../src/bitcoin/transaction.js'

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
