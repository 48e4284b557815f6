/** The file that holds the words: for its owner's eyes only, written once, never overwritten. */
import { mkdir, open, rm, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { normalizeWords } from './seed.js'

/** Read and write for the owner, nothing for anybody else. */
const SEED_FILE_MODE = 0o600

/** 24 words of at most 8 letters are 215 characters; a larger file is something else. */
const MAX_SEED_FILE_BYTES = 4_096

/**
 * Writes the words to a new file, which is on the disk when this resolves (the name as well).
 *
 * @throws PaychanError `ERR_SEED_EXISTS` when there is a file already, `ERR_SEED_UNREADABLE` when
 *   these are no BIP39 words, `ERR_SEED_UNWRITABLE` when the file cannot be written.
 */
export async function writeSeedFile (path: string, words: string): Promise<void> {
  const mnemonic = normalizeWords(words)
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    // wx is O_CREAT | O_EXCL: two nodes that start at once cannot overwrite each other's seed.
    await withFile(path, 'wx', SEED_FILE_MODE, async (file) => {
      try {
        await file.writeFile(`${mnemonic}\n`, 'utf8')
        await file.sync()
      } catch (error) {
        // Half a seed (a full disk) must not stand in the way of the next attempt.
        await rm(path, { force: true })
        throw error
      }
    })
    await syncDirectory(dirname(path))
  } catch (error) {
    if (codeOf(error) === 'EEXIST') {
      throw new PaychanError('ERR_SEED_EXISTS', `There is ${path} already, and a seed is never overwritten. Use it, or choose another data directory.`, { path })
    }
    throw new PaychanError('ERR_SEED_UNWRITABLE', `The seed could not be written to ${path} (${messageOf(error)}). Check the directory's permissions and free space.`, { path }, { cause: error })
  }
}

/**
 * Reads the words.
 *
 * @throws PaychanError `ERR_SEED_UNREADABLE` when the file is missing, can be read by others, or
 *   does not hold BIP39 words.
 */
export async function readSeedFile (path: string): Promise<string> {
  try {
    return await withFile(path, 'r', SEED_FILE_MODE, async (file) => {
      const found = await file.stat()
      if (!found.isFile()) throw new PaychanError('ERR_SEED_UNREADABLE', 'this is a directory, or something else that is no file. Give the path of the file that `paychan init` wrote.', { path })
      const { mode, size } = found
      refuseOthers(path, mode)
      if (size > MAX_SEED_FILE_BYTES) throw new PaychanError('ERR_SEED_UNREADABLE', `${path} has ${size} bytes: that is no seed file. Give the path of the file that \`paychan init\` wrote.`, { path, size })
      return normalizeWords(await file.readFile('utf8'))
    })
  } catch (error) {
    if (error instanceof PaychanError) throw new PaychanError(error.code, `${path}: ${error.message}`, { ...error.facts, path })
    if (codeOf(error) === 'ENOENT') throw new PaychanError('ERR_SEED_UNREADABLE', `There is no seed at ${path}. Make one with \`paychan init\`.`, { path }, { cause: error })
    throw new PaychanError('ERR_SEED_UNREADABLE', `The seed at ${path} cannot be read (${codeOf(error)}). Check who owns the file.`, { path, reason: codeOf(error) }, { cause: error })
  }
}

/** Whoever can read the words can take the money. Windows has no such permission bits. */
function refuseOthers (path: string, mode: number): void {
  if (process.platform === 'win32') return
  const others = mode & 0o077
  if (others === 0) return
  const shown = (mode & 0o777).toString(8).padStart(4, '0')
  throw new PaychanError('ERR_SEED_UNREADABLE', `other users of this machine can reach the seed (permissions ${shown}). Run \`chmod 600 ${path}\`.`, { mode: shown })
}

/** Makes the name of a new file durable, which fsync of the file alone does not (POSIX only). */
async function syncDirectory (path: string): Promise<void> {
  if (process.platform === 'win32') return
  await withFile(path, 'r', undefined, async (directory) => { await directory.sync() })
}

async function withFile<T> (path: string, flags: string, mode: number | undefined, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, flags, mode)
  try {
    return await use(file)
  } finally {
    await file.close()
  }
}
