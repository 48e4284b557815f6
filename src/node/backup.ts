/**
 * Backups of a data directory: of one moment, encrypted, in one file; and how one is put back.
 */
import { randomUUID } from 'node:crypto'
import {
  access,
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  statfs
} from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import { EVENT_PREFIX, numberIn, renumberedChange } from '../engine/event-log.js'
import type { Change, Store } from '../engine/ports.js'
import { copiedChanges, restoredChange } from '../engine/restores.js'
import { CHANNEL_PREFIX, copiedRecord } from '../engine/stored-channel.js'
import { openLevelStore } from '../store/level.js'
import { codeOf, messageOf, PaychanError, STORE_FAILED } from '../types/errors.js'
import { parseRecord, recordChange, unlessDamaged } from '../types/records.js'
import {
  type AskPassphrase,
  assertLongEnough,
  createPrivateFile,
  removeLeftovers,
  replacePrivately,
  SCRYPT_COST,
  syncDirectory
} from '../wallet/private-file.js'
import { branchChange, BRANCHES, GAP_KEY, gapChange, MAX_GAP, readGap } from '../wallet/records.js'
import { writeSeedFile } from '../wallet/seed-file.js'
import { SPENT_PREFIX, TOKEN_PREFIX } from './access.js'
import type { BackupRequest, BackupResult } from './answers.js'
import {
  type BackupDice,
  type BackupEntry,
  type BackupHead,
  drawBackupId,
  openBackup,
  readBackupHead,
  writeBackup
} from './backup-file.js'
import { networkOf } from './chain.js'
import { PEER_KEY } from './identity.js'
import { ANSWER_PREFIX } from './kept-answers.js'
import { CONFIG_FILE, SEED_FILE, STORE_DIRECTORY, systemClock, systemRandom } from './system.js'
import { WEBHOOK_PREFIX } from './webhooks.js'

/**
 * Value: the ids of the backups that this data has gone through, the newest last. A backup that is
 * not among them may hold what this data has never seen, whatever the clocks say.
 */
export const BACKUPS_KEY = 'node/backups'

const backupsShape = z.object({ ids: z.array(z.string()) })

/** Number of ids that are kept; a backup that is older than all of them is left alone. */
const MOST_IDS = 1_000

/** In bytes: what a backup leaves free on the disk of its node. */
const RESERVE = 67_108_864

/** The files of a data directory that are in a backup, beside the store. */
const FILES = [SEED_FILE, CONFIG_FILE]

/** A node's data, open. */
export interface BackupSource {
  readonly dataDir: string
  readonly store: Store
  readonly network: Network
  readonly peerId: string
}

/** The means of writing a file; tests have disks that are full, and less patience. */
interface BackupTools extends BackupDice {
  readonly replace: typeof replacePrivately
  /** The free bytes of the disk with a directory, when that is the node's disk too. */
  readonly room: (directory: string, dataDir: string) => Promise<number>
}

const TOOLS: BackupTools = {
  random: systemRandom,
  cost: SCRYPT_COST,
  replace: replacePrivately,
  room: roomBeside
}

/**
 * Writes a backup of the store as it is at one moment, also while it is written to. The file takes
 * its name when it is whole and on the disk, and only where nothing is, or a backup that this data
 * has gone through.
 *
 * @throws PaychanError `ERR_BACKUP_EXISTS`, `ERR_BACKUP_UNWRITABLE`, `ERR_PASSPHRASE_TOO_SHORT`,
 *   `ERR_STORE_FAILED`, `ERR_STORE_CORRUPT`
 */
export async function makeBackup(
  { dataDir, store, network, peerId }: BackupSource,
  { file, passphrase }: BackupRequest,
  tools: Partial<BackupTools> = {}
): Promise<BackupResult> {
  const { random, cost, replace, room } = { ...TOOLS, ...tools }
  assertLongEnough(passphrase)
  const path = await realpath(resolve(file)).catch(() => resolve(file))
  const ids = await knownIds(store)
  const head: BackupHead = { id: drawBackupId(random), madeAt: systemClock.now(), network, peerId }
  const assertReplaceable = async (): Promise<void> => {
    await assertOlder(path, head, ids)
  }
  await assertReplaceable()
  // Before the snapshot, so that whoever is restored from this backup knows it.
  await store.commit([recordChange(BACKUPS_KEY, { ids: [...ids, head.id].slice(-MOST_IDS) })])
  const count = { channels: 0, records: 0 }
  async function* entries(): AsyncGenerator<BackupEntry> {
    // The iterator of a store sees one moment, and each commit leaves a store that can be started.
    for await (const [name, value] of store.entries('')) {
      if (name.startsWith(CHANNEL_PREFIX)) count.channels += 1
      count.records += 1
      yield { kind: 'record', name, value }
    }
    for (const name of FILES) {
      const value = await readIfPresent(join(dataDir, name))
      if (value !== undefined) yield { kind: 'file', name, value }
    }
  }
  try {
    await removeLeftovers(path)
    await replace(
      path,
      async (target) => {
        let unasked = 0
        const careful = {
          writeFile: async (data: string | Uint8Array): Promise<void> => {
            unasked -= data.length
            if (unasked < 0) {
              assertRoom(path, await room(dirname(path), dataDir))
              unasked = RESERVE / 4
            }
            await target.writeFile(data)
          }
        }
        await writeBackup(careful, head, entries(), passphrase, { random, cost })
      },
      assertReplaceable
    )
  } catch (error) {
    if (error instanceof PaychanError) throw error
    throw unwritable(path, error)
  }
  return { file: path, ...head, ...count }
}

