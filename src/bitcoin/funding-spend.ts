/**
 * Transactions whose one input is the funding output: states (T2, T3) and cooperative closes; and
 * the meaning of their witness.
 */
import { type OutPoint, sameBytes, sameOutPoint } from '../types/bytes.js'
import type { Satoshi } from '../types/units.js'
import { fromBlock, SIGHASH } from './ecdsa.js'
import type { Ecdsa, Role } from './keys.js'
import { fundingWitnessScript } from './scripts.js'
import { MAX_SIGNATURE_BYTES, segwitVsize, witnessItemSize } from './sizes.js'
import { makeTransaction, type Transaction, type TxOutput } from './transaction.js'

/*
 * Transactions whose one input is the funding output: states (T2, T3) and cooperative closes.
 *
 *   witness of input 0   <empty> <signature of K1> <signature of K2> <2 K1 K2 2 CHECKMULTISIG>
 */

/** The output of T1 that a channel lives on. */
export interface FundingOutput {
  readonly outPoint: OutPoint
  /** The capacity of the channel, in satoshis. */
  readonly value: Satoshi
  /** K1, 33 bytes. */
  readonly clientKey: Uint8Array
  /** K2, 33 bytes. */
  readonly serverKey: Uint8Array
}

/**
 * `nSequence` of input 0 everywhere. Below 0xffffffff, so that nLockTime counts (BIP65); below
 * 0xfffffffe, so that the transaction says it may be replaced (BIP125); bit 31 set, so that it sets
 * no relative lock (BIP68).
 */
export const SEQUENCE = 0xfffffffd

/** Makes the unsigned transaction. */
export function fundingSpend(
  funding: FundingOutput,
  version: number,
  lock: number,
  outputs: readonly TxOutput[]
): Transaction {
  return makeTransaction({
    version,
    lockTime: lock,
    inputs: [{ outPoint: funding.outPoint, sequence: SEQUENCE }],
    outputs
  })
}

/** The BIP143 digest of input 0 that a signature over everything (`ALL`) signs. */
export function digestOfAll(tx: Transaction, funding: FundingOutput): Uint8Array {
  return tx.sighash(
    0,
    fundingWitnessScript(funding.clientKey, funding.serverKey),
    funding.value,
    SIGHASH.ALL
  )
}

/** Makes the signed transaction. Both signatures are DER with their sighash byte. */
export function withSignatures(
  tx: Transaction,
  funding: FundingOutput,
  client: Uint8Array,
  server: Uint8Array
): Transaction {
  return tx.withWitnesses([fundingWitness(funding, client, server)])
}

/**
 * Makes the witness that unlocks a funding output. Both signatures are DER with their sighash byte.
 */
export function fundingWitness(
  { clientKey, serverKey }: Pick<FundingOutput, 'clientKey' | 'serverKey'>,
  client: Uint8Array,
  server: Uint8Array
): readonly Uint8Array[] {
  // OP_CHECKMULTISIG removes the empty item from the stack besides its arguments (BIP147: it must
  // be empty).
  return [new Uint8Array(0), client, server, fundingWitnessScript(clientKey, serverKey)]
}

// 4 items: 1 for their number, 1 for the empty one, two signatures, and the 71 bytes of the script:
// 1 + 1 + 2 x (1 + 72) + (1 + 71) = 220
/** The witness of a funding output, in bytes, with the longest signatures. */
export const FUNDING_WITNESS_BYTES =
  1 + witnessItemSize(0) + 2 * witnessItemSize(MAX_SIGNATURE_BYTES) + witnessItemSize(71)

/** The size that such an input adds to another transaction: 41 + 220 / 4 = 96 vB. */
export const FUNDING_INPUT_VSIZE = 41 + FUNDING_WITNESS_BYTES / 4

/** The virtual size with these outputs and the longest signatures. */
export function fundingSpendVsize(outputScripts: readonly Uint8Array[]): number {
  return segwitVsize([FUNDING_WITNESS_BYTES], outputScripts)
}

/*
 * The witness of a spend of a funding output: whether both keys have signed the spend at all
 * (BIP141, BIP143), and how much of it each key has signed.
 */

/** The last answer of `isSignedByBoth` for a transaction, and what it was asked about. */
interface Judgement {
  readonly output: FundingOutput
  readonly verify: Ecdsa['verify']
  readonly isSigned: boolean
}

/** A transaction never changes, and is looked at with each history that has it. */
const judgements = new WeakMap<Transaction, Judgement>()

function sameOutput(a: FundingOutput, b: FundingOutput): boolean {
  return (
    sameOutPoint(a.outPoint, b.outPoint) &&
    a.value === b.value &&
    sameBytes(a.clientKey, b.clientKey) &&
    sameBytes(a.serverKey, b.serverKey)
  )
}

/**
 * Checks the input that spends the output: its witness, and both signatures with whatever they
 * sign, as a miner does. A block vouches for the input only when the witness is the block's: a txid
 * does not cover witnesses. Asked again about the same transaction, it verifies nothing again.
 *
 * @returns false also when the transaction does not spend the output
 */
export function isSignedByBoth(
  tx: Transaction,
  output: FundingOutput,
  verify: Ecdsa['verify']
): boolean {
  const known = judgements.get(tx)
  if (known?.verify === verify && sameOutput(known.output, output)) return known.isSigned
  const isSigned = bothHaveSigned(tx, output, verify)
  judgements.set(tx, { output, verify, isSigned })
  return isSigned
}

function bothHaveSigned(
  tx: Transaction,
  { outPoint, value, clientKey, serverKey }: FundingOutput,
  verify: Ecdsa['verify']
): boolean {
  const index = tx.inputOf(outPoint)
  const [nothing, client, server, script, ...more] = tx.inputs[index]?.witness ?? []
  try {
    const expected = fundingWitnessScript(clientKey, serverKey)
    if (
      nothing?.length !== 0 ||
      client === undefined ||
      server === undefined ||
      script === undefined ||
      more.length > 0 ||
      !sameBytes(script, expected)
    ) {
      return false
    }
    return [[clientKey, client] as const, [serverKey, server] as const].every(([key, der]) => {
      const { signature, sighashType } = fromBlock(der)
      return verify(key, tx.sighash(index, expected, value, sighashType), signature)
    })
  } catch {
    return false
  }
}

/**
 * The part of a spend that a side has signed: `whole` is `ALL`, `own output` is
 * `SINGLE|ANYONECANPAY`, `nothing` is `NONE|ANYONECANPAY`: the input and the lock only. Undefined
 * for every other type, and where a signature is missing.
 */
type SignedPart = 'whole' | 'own output' | 'nothing'

const PARTS: ReadonlyMap<number, SignedPart> = new Map([
  [SIGHASH.ALL, 'whole'],
  [SIGHASH.SINGLE | SIGHASH.ANYONECANPAY, 'own output'],
  [SIGHASH.NONE | SIGHASH.ANYONECANPAY, 'nothing']
])

/**
 * Finds the part that each side has signed of a spend of the output. The signatures are taken as
 * verified (`isSignedByBoth`): the part that a side has not signed may be chosen by the other side.
 */
export function signedParts(
  tx: Transaction,
  outPoint: OutPoint
): Readonly<Record<Role, SignedPart | undefined>> {
  const [, client, server] = tx.inputs[tx.inputOf(outPoint)]?.witness ?? []
  const partOf = (der: Uint8Array | undefined): SignedPart | undefined =>
    der === undefined ? undefined : PARTS.get(fromBlock(der).sighashType)
  try {
    return { client: partOf(client), server: partOf(server) }
  } catch {
    return { client: undefined, server: undefined }
  }
}
