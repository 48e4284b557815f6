/**
 * Judges scripts by bitcore-lib's interpreter with the consensus rules and the standardness rules
 * of Bitcoin Core. It is written in plain JavaScript and takes 4-8 ms per signature, so verdicts
 * are kept by wtxid. For a development chain only: never used to decide about real money.
 */
import bitcore from 'bitcore-lib'
import { Buffer } from 'node:buffer'
import { outPointText, toHex } from '../types/bytes.js'
import { Rejected } from './backend.js'
import type { Tx, TxOutput } from './transaction.js'

const { Script, Transaction } = bitcore

/**
 * `SCRIPT_VERIFY_*` of Bitcoin Core by bit (script/interpreter.h), all of
 * `STANDARD_SCRIPT_VERIFY_FLAGS` but two: SIGPUSHONLY (bit 5; the standardness rules ask for it)
 * and CLEANSTACK (bit 8), with which bitcore-lib refuses valid SegWit spends. Witness scripts must
 * leave a clean stack all the same.
 */
const FLAGS = [0, 1, 2, 3, 4, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20].reduce(
  (flags, bit) => flags | (1 << bit),
  0
)

/** Number of verdicts kept. */
const CACHE_SIZE = 10_000

/** `SIGHASH_ANYONECANPAY`; the other bits of a hash type must be ALL, NONE or SINGLE. */
const ANYONECANPAY = 0x80

export class ScriptVerifier {
  readonly #verified = new Set<string>()