/**
 * The same of a node that is stopped.
 *
 * @throws PaychanError those of `makeBackup`; `ERR_NO_DATA`, `ERR_STORE_LOCKED`
 */
export async function backupData(dataDir: string, request: BackupRequest): Promise<BackupResult> {
  const directory = join(dataDir, STORE_DIRECTORY)
  // LevelDB makes a directory where there is none, even for a store that it is not to make.
  if (!(await isThere(directory))) throw noData(dataDir)
  const store = await openLevelStore(directory, { createIfMissing: false })
  try {
    const [network, peer] = [await networkOf(store), await store.get(PEER_KEY)]
    if (network === undefined || peer === undefined) throw noData(dataDir)
    const peerId = parseRecord(PEER_KEY, peer, z.string())
    return await makeBackup({ dataDir, store, network, peerId }, request)
  } finally {
    await store.close()
  }
}

/** A node that cannot write stops: its backup must not be what fills its disk. */
function assertRoom(path: string, free: number): void {
  if (free >= RESERVE) return
  throw new PaychanError(
    'ERR_BACKUP_UNWRITABLE',
    `The backup ${path} would fill the disk of the node, which has ${Math.floor(free / 1_048_576)} MiB left. Make room, or write it to another disk.`,
    { path, free }
  )
}

async function roomBeside(directory: string, dataDir: string): Promise<number> {
  const [there, here] = await Promise.all([stat(directory), stat(dataDir)])
  if (there.dev !== here.dev) return Number.POSITIVE_INFINITY
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}

async function isThere(directory: string): Promise<boolean> {
  return await access(directory).then(
    () => true,
    () => false
  )
}

async function knownIds(store: Store): Promise<readonly string[]> {
  const value = await store.get(BACKUPS_KEY)
  return value === undefined ? [] : parseRecord(BACKUPS_KEY, value, backupsShape).ids
}

/**
 * A backup is never worth less than the one before it: what stands under its name is nothing, or a
 * backup whose data this data comes from.
 */
async function assertOlder(
  path: string,
  { network, peerId }: BackupHead,
  ids: readonly string[]
): Promise<void> {
  const found = await headAt(path)
  if (found === undefined) return
  const refuse = (what: string): never => {
    throw new PaychanError(
      'ERR_BACKUP_EXISTS',
      `${path} ${what}, and is left as it is. Give the new backup another name.`,
      { path }
    )
  }
  if (found === 'foreign') {
    return refuse('is there already, and is not a backup that this release reads')
  }
  if (found.peerId !== peerId || found.network !== network) {
    return refuse(`is a backup of another node (${found.network}, ${found.peerId})`)
  }
  if (!ids.includes(found.id)) {
    refuse(
      `is a backup of this node of ${new Date(found.madeAt).toISOString()} that these data have not gone through, so it may hold what they lack`
    )
  }
}

async function headAt(path: string): Promise<BackupHead | 'foreign' | undefined> {
  try {
    const file = await open(path, 'r')
    try {
      return await readBackupHead(file, path)
    } finally {
      await file.close()
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    if (error instanceof PaychanError || codeOf(error) === 'EISDIR') return 'foreign'
    throw unwritable(path, error)
  }
}

async function readIfPresent(path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function unwritable(path: string, error: unknown): PaychanError {
  return new PaychanError(
    'ERR_BACKUP_UNWRITABLE',
    `The backup ${path} could not be written (${messageOf(error)}). What was there before is still there. The directory ${dirname(path)} must exist, have room, and let the user of the node write.`,
    { path, reason: messageOf(error) },
    { cause: error }
  )
}

function noData(dataDir: string): PaychanError {
  return new PaychanError(
    'ERR_NO_DATA',
    `There is nothing to back up in ${dataDir}: no node has run there yet. Give the directory with --data; of a new node the words are the backup.`,
    { dataDir }
  )
}

/*
 * Makes a data directory from a backup, or from the words alone: the seed, and the range of the
 * wallet's search.
 */

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
