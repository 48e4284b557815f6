/** Files that only their owner can read, whole or absent, and the keys of those that are encrypted. */
import { randomUUID, scrypt } from 'node:crypto'
import { type FileHandle, link, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import { fromHex } from '../types/bytes.js'
import { codeOf, PaychanError } from '../types/errors.js'

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

/*
 * Keys from passphrases, for what is encrypted on a disk: the seed, and backups. The parameters of
 * scrypt stand in the file, so that later releases may ask for more.
 *
 * OWASP's Password Storage Cheat Sheet asks for N = 2^17, r = 8, p = 1 of scrypt: 128 MiB
 * (128 x N x r bytes) and some tenths of a second for each guess.
 */

/**
 * Asks for a passphrase; asks again after a wrong one, as attempt 2 or 3. Undefined: there is no
 * other passphrase.
 */
export type AskPassphrase = (attempt: number) => Promise<string | undefined>

export const SCRYPT_COST = { N: 131_072, r: 8, p: 1 } as const
export const SALT_BYTES = 16

/** Number of attempts: typing mistakes are allowed; a guesser has to start again. */
const MOST_ATTEMPTS = 3

/** In bytes: a file that asks for more is not one of ours, and could only exhaust the memory. */
const MAX_MEMORY = 1_073_741_824

/** Shortest passphrase in characters: shorter ones are guessed, whatever a guess costs. */
const MIN_PASSPHRASE_LENGTH = 8

/** Exactly so many bytes, in hex. */
export const hexOf = (bytes: number): z.ZodString =>
  z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`))

/** The fields of a file that its key is made by. */
export const scryptFields = {
  kdf: z.literal('scrypt'),
  N: z
    .int()
    .min(2)
    .max(4_194_304)
    .refine((value) => (value & (value - 1)) === 0),
  r: z.int().min(1).max(32),
  p: z.int().min(1).max(16),
  salt: hexOf(SALT_BYTES)
}

export interface ScryptCost {
  readonly N: number
  readonly r: number
  readonly p: number
}

/** True when a file asks for no more memory than one of ours does. */
export function isBearable(cost: ScryptCost): boolean {
  return memoryOf(cost) <= MAX_MEMORY
}

/** @throws PaychanError `ERR_PASSPHRASE_TOO_SHORT` */
export function assertLongEnough(passphrase: string): void {
  if ([...passphrase].length >= MIN_PASSPHRASE_LENGTH) return
  throw new PaychanError(
    'ERR_PASSPHRASE_TOO_SHORT',
    `A passphrase has at least ${MIN_PASSPHRASE_LENGTH} characters; several words in a row are a good one.`,
    { least: MIN_PASSPHRASE_LENGTH }
  )
}

/** Makes `length` bytes of a passphrase. */
export async function keyOf(
  passphrase: string,
  { N, r, p, salt }: ScryptCost & { readonly salt: string },
  length: number
): Promise<Uint8Array> {
  // One form for letters that can be written in several ways, as BIP39 does it.
  const text = passphrase.normalize('NFKD')
  const maxmem = memoryOf({ N, r, p }) * 2
  return await new Promise((resolve, reject) => {
    scrypt(text, fromHex(salt), length, { N, r, p, maxmem }, (error, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  })
}

/**
 * Opens a file with the passphrase that is asked for; asks again when `open` says that it is wrong.
 */
export async function openAsking<T>(
  ask: AskPassphrase,
  open: (passphrase: string) => Promise<T>
): Promise<T> {
  let passphrase = (await ask(1)) ?? (await passphraseNeeded())
  for (let attempt = 2; ; attempt++) {
    try {
      return await open(passphrase)
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

/** Rejects: nobody is there who could give a passphrase. */
export async function passphraseNeeded(): Promise<never> {
  return await Promise.reject(
    new PaychanError(
      'ERR_PASSPHRASE_NEEDED',
      'the seed is encrypted, and nobody is there to ask. Give the passphrase in PAYCHAN_PASSPHRASE, or the number of a file descriptor to read it from in PAYCHAN_PASSPHRASE_FD.'
    )
  )
}

function memoryOf({ N, r }: ScryptCost): number {
  return 128 * N * r
}
