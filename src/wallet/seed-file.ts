/**
 * The file that holds the words, open or encrypted: for its owner's eyes only, and no other seed
 * ever takes its place.
 */
import { open } from 'node:fs/promises'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { createPrivateFile, replacePrivateFile } from './private-file.js'
import { decryptWords, encryptWords, isEncrypted } from './seed-cipher.js'
import { normalizeWords } from '../bitcoin/seed.js'

/** 24 words of at most 8 letters are 215 characters; a larger file is something else. */
const MAX_SEED_FILE_BYTES = 4_096

/**
 * Asks for the passphrase of an encrypted seed; after a wrong one again, as the second or third
 * attempt. Undefined: there is no other.
 */
export type AskPassphrase = (attempt: number) => Promise<string | undefined>

/** Who types may mistype; who guesses has to begin anew. */
const MOST_ATTEMPTS = 3

/**
 * Writes the words to a new file, encrypted when there is a passphrase. It is on the disk when this
 * resolves, the name as well; a crash leaves the whole file or none.
 *
 * @throws PaychanError `ERR_SEED_EXISTS` when there is a file already, `ERR_SEED_UNREADABLE` when
 *   these are no BIP39 words, `ERR_SEED_UNWRITABLE` when the file cannot be written,
 *   `ERR_PASSPHRASE_TOO_SHORT`.
 */
export async function writeSeedFile(
  path: string,
  words: string,
  passphrase?: string
): Promise<void> {
  const content = await contentOf(words, passphrase)
  await writing(path, async () => {
    await createPrivateFile(path, content)
  })
}

/**
 * Writes the seed of a file anew: encrypted under `passphrase`, which is asked for last, or open
 * without one. A crash leaves the old file or the new one.
 *
 * @throws PaychanError as `readSeedFile` and `writeSeedFile` do
 */
export async function rewriteSeedFile(
  path: string,
  ask: AskPassphrase,
  passphrase?: () => Promise<string>
): Promise<void> {
  const words = await readSeedFile(path, ask)
  const content = await contentOf(words, await passphrase?.())
  await writing(path, async () => {
    await replacePrivateFile(path, content)
  })
}

/**
 * Reads the words.
 *
 * @param ask - called only when the file is encrypted
 * @throws PaychanError `ERR_SEED_UNREADABLE` when the file is missing, can be read by others, or
 *   does not hold BIP39 words; `ERR_PASSPHRASE_NEEDED`, `ERR_WRONG_PASSPHRASE`, `ERR_STORE_VERSION`.
 */
export async function readSeedFile(
  path: string,
  ask: AskPassphrase = passphraseNeeded
): Promise<string> {
  try {
    const content = await readContent(path)
    return normalizeWords(isEncrypted(content) ? await decryptAsking(content, ask) : content)
  } catch (error) {
    if (error instanceof PaychanError) {
      throw PaychanError.of(error.code, `${path}: ${error.message}`, { ...error.facts, path })
    }
    if (codeOf(error) === 'ENOENT') {
      throw new PaychanError(
        'ERR_SEED_UNREADABLE',
        `There is no seed at ${path}. Make one with \`paychan init\`.`,
        { path },
        { cause: error }
      )
    }
    throw new PaychanError(
      'ERR_SEED_UNREADABLE',
      `The seed at ${path} cannot be read (${codeOf(error)}). Check who owns the file.`,
      { path, reason: codeOf(error) },
      { cause: error }
    )
  }
}

async function decryptAsking(content: string, ask: AskPassphrase): Promise<string> {
  let passphrase = (await ask(1)) ?? (await passphraseNeeded())
  for (let attempt = 2; ; attempt++) {
    try {
      return await decryptWords(content, passphrase)
    } catch (error) {
      const other =
        codeOf(error) === 'ERR_WRONG_PASSPHRASE' && attempt <= MOST_ATTEMPTS
          ? await ask(attempt)
          : undefined
      if (other === undefined) throw error
      passphrase = other
    }
  }
}

/** Whether the seed of a file is encrypted. Errors: those of `readSeedFile`. */
export async function isSeedEncrypted(path: string): Promise<boolean> {
  let asked = false
  await readSeedFile(path, async () => {
    asked = true
    return await passphraseNeeded()
  }).catch((error: unknown) => {
    if (codeOf(error) !== 'ERR_PASSPHRASE_NEEDED') throw error
  })
  return asked
}

async function passphraseNeeded(): Promise<never> {
  return await Promise.reject(
    new PaychanError(
      'ERR_PASSPHRASE_NEEDED',
      'the seed is encrypted, and nobody is there to ask. Give the passphrase in PAYCHAN_PASSPHRASE, or the number of a file descriptor to read it from in PAYCHAN_PASSPHRASE_FD.'
    )
  )
}

async function contentOf(words: string, passphrase: string | undefined): Promise<string> {
  const mnemonic = normalizeWords(words)
  return `${passphrase === undefined ? mnemonic : await encryptWords(mnemonic, passphrase)}\n`
}

async function writing(path: string, write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (error) {
    if (codeOf(error) === 'EEXIST') {
      throw new PaychanError(
        'ERR_SEED_EXISTS',
        `There is ${path} already, and a seed is never overwritten. Use it, or choose another data directory.`,
        { path }
      )
    }
    throw new PaychanError(
      'ERR_SEED_UNWRITABLE',
      `The seed could not be written to ${path} (${messageOf(error)}). Check the directory's permissions and free space.`,
      { path },
      { cause: error }
    )
  }
}

async function readContent(path: string): Promise<string> {
  const file = await open(path, 'r')
  try {
    const found = await file.stat()
    if (!found.isFile()) {
      throw new PaychanError(
        'ERR_SEED_UNREADABLE',
        'this is a directory, or something else that is no file. Give the path of the file that `paychan init` wrote.',
        { path }
      )
    }
    const { mode, size } = found
    refuseOthers(path, mode)
    if (size > MAX_SEED_FILE_BYTES) {
      throw new PaychanError(
        'ERR_SEED_UNREADABLE',
        `it has ${size} bytes: that is no seed file. Give the path of the file that \`paychan init\` wrote.`,
        { path, size }
      )
    }
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

/** Whoever can read the words can take the money. Windows has no such permission bits. */
function refuseOthers(path: string, mode: number): void {
  if (process.platform === 'win32') return
  const others = mode & 0o077
  if (others === 0) return
  const shown = (mode & 0o777).toString(8).padStart(4, '0')
  throw new PaychanError(
    'ERR_SEED_UNREADABLE',
    `other users of this machine can reach the seed (permissions ${shown}). Run \`chmod 600 ${path}\`.`,
    { mode: shown }
  )
}
