/**
 * Opens a store that is to be looked through, wherever it lies. LevelDB writes when it opens, so
 * what it is not let write in (a full disk, one that is mounted read-only, files of another user)
 * is read from a copy. What the surroundings forbid is never told as damage: an old backup put back
 * for it could cost money.
 */
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Finding } from '../channel/audit.js'
import type { Store } from '../engine/ports.js'
import { damagedLogs, type LogDamage } from '../store/level-log.js'
import { hindranceOf, LOCK_FILE, openLevelStore } from '../store/level.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'

export interface OpenedStore {
  /** Undefined when it is damaged so that nothing can be read. */
  readonly store: Store | undefined
  readonly findings: readonly Finding[]
  /** What a person should know of how it was read. */
  readonly notes: readonly string[]
  readonly done: () => Promise<void>
}

/**
 * @throws PaychanError `ERR_STORE_LOCKED` while a node runs on it, `ERR_NOT_CHECKED` when it cannot
 * be read for a reason that is no damage
 */
export async function openToCheck(directory: string): Promise<OpenedStore> {
  const damaged = await damagedLogs(directory).catch((error: unknown) => {
    throw notChecked(directory, error)
  })
  // LevelDB deletes a damaged log when it opens it: that is done to a copy.
  if (damaged.length > 0) return await openCopy(directory, damaged.map(lostWrites), [])
  try {
    return {
      store: await openLevelStore(directory, { createIfMissing: false }),
      findings: [],
      notes: [],
      done: async () => {}
    }
  } catch (error) {
    if (codeOf(error) === 'ERR_STORE_LOCKED') throw error
    const hindrance = hindranceOf(error)
    if (hindrance === undefined) return unreadable(error)
    return await openCopy(
      directory,
      [],
      [
        `Whether a node is running on it, since it could not be locked (${hindrance}): it was read from a copy. If a node of another user runs on it, stop that one and check again.`
      ]
    )
  }
}

async function openCopy(
  directory: string,
  findings: readonly Finding[],
  notes: readonly string[]
): Promise<OpenedStore> {
  let copy: string | undefined
  const done = async (): Promise<void> => {
    if (copy !== undefined) await rm(copy, { recursive: true, force: true })
  }
  try {
    copy = await mkdtemp(join(tmpdir(), 'paychan-check-'))
    // The lock is no data, and would lock the copy in its turn.
    await cp(directory, copy, { recursive: true, filter: (path) => basename(path) !== LOCK_FILE })
    return { store: await openLevelStore(copy, { createIfMissing: false }), findings, notes, done }
  } catch (error) {
    await done()
    if (codeOf(error) === 'ERR_STORE_FAILED' && hindranceOf(error) === undefined) {
      return unreadable(error)
    }
    throw notChecked(directory, error)
  }
}

function notChecked(directory: string, error: unknown): PaychanError {
  const reason = hindranceOf(error) ?? messageOf(error)
  return new PaychanError(
    'ERR_NOT_CHECKED',
    `${directory} could not be checked: ${reason}. That says nothing about what is in it: change nothing, and put no copy in its place. Check as the user who owns it, and let TMPDIR name a directory with as much free space as it takes.`,
    { directory, reason },
    { cause: error }
  )
}

function unreadable(error: unknown): OpenedStore {
  return {
    store: undefined,
    findings: [
      broken(
        `${messageOf(error)} Nothing in it can be read: restore the newest backup of the data directory. Until then no channel of it is served.`
      )
    ],
    notes: [],
    done: async () => {}
  }
}

function lostWrites({ file, at }: LogDamage): Finding {
  return broken(
    `The newest writes are damaged (${file}, from byte ${at} on). What was written last is missing: payments, or all of a new channel. A node that is started on it goes on without; its peers bring back what they know, and those channels only close. A newer backup is better, an older one is not.`
  )
}

function broken(text: string): Finding {
  return { severity: 'broken', text }
}
