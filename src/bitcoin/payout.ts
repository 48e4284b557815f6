/** Spends of payout outputs, `P2WSH(<key> OP_CHECKSIGVERIFY 1 OP_CHECKSEQUENCEVERIFY)`. */
import type { OutPoint } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { feeFor, satoshi, type FeeRate, type Satoshi } from '../types/units.js'
import { dustLimit, MAX_SIGNATURE_BYTES, segwitVsize, witnessItemSize } from './sizes.js'
import { SIGHASH, toDer } from './ecdsa.js'
import { payoutWitnessScript } from './scripts.js'
import { makeTransaction, type Transaction } from './transaction.js'

/** One payout output and the key that spends it. */
export interface SweepInput {
  readonly outPoint: OutPoint
  readonly value: Satoshi
  /** 33 bytes. */
  readonly key: Uint8Array
  /** Signs a 32-byte digest. Returns 64 bytes, compact, low S. */
  readonly sign: (digest: Uint8Array) => Uint8Array
}

/** BIP68: bit 31 clear, type bit 22 clear, value 1 = the output is at least one block old. */
const ONE_BLOCK = 1

/** BIP68 counts from version 2 on. */
const SWEEP_VERSION = 2

// 2 items: 1 for their number, the signature, and the 37 bytes of the script: 1 + (1 + 72) + (1 +
// 37) = 112
const PAYOUT_WITNESS_BYTES = 1 + witnessItemSize(MAX_SIGNATURE_BYTES) + witnessItemSize(37)

/** The virtual size of a sweep with the longest signatures: 111 for one input to P2WPKH. */
export function sweepVsize(inputs: number, to: Uint8Array): number {
  return segwitVsize(
    Array.from({ length: inputs }, () => PAYOUT_WITNESS_BYTES),
    [to]
  )
}

/**
 * Collects payout outputs into one output. The sweep can be mined in the block after the outputs'
 * own.
 *
 * @param to - the scriptPubKey to collect them at
 * @throws PaychanError `ERR_SWEEP_NOT_WORTH_IT` when what the fee leaves would be dust: wait for a
 * lower feerate or for more outputs.
 */
export function buildSweep(
  inputs: readonly SweepInput[],
  to: Uint8Array,
  rate: FeeRate
): { transaction: Transaction; fee: Satoshi; value: Satoshi } {
  const total = inputs.reduce((sum, { value }) => sum + value, 0n)
  const fee = feeFor(rate, sweepVsize(inputs.length, to))
  const dust = dustLimit(to)
  if (inputs.length === 0 || total < fee + dust) {
    throw new PaychanError(
      'ERR_SWEEP_NOT_WORTH_IT',
      `A sweep of ${total} sat would cost ${fee} sat and has to leave ${dust} sat: wait for a lower feerate.`,
      { total, fee, dustLimit: dust }
    )
  }
  const value = satoshi(total - fee)
  const unsigned = makeTransaction({
    version: SWEEP_VERSION,
    inputs: inputs.map(({ outPoint }) => ({ outPoint, sequence: ONE_BLOCK })),
    outputs: [{ script: to, value }]
  })
  const transaction = unsigned.withWitnesses(
    inputs.map((input, i) => {
      const script = payoutWitnessScript(input.key)
      const digest = unsigned.sighash(i, script, input.value, SIGHASH.ALL)
      return [toDer(input.sign(digest), SIGHASH.ALL), script]
    })
  )
  return { transaction, fee, value }
}
