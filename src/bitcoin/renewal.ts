/**
 * The renewal of a channel: a T1 that spends the funding output of an older channel of the same two
 * sides. It closes the old channel and funds the new one.
 *
 *   version 3
 *   input     the old funding output, nSequence 0xfffffffd   witness <empty> <K1> <K2> <script>, both `ALL`
 *   input ..  P2WPKH coins of the client's wallet, when it tops the channel up
 *   output    the new funding output
 *   output    change of the client, when there is any
 */
import { sameOutPoint, type OutPoint } from '../types/bytes.js'
import { adviceOf } from '../types/error-advice.js'
import { PaychanError } from '../types/errors.js'
import {
  addSat,
  blockHeight,
  feeFor,
  formatAmount,
  formatFeeRate,
  satoshi,
  subSat,
  ZERO_SAT,
  type BlockHeight,
  type FeeRate,
  type Satoshi
} from '../types/units.js'
import { isStandardScript, witnessProgram } from './address.js'
import { dustLimit, P2WPKH_WITNESS_BYTES, segwitVsize } from './sizes.js'
import { SIGHASH, toDer } from './ecdsa.js'
import {
  FUNDING_WITNESS_BYTES,
  fundingSpend,
  fundingWitness,
  SEQUENCE,
  type FundingOutput
} from './funding-spend.js'
import { fundingWitnessScript } from './scripts.js'
import { parseTransaction, type Transaction, type TxInput, type TxOutput } from './transaction.js'

/**
 * Blocks that the nLockTime of T1 stays below its client's tip: the server refuses a lock above its
 * own tip (RENEW-4), and may not have seen the last blocks yet.
 */
export const LOCK_BELOW_TIP = 2

/** nLockTime for T1 of a renewal at a tip. */
export function renewalLock(tip: BlockHeight | undefined): BlockHeight {
  return blockHeight(Math.max(0, (tip ?? 0) - LOCK_BELOW_TIP))
}

/**
 * Builds T1 of a renewal without coins of the wallet, unsigned: the fee is what the new funding
 * output is worth less than the old one.
 */
export function buildRenewal(
  old: FundingOutput,
  script: Uint8Array,
  capacity: Satoshi,
  lockTime: BlockHeight
): { raw: Uint8Array; outPoint: OutPoint; fee: Satoshi } {
  const { raw, txid } = fundingSpend(old, RENEWAL_VERSION, lockTime, [{ script, value: capacity }])
  return {
    raw,
    outPoint: { txid, vout: 0 },
    fee: subSat(old.value, capacity)
  }
}

/** TRUC (BIP431), as in every spend of a funding output: one child of 1,000 vB at most. */
const RENEWAL_VERSION = 3

/**
 * The digest of the old funding output's input (BIP143, `ALL`), which both sides sign.
 *
 * @throws PaychanError `ERR_RENEWAL_INPUT` when T1 does not spend the output, or is of another
 *   version
 */
export function renewalSighash(tx: Transaction, old: FundingOutput): Uint8Array {
  return tx.sighash(
    inputOf(tx, old),
    fundingWitnessScript(old.clientKey, old.serverKey),
    old.value,
    SIGHASH.ALL
  )
}

/**
 * Completes T1 with both signatures, compact, which are taken as verified.
 *
 * @throws as `renewalSighash`
 */
export function completeRenewal(
  tx: Transaction,
  old: FundingOutput,
  clientSignature: Uint8Array,
  serverSignature: Uint8Array
): Transaction {
  const index = inputOf(tx, old)
  const witness = fundingWitness(
    old,
    toDer(clientSignature, SIGHASH.ALL),
    toDer(serverSignature, SIGHASH.ALL)
  )
  return tx.withWitnesses(tx.inputs.map((input, i) => (i === index ? witness : input.witness)))
}

/**
 * The limits of T1 of a renewal for one side (RENEW-4). Once both have signed T1, every state of
 * the old channel has to outbid it, so its size and its fee limit the cost of that.
 */
