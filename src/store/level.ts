/**
 * The `Store` on disk: LevelDB through classic-level. Every batch is written with `sync: true`
 * (fsync of LevelDB's log) before its callers are told; `group-commit.ts` lets callers share one.
 */
import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import type { Change, Entry, Meter, Store } from '../engine/ports.js'
import { crc32c } from '../types/bytes.js'
import { codeOf, messageOf, PaychanError, STORE_FAILED } from '../types/errors.js'
import { GroupCommit } from './group-commit.js'

/*
 * Checks LevelDB's log of its newest writes before LevelDB reads it: at a wrong checksum LevelDB
 * drops the rest of the block, says so in a file of its own, and deletes the log. Format:
 * doc/log_format.md of LevelDB. Blocks of 32 kB; a record is a masked CRC-32C of type and data (4
 * bytes, little-endian), a length (2), a type (1), and the data.
 */

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

/** Mode 0700: nobody else may read the store. */
const DIRECTORY_MODE = 0o700

/** Sorts after every character that a key may hold (`group-commit.ts`: 0x21 to 0x7e). */
const AFTER_ALL = '\x7f'

/** The file with which LevelDB locks a store. */
export const LOCK_FILE = 'LOCK'

type Database = ClassicLevel<string, Uint8Array>

interface LevelOptions {
  /** False: a missing store is an error. */
  readonly createIfMissing?: boolean
  /**
   * Called for a damaged log of newest writes. LevelDB drops the writes after the damage, and
   * deletes the log; a copy stays beside it.
   */
  readonly onDamage?: (sentence: string) => void
  /** Times the commits; nothing is timed when left out. */
  readonly meter?: Pick<Meter, 'now' | 'committed'> | undefined
}

/**
 * Opens the store in `directory`, and creates it when it is missing, unless `createIfMissing` is
 * false. LevelDB locks it against every other process, and against a second opening in this one.
 *
 * @throws PaychanError `ERR_STORE_LOCKED` when another process has it, `ERR_STORE_FAILED` when it
 *   cannot be read or written.
 * @example
 * const store = await openLevelStore('/home/alice/.paychan/regtest/store')
 * await store.commit([{ key: 'wallet/branch/0', value: record }])
 */
export async function openLevelStore(
  directory: string,
  { createIfMissing = true, onDamage = () => {}, meter }: LevelOptions = {}
): Promise<Store> {
  try {
    // First the directory: LevelDB begins to open as soon as it is made, and would create it for
    // all to read.
    if (createIfMissing) await mkdir(directory, { recursive: true, mode: DIRECTORY_MODE })
    for (const { file, at } of await damagedLogs(directory)) {
      await copyFile(file, `${file}.damaged`)
      onDamage(
        `The newest writes are damaged (${file}, from byte ${at} on): what was written last may be missing. Leave the node running, so that its peers bring back what they know; a copy of the file is kept as ${file}.damaged.`
      )
    }
    const database: Database = new ClassicLevel<string, Uint8Array>(directory, {
      keyEncoding: 'utf8',
      valueEncoding: 'view',
      createIfMissing
    })
    await database.open()
    return new LevelStore(database, meter)
  } catch (error) {
    throw openingError(directory, error)
  }
}

class LevelStore implements Store {
  readonly #group: GroupCommit
  readonly #database: Database
  readonly #meter: LevelOptions['meter']

