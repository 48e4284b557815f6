/**
 * What the witness of a spend of a funding output says: whether both keys have signed it at all
 * (BIP141, BIP143), and how much of it each has signed.
 */
import { Transaction } from 'bitcoinjs-lib'
import { sameBytes, txidFromHash, type OutPoint } from '../types/bytes.js'
import { fromBlock, SIGHASH } from './ecdsa.js'
import type { FundingOutput } from './funding-spend.js'
import type { Ecdsa, Role } from './keys.js'
import { fundingWitnessScript } from './scripts.js'
import { parseTransaction } from './transaction.js'

/**
 * Checks the input that spends the output: its witness, and both signatures with whatever they
 * sign, as a miner does. A block vouches for it only where the witness is the block's: a txid says
 * nothing of witnesses.
 *
 * @returns false also for bytes that are no transaction, and for one that does not spend the output
 */
export function isSignedByBoth(
  raw: Uint8Array,
  { outPoint, value, clientKey, serverKey }: FundingOutput,
  verify: Ecdsa['verify']
): boolean {
  try {
    const {
      tx,
      index,
      witness: [nothing, client, server, script, ...more]
    } = spending(raw, outPoint)
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
      return verify(key, tx.hashForWitnessV0(index, expected, value, sighashType), signature)
    })
  } catch {
    return false
  }
}

/**
 * How much of a spend each side has signed: `whole` is `ALL`, `own output` is
 * `SINGLE|ANYONECANPAY`, `nothing` is `NONE|ANYONECANPAY`: the input and the lock only. Undefined
 * for every other type, and where a signature is missing.
 */
export type SignedPart = 'whole' | 'own output' | 'nothing'

const PARTS: ReadonlyMap<number, SignedPart> = new Map([
  [SIGHASH.ALL, 'whole'],
  [SIGHASH.SINGLE | SIGHASH.ANYONECANPAY, 'own output'],
  [SIGHASH.NONE | SIGHASH.ANYONECANPAY, 'nothing']
])

/**
 * What each side has signed of a spend of the output. The signatures are taken as verified
 * (`isSignedByBoth`): so what a side has not signed may have been chosen by the other one.
 */
export function signedParts(
  raw: Uint8Array,
  outPoint: OutPoint
): Readonly<Record<Role, SignedPart | undefined>> {
  try {
    const {
      witness: [, client, server]
    } = spending(raw, outPoint)
    const partOf = (der: Uint8Array | undefined): SignedPart | undefined =>
      der === undefined ? undefined : PARTS.get(fromBlock(der).sighashType)
    return { client: partOf(client), server: partOf(server) }
  } catch {
    return { client: undefined, server: undefined }
  }
}

/**
 * The transaction, as strictly read as everywhere, which of its inputs spends the output, and what
 * stands in its witness.
 */
function spending(
  raw: Uint8Array,
  outPoint: OutPoint
): { readonly tx: Transaction; readonly index: number; readonly witness: readonly Uint8Array[] } {
  parseTransaction(raw)
  const tx = Transaction.fromBuffer(Uint8Array.from(raw))
  const index = tx.ins.findIndex(
    (input) => input.index === outPoint.vout && txidFromHash(input.hash) === outPoint.txid
  )
  return { tx, index, witness: tx.ins[index]?.witness ?? [] }
}
