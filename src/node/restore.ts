/**
 * Makes a data directory from a backup, or from the words alone: the seed, and the range of the
 * wallet's search.
 */
import { randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import { EVENT_PREFIX, numberIn, renumberedChange } from '../engine/event-log.js'
import type { Change } from '../engine/ports.js'
import { copiedChanges, restoredChange } from '../engine/restores.js'
import { copiedRecord } from '../engine/stored-channel.js'
import { openLevelStore } from '../store/level.js'
import { codeOf, messageOf, PaychanError, STORE_FAILED } from '../types/errors.js'
import { unlessDamaged } from '../types/records.js'
import { type AskPassphrase, createPrivateFile, syncDirectory } from '../wallet/private-file.js'
import { branchChange, BRANCHES, GAP_KEY, gapChange, MAX_GAP, readGap } from '../wallet/records.js'
import { writeSeedFile } from '../wallet/seed-file.js'
import { SPENT_PREFIX, TOKEN_PREFIX } from './access.js'
import { type BackupHead, openBackup, readBackupHead } from './backup-file.js'
import { ANSWER_PREFIX } from './kept-answers.js'
import { CONFIG_FILE, SEED_FILE, STORE_DIRECTORY } from './system.js'
import { WEBHOOK_PREFIX } from './webhooks.js'

/**
 * BIP44's gap limit is 20, for wallets that give an address to a person now and then. A server of
 * an earlier release gave one to each peer that offered a channel, and many offers came to nothing;
 * the close scripts of this one have a chain and a gap of their own (`CLOSE_GAP`).
 */
export interface RestoreOptions {
  readonly words: string
  /** Encrypts the seed. */
  readonly passphrase: string | undefined
  /** Number of unused addresses in a row that end the search, on each branch: 1 to 10,000. */
  readonly gap: number
  /** Number of addresses of each branch known to be used: the search begins behind them. */
  readonly used?: number
}

/**
 * Writes the seed, which must not exist yet, and stores for every later start the gap, and the task
 * to ask peers for channels.
 *
 * @throws PaychanError `ERR_INVALID_GAP`, and those of `writeSeedFile` and of opening a store
 */
export async function restoreData(
  dataDir: string,
  { words, passphrase, gap, used = 0 }: RestoreOptions
): Promise<void> {
  assertGap(gap)
  if (used > MAX_GAP) {
    throw new PaychanError(
      'ERR_INVALID_GAP',
      `At most ${MAX_GAP} addresses can be named as used; each is a subscription on the Electrum server.`,
      { used, most: MAX_GAP }
    )
  }
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  await writeSeedFile(join(dataDir, SEED_FILE), words, passphrase)
  const store = await openLevelStore(join(dataDir, STORE_DIRECTORY))
  try {
    await store.commit([
      gapChange(gap),
      ...(used === 0 ? [] : BRANCHES.map((branch) => branchChange(branch, used))),
      restoredChange()
    ])
  } finally {
    await store.close()
  }
}

/** @throws PaychanError `ERR_INVALID_GAP` */
export function assertGap(gap: number): void {
  if (gap >= 1 && gap <= MAX_GAP) return
  throw new PaychanError(
    'ERR_INVALID_GAP',
    `The gap is 1 to ${MAX_GAP} addresses; each is a subscription on the Electrum server.`,
    { gap, most: MAX_GAP }
  )
}

/*
 * Makes a data directory from a backup. What it holds is an old copy from its first moment on
 * (RESTORE-10): it is marked as one before a node can start on it.
 */

export interface RestoreBackupOptions {
  readonly file: string
  readonly passphrase: AskPassphrase
  /** The network that the directory is meant for; any when undefined. */
  readonly network?: Network | undefined
  /** Least number of unused addresses in a row that the wallet watches. */
  readonly gap: number
}

/** A backup that was put back. */
export interface RestoredBackup extends BackupHead {
  readonly records: number
  /** False when the application kept the seed itself. */
  readonly hasSeed: boolean
}

/**
 * What is not put back: tokens that were revoked, and budgets that were used, after the backup, and
 * numbers of events, which are given out once, with the webhooks that stand at one.
 */
const LEFT_OUT = [TOKEN_PREFIX, SPENT_PREFIX, ANSWER_PREFIX, EVENT_PREFIX, WEBHOOK_PREFIX]

/** Records that are written at once. */
const BATCH = 1_000

/**
 * Puts a backup back into a directory that has no node's data. A failure leaves the directory as it
 * was; a crash may leave a directory `restoring-...` in it, which nothing reads.
 *
 * @throws PaychanError `ERR_DATA_EXISTS`, `ERR_BACKUP_UNREADABLE`, `ERR_WRONG_PASSPHRASE`,
 *   `ERR_WRONG_NETWORK`, `ERR_STORE_VERSION`, `ERR_STORE_FAILED`, `ERR_INVALID_GAP`
 */
export async function restoreBackup(
  dataDir: string,
  { file: path, passphrase, network, gap }: RestoreBackupOptions
): Promise<RestoredBackup> {
  assertGap(gap)
  await assertEmpty(dataDir)
  const file = await open(path, 'r').catch((error: unknown) => {
    throw unreadable(path, error)
  })
  try {
    const head = await readBackupHead(file, path)
    if (network !== undefined && head.network !== network) {
      throw new PaychanError(
        'ERR_WRONG_NETWORK',
        `${path} is a backup of a node on ${head.network}, and this directory is configured for ${network}. Use another --data for each network.`,
        { network, known: head.network }
      )
    }
    return await putBack(dataDir, file, path, passphrase, gap)
  } catch (error) {
    // A store that failed was the new one.
    throw error instanceof PaychanError && error.code !== STORE_FAILED
      ? error
      : failed(dataDir, error)
  } finally {
    await file.close()
  }
}

async function putBack(
  dataDir: string,
  file: FileHandle,
  path: string,
  passphrase: AskPassphrase,
  gap: number
): Promise<RestoredBackup> {
  const { head, entries } = await openBackup(file, path, passphrase)
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const working = join(dataDir, `restoring-${randomUUID()}`)
  try {
    await mkdir(working, { mode: 0o700 })
    const { files, records } = await fill(join(working, STORE_DIRECTORY), head, entries(), gap)
    await take(dataDir, working, files)
    const { id, madeAt, network, peerId } = head
    return { id, madeAt, network, peerId, records, hasSeed: files.has(SEED_FILE) }
  } finally {
    await rm(working, { recursive: true, force: true })
  }
}

/** Makes the store, whole and marked, where no node looks for it. */
async function fill(
  directory: string,
  { id, madeAt }: BackupHead,
  entries: AsyncIterable<{ kind: 'file' | 'record'; name: string; value: Uint8Array }>,
  gap: number
): Promise<{ readonly files: ReadonlyMap<string, Uint8Array>; readonly records: number }> {
  const files = new Map<string, Uint8Array>()
  const store = await openLevelStore(directory)
  let records = 0
  let [watched, newest] = [0, 0]
  try {
    let batch: Change[] = []
    for await (const { kind, name, value } of entries) {
      if (kind === 'file') {
        files.set(name, value)
        continue
      }
      records += 1
      // What is damaged can be done without.
      newest = Math.max(newest, unlessDamaged(() => numberIn(name, value)) ?? 0)
      if (LEFT_OUT.some((prefix) => name.startsWith(prefix))) continue
      if (name === GAP_KEY) watched = unlessDamaged(() => readGap(value)) ?? 0
      batch.push({ key: name, value: copiedRecord(name, value) })
      if (batch.length < BATCH) continue
      await store.commit(batch)
      batch = []
    }
    // Addresses that were given out after the backup lie behind those that it knows.
    await store.commit([
      ...batch,
      ...copiedChanges(id, madeAt),
      gapChange(Math.max(gap, watched)),
      ...(newest === 0 ? [] : [renumberedChange(newest)])
    ])
  } finally {
    await store.close()
  }
  return { files, records }
}

/**
 * The store takes its name first: a store without a seed cannot be started, while a seed without
 * its store would be a node that knows of no channel.
 */
async function take(
  dataDir: string,
  working: string,
  files: ReadonlyMap<string, Uint8Array>
): Promise<void> {
  await assertEmpty(dataDir)
  const directory = join(dataDir, STORE_DIRECTORY)
  await syncDirectory(join(working, STORE_DIRECTORY))
  await rename(join(working, STORE_DIRECTORY), directory)
  await syncDirectory(dataDir)
  try {
    for (const [name, overwrites] of [
      [CONFIG_FILE, false],
      [SEED_FILE, true]
    ] as const) {
      const value = files.get(name)
      if (value === undefined) continue
      await createPrivateFile(join(dataDir, name), new TextDecoder().decode(value)).catch(
        (error: unknown) => {
          // Settings that were made for this directory stay.
          if (overwrites || codeOf(error) !== 'EEXIST') throw error
        }
      )
    }
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw error
  }
}

/** @throws PaychanError `ERR_DATA_EXISTS` */
async function assertEmpty(dataDir: string): Promise<void> {
  const names = await readdir(dataDir).catch((error: unknown): string[] => {
    if (codeOf(error) === 'ENOENT') return []
    throw failed(dataDir, error)
  })
  const found = [SEED_FILE, STORE_DIRECTORY].find((name) => names.includes(name))
  if (found === undefined) return
  throw new PaychanError(
    'ERR_DATA_EXISTS',
    `There is a node's data in ${dataDir} already (${found}), and nothing of it is overwritten. Restore the backup into a new directory (--data).`,
    { dataDir, found }
  )
}

function unreadable(path: string, error: unknown): PaychanError {
  return new PaychanError(
    'ERR_BACKUP_UNREADABLE',
    `The backup ${path} cannot be read (${messageOf(error)}). Check the path, and who owns the file.`,
    { path, reason: messageOf(error) },
    { cause: error }
  )
}

function failed(dataDir: string, error: unknown): PaychanError {
  return new PaychanError(
    'ERR_RESTORE_FAILED',
    `The backup could not be put back into ${dataDir} (${messageOf(error)}). Check the directory's permissions and free space, then try again; nothing was put back.`,
    { dataDir, reason: messageOf(error) },
    { cause: error }
  )
}