  constructor(database: Database, meter: LevelOptions['meter']) {
    this.#database = database
    this.#meter = meter
    this.#group = new GroupCommit(async (changes) => {
      await database.batch(changes.map(operation), { sync: true })
    })
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return await reading(async () => await this.#database.get(key))
  }

  async *entries(prefix: string): AsyncGenerator<Entry> {
    // An iterator of LevelDB sees the database as it was when the iterator was made.
    const iterator = this.#database.iterator({ gte: prefix, lt: prefix + AFTER_ALL })
    try {
      for (;;) {
        const entry = await reading(async () => await iterator.next())
        if (entry === undefined) return
        yield entry
      }
    } finally {
      await iterator.close()
    }
  }

  async last(prefix: string, count: number, before = prefix + AFTER_ALL): Promise<Entry[]> {
    const range = { gte: prefix, lt: before, reverse: true, limit: count }
    return await reading(async () => await this.#database.iterator(range).all())
  }

  async commit(changes: readonly Change[]): Promise<void> {
    const since = this.#meter?.now() ?? 0
    await this.#group.commit(changes)
    this.#meter?.committed(this.#meter.now() - since)
  }

  async close(): Promise<void> {
    await this.#group.close()
    await this.#database.close()
  }
}

function operation({
  key,
  value
}: Change): { type: 'put'; key: string; value: Uint8Array } | { type: 'del'; key: string } {
  return value === undefined ? { type: 'del', key } : { type: 'put', key, value }
}

async function reading<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw new PaychanError(
      'ERR_STORE_FAILED',
      `The store could not be read (${messageOf(error)}). Check the disk, then start the node again.`,
      { reason: messageOf(error) },
      { cause: error }
    )
  }
}

const HINDRANCES: ReadonlyArray<readonly [RegExp, string]> = [
  [/ENOSPC|EDQUOT|No space left|quota/i, 'the disk is full'],
  [/EROFS|Read-only/i, 'the disk is mounted read-only'],
  [/EACCES|EPERM|Permission denied|not permitted/i, 'there is no permission']
]

/**
 * The hindrance that keeps an undamaged store from being opened: a full disk, permissions, or
 * another error of the system. Undefined when the store is damaged.
 */
export function hindranceOf(error: unknown): string | undefined {
  const reason = error instanceof PaychanError ? error.cause : error
  const [code, text] = [codeOf(reason), messageOf(reason)]
  // A file of it that is gone is damage. All else that the system refuses is not; LevelDB tells
  // damage as LEVEL_CORRUPTION, or as a wrong argument.
  if (
    /ENOENT|No such file/.test(text) ||
    (code !== 'LEVEL_IO_ERROR' && !/^E[A-Z0-9]+$/.test(code))
  ) {
    return undefined
  }
  return HINDRANCES.find(([pattern]) => pattern.test(text))?.[1] ?? text
}

/** abstract-level wraps the reason: `LEVEL_DATABASE_NOT_OPEN`, caused by `LEVEL_LOCKED` etc. */
function openingError(directory: string, error: unknown): PaychanError {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  if (codeOf(cause) === 'LEVEL_LOCKED') {
    return new PaychanError(
      'ERR_STORE_LOCKED',
      `Another process is using ${directory}. Stop that node (\`paychan stop\`), or start this one with a data directory of its own.`,
      { directory },
      { cause }
    )
  }
  return new PaychanError(
    'ERR_STORE_FAILED',
    `The store in ${directory} could not be opened (${messageOf(cause)}). Check the directory's permissions and the disk.`,
    { directory, reason: messageOf(cause) },
    { cause }
  )
}

/* Reports that a store has failed, whichever of its users it failed under. */

/**
 * The same store; `onFailure` is called, once, when a commit is refused by the disk. From then on
 * the store cannot be trusted, and the node has to stop as a whole: wallet, channels and all.
 */
export function onStoreFailure(store: Store, onFailure: (error: Error) => void): Store {
  let failed = false
  let closed = false
  return {
    get: async (key) => await store.get(key),
    entries: (prefix) => store.entries(prefix),
    last: async (prefix, count, before) => await store.last(prefix, count, before),
    commit: async (changes) => {
      try {
        await store.commit(changes)
      } catch (error) {
        if (!failed && !closed && error instanceof Error && codeOf(error) === STORE_FAILED) {
          failed = true
          onFailure(error)
        }
        throw error
      }
    },
    close: async () => {
      closed = true
      await store.close()
    }
  }
}
