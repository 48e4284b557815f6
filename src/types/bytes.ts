/** Byte strings, the identifiers made of them, and their checksums. */
import { PaychanError } from './errors.js'

declare const kind: unique symbol

/**
 * A transaction id as people and Electrum servers write it: 64 lower-case hex digits, byte order
 * reversed.
 */
export type Txid = string & { readonly [kind]: 'txid' }

/** A channel's id: 64 lower-case hex digits, the SHA256 of its client key K1 (spec: ID-1). */
export type ChannelId = string & { readonly [kind]: 'channel' }

/** One output of a transaction. */
export interface OutPoint {
  /** The transaction, in the byte order that people read. */
  readonly txid: Txid
  /** The number of the output, from 0 on. */
  readonly vout: number
}

/** The number of an output is an unsigned 32-bit integer. */
const MAX_VOUT = 0xffffffff

/** The character codes of the digits. */
const DIGITS = Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0))

/** Characters made at once: a call takes a limited number of arguments. */
const AT_ONCE = 4_096

const HEX64 = /^[0-9a-f]{64}$/

/** Brands a transaction id. @throws PaychanError `ERR_INVALID_TXID` */
export function txid(value: string): Txid {
  if (!HEX64.test(value)) {
    throw new PaychanError(
      'ERR_INVALID_TXID',
      `'${value}' is not a transaction id (64 lower-case hex digits).`
    )
  }
  return value as Txid
}

/** Brands a channel id. @throws PaychanError `ERR_INVALID_CHANNEL_ID` */
export function channelId(value: string): ChannelId {
  if (!HEX64.test(value)) {
    throw new PaychanError(
      'ERR_INVALID_CHANNEL_ID',
      `'${value}' is not a channel id (64 lower-case hex digits).`
    )
  }
  return value as ChannelId
}

/**
 * Converts bytes to lower-case hex, from character codes in one piece: V8 keeps a text that is put
 * together byte by byte as a tree of its pieces, 30 times as large, until somebody reads it.
 */
export function toHex(bytes: Uint8Array): string {
  if (bytes.length === HASH_CODES.length / 2) return hexOf(bytes, HASH_CODES)
  let hex = ''
  for (let from = 0; from < bytes.length; from += AT_ONCE / 2) {
    const part = bytes.subarray(from, from + AT_ONCE / 2)
    hex += hexOf(part, new Array<number>(2 * part.length))
  }
  return hex
}

/** The characters of a hash: nearly all that is written as hex, so they are laid out once. */
const HASH_CODES = new Array<number>(64).fill(0)

/** Fills in the character codes, two a byte. */
function hexOf(bytes: Uint8Array, codes: number[]): string {
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0
    codes[2 * at] = DIGITS[byte >> 4] ?? 0
    codes[2 * at + 1] = DIGITS[byte & 15] ?? 0
  }
  return String.fromCharCode(...codes)
}

/** The value of a digit that was checked: `0` to `9` are 48 to 57, `A` is 65, `a` is 97. */
function digitOf(code: number): number {
  return (code & 15) + (code > 57 ? 9 : 0)
}

/** Converts lower-case or upper-case hex to bytes. @throws PaychanError `ERR_INVALID_HEX` */
export function fromHex(hex: string): Uint8Array {
  if (hex.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(hex)) {
    throw new PaychanError('ERR_INVALID_HEX', 'That is not hex.')
  }
  const bytes = new Uint8Array(hex.length / 2)
  for (let i = 0; i < bytes.length; i += 1) {
    bytes[i] = (digitOf(hex.charCodeAt(2 * i)) << 4) | digitOf(hex.charCodeAt(2 * i + 1))
  }
  return bytes
}

/**
 * Size in bytes of the piece that copies are cut from, as those of `Buffer.from` are: allocating
 * each takes longer than filling it.
 */
const PIECE = 32_768
/** Limit in bytes: longer copies get a piece of their own. */
const LONGEST_CUT = 4_096

/** Copies of byte strings that come one after another, many of them in one piece of memory. */
export class Copies {
  #piece = new Uint8Array(0)
  #at = 0

  /** Copies bytes; nobody else gets these, or writes into them. */
  of(bytes: Uint8Array): Uint8Array {
    const { length } = bytes
    if (length > LONGEST_CUT) return new Uint8Array(bytes)
    if (this.#at + length > this.#piece.length) {
      this.#piece = new Uint8Array(PIECE)
      this.#at = 0
    }
    const copy = this.#piece.subarray(this.#at, this.#at + length)
    copy.set(bytes)
    this.#at += length
    return copy
  }
}

/** True when two byte strings are the same. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return false
  return true
}

/** Converts the 32 bytes of a hash to a transaction id, which is written in reversed order. */
export function txidFromHash(hash: Uint8Array): Txid {
  const hex = toHex(new Uint8Array(hash).reverse())
  return hex.length === 64 ? (hex as Txid) : txid(hex)
}

/** Converts a txid to its 32 bytes, in the order in which transactions refer to it. */
export function hashFromTxid(id: Txid): Uint8Array {
  return fromHex(id).reverse()
}

/** Writes `txid:vout`, as wallets and explorers write an output. */
export function outPointText(outPoint: OutPoint): string {
  return `${outPoint.txid}:${outPoint.vout}`
}

/**
 * Reads an outpoint as `outPointText` writes it.
 *
 * @throws PaychanError `ERR_INVALID_OUTPOINT`
 */
export function outPointFromText(text: string): OutPoint {
  const [, id, vout] = /^([0-9a-f]{64}):([0-9]{1,10})$/i.exec(text.trim()) ?? []
  if (id === undefined || vout === undefined || Number(vout) > MAX_VOUT) {
    throw new PaychanError(
      'ERR_INVALID_OUTPOINT',
      `'${text.slice(0, 80)}' is not an outpoint: write the transaction id, a colon, and the number of the output, as \`paychan coins\` shows it.`,
      { text: text.slice(0, 80) }
    )
  }
  return { txid: txid(id.toLowerCase()), vout: Number(vout) }
}

/** True when two outpoints name the same output. */
export function sameOutPoint(a: OutPoint, b: OutPoint): boolean {
  return a.vout === b.vout && a.txid === b.txid
}

/* Checksums of 32 bits: they find every error of up to 32 bits in a row, so every damaged byte. */

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
