/**
 * T1 made by an outside wallet: a PSBT that is funded and not signed yet, checked before anybody
 * signs T2 for it. Its txid must be final, or T2 would be void (FUND-2).
 */
import { Transaction } from '@scure/btc-signer/transaction.js'
import type { Network } from '../../protocols/paychan/1.0/messages.js'
import { sameBytes, type OutPoint } from '../types/bytes.js'
import { messageOf, PaychanError } from '../types/errors.js'
import {
  feeFor,
  feeRate,
  formatAmount,
  LOCKTIME_THRESHOLD,
  satoshi,
  type BlockHeight,
  type FeeRate,
  type Satoshi
} from '../types/units.js'
import { networkParams, witnessProgram } from './address.js'
import { SIGHASH } from './ecdsa.js'
import { malformed, parsePsbt, type ParsedPsbt, type PsbtInput } from './psbt.js'

/** The requirements of T1. */
interface FundingDemand {
  readonly network: Network
  /** The scriptPubKey of the 2-of-2. */
  readonly script: Uint8Array
  readonly capacity: Satoshi
  /** The height of the tip. */
  readonly height: BlockHeight
  /** The least rate that mempools ask for. */
  readonly leastRate: FeeRate
}

/** A T1 for which T2 can be signed. */
export interface FundedPsbt {
  readonly psbt: Uint8Array
  /** T1 without witnesses. */
  readonly raw: Uint8Array
  readonly outPoint: OutPoint
  /** In satoshis. */
  readonly fee: Satoshi
  /** Warnings about what is allowed but unwise: a sentence each. */
  readonly warnings: readonly string[]
}

/** WIRE-6: `funding_tx`. */
export const MAX_FUNDING_BYTES = 40_000

/** BIP431: `TRUC_MAX_VSIZE` of Bitcoin Core. */
const MAX_TRUC_VSIZE = 10_000

/** 1,000 sat/vB: a wallet that pays more has forgotten the change. */
const MOST_RATE = feeRate(1_000_000n)

/**
 * Blocks that the outside wallet may be ahead of us: many wallets use their own tip as nLockTime.
 */
const AHEAD = 6

/** nSequence that switches nLockTime off, when every input has it. */
const FINAL_SEQUENCE = 0xffffffff

/** BIP44, BIP49, BIP84, BIP86: their second step is the coin type. */
const COIN_TYPE = /^m\/(?:44|49|84|86)'\/(\d+)'/

/** Weight units of a witness: P2WPKH 1 + 73 + 34, a P2TR key 1 + 66, a 2-of-3 in P2WSH 254. */
const WITNESS_WEIGHT = { p2wpkh: 108, p2tr: 67, p2wsh: 254 } as const

type Kind = keyof typeof WITNESS_WEIGHT

/**
 * Checks a funded PSBT. The chain decides whether its inputs exist and are unspent.
 *
 * @throws PaychanError `ERR_PSBT_MALFORMED`, `ERR_PSBT_TOO_LARGE`, `ERR_PSBT_NO_INPUTS`,
 *   `ERR_PSBT_VERSION`, `ERR_PSBT_OUTPUT` (facts: outputs, value), `ERR_PSBT_DUPLICATE_INPUT`,
 *   `ERR_PSBT_UTXO_MISSING`, `ERR_PSBT_UTXO_MISMATCH`, `ERR_PSBT_NOT_SEGWIT`, `ERR_PSBT_SIGHASH`,
 *   `ERR_PSBT_NETWORK` (facts: input), `ERR_PSBT_FEE` (facts: fee), `ERR_PSBT_LOCKED` (facts:
 *   lockTime)
 * @example
 * const demand = { network: 'regtest', script, capacity, height, leastRate }
 * const { outPoint, fee } = checkFundedPsbt(psbt, demand)
 */
export function checkFundedPsbt(psbt: Uint8Array, demand: FundingDemand): FundedPsbt {
  const parsed = parsePsbt(psbt)
  const { version, txid } = parsed.transaction
  if (version < 1 || version > 3) {
    throw new PaychanError(
      'ERR_PSBT_VERSION',
      `The transaction is of version ${version}, which is not relayed; 3 is best, 2 and 1 will do.`,
      { version }
    )
  }
  const vout = fundingIndex(parsed, demand)
  const kinds = parsed.inputs.map((input, i) => kindOf(input, i, demand.network))
  const vsize = vsizeOf(parsed, kinds)
  const fee = feeOf(parsed, vsize)
  checkLock(parsed, demand.height)
  assertLegible(psbt)
  return {
    psbt,
    raw: parsed.unsigned,
    outPoint: { txid, vout },
    fee,
    warnings: warningsOf(parsed, fee, vsize, demand.leastRate)
  }
}

/** T2 spends one output: money in another output to the same script would have no refund. */
function fundingIndex(
  { transaction: { outputs } }: ParsedPsbt,
  { script, capacity }: FundingDemand
): number {
  const paying = outputs.flatMap((output, i) =>
    sameBytes(output.script, script) ? [{ ...output, vout: i }] : []
  )
  const [funding] = paying
  if (funding === undefined || paying.length > 1) {
    throw new PaychanError(
      'ERR_PSBT_OUTPUT',
      `${paying.length === 0 ? 'No output pays' : `${paying.length} outputs pay`} to the address of the channel; exactly one must, ${formatAmount(capacity)}.`,
      { outputs: paying.length, capacity }
    )
  }
  if (funding.value !== capacity) {
    throw new PaychanError(
      'ERR_PSBT_OUTPUT',
      `The output to the address of the channel is worth ${formatAmount(funding.value)}; it must be exactly ${formatAmount(capacity)}. The fee comes on top.`,
      { outputs: 1, value: funding.value, capacity }
    )
  }
  return funding.vout
}

