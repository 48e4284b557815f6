/** Checksums of 32 bits: they find every error of up to 32 bits in a row, so every damaged byte. */

/** Tabulates the effect of each byte on a remainder, for a polynomial with its bits reversed. */
function tableOf(polynomial: number): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let remainder = byte
    for (let bit = 0; bit < 8; bit++) {
      remainder = (remainder & 1) === 0 ? remainder >>> 1 : (remainder >>> 1) ^ polynomial
    }
    return remainder
  })
}

/** 0x04c11db7 reversed: ISO-HDLC, as in zlib and Ethernet. */
const ISO_HDLC = tableOf(0xedb88320)

/** 0x1edc6f41 reversed: Castagnoli's (RFC 3720), as in iSCSI and LevelDB. */
const CASTAGNOLI = tableOf(0x82f63b78)

/**
 * Computes the CRC-32 of bytes, an unsigned 32-bit number; several parts count as one piece. It
 * guards against damage, not against malice.
 *
 * @example crc32(new TextEncoder().encode('123456789')) // 0xcbf43926
 */
export function crc32(...parts: Uint8Array[]): number {
  return remainderOf(parts, ISO_HDLC)
}

/**
 * Computes the CRC-32 of bytes with Castagnoli's polynomial.
 *
 * @example crc32c(new TextEncoder().encode('123456789')) // 0xe3069283
 */
export function crc32c(bytes: Uint8Array): number {
  return remainderOf([bytes], CASTAGNOLI)
}

function remainderOf(parts: readonly Uint8Array[], table: Uint32Array): number {
  let remainder = 0xffffffff
  for (const bytes of parts) {
    // By index: an iterator takes twice as long.
    for (let at = 0; at < bytes.length; at++) {
      remainder = (table[(remainder ^ (bytes[at] ?? 0)) & 0xff] ?? 0) ^ (remainder >>> 8)
    }
  }
  return (remainder ^ 0xffffffff) >>> 0
}
