/**
 * Backups of a data directory: of one moment, encrypted, in one file. Restored by
 * `restore-backup.ts`.
 */
import { access, open, readFile, realpath, stat, statfs } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import type { Store } from '../engine/ports.js'
import { CHANNEL_PREFIX } from '../engine/stored-channel.js'
import { openLevelStore } from '../store/level.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { parseRecord, recordChange } from '../types/records.js'
import {
  assertLongEnough,
  removeLeftovers,
  replacePrivately,
  SCRYPT_COST
} from '../wallet/private-file.js'
import type { BackupRequest, BackupResult } from './api.js'
import {
  type BackupDice,
  type BackupEntry,
  type BackupHead,
  drawBackupId,
  readBackupHead,
  writeBackup
} from './backup-file.js'
import { networkOf } from './chain.js'
import { PEER_KEY } from './identity.js'
import { CONFIG_FILE, SEED_FILE, STORE_DIRECTORY } from './system.js'
import { systemClock, systemRandom } from './system.js'

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
