/**
 * The cooperative close: both sides sign everything (`ALL`), without a lock, to the scripts that
 * they named. The side that asks for it pays the fee.
 */
import type { Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { satoshi, type Satoshi } from '../types/units.js'
import { dustLimit } from './sizes.js'
import { SIGHASH, toDer } from './ecdsa.js'
import {
  digestOfAll,
  fundingSpend,
  fundingSpendVsize,
  withSignatures,
  type FundingOutput
} from './funding-spend.js'
import type { Role } from './keys.js'
import type { Transaction, TxOutput } from './transaction.js'

/** The contents of a close. Amounts in satoshis; the two balances are the whole funding output. */
export interface CloseTerms {
  readonly funding: FundingOutput
  readonly version: number
  readonly clientBalance: Satoshi
  readonly serverBalance: Satoshi
  readonly clientScript: Uint8Array
  readonly serverScript: Uint8Array
  readonly fee: Satoshi
  readonly feePayer: Role
}

/**
 * Computes the outputs, the client's first, and the fee that the transaction really pays: an output
 * below its dust limit is left out and goes to the fee.
 *
 * @throws PaychanError `ERR_CLOSE_BALANCES` when the balances are not the whole funding output,
 *   `ERR_CLOSE_TOO_POOR` when the fee payer's balance is below the fee, `ERR_CLOSE_EMPTY` when no
 *   output is left.
 */
export function closeOutputs(c: CloseTerms): { outputs: readonly TxOutput[]; fee: Satoshi } {
  const { funding, clientBalance, serverBalance, fee, feePayer } = c
  if (clientBalance + serverBalance !== funding.value) {
    throw new PaychanError(
      'ERR_CLOSE_BALANCES',
      `The balances are ${clientBalance} and ${serverBalance} sat, which is not the ${funding.value} sat of the channel.`,
      { clientBalance, serverBalance, capacity: funding.value }
    )
  }
  const balance = feePayer === 'client' ? clientBalance : serverBalance
  if (balance < fee) {
    throw new PaychanError(
      'ERR_CLOSE_TOO_POOR',
      `A close costs its asker ${fee} sat, but the ${feePayer} has ${balance} sat in the channel.`,
      { fee, balance }
    )
  }
  const share = (role: Role, of: Satoshi): Satoshi => (role === feePayer ? satoshi(of - fee) : of)
  const outputs = [
    { script: c.clientScript, value: share('client', clientBalance) },
    { script: c.serverScript, value: share('server', serverBalance) }
  ].filter(({ script, value }) => value > 0n && value >= dustLimit(script))
  if (outputs.length === 0) {
    throw new PaychanError(
      'ERR_CLOSE_EMPTY',
      'After the fee both outputs would be dust: nothing is left to close.',
      { fee, capacity: funding.value }
    )
  }
  return {
    outputs,
    fee: satoshi(outputs.reduce<bigint>((left, { value }) => left - value, funding.value))
  }
}

/** The digest that both sides sign (BIP143, `ALL`), 32 bytes. @throws as `closeOutputs` */
export function closeSighash(c: CloseTerms): Uint8Array {
  return digestOfAll(unsignedClose(c), c.funding)
}

/**
 * Makes the whole signed close. Both signatures, compact, are taken as verified.
 *
 * @throws PaychanError as `closeOutputs`, and `ERR_INVALID_SIGNATURE` when a signature is not 64
 *   bytes with a low S.
 */
export function completeClose(
  c: CloseTerms,
  clientSignature: Uint8Array,
  serverSignature: Uint8Array
): Transaction {
  return withSignatures(
    unsignedClose(c),
    c.funding,
    toDer(clientSignature, SIGHASH.ALL),
    toDer(serverSignature, SIGHASH.ALL)
  )
}

/**
 * The txid, known before anyone has signed: it does not cover witnesses (BIP141).
 *
 * @throws as `closeOutputs`
 */
export function closeTxid(c: CloseTerms): Txid {
  return unsignedClose(c).txid
}

/**
 * The virtual size with both outputs and the longest signatures, on which the asker bases its fee.
 */
export function closeVsize(clientScript: Uint8Array, serverScript: Uint8Array): number {
  return fundingSpendVsize([clientScript, serverScript])
}

function unsignedClose(c: CloseTerms): Transaction {
  return fundingSpend(c.funding, c.version, 0, closeOutputs(c).outputs)
}
