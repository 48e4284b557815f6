/** CRC-32 (ISO-HDLC, as in zlib and Ethernet): finds every error of up to 32 bits in a row, so every damaged byte. */

/** The polynomial 0x04c11db7, its bits reversed. */
const POLYNOMIAL = 0xedb88320

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte
  for (let bit = 0; bit < 8; bit++) remainder = (remainder & 1) === 0 ? remainder >>> 1 : (remainder >>> 1) ^ POLYNOMIAL
  return remainder
})

/**
 * The checksum of bytes, an unsigned 32-bit number. It guards against damage, not against malice.
 *
 * @example crc32(new TextEncoder().encode('123456789')) // 0xcbf43926
 */
export function crc32 (bytes: Uint8Array): number {
  let remainder = 0xffffffff
  // By index: an iterator takes twice as long.
  for (let at = 0; at < bytes.length; at++) remainder = (TABLE[(remainder ^ (bytes[at] ?? 0)) & 0xff] ?? 0) ^ (remainder >>> 8)
  return (remainder ^ 0xffffffff) >>> 0
}
