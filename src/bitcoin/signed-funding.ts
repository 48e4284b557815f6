/** T1 as an outside wallet has signed it: a PSBT, signed or final, or the transaction itself. */
import { Transaction as PsbtTransaction } from '@scure/btc-signer/transaction.js'
import type { OutPoint } from '../types/bytes.js'
import { messageOf, PaychanError } from '../types/errors.js'
import type { Satoshi } from '../types/units.js'
import { witnessProgram } from './address.js'
import { fromDer, SIGHASH } from './ecdsa.js'
import { checkFundingTx } from './funding.js'
import { MAX_FUNDING_BYTES } from './funding-psbt.js'
import type { Ecdsa } from './keys.js'
import { isPsbt, parsePsbt, type PsbtInput } from './psbt.js'
import { isSignedByKey } from './owner-spend.js'
import { parseTransaction, type Transaction } from './transaction.js'

/** The signing request. */
interface FundingOrder {
  /** The PSBT as it was funded. */
  readonly psbt: Uint8Array
  readonly outPoint: OutPoint
  /** The scriptPubKey of the 2-of-2. */
  readonly script: Uint8Array
  readonly capacity: Satoshi
  readonly verify: Ecdsa['verify']
}

/**
 * Size of a Schnorr signature that signs everything (BIP341); a sighash byte makes it one longer.
 */
const SCHNORR_BYTES = 64

/** BIP341: the first byte of the annex, which is the last of two or more items. */
const ANNEX_TAG = 0x50

/**
 * Returns the signed T1, witnesses included. Every input has one; signatures of P2WPKH inputs are
 * verified, the mempool judges those of other kinds. All of them must sign everything (`ALL`).
 *
 * @param given - a PSBT of version 0, or a transaction
 * @throws PaychanError `ERR_PSBT_MALFORMED`, `ERR_PSBT_TXID` (facts: txid, expected),
 *   `ERR_PSBT_NOT_SIGNED`, `ERR_PSBT_BAD_SIGNATURE`, `ERR_PSBT_SIGHASH` (facts: input),
 *   `ERR_PSBT_TOO_LARGE`, and those of `checkFundingTx`
 */
export function signedFunding(given: Uint8Array, order: FundingOrder): Transaction {
  const tx = readSigned(isPsbt(given) ? finalized(given, order) : given)
  assertSame(tx.txid, order)
  const bare = tx.inputs.findIndex(
    ({ witness, scriptSig }) => witness.length === 0 && scriptSig.length === 0
  )
  if (bare >= 0) throw notSigned(bare)
  checkFundingTx(tx, order)
  const bytes = tx.raw.length
  if (bytes > MAX_FUNDING_BYTES) {
    throw new PaychanError(
      'ERR_PSBT_TOO_LARGE',
      `The signed transaction has ${bytes} bytes; at most ${MAX_FUNDING_BYTES} can be handed over.`,
      { bytes }
    )
  }
  const { inputs } = parsePsbt(order.psbt)
  inputs.forEach((input, i) => {
    checkWitness(tx, i, input, order.verify)
  })
  return tx
}

/** Merges the funded and the signed data: a signer need not pass on the data that it was given. */
function finalized(given: Uint8Array, order: FundingOrder): Uint8Array {
  assertSame(parsePsbt(given).transaction.txid, order)
  let index = 0
  try {
    const transaction = PsbtTransaction.fromPSBT(order.psbt).combine(
      PsbtTransaction.fromPSBT(given)
    )
    for (; index < transaction.inputsLength; index++) {
      const { finalScriptWitness } = transaction.getInput(index)
      if (finalScriptWitness === undefined) transaction.finalizeIdx(index)
    }
    return transaction.extract()
  } catch (cause) {
    throw notSigned(index, cause)
  }
}

function readSigned(raw: Uint8Array): Transaction {
  try {
    return parseTransaction(raw)
  } catch (cause) {
    throw new PaychanError(
      'ERR_PSBT_MALFORMED',
      'That is neither a PSBT nor a transaction. Give the signed PSBT, or the signed transaction in hex.',
      {},
      { cause }
    )
  }
}

function assertSame(txid: string, { outPoint }: FundingOrder): void {
  if (txid === outPoint.txid) return
  throw new PaychanError(
    'ERR_PSBT_TXID',
    `This is transaction ${txid}; the refund T2 was signed for ${outPoint.txid}. Sign exactly the PSBT that was given back; do not send the other one: nothing would bring its money back.`,
    { txid, expected: outPoint.txid }
  )
}

function notSigned(input: number, cause?: unknown): PaychanError {
  const why = cause === undefined ? '' : ` (${messageOf(cause)})`
  return new PaychanError(
    'ERR_PSBT_NOT_SIGNED',
    `Input ${input} is not signed, or not completely${why}. Sign it with all keys; if your wallet can, have it finalize the PSBT, or give the transaction in hex.`,
    { input },
    { cause }
  )
}

function checkWitness(
  transaction: Transaction,
  index: number,
  { spent }: PsbtInput,
  verify: Ecdsa['verify']
): void {
  const witness = transaction.inputs[index]?.witness ?? []
  const program = spent === undefined ? undefined : witnessProgram(spent.script)
  if (spent === undefined || program === undefined) return
  if (program.version === 1) {
    for (const item of taprootStack(witness)) {
      if (item.length === SCHNORR_BYTES + 1 && item.at(-1) !== SIGHASH.ALL) {
        throw wrongSighash(index)
      }
    }
    return
  }
  for (const item of witness) {
    if (sighashOf(item) !== undefined && sighashOf(item) !== SIGHASH.ALL) throw wrongSighash(index)
  }
  if (program.program.length === 20 && !isSignedByKey(transaction, index, spent, verify, fromDer)) {
    throw new PaychanError(
      'ERR_PSBT_BAD_SIGNATURE',
      `The signature of input ${index} is wrong: it was made for another transaction, amount or key. Sign the PSBT again.`,
      { input: index }
    )
  }
}

/**
 * BIP341: a spend by the key has the signature alone; a spend by a script ends with the script and
 * its control block, after the items that the script takes.
 */
function taprootStack(witness: readonly Uint8Array[]): readonly Uint8Array[] {
  const items =
    witness.length > 1 && witness.at(-1)?.[0] === ANNEX_TAG ? witness.slice(0, -1) : witness
  return items.length === 1 ? items : items.slice(0, -2)
}

/** Returns the sighash type; undefined when the item is not an ECDSA signature. */
function sighashOf(item: Uint8Array): number | undefined {
  try {
    return fromDer(item).sighashType
  } catch {
    return undefined
  }
}

function wrongSighash(input: number): PaychanError {
  return new PaychanError(
    'ERR_PSBT_SIGHASH',
    `Input ${input} is not signed with ALL: others could change the transaction, and with it its txid. Sign it with ALL.`,
    { input }
  )
}
