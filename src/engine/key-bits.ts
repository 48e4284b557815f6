/** KEY-2: the 62 random bits that our keys of a channel derive from. */
import type { KeyBits } from '../channel/state.js'
import type { Random } from './ports.js'

/** Two BIP32 indexes of 31 bits; the derivation hardens them. */
export function drawKeys(random: Random): KeyBits {
  const bytes = random.bytes(8)
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8)
  return { high: view.getUint32(0) & 0x7fffffff, low: view.getUint32(4) & 0x7fffffff }
}

/** The 8 bytes that `AcceptChannel` and `Reestablish` carry: both indexes, big-endian. */
export function bitsToBytes(bits: KeyBits): Uint8Array {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, bits.high)
  view.setUint32(4, bits.low)
  return bytes
}
