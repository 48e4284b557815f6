/**
 * Whether the owner of a P2WPKH output has signed a transaction that spends it (BIP141, BIP143).
 */
import type { Transaction } from 'bitcoinjs-lib'
import { crypto, payments } from 'bitcoinjs-lib'
import { sameBytes } from '../types/bytes.js'
import { fromBlock } from './ecdsa.js'
import type { Ecdsa } from './keys.js'

/** OP_0 and a push of 20 bytes. */
export function isKeyScript(script: Uint8Array): boolean {
  return script.length === 22 && script[0] === 0x00 && script[1] === 0x14
}

/** @param value - of the output that is spent, in satoshis */
export function isSignedByOwner(
  tx: Transaction,
  index: number,
  script: Uint8Array,
  value: bigint,
  verify: Ecdsa['verify']
): boolean {
  const [der, publicKey, ...more] = tx.ins[index]?.witness ?? []
  if (
    der === undefined ||
    publicKey === undefined ||
    more.length > 0 ||
    !sameBytes(crypto.hash160(publicKey), script.subarray(2))
  ) {
    return false
  }
  try {
    const { signature, sighashType } = fromBlock(der)
    // BIP143: the script code of P2WPKH is that of P2PKH.
    const code = payments.p2pkh({ hash: script.subarray(2) }).output
    return (
      code !== undefined &&
      verify(publicKey, tx.hashForWitnessV0(index, code, value, sighashType), signature)
    )
  } catch {
    return false
  }
}