  /**
   * Checks the scripts of all inputs against the outputs that they spend, in the same order. Only
   * success is kept: a wtxid commits to the outputs spent, and a refused transaction is seldom
   * asked about again.
   *
   * @param place the beginning of the reason, as in Bitcoin Core 30 (before, it was `mandatory`
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
  // The interpreter throws at scripts that it cannot decode, such as a truncated push.
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
 * With LOW_S set, bitcore-lib skips the check of the hash type (its `else if` chain), which Bitcoin
 * Core's CheckSignatureEncoding makes as well; so it is made here.
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

/*
 * The interpreter's error codes in the words of Bitcoin Core (`ScriptErrorString`,
 * script/script_error.cpp).
 */

const SENTENCES: Readonly<Record<string, string>> = {
  SCRIPT_ERR_EVAL_FALSE:
    'Script evaluated without error but finished with a false/empty top stack element',
  SCRIPT_ERR_VERIFY: 'Script failed an OP_VERIFY operation',
  SCRIPT_ERR_EQUALVERIFY: 'Script failed an OP_EQUALVERIFY operation',
  SCRIPT_ERR_CHECKMULTISIGVERIFY: 'Script failed an OP_CHECKMULTISIGVERIFY operation',
  SCRIPT_ERR_CHECKSIGVERIFY: 'Script failed an OP_CHECKSIGVERIFY operation',
  SCRIPT_ERR_NUMEQUALVERIFY: 'Script failed an OP_NUMEQUALVERIFY operation',
  SCRIPT_ERR_SCRIPT_SIZE: 'Script is too big',
  SCRIPT_ERR_PUSH_SIZE: 'Push value size limit exceeded',
  SCRIPT_ERR_OP_COUNT: 'Operation limit exceeded',
  SCRIPT_ERR_STACK_SIZE: 'Stack size limit exceeded',
  SCRIPT_ERR_SIG_COUNT: 'Signature count negative or greater than pubkey count',
  SCRIPT_ERR_PUBKEY_COUNT: 'Pubkey count negative or limit exceeded',
  SCRIPT_ERR_BAD_OPCODE: 'Opcode missing or not understood',
  SCRIPT_ERR_DISABLED_OPCODE: 'Attempted to use a disabled opcode',
  SCRIPT_ERR_INVALID_STACK_OPERATION: 'Operation not valid with the current stack size',
  SCRIPT_ERR_INVALID_ALTSTACK_OPERATION: 'Operation not valid with the current altstack size',
  SCRIPT_ERR_OP_RETURN: 'OP_RETURN was encountered',
  SCRIPT_ERR_UNBALANCED_CONDITIONAL: 'Invalid OP_IF construction',
  SCRIPT_ERR_NEGATIVE_LOCKTIME: 'Negative locktime',
  SCRIPT_ERR_UNSATISFIED_LOCKTIME: 'Locktime requirement not satisfied',
  SCRIPT_ERR_SIG_HASHTYPE: 'Signature hash type missing or not understood',
  SCRIPT_ERR_SIG_DER: 'Non-canonical DER signature',
  SCRIPT_ERR_SIG_HIGH_S: 'Non-canonical signature: S value is unnecessarily high',
  SCRIPT_ERR_SIG_NULLDUMMY: 'Dummy CHECKMULTISIG argument must be zero',
  SCRIPT_ERR_SIG_NULLFAIL: 'Signature must be zero for failed CHECK(MULTI)SIG operation',
  SCRIPT_ERR_SIG_PUSHONLY: 'Only push operators allowed in signatures',
  SCRIPT_ERR_MINIMALDATA: 'Data push larger than necessary',
  SCRIPT_ERR_MINIMALIF: 'OP_IF/NOTIF argument must be minimal',
  SCRIPT_ERR_TAPSCRIPT_MINIMALIF: 'OP_IF/NOTIF argument must be minimal in tapscript',
  SCRIPT_ERR_DISCOURAGE_UPGRADABLE_NOPS: 'NOPx reserved for soft-fork upgrades',
  SCRIPT_ERR_DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM:
    'Witness version reserved for soft-fork upgrades',
  SCRIPT_ERR_DISCOURAGE_UPGRADABLE_TAPROOT_VERSION:
    'Taproot version reserved for soft-fork upgrades',
  SCRIPT_ERR_DISCOURAGE_OP_SUCCESS: 'OP_SUCCESSx reserved for soft-fork upgrades',
  SCRIPT_ERR_DISCOURAGE_UPGRADABLE_PUBKEYTYPE: 'Public key version reserved for soft-fork upgrades',
  SCRIPT_ERR_PUBKEYTYPE: 'Public key is neither compressed or uncompressed',
  SCRIPT_ERR_WITNESS_PROGRAM_WRONG_LENGTH: 'Witness program has incorrect length',
  SCRIPT_ERR_WITNESS_PROGRAM_WITNESS_EMPTY: 'Witness program was passed an empty witness',
  SCRIPT_ERR_WITNESS_PROGRAM_MISMATCH: 'Witness program hash mismatch',
  SCRIPT_ERR_WITNESS_MALLEATED: 'Witness requires empty scriptSig',
  SCRIPT_ERR_WITNESS_MALLEATED_P2SH: 'Witness requires only-redeemscript scriptSig',
  SCRIPT_ERR_WITNESS_UNEXPECTED: 'Witness provided for non-witness script',
  SCRIPT_ERR_WITNESS_PUBKEYTYPE: 'Using non-compressed keys in segwit',
  SCRIPT_ERR_SCHNORR_SIG_SIZE: 'Invalid Schnorr signature size',
  SCRIPT_ERR_SCHNORR_SIG_HASHTYPE: 'Invalid Schnorr signature hash type',
  SCRIPT_ERR_SCHNORR_SIG: 'Invalid Schnorr signature',
  SCRIPT_ERR_TAPROOT_WRONG_CONTROL_SIZE: 'Invalid Taproot control block size',
  SCRIPT_ERR_TAPSCRIPT_VALIDATION_WEIGHT:
    'Too much signature validation relative to witness weight',
  SCRIPT_ERR_OP_CODESEPARATOR: 'Using OP_CODESEPARATOR in non-witness script',
  SCRIPT_ERR_SIG_FINDANDDELETE: 'Signature is found in scriptCode'
}

/** Codes for which bitcore-lib has other names. */
const SYNONYMS: Readonly<Record<string, string>> = {
  SCRIPT_ERR_EVAL_FALSE_IN_STACK: 'SCRIPT_ERR_EVAL_FALSE',
  SCRIPT_ERR_EVAL_FALSE_NO_RESULT: 'SCRIPT_ERR_EVAL_FALSE',
  SCRIPT_ERR_EVAL_FALSE_IN_P2SH_STACK: 'SCRIPT_ERR_EVAL_FALSE',
  SCRIPT_ERR_EVAL_FALSE_NO_P2SH_STACK: 'SCRIPT_ERR_EVAL_FALSE',
  SCRIPT_ERR_SIG_DER_INVALID_FORMAT: 'SCRIPT_ERR_SIG_DER',
  SCRIPT_ERR_SIG_DER_HIGH_S: 'SCRIPT_ERR_SIG_HIGH_S',
  SCRIPT_ERR_NULLFAIL: 'SCRIPT_ERR_SIG_NULLFAIL',
  SCRIPT_ERR_UNDEFINED_OPCODE: 'SCRIPT_ERR_BAD_OPCODE'
}

/** The sentence for a code; `unknown error` for a code without one, as in Bitcoin Core. */
export function scriptErrorSentence(code: string): string {
  return SENTENCES[SYNONYMS[code] ?? code] ?? 'unknown error'
}
