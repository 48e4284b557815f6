/**
 * Several states without a lock in one transaction, each of another channel, all with the same payee:
 *
 *   version 3, nLockTime 0
 *   input i    a funding output whose payer has an output  | output i   that payer's, beside its input (SINGLE)
 *   ...        then those whose payer has none (NONE)      | then one output of the payee
 *
 * Each payer has signed with `ANYONECANPAY`, so its signature does not care for the other inputs;
 * the payee signs every input with `ALL`. A version 3 transaction has at most 10,000 vB (BIP431).
 */
import { Transaction } from 'bitcoinjs-lib'
import { hashFromTxid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import type { Satoshi } from '../types/units.js'
import { satoshi } from '../types/units.js'
import { dustLimit } from './dust.js'
import { SIGHASH, toDer } from './ecdsa.js'
import { FUNDING_WITNESS_BYTES, SEQUENCE } from './funding-spend.js'
import { fundingWitnessScript } from './scripts.js'
import { segwitVsize } from './sizes.js'
import { payerOutput, type StateTemplate } from './template.js'

/** 10,000 vB of BIP431 hold 71 of 139 vB; one less, for scripts of the payee that are longer than P2WPKH. */
export const MAX_BATCH = 70

/** One state, with its payer's signature (compact) and the payee's key to sign with. */
export interface BatchMember {
  readonly template: StateTemplate
  readonly signature: Uint8Array
  readonly sign: (digest: Uint8Array) => Uint8Array
}

/** SINGLE first: a payer's output has to stand beside its input. */
function inOrder (members: readonly BatchMember[]): BatchMember[] {
  return [...members.filter(({ template }) => payerOutput(template) !== undefined), ...members.filter(({ template }) => payerOutput(template) === undefined)]
}

/** What the payee has in all of them together, before the fee. */
export function batchShare (members: readonly BatchMember[]): Satoshi {
  return satoshi(members.reduce((sum, { template }) => sum + template.funding.value - (payerOutput(template)?.value ?? 0n), 0n))
}

/** The virtual size with the longest signatures. */
export function batchVsize (members: readonly BatchMember[], payeeScript: Uint8Array): number {
  const scripts = members.flatMap(({ template }) => payerOutput(template)?.script ?? [])
  return segwitVsize(members.map(() => FUNDING_WITNESS_BYTES), [...scripts, payeeScript])
}

/**
 * The whole signed transaction; the payers' signatures are taken as verified.
 *
 * @throws PaychanError `ERR_STATE_INVALID` when a state has a lock, when there are more than 70, or
 * when the fee leaves the payee no output above dust
 */
export function completeBatch (members: readonly BatchMember[], payeeScript: Uint8Array, fee: Satoshi): Uint8Array {
  const left = batchShare(members) - fee
  const hasLock = members.some(({ template }) => template.lock !== 0)
  if (members.length === 0 || members.length > MAX_BATCH || hasLock || left < dustLimit(payeeScript)) {
    throw new PaychanError('ERR_STATE_INVALID', `${members.length} states without a lock, at most ${MAX_BATCH}, have to leave the payee more than dust; ${left} sat are left after a fee of ${fee} sat.`, { left, fee, members: members.length })
  }
  const ordered = inOrder(members)
  const tx = new Transaction()
  tx.version = ordered[0]?.template.version ?? 3
  for (const { template: { funding: { outPoint } } } of ordered) tx.addInput(hashFromTxid(outPoint.txid), outPoint.vout, SEQUENCE)
  for (const { template } of ordered) {
    const own = payerOutput(template)
    if (own !== undefined) tx.addOutput(own.script, own.value)
  }
  tx.addOutput(payeeScript, left)
  for (const [i, member] of ordered.entries()) tx.setWitness(i, witnessOf(tx, i, member))
  return tx.toBuffer()
}

function witnessOf (tx: Transaction, index: number, { template, signature, sign }: BatchMember): Uint8Array[] {
  const { funding, payer: payerRole } = template
  const script = fundingWitnessScript(funding.clientKey, funding.serverKey)
  const payer = toDer(signature, (payerOutput(template) === undefined ? SIGHASH.NONE : SIGHASH.SINGLE) | SIGHASH.ANYONECANPAY)
  const payee = toDer(sign(tx.hashForWitnessV0(index, script, funding.value, SIGHASH.ALL)), SIGHASH.ALL)
  const [client, server] = payerRole === 'client' ? [payer, payee] : [payee, payer]
  return [new Uint8Array(0), client, server, script]
}
