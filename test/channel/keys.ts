/**
 * Key pairs with fixed secrets, and a check of signed spends that shares no code with src/bitcoin.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { script as scripts, Transaction } from 'bitcoinjs-lib'
import type { FundingOutput } from '../../src/bitcoin/template.js'
import { loadEcdsa } from '../../src/wallet/signer.js'

export const ecdsa = loadEcdsa()

export interface KeyPair {
  readonly publicKey: Uint8Array
  readonly sign: (digest: Uint8Array) => Uint8Array
}

/** The key pair whose secret is the SHA256 of a name. */
export function keyPair(name: string): KeyPair {
  const secret = Uint8Array.from(createHash('sha256').update(name).digest())
  return { publicKey: ecdsa.publicKeyOf(secret), sign: (digest) => ecdsa.sign(secret, digest) }
}

/** A P2WPKH script of a name. */
export function scriptOf(name: string): Uint8Array {
  return Uint8Array.from([0, 20, ...createHash('sha256').update(name).digest().subarray(0, 20)])
}

/**
 * What is wrong with a transaction as a spend of a funding output; undefined when both signatures
 * are valid and it creates no money out of this input. The digests come from bitcoinjs-lib.
 */
export function faultOfSpend(raw: Uint8Array, funding: FundingOutput): string | undefined {
  const tx = Transaction.fromBuffer(Uint8Array.from(raw))
  const input = tx.ins[0]
  assert.ok(input)
  const [empty, first, second, witnessScript] = input.witness
  if (
    input.witness.length !== 4 ||
    empty?.length !== 0 ||
    first === undefined ||
    second === undefined ||
    witnessScript === undefined
  ) {
    return 'the witness has another form'
  }
  const expected = scripts.compile([0x52, funding.clientKey, funding.serverKey, 0x52, 0xae])
  if (Buffer.compare(Buffer.from(expected), Buffer.from(witnessScript)) !== 0) {
    return 'the witness script is another one'
  }
  const signed: Array<readonly [string, Uint8Array, Uint8Array]> = [
    ['client', first, funding.clientKey],
    ['server', second, funding.serverKey]
  ]
  for (const [side, der, key] of signed) {
    const { signature, hashType } = scripts.signature.decode(der)
    const digest = tx.hashForWitnessV0(0, witnessScript, funding.value, hashType)
    if (!ecdsa.verify(key, digest, signature)) return `the signature of the ${side} is wrong`
  }
  const paid = tx.outs.reduce((sum, { value }) => sum + value, 0n)
  // Coins of a wallet beside it, as in a top-up, are for the chain to judge.
  return tx.ins.length === 1 && paid > funding.value
    ? `it pays ${paid} sat out of ${funding.value} sat`
    : undefined
}
