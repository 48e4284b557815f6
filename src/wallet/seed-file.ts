/**
 * The file that holds the words, open or encrypted: for its owner's eyes only, and no other seed
 * ever takes its place.
 */
import { open } from 'node:fs/promises'
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { z } from 'zod'
import { normalizeWords } from '../bitcoin/seed.js'
import { fromHex, toHex } from '../types/bytes.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import {
  type AskPassphrase,
  assertLongEnough,
  createPrivateFile,
  hexOf,
  isBearable,
  keyOf,
  openAsking,
  passphraseNeeded,
  replacePrivateFile,
  SALT_BYTES,
  SCRYPT_COST,
  scryptFields
} from './private-file.js'

export type { AskPassphrase } from './private-file.js'

/** In bytes. 24 words of at most 8 letters are 215 characters; a larger file is something else. */
const MAX_SEED_FILE_BYTES = 4_096

/**
 * Writes the words to a new file, encrypted when there is a passphrase. File and name are on the
 * disk when this resolves; a crash leaves the whole file or none.
 *
 * @throws PaychanError `ERR_SEED_EXISTS` when there is a file already, `ERR_SEED_UNREADABLE` when
 * these are not BIP39 words, `ERR_SEED_UNWRITABLE` when the file cannot be written,
 * `ERR_PASSPHRASE_TOO_SHORT`.
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
 *   does not hold BIP39 words; `ERR_PASSPHRASE_NEEDED`, `ERR_WRONG_PASSPHRASE`,
 *   `ERR_STORE_VERSION`.
 */
export async function readSeedFile(
  path: string,
  ask: AskPassphrase = passphraseNeeded
): Promise<string> {
  try {
    const content = await readContent(path)
    return normalizeWords(
      isEncrypted(content)
        ? await openAsking(ask, async (passphrase) => await decryptWords(content, passphrase))
        : content
    )
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

/** True when the seed of a file is encrypted. Errors: those of `readSeedFile`. */
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
        'this is a directory, or something else that is not a file. Give the path of the file that `paychan init` wrote.',
        { path }
      )
    }
    const { mode, size } = found
    refuseOthers(path, mode)
    if (size > MAX_SEED_FILE_BYTES) {
      throw new PaychanError(
        'ERR_SEED_UNREADABLE',
        `it has ${size} bytes: that is not a seed file. Give the path of the file that \`paychan init\` wrote.`,
        { path, size }
      )
    }
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

/** A reader of the words can take the money. Windows has no such permission bits. */
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

/*
 * A seed under a passphrase: scrypt makes a key of it, AES-256-GCM encrypts the words and proves
 * that they are whole.
 *
 *     {"paychan":"seed","v":1,"kdf":"scrypt","N":131072,"r":8,"p":1,"salt":hex,"cipher":"aes-256-gcm","nonce":hex,"data":hex,"tag":hex}
 */

const VERSION = 1
const KEY_BYTES = 32
/** The nonce length that GCM is made for (NIST SP 800-38D, 8.2). */
const NONCE_BYTES = 12
const TAG_BYTES = 16

const shape = z.strictObject({
  paychan: z.literal('seed'),
  v: z.literal(VERSION),
  ...scryptFields,
  cipher: z.literal('aes-256-gcm'),
  nonce: hexOf(NONCE_BYTES),
  data: z.string().regex(/^([0-9a-f]{2}){1,1024}$/),
  tag: hexOf(TAG_BYTES)
})

type Sealed = z.infer<typeof shape>

/** True when the content of a seed file is encrypted. */
export function isEncrypted(content: string): boolean {
  return content.trimStart().startsWith('{')
}

/**
 * The content of a seed file that only the passphrase opens.
 *
 * @throws PaychanError `ERR_PASSPHRASE_TOO_SHORT`
 */
export async function encryptWords(words: string, passphrase: string): Promise<string> {
  assertLongEnough(passphrase)
  const head = {
    paychan: 'seed' as const,
    v: VERSION as typeof VERSION,
    kdf: 'scrypt' as const,
    ...SCRYPT_COST,
    salt: toHex(randomBytes(SALT_BYTES)),
    cipher: 'aes-256-gcm' as const,
    nonce: toHex(randomBytes(NONCE_BYTES))
  }
  const cipher = createCipheriv(
    head.cipher,
    await keyOf(passphrase, head, KEY_BYTES),
    fromHex(head.nonce),
    {
      authTagLength: TAG_BYTES
    }
  )
  cipher.setAAD(authenticated(head))
  const data = Buffer.concat([cipher.update(words, 'utf8'), cipher.final()])
  return JSON.stringify({ ...head, data: toHex(data), tag: toHex(cipher.getAuthTag()) })
}

/** @throws PaychanError `ERR_WRONG_PASSPHRASE`, `ERR_SEED_UNREADABLE`, `ERR_STORE_VERSION` */
export async function decryptWords(content: string, passphrase: string): Promise<string> {
  const sealed = readSealed(content)
  const decipher = createDecipheriv(
    sealed.cipher,
    await keyOf(passphrase, sealed, KEY_BYTES),
    fromHex(sealed.nonce),
    { authTagLength: TAG_BYTES }
  )
  decipher.setAAD(authenticated(sealed))
  decipher.setAuthTag(fromHex(sealed.tag))
  try {
    return Buffer.concat([decipher.update(fromHex(sealed.data)), decipher.final()]).toString('utf8')
  } catch {
    // GCM cannot tell a wrong key from a damaged file. The cause would say no more than that.
    throw new PaychanError(
      'ERR_WRONG_PASSPHRASE',
      'The passphrase does not open the seed. Try again; if you are sure of it, the file is damaged: restore it from a copy, or with `paychan restore` from the words.'
    )
  }
}

function readSealed(content: string): Sealed {
  const json = parse(content)
  const version = z.looseObject({ paychan: z.literal('seed'), v: z.number() }).safeParse(json)
    .data?.v
  if (version !== undefined && version > VERSION) {
    throw new PaychanError(
      'ERR_STORE_VERSION',
      `the seed has layout ${version}, and this paychan knows ${VERSION}. Use the newer paychan that wrote it.`,
      { version, known: VERSION }
    )
  }
  const sealed = shape.safeParse(json)
  if (!sealed.success || !isBearable(sealed.data)) throw damaged(sealed.error)
  return sealed.data
}

function parse(content: string): unknown {
  try {
    return JSON.parse(content)
  } catch (error) {
    throw damaged(error)
  }
}

function damaged(cause: unknown): PaychanError {
  return new PaychanError(
    'ERR_SEED_UNREADABLE',
    'this is not an encrypted seed of paychan, or it is damaged. Restore the file from a copy, or with `paychan restore` from the words.',
    {},
    { cause }
  )
}

/** The public parameters, which are authenticated: nobody can weaken them unseen. */
function authenticated({
  paychan,
  v,
  kdf,
  N,
  r,
  p,
  salt,
  cipher,
  nonce
}: Omit<Sealed, 'data' | 'tag'>): Uint8Array {
  return new TextEncoder().encode(JSON.stringify([paychan, v, kdf, N, r, p, salt, cipher, nonce]))
}
