/** The hash functions of Bitcoin. */
import { crypto } from 'bitcoinjs-lib'

type Hash = (bytes: Uint8Array) => Uint8Array

export const sha256: Hash = crypto.sha256
/** SHA256, twice: txids, block hashes, digests. */
export const hash256: Hash = crypto.hash256
/** RIPEMD160 of SHA256: public keys in P2PKH and P2WPKH. */
export const hash160: Hash = crypto.hash160

/** SHA256 of a text in UTF-8. */
export function sha256OfText(text: string): Uint8Array {
  return sha256(new TextEncoder().encode(text))
}