export interface RenewalBounds {
  /** H: no T1 is signed that could only be mined later. */
  readonly height: BlockHeight
  /**
   * The height from which on T1 spends no coins beside the old output: an unconfirmed parent of one
   * can keep T1 out of blocks, and the old channel is to be settled soon.
   */
  readonly lastPaymentHeight: BlockHeight
  /** The least rate of T1: below it T1 would only be in the way. */
  readonly leastRate: FeeRate
  /**
   * The rate at which 600 vB cost the highest fee of any T1: a replacement of T1 pays more than all
   * of its fee (BIP125 rule 3), however large T1 is.
   */
  readonly mostRate: FeeRate
}

/**
 * The largest T1 of a renewal in vB, both signatures included: the old input 96, the new funding
 * output 43, change 31 (P2WPKH), 10.5 around them, and six coins of 68: 588.5. A T3 of 181 vB that
 * replaces it at the feerate of a block pays a bit more than three times its normal bid.
 */
export const MAX_RENEWAL_VSIZE = 600

/** The highest fee of a T1 of any size. */
export function mostRenewalFee(mostRate: FeeRate): Satoshi {
  return feeFor(mostRate, MAX_RENEWAL_VSIZE)
}

/** The new funding output, and change. */
const MAX_OUTPUTS = 2

/**
 * Checks that T1 of a renewal may be signed for the old channel (RENEW-4). The server checks before
 * it signs, and so does the client, since its signature freezes the old channel.
 *
 * FUND-2: money of the server is in T1 from the start. An input that is not SegWit would let the
 * client change the txid, and hold that money to ransom: no state of the new channel would fit. So
 * the client shows the transactions that it spends from; their txids are hashes, which cannot be
 * made up, and they also tell the fee of T1.
 *
 * @param previous - the transactions that the other inputs spend from
 * @returns the fee
 * @throws PaychanError `ERR_RENEWAL_INPUT`, `ERR_FUNDING_NOT_SEGWIT`, `ERR_RENEWAL_FORM`,
 *   `ERR_RENEWAL_TOO_LARGE`, `ERR_RENEWAL_FEE`, `ERR_INVALID_TRANSACTION` (of `previous`)
 */
export function checkRenewalTx(
  tx: Transaction,
  old: FundingOutput,
  previous: readonly Uint8Array[],
  bounds: RenewalBounds
): Satoshi {
  inputOf(tx, old)
  const { inputs, outputs, lockTime } = tx
  const coins = coinsOf(inputs, old, previous)
  for (const { outPoint, sequence } of inputs) {
    const isOld = sameOutPoint(outPoint, old.outPoint)
    if (isOld ? sequence !== SEQUENCE : sequence < SEQUENCE) {
      throw new PaychanError(
        'ERR_RENEWAL_INPUT',
        `The input of the old channel has nSequence ${hex(SEQUENCE)}, which says that T1 may be replaced, and every other at least that, which is no relative lock; ${isOld ? 'it' : 'another one'} has ${hex(sequence)}.`,
        { sequence }
      )
    }
  }
  if (inputs.length > 1 && bounds.height >= bounds.lastPaymentHeight) {
    throw new PaychanError(
      'ERR_RENEWAL_INPUT',
      `From height ${bounds.lastPaymentHeight} on, the last for payments in the old channel, T1 of a renewal spends nothing but its funding output; this one has ${inputs.length} inputs. Renew the channel without coins of the wallet.`,
      { inputs: inputs.length, lastPaymentHeight: bounds.lastPaymentHeight }
    )
  }
  if (lockTime > bounds.height) {
    throw new PaychanError(
      'ERR_RENEWAL_FORM',
      `T1 of a renewal has nLockTime ${lockTime}; at height ${bounds.height} it may have ${bounds.height} at most.`,
      { lockTime, most: bounds.height }
    )
  }
  if (outputs.length > MAX_OUTPUTS) {
    throw new PaychanError(
      'ERR_RENEWAL_FORM',
      `T1 of a renewal has the new funding output and one for change; this one has ${outputs.length} outputs.`,
      { outputs: outputs.length }
    )
  }
  if (
    !outputs.every(({ script, value }) => isStandardScript(script) && value >= dustLimit(script))
  ) {
    throw new PaychanError(
      'ERR_RENEWAL_FORM',
      'The change of T1 of a renewal pays to a script of a usual form, and not less than its dust limit.'
    )
  }
  return checkFee(inputs.length, outputs, addSat(old.value, coins), bounds)
}

