/**
 * What the witness of a spend of a funding output says: whether both keys have signed it at all
 * (BIP141, BIP143), and how much of it each has signed.
 */
import { sameBytes, type OutPoint } from '../types/bytes.js'
import { fromBlock, SIGHASH } from './ecdsa.js'
import type { FundingOutput } from './funding-spend.js'
import type { Ecdsa, Role } from './keys.js'
import { fundingWitnessScript } from './scripts.js'
import type { Transaction } from './transaction.js'

/**
 * Checks the input that spends the output: its witness, and both signatures with whatever they
 * sign, as a miner does. A block vouches for it only where the witness is the block's: a txid says
 * nothing of witnesses.
 *
 * @returns false also for one that does not spend the output
 */
export function isSignedByBoth(
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
