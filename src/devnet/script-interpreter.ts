/**
 * Judges scripts by bitcore-lib's interpreter with the consensus rules and the standardness rules
 * of Bitcoin Core. It is written in plain JavaScript and takes 4-8 ms a signature, so verdicts are
 * kept by wtxid. A development chain only: never used to decide about real money.
 */
import bitcore from 'bitcore-lib'
import { Buffer } from 'node:buffer'
import { outPointText, toHex } from '../types/bytes.js'
import { Rejected } from './rejected.js'
import { scriptErrorSentence } from './script-errors.js'
import type { Tx, TxOutput } from './transaction.js'

const { Script, Transaction } = bitcore

/**
 * `SCRIPT_VERIFY_*` of Bitcoin Core by bit (script/interpreter.h), all of `STANDARD_SCRIPT_VERIFY_FLAGS`
 * but two: SIGPUSHONLY (bit 5; the standardness rules ask for it) and CLEANSTACK (bit 8), with
 * which bitcore-lib refuses valid SegWit spends. Witness scripts must leave a clean stack all the
 * same.
 */
const FLAGS = [0, 1, 2, 3, 4, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20].reduce(
  (flags, bit) => flags | (1 << bit),
  0
)

/** How many verdicts are kept. */
const CACHE_SIZE = 10_000

/** `SIGHASH_ANYONECANPAY`; the other bits of a hash type must be ALL, NONE or SINGLE. */
const ANYONECANPAY = 0x80

export class ScriptVerifier {
  readonly #verified = new Set<string>()

  /**
   * Checks the scripts of all inputs against the outputs that they spend, in the same order. Only
   * success is kept: a wtxid commits to the outputs spent, and a refused transaction is not asked
   * often.
   *
   * @param place what the reason begins with, as in Bitcoin Core 30 (before, it was `mandatory`
   *   in both places).
   * @throws Rejected `mempool-script-verify-flag-failed (...)`
   */
  verify(tx: Tx, spent: readonly TxOutput[], place: 'mempool' | 'block'): void {
    if (this.#verified.has(tx.wtxid)) return
    tx.inputs.forEach((input, index) => {
      const code = failureOf(tx, index, spent)
      if (code === undefined) return
      throw new Rejected(
        `${place}-script-verify-flag-failed (${scriptErrorSentence(code)})`,
        `input ${index} of ${tx.txid} (wtxid ${tx.wtxid}), spending ${outPointText(input.outPoint)}`
      )
    })
    this.#keep(tx.wtxid)
  }

  #keep(wtxid: string): void {
    const [oldest] = this.#verified
    if (this.#verified.size >= CACHE_SIZE && oldest !== undefined) this.#verified.delete(oldest)
    this.#verified.add(wtxid)
  }
}

/** Runs one input's scripts; the error's code, or undefined when they succeed. */
function failureOf(tx: Tx, index: number, spent: readonly TxOutput[]): string | undefined {
  const input = tx.inputs[index]
  const output = spent[index]
  if (input === undefined || output === undefined) return 'SCRIPT_ERR_EVAL_FALSE'
  // The interpreter throws at scripts that it cannot decode, such as a push that is cut off.
  try {
    const transaction = new Transaction(Buffer.from(tx.raw))
    transaction.inputs.forEach((each, i) => {
      const { value, script } = spent[i] ?? output
      each.output = new Transaction.Output({ satoshis: Number(value), script: toHex(script) })
    })
    const interpreter = strictInterpreter()
    const valid = interpreter.verify(
      new Script(Buffer.from(input.scriptSig)),
      new Script(Buffer.from(output.script)),
      transaction,
      index,
      FLAGS,
      input.witness.map((item) => Buffer.from(item)),
      Number(output.value)
    )
    return valid ? undefined : interpreter.errstr
  } catch {
    return 'SCRIPT_ERR_BAD_OPCODE'
  }
}

/**
 * With LOW_S set, bitcore-lib skips the check of the hash type (its `else if` chain), which
 * Bitcoin Core's CheckSignatureEncoding makes as well; so it is made here.
 */
function strictInterpreter(): InstanceType<typeof Script.Interpreter> {
  const interpreter = new Script.Interpreter()
  const check = interpreter.checkSignatureEncoding.bind(interpreter)
  interpreter.checkSignatureEncoding = (signature) => {
    if (!check(signature)) return false
    const hashType = signature.at(-1)
    if (hashType === undefined || [1, 2, 3].includes(hashType & ~ANYONECANPAY)) return true
    interpreter.errstr = 'SCRIPT_ERR_SIG_HASHTYPE'
    return false
  }
  return interpreter
}
