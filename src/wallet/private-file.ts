/** Files that only their owner can read, whole or absent. */
import { randomUUID } from 'node:crypto'
import { type FileHandle, link, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Mode: read and write for the owner, nothing for anybody else. */
const MODE = 0o600

const TEMPORARY = '.tmp'

/**
 * Writes a file that must not exist yet; file and name are on the disk when this resolves. A crash
 * leaves either no file of this name or the whole of it.
 *
 * @throws the error of the system; its code is `EEXIST` when there is one already
 */
export async function createPrivateFile(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  // A link is refused when the name is taken: two processes at once cannot overwrite each other's
  // file.
  await throughTemporary(path, writing(content), async (temporary) => {
    await link(temporary, path)
  })
}

/** Replaces a file in the same way: a crash leaves the old content or the new one. */
export async function replacePrivateFile(path: string, content: string): Promise<void> {
  await replacePrivately(path, writing(content))
}

/**
 * The same for content that is written piece by piece. The directory must exist: a backup on a disk
 * that is not mounted would be none.
 *
 * @param assertStill - called last, before the file takes its name; an error keeps it from that
 */
export async function replacePrivately(
  path: string,
  write: (file: FileHandle) => Promise<void>,
  assertStill: () => Promise<void> = async () => {}
): Promise<void> {
  await throughTemporary(path, write, async (temporary) => {
    await assertStill()
    await rename(temporary, path)
  })
}

function writing(content: string): (file: FileHandle) => Promise<void> {
  return async (file) => {
    await file.writeFile(content, 'utf8')
  }
}

async function throughTemporary(
  path: string,
  write: (file: FileHandle) => Promise<void>,
  publish: (temporary: string) => Promise<void>
): Promise<void> {
  const temporary = `${path}.${randomUUID()}${TEMPORARY}`
  try {
    const file = await open(temporary, 'wx', MODE)
    try {
      await write(file)
      await file.sync()
    } finally {
      await file.close()
    }
    await publish(temporary)
  } finally {
    await rm(temporary, { force: true })
  }
  await syncDirectory(dirname(path))
}

/**
 * Removes files that a dead process left beside a file: one may hold an open seed next to an
 * encrypted one.
 */
export async function removeLeftovers(path: string): Promise<void> {
  const isLeftover = (name: string): boolean =>
    name.startsWith(`${basename(path)}.`) && name.endsWith(TEMPORARY)
  for (const name of await readdir(dirname(path))) {
    if (isLeftover(name)) await rm(join(dirname(path), name), { force: true })
  }
}

/** Makes the name of a new file durable, which fsync of the file alone does not (POSIX only). */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
