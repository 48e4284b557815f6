/**
 * The hash functions of Bitcoin. A hash is a function of its bytes, so that this file, alone of the
 * pure rooms, may have the one of Node.js: half the time of one in JavaScript for the digest of a
 * payment, a tenth for a long transaction.
 */
import { createHmac, hash } from 'node:crypto'
import { crypto } from 'bitcoinjs-lib'

/** 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return digestOf(bytes)
}

/** SHA256, twice: txids, block hashes, digests. */
export function hash256(bytes: Uint8Array): Uint8Array {
  return digestOf(digestOf(bytes))
}

/** RIPEMD160 of SHA256: public keys in P2PKH and P2WPKH. Not every OpenSSL has RIPEMD160. */
export const hash160: (bytes: Uint8Array) => Uint8Array = crypto.hash160

/** HMAC with SHA512, of the parts one after another: 64 bytes (BIP32). */
export function hmacSha512(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const hmac = createHmac('sha512', key)
  for (const part of parts) hmac.update(part)
  return Uint8Array.from(hmac.digest())
}

/** SHA256 of a text in UTF-8. */
export function sha256OfText(text: string): Uint8Array {
  return digestOf(text)
}

/** One character a byte. The types of Node.js know the other encodings of a digest only. */
const LATIN1 = 'latin1' as 'hex'

/**
 * SHA256 by way of a text with one character a byte: Node.js makes that in a third of the time of a
 * `Buffer`, which lies outside of the heap.
 */
function digestOf(of: Uint8Array | string): Uint8Array {
  const text = hash('sha256', of, LATIN1)
  const digest = new Uint8Array(text.length)
  for (let at = 0; at < digest.length; at++) digest[at] = text.charCodeAt(at)
  return digest
}
