/**
 * T2, the refund: a state with the server as payer, locked until height L. It leaves the server
 * what it brought into the channel: nothing, unless the channel renews another one. The server
 * signs T2 before it has seen T1 (seed steps 3 and 4), so it checks all that its signature covers.
 */
import type { OutPoint } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { ZERO_SAT, type BlockHeight, type Satoshi } from '../types/units.js'
import { fundingSpend, SEQUENCE, type FundingOutput } from './funding-spend.js'
import { payerOutput, type StateTemplate } from './template.js'
import { readTransaction, type Transaction, type TxOutput } from './transaction.js'

/**
 * Makes T2 as a state: without output 0 when the server brings nothing, so that it signs
 * `NONE|ANYONECANPAY`.
 */
export function refundTemplate(
  funding: FundingOutput,
  version: number,
  refundHeight: BlockHeight,
  serverPayoutKey: Uint8Array,
  serverBalance: Satoshi = ZERO_SAT
): StateTemplate {
  return {
    funding,
    version,
    lock: refundHeight,
    payer: 'server',
    payerBalance: serverBalance,
    payerPayoutKey: serverPayoutKey
  }
}

/**
 * Writes T2 as the client sends it to the server: the server's output if there is one, the client's
 * output, no witness. The server's signature does not cover the client's output.
 */
export function unsignedRefund(t: StateTemplate, output: TxOutput): Uint8Array {
  const own = payerOutput(t)
  return fundingSpend(t.funding, t.version, t.lock, own === undefined ? [output] : [own, output])
    .raw
}

/**
 * Makes the server's checks before it signs blind. Returns the outpoint that T2 spends; the server
 * must not know it (a second signature for a known funding output could be a refund of an open
 * channel).
 *
 * @throws PaychanError `ERR_REFUND_MALFORMED` (no transaction, or one with a witness or scriptSig),
 *   `ERR_REFUND_INPUTS`, `ERR_REFUND_VERSION`, `ERR_REFUND_LOCK`, `ERR_REFUND_SEQUENCE`,
 *   `ERR_REFUND_OUTPUTS`.
 */
export function parseRefundRequest(
  raw: Uint8Array,
  expected: { readonly version: number; readonly refundHeight: BlockHeight }
): OutPoint {
  const tx = read(raw)
  const [input] = tx.inputs
  if (input === undefined || tx.inputs.length !== 1) {
    throw new PaychanError(
      'ERR_REFUND_INPUTS',
      `A refund spends the funding output and nothing else; this one has ${tx.inputs.length} inputs.`,
      { inputs: tx.inputs.length }
    )
  }
  if (input.witness.length > 0 || input.scriptSig.length > 0) {
    throw new PaychanError(
      'ERR_REFUND_MALFORMED',
      'A refund request is unsigned: it has no witness and no scriptSig.'
    )
  }
  if (tx.version !== expected.version) {
    throw new PaychanError(
      'ERR_REFUND_VERSION',
      `The refund has version ${tx.version}; the terms say ${expected.version}.`,
      { version: tx.version, expected: expected.version }
    )
  }
  if (tx.lockTime !== expected.refundHeight) {
    throw new PaychanError(
      'ERR_REFUND_LOCK',
      `The refund has nLockTime ${tx.lockTime}; the terms say height ${expected.refundHeight}.`,
      { lockTime: tx.lockTime, expected: expected.refundHeight }
    )
  }
  // A final sequence (0xffffffff) would switch nLockTime off.
  if (input.sequence !== SEQUENCE) {
    throw new PaychanError(
      'ERR_REFUND_SEQUENCE',
      `The refund's input has nSequence ${input.sequence}; it has to be ${SEQUENCE}.`,
      { sequence: input.sequence, expected: SEQUENCE }
    )
  }
  if (tx.outputs.length === 0) {
    throw new PaychanError('ERR_REFUND_OUTPUTS', 'The refund has no output.')
  }
  return input.outPoint
}

function read(raw: Uint8Array): Transaction {
  try {
    return readTransaction(raw)
  } catch (cause) {
    throw new PaychanError(
      'ERR_REFUND_MALFORMED',
      'The refund request does not contain a transaction.',
      {},
      { cause }
    )
  }
}
