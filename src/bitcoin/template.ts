/**
 * The one template of every spend that a side holds: T2, T3, and each state of a two-way channel.
 *
 *   version 3, nLockTime = lock
 *   input 0    the funding output, nSequence 0xfffffffd
 *   output 0   the payer's balance, to P2WSH(<payer's key> CHECKSIGVERIFY 1 CSV); left out below 330 sat
 *   output 1.. the payee's, chosen by the payee when it publishes
 *
 * The payer signs `SINGLE|ANYONECANPAY`: its own output, this input, the lock. Without output 0 it
 * signs `NONE|ANYONECANPAY`: this input and the lock. The payee adds outputs and signs `ALL`.
 */
import { hashFromTxid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import type { BlockHeight, Satoshi } from '../types/units.js'
import { dustLimit, outputSize } from './sizes.js'
import { SIGHASH, toDer } from './ecdsa.js'
import {
  digestOfAll,
  fundingSpend,
  fundingSpendVsize,
  SEQUENCE,
  withSignatures,
  type FundingOutput
} from './funding-spend.js'
import type { Role } from './keys.js'
import { hash256 } from './hashes.js'
import { fundingWitnessScript, p2wsh, payoutWitnessScript } from './scripts.js'
import type { Transaction, TxOutput } from './transaction.js'

export { SEQUENCE, type FundingOutput } from './funding-spend.js'
export type { TxOutput } from './transaction.js'

/** All data that the payer's signature of one state depends on. */
export interface StateTemplate {
  readonly funding: FundingOutput
  /** 3, or 2 where the channel's terms say so. */
  readonly version: number
  readonly lock: BlockHeight
  readonly payer: Role
  /** The balance that is left to the payer, in satoshis. */
  readonly payerBalance: Satoshi
  /** 33 bytes. */
  readonly payerPayoutKey: Uint8Array
}

/**
 * Makes output 0; undefined when the payer's balance is below dust (330 sat) and goes to the payee.
 */
export function payerOutput(t: StateTemplate): TxOutput | undefined {
  const script = p2wsh(payoutWitnessScript(t.payerPayoutKey))
  return t.payerBalance < dustLimit(script) ? undefined : { script, value: t.payerBalance }
}

/** The digest that the payer signs (BIP143), 32 bytes. */
export function payerSighash(t: StateTemplate): Uint8Array {
  return payerSighasher(t)(t.payerBalance)
}

/**
 * Makes digests for many balances of one channel and turn: the preimage is laid out once, and a
 * call fills in the hash of output 0. A call takes a few microseconds.
 *
 * @example
 * const sighash = payerSighasher(base)
 * signer.sign(path, sighash(satoshi(99_000n)))
 */
export function payerSighasher(
  base: Omit<StateTemplate, 'payerBalance'>
): (payerBalance: Satoshi) => Uint8Array {
  const script = p2wsh(payoutWitnessScript(base.payerPayoutKey))
  const dust = dustLimit(script)
  const output = new Uint8Array(outputSize(script))
  output[8] = script.length
  output.set(script, 9)
  const outputValue = new DataView(output.buffer)
  const { preimage, hashOutputsAt } = preimageOf(base, SIGHASH.SINGLE | SIGHASH.ANYONECANPAY)
  return (payerBalance) => {
    if (payerBalance < dust) {
      return hash256(preimageOf(base, SIGHASH.NONE | SIGHASH.ANYONECANPAY).preimage)
    }
    outputValue.setBigUint64(0, payerBalance, true)
    preimage.set(hash256(output), hashOutputsAt)
    return hash256(preimage)
  }
}

/**
 * Makes the whole signed transaction, as the payee publishes it. The fee is what the outputs leave
 * of the funding output. The payer's signature is taken as verified.
 *
 * @param payerSignature - compact, over `payerSighash(t)`
 * @param payeeOutputs - placed after output 0; may be empty when the payee gives its whole share
 *   to the fee
 * @throws PaychanError `ERR_STATE_INVALID` when the outputs exceed the funding output, when one
 *   of the payee's is dust (no mempool would take the transaction), or when there is none at all;
 *   `ERR_INVALID_SIGNATURE` when a signature is not 64 bytes with a low S.
 */
export function completeState(
  t: StateTemplate,
  payerSignature: Uint8Array,
  payeeOutputs: readonly TxOutput[],
  payeeSign: (digest: Uint8Array) => Uint8Array
): Transaction {
  const own = payerOutput(t)
  const outputs = own === undefined ? payeeOutputs : [own, ...payeeOutputs]
  const total = outputs.reduce((sum, { value }) => sum + value, 0n)
  const capacity = t.funding.value
  if (total > capacity) {
    throw new PaychanError(
      'ERR_STATE_INVALID',
      `The outputs are worth ${total} sat, more than the ${capacity} sat of the channel.`,
      { total, capacity }
    )
  }
  const dust = payeeOutputs.find(({ script, value }) => value < dustLimit(script))
  if (dust !== undefined) {
    throw new PaychanError(
      'ERR_STATE_INVALID',
      `An output of ${dust.value} sat is dust (below ${dustLimit(dust.script)} sat): leave it to the fee.`,
      { value: dust.value, dustLimit: dustLimit(dust.script) }
    )
  }
  if (outputs.length === 0) {
    throw new PaychanError(
      'ERR_STATE_INVALID',
      'A transaction needs an output: the payee has to add one that is not dust.',
      { capacity }
    )
  }
  const tx = fundingSpend(t.funding, t.version, t.lock, outputs)
  const payerType = (own === undefined ? SIGHASH.NONE : SIGHASH.SINGLE) | SIGHASH.ANYONECANPAY
  const payer = toDer(payerSignature, payerType)
  const payee = toDer(payeeSign(digestOfAll(tx, t.funding)), SIGHASH.ALL)
  return t.payer === 'client'
    ? withSignatures(tx, t.funding, payer, payee)
    : withSignatures(tx, t.funding, payee, payer)
}

/**
 * The virtual size with the longest signatures: 181 with output 0 and one P2WPKH output, 138 with
 * one P2WPKH output alone. (Measured: 180-181 and 137-138.)
 */
export function stateVsize(t: StateTemplate, payeeOutputScripts: readonly Uint8Array[]): number {
  const own = payerOutput(t)
  return fundingSpendVsize(
    own === undefined ? payeeOutputScripts : [own.script, ...payeeOutputScripts]
  )
}

/**
 * The preimage of BIP143 for one input with `ANYONECANPAY`, hashOutputs still zero:
 *
 *     0  nVersion       4        104  scriptCode    1 + 71
 *     4  hashPrevouts  32 zero   176  amount         8
 *    36  hashSequence  32 zero   184  nSequence      4
 *    68  outpoint      36        188  hashOutputs   32
 *                                220  nLockTime      4
 *                                224  sighash type   4     = 228
 */
function preimageOf(
  { funding, version, lock }: Omit<StateTemplate, 'payerBalance'>,
  sighashType: number
): { preimage: Uint8Array; hashOutputsAt: number } {
  const scriptCode = fundingWitnessScript(funding.clientKey, funding.serverKey)
  const amountAt = 105 + scriptCode.length
  const hashOutputsAt = amountAt + 12
  const preimage = new Uint8Array(hashOutputsAt + 40)
  const view = new DataView(preimage.buffer)
  view.setUint32(0, version, true)
  preimage.set(hashFromTxid(funding.outPoint.txid), 68)
  view.setUint32(100, funding.outPoint.vout, true)
  preimage[104] = scriptCode.length
  preimage.set(scriptCode, 105)
  view.setBigUint64(amountAt, funding.value, true)
  view.setUint32(amountAt + 8, SEQUENCE, true)
  view.setUint32(hashOutputsAt + 32, lock, true)
  view.setUint32(hashOutputsAt + 36, sighashType, true)
  return { preimage, hashOutputsAt }
}
