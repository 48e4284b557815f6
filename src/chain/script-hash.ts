/** The name of a script in the Electrum protocol up to 1.6: its SHA256, reversed, in hex. */
import { crypto } from 'bitcoinjs-lib'
import { toHex } from '../types/bytes.js'

export function scriptHashOf(scriptPubKey: Uint8Array): string {
  return toHex(Uint8Array.from(crypto.sha256(scriptPubKey)).reverse())
}
