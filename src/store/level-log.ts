/**
 * Checks LevelDB's log of its newest writes before LevelDB reads it: at a wrong checksum LevelDB
 * drops the rest of the block, says so in a file of its own, and deletes the log. Format:
 * doc/log_format.md of LevelDB. Blocks of 32 kB; a record is a masked CRC-32C of type and data (4
 * bytes, little-endian), a length (2), a type (1), and the data.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32c } from '../types/checksum.js'

const BLOCK_BYTES = 32_768
const HEADER_BYTES = 7

/**
 * `MaskDelta` of LevelDB's util/crc32c.h: a checksum of data that holds checksums would be weak.
 */
const MASK_DELTA = 0xa282ead8

/** Damage in a log: from byte `at` on, writes are lost. */
export interface LogDamage {
  readonly file: string
  readonly at: number
}

/** The damaged logs in a directory of LevelDB; none when there is no such directory. */
export async function damagedLogs(directory: string): Promise<LogDamage[]> {
  const names = await readdir(directory).catch(() => [])
  const found: LogDamage[] = []
  for (const name of names.filter((each) => /^\d+\.log$/.test(each)).sort()) {
    const file = join(directory, name)
    const at = firstDamage(await readFile(file))
    if (at !== undefined) found.push({ file, at })
  }
  return found
}

/**
 * Offset of the first damaged record; a record that was being written when the process ended is not
 * damaged.
 */
export function firstDamage(log: Uint8Array): number | undefined {
  const view = new DataView(log.buffer, log.byteOffset, log.byteLength)
  for (let at = 0; at < log.length;) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES)
    if (left < HEADER_BYTES) {
      at += left
      continue
    }
    if (at + HEADER_BYTES > log.length) return undefined
    const length = view.getUint16(at + 4, true)
    const end = at + HEADER_BYTES + length
    // Zeros are room that a file system gave in advance.
    if (length === 0 && log[at + 6] === 0) {
      at += left
      continue
    }
    if (HEADER_BYTES + length > left) return at
    // The file ends within a record: its write was not finished, so nobody was told of it.
    if (end > log.length) return undefined
    if (unmasked(view.getUint32(at, true)) !== crc32c(log.subarray(at + 6, end))) return at
    at = end
  }
  return undefined
}

/** The inverse of a rotation by 15 bits and an addition. */
function unmasked(masked: number): number {
  const rotated = (masked - MASK_DELTA) >>> 0
  return ((rotated >>> 17) | (rotated << 15)) >>> 0
}