function checkFee(
  inputs: number,
  outputs: readonly TxOutput[],
  spent: Satoshi,
  { leastRate, mostRate }: RenewalBounds
): Satoshi {
  const vsize = renewalVsize(
    inputs - 1,
    outputs.map(({ script }) => script)
  )
  if (vsize > MAX_RENEWAL_VSIZE) {
    throw new PaychanError(
      'ERR_RENEWAL_TOO_LARGE',
      `T1 of a renewal has at most ${MAX_RENEWAL_VSIZE} vB; this one has ${vsize} vB. ${adviceOf('ERR_RENEWAL_TOO_LARGE')}`,
      { vsize, most: MAX_RENEWAL_VSIZE }
    )
  }
  const paid = outputs.reduce((sum, { value }) => addSat(sum, value), ZERO_SAT)
  const [least, most] = [feeFor(leastRate, vsize), mostRenewalFee(mostRate)]
  const fee = spent - paid
  if (fee < least || fee > most) {
    throw new PaychanError(
      'ERR_RENEWAL_FEE',
      `T1 of a renewal pays ${formatAmount(least)} to ${formatAmount(most)} now (${formatFeeRate(leastRate)} at ${vsize} vB, to what ${MAX_RENEWAL_VSIZE} vB cost at ${formatFeeRate(mostRate)}); this one pays ${formatAmount(fee)}. A feerate within, or fewer coins, would do.`,
      { fee, least, most }
    )
  }
  return satoshi(fee)
}

/**
 * The virtual size of a renewal's T1 with a number of coins beside the old funding output, with the
 * longest signatures.
 */
export function renewalVsize(coins: number, outputScripts: readonly Uint8Array[]): number {
  return segwitVsize(
    [FUNDING_WITNESS_BYTES, ...Array.from({ length: coins }, () => P2WPKH_WITNESS_BYTES)],
    outputScripts
  )
}

/**
 * The value of the inputs beside the old one. Only P2WPKH has a witness whose size is known
 * beforehand: no signature covers witnesses, and the owner of a P2WSH or P2TR coin could replace
 * the witness that is shown by one of thousands of vB, and drag T1 below every feerate. Anybody can
 * spend programs of later versions.
 */
function coinsOf(
  inputs: readonly TxInput[],
  old: FundingOutput,
  previous: readonly Uint8Array[]
): Satoshi {
  const shown = new Map(
    previous.map((each) => parseTransaction(each)).map(({ txid, outputs }) => [txid, outputs])
  )
  let sum = ZERO_SAT
  for (const { outPoint, scriptSig } of inputs) {
    const isOld = sameOutPoint(outPoint, old.outPoint)
    const coin = isOld ? undefined : shown.get(outPoint.txid)?.[outPoint.vout]
    const program = coin === undefined ? undefined : witnessProgram(coin.script)
    if (scriptSig.length > 0 || (!isOld && program === undefined)) {
      throw new PaychanError(
        'ERR_FUNDING_NOT_SEGWIT',
        'Every input of the funding transaction has to spend a native SegWit output, and the client has to show those of its wallet.'
      )
    }
    if (program !== undefined && (program.version !== 0 || program.program.length !== 20)) {
      throw new PaychanError(
        'ERR_RENEWAL_INPUT',
        `The coins beside the old channel are P2WPKH, whose witnesses cannot grow; one is a program of ${program.program.length} bytes of version ${program.version}.`,
        { version: program.version }
      )
    }
    if (coin !== undefined) sum = addSat(sum, coin.value)
  }
  return sum
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`
}

function inputOf(tx: Transaction, { outPoint }: FundingOutput): number {
  const index = tx.inputOf(outPoint)
  const { version } = tx
  if (index === -1 || version !== RENEWAL_VERSION) {
    throw new PaychanError(
      'ERR_RENEWAL_INPUT',
      `A renewal spends the funding output of the old channel in a transaction of version ${RENEWAL_VERSION}; this one is of version ${version} and ${index === -1 ? 'does not' : 'does'}.`,
      { version }
    )
  }
  return index
}