/** FUND-2: a signature outside of the witness would be part of the txid. */
function kindOf(input: PsbtInput, index: number, network: Network): Kind {
  const { spent } = input
  if (spent === undefined) {
    throw new PaychanError(
      'ERR_PSBT_UTXO_MISSING',
      `The PSBT does not say what input ${index} spends. Have your wallet add it (bitcoin-cli utxoupdatepsbt, or walletprocesspsbt PSBT false).`,
      { input: index }
    )
  }
  const kind = nativeKind(spent.script)
  if (kind === undefined || input.hasScriptSig) {
    throw new PaychanError(
      'ERR_PSBT_NOT_SEGWIT',
      `Input ${index} does not spend a native SegWit output (P2WPKH, P2WSH or P2TR: addresses that begin with ${networkParams(network).bech32}1). Its signature would change the txid, and the refund would be void. Use other coins.`,
      { input: index }
    )
  }
  if (
    input.sighashType !== undefined &&
    input.sighashType !== SIGHASH.ALL &&
    !(kind === 'p2tr' && input.sighashType === 0)
  ) {
    throw new PaychanError(
      'ERR_PSBT_SIGHASH',
      `Input ${index} is to be signed with sighash type ${input.sighashType}; only ALL protects the transaction from being changed.`,
      { input: index, sighashType: input.sighashType }
    )
  }
  const { coinType } = networkParams(network)
  if (
    input.paths
      .map((path) => COIN_TYPE.exec(path)?.[1])
      .some((coin) => coin !== undefined && coin !== String(coinType))
  ) {
    throw new PaychanError(
      'ERR_PSBT_NETWORK',
      `Input ${index} belongs to a wallet of another network; this is ${network}.`,
      { input: index, network }
    )
  }
  return kind
}

function nativeKind(script: Uint8Array): Kind | undefined {
  const program = witnessProgram(script)
  if (program === undefined) return undefined
  if (program.version === 0) {
    return program.program.length === 20
      ? 'p2wpkh'
      : program.program.length === 32
        ? 'p2wsh'
        : undefined
  }
  return program.version === 1 && program.program.length === 32 ? 'p2tr' : undefined
}

/** The virtual size of the signed transaction; one that cannot be sent is refused. */
function vsizeOf(
  { unsigned, transaction: { version } }: ParsedPsbt,
  kinds: readonly Kind[]
): number {
  const witnesses = kinds.reduce((sum, kind) => sum + WITNESS_WEIGHT[kind], 2)
  const vsize = Math.ceil((unsigned.length * 4 + witnesses) / 4)
  if (
    unsigned.length + witnesses > MAX_FUNDING_BYTES ||
    (version === 3 && vsize > MAX_TRUC_VSIZE)
  ) {
    throw new PaychanError(
      'ERR_PSBT_TOO_LARGE',
      `The transaction would have about ${vsize} vB, which is too much. Use fewer inputs.`,
      { vsize }
    )
  }
  return vsize
}

function feeOf({ inputs, transaction }: ParsedPsbt, vsize: number): Satoshi {
  const spent = inputs.reduce((sum, input) => sum + (input.spent?.value ?? 0n), 0n)
  const paid = transaction.paidTo()
  const fee = spent - paid
  if (fee < 0n) {
    throw new PaychanError(
      'ERR_PSBT_FEE',
      `The outputs pay ${formatAmount(-fee)} more than the inputs bring.`,
      { fee }
    )
  }
  const most = feeFor(MOST_RATE, vsize)
  if (fee > most) {
    throw new PaychanError(
      'ERR_PSBT_FEE',
      `The fee would be ${formatAmount(fee)}, above ${formatAmount(most)} (1,000 sat/vB): is the change missing?`,
      { fee, most }
    )
  }
  return satoshi(fee)
}

/**
 * Checks the lock: a transaction that no mempool takes now would have to be sent later, while the
 * server waits.
 */
function checkLock({ transaction: { lockTime, inputs } }: ParsedPsbt, height: BlockHeight): void {
  if (lockTime <= height + AHEAD || inputs.every(({ sequence }) => sequence === FINAL_SEQUENCE)) {
    return
  }
  const until = lockTime < LOCKTIME_THRESHOLD ? `block ${lockTime}` : 'a time'
  throw new PaychanError(
    'ERR_PSBT_LOCKED',
    `The transaction is locked until ${until} (nLockTime), and the tip is at block ${height}. Make it again without a lock.`,
    { lockTime, height }
  )
}

/** The kept PSBT is read again once it is signed, by the part of the library that finalizes. */
function assertLegible(psbt: Uint8Array): void {
  try {
    Transaction.fromPSBT(psbt)
  } catch (cause) {
    throw malformed(messageOf(cause), cause)
  }
}

function warningsOf(
  { inputs }: ParsedPsbt,
  fee: Satoshi,
  vsize: number,
  leastRate: FeeRate
): string[] {
  const least = feeFor(leastRate, vsize)
  return [
    ...(inputs.some(({ isSigned }) => isSigned)
      ? [
          'It is signed already. Do not let it be sent before the refund T2 is there: until then nothing brings the money back if the peer vanishes. Next time, sign last.'
        ]
      : []),
    ...(fee < least
      ? [
          `Its fee of ${formatAmount(fee)} is below the ${formatAmount(least)} that mempools ask for at the moment: it may not be taken, and it must not be replaced by another one later.`
        ]
      : [])
  ]
}
