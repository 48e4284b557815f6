/** The name of a script in the Electrum protocol up to 1.6: its SHA256, reversed, in hex. */
import { sha256 } from '../bitcoin/hashes.js'
import { toHex } from '../types/bytes.js'

export function scriptHashOf(scriptPubKey: Uint8Array): string {
  return toHex(Uint8Array.from(sha256(scriptPubKey)).reverse())
}
