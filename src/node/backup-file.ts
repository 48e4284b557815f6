/**
 * The form of a backup: one line of JSON that anybody can read, then everything else encrypted.
 *
 *     {"paychan":"backup","v":1,"id":hex,"madeAt":ms,"network":name,"peerId":text,"release":text,
 *      "layout":3,"kdf":"scrypt","N":131072,"r":8,"p":1,"salt":hex,"cipher":"aes-256-gcm",
 *      "nonce":hex,"mac":hex}\n
 *     chunk ... chunk
 *
 * scrypt makes two keys of the passphrase. One proves the line (`mac`, HMAC-SHA-256 over it without
 * `mac`), which also tells a wrong passphrase from damage. The other encrypts chunks of 64 KiB,
 * each followed by its tag; the nonce is `nonce` (7 bytes), the number of the chunk (4), and 1 for
 * the last one (1), so that no chunk can be moved, left out, or cut off unseen (STREAM, Hoang,
 * Reyhanitabar, Rogaway and Vizar, 2015). In the chunks stand the entries one after another:
 *
 *     0  kind    1 byte: 1 a file of the data directory, 2 a record of the store
 *     1  name    2 bytes of length, big-endian, then the name or key in ASCII
 *     .  value   4 bytes of length, big-endian, then the bytes
 */
import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { z } from 'zod'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import { NETWORKS } from '../bitcoin/network-names.js'
import type { Random } from '../engine/ports.js'
import { fromHex, toHex } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { RECORD_VERSION } from '../types/records.js'
import {
  type AskPassphrase,
  assertLongEnough,
  hexOf,
  isBearable,
  keyOf,
  openAsking,
  SALT_BYTES,
  type ScryptCost,
  scryptFields
} from '../wallet/private-file.js'
import { VERSION } from './system.js'

const FORMAT = 1
const KEY_BYTES = 32
const TAG_BYTES = 16
const NONCE_BYTES = 7
const ID_BYTES = 16
const MAC_BYTES = 32
const CHUNK_BYTES = 65_536
/** In bytes: the line of a foreign file may be the whole file. */
const MAX_LINE_BYTES = 2_048

/** A part of a data directory. */
export interface BackupEntry {
  readonly kind: 'file' | 'record'
  readonly name: string
  readonly value: Uint8Array
}

const KINDS = ['file', 'record'] as const

/** The part of a backup that can be read without its passphrase. */
export interface BackupHead {
  /** Drawn for this backup. */
  readonly id: string
  /** Milliseconds since 1970, by the clock of the node. */
  readonly madeAt: number
  readonly network: Network
  readonly peerId: string
}

const headShape = z.strictObject({
  paychan: z.literal('backup'),
  v: z.literal(FORMAT),
  id: hexOf(ID_BYTES),
  madeAt: z.int().nonnegative(),
  network: z.enum(NETWORKS),
  peerId: z.string().min(1).max(128),
  release: z.string().max(64),
  layout: z.int(),
  ...scryptFields,
  cipher: z.literal('aes-256-gcm'),
  nonce: hexOf(NONCE_BYTES),
  mac: hexOf(MAC_BYTES)
})

type Head = z.infer<typeof headShape>

interface Keys {
  readonly content: Uint8Array
  readonly head: Uint8Array
}

/** The parts of the machine that a backup needs. */
export interface BackupDice {
  readonly random: Random
  readonly cost: ScryptCost
}

/** Draws the id of a backup. */
export function drawBackupId(random: Random): string {
  return toHex(random.bytes(ID_BYTES))
}

/**
 * Writes a backup.
 *
 * @throws PaychanError `ERR_PASSPHRASE_TOO_SHORT`
 */
export async function writeBackup(
  file: { readonly writeFile: (data: string | Uint8Array) => Promise<void> },
  { id, madeAt, network, peerId }: BackupHead,
  entries: AsyncIterable<BackupEntry>,
  passphrase: string,
  { random, cost }: BackupDice
): Promise<void> {
  assertLongEnough(passphrase)
  const open: Omit<Head, 'mac'> = {
    paychan: 'backup',
    v: FORMAT,
    ...{ id, madeAt, network, peerId },
    release: VERSION,
    layout: RECORD_VERSION,
    kdf: 'scrypt',
    ...cost,
    salt: toHex(random.bytes(SALT_BYTES)),
    cipher: 'aes-256-gcm',
    nonce: toHex(random.bytes(NONCE_BYTES))
  }
  const keys = await keysOf(passphrase, open)
  await file.writeFile(`${JSON.stringify({ ...open, mac: toHex(macOf(open, keys)) })}\n`)
  let number = 0
  let [pieces, length]: [Uint8Array[], number] = [[], 0]
  for await (const entry of entries) {
    for (const piece of bytesOf(entry)) {
      pieces.push(piece)
      length += piece.length
    }
    if (length <= CHUNK_BYTES) continue
    // What fills a chunk exactly waits: it may be the last one.
    let rest = Buffer.concat(pieces)
    for (; rest.length > CHUNK_BYTES; rest = rest.subarray(CHUNK_BYTES)) {
      await file.writeFile(sealed(rest.subarray(0, CHUNK_BYTES), keys, open, number++, false))
    }
    ;[pieces, length] = [[rest], rest.length]
  }
  await file.writeFile(sealed(Buffer.concat(pieces), keys, open, number, true))
}

/** A backup whose passphrase is known. */
export interface OpenedBackup {
  readonly head: BackupHead
  /**
   * @throws PaychanError `ERR_BACKUP_UNREADABLE` at the first byte that is not as it was written
   */
  readonly entries: () => AsyncGenerator<BackupEntry>
}

/**
 * Reads the line of a backup, which nobody has proved yet.
 *
 * @throws PaychanError `ERR_BACKUP_UNREADABLE`, `ERR_STORE_VERSION`
 */
export async function readBackupHead(file: FileHandle, path: string): Promise<BackupHead> {
  const { id, madeAt, network, peerId } = (await readLine(file, path)).head
  return { id, madeAt, network, peerId }
}

/**
 * Opens a backup.
 *
 * @throws PaychanError `ERR_WRONG_PASSPHRASE`, `ERR_BACKUP_UNREADABLE`, `ERR_STORE_VERSION`
 */
export async function openBackup(
  file: FileHandle,
  path: string,
  ask: AskPassphrase
): Promise<OpenedBackup> {
  const { head, length } = await readLine(file, path)
  if (head.layout > RECORD_VERSION) throw later(path, head)
  const { mac, ...open } = head
  const keys = await openAsking(ask, async (passphrase) => {
    const made = await keysOf(passphrase, head)
    if (timingSafeEqual(macOf(open, made), fromHex(mac))) return made
    throw new PaychanError(
      'ERR_WRONG_PASSPHRASE',
      `The passphrase does not open the backup ${path}. Try again; if you are sure of it, the first line of the file was changed: use another copy.`,
      { path }
    )
  })
  return { head, entries: () => entriesIn(chunksOf(file, length, keys, open, path), path) }
}

/** @throws PaychanError `ERR_BACKUP_UNREADABLE`, `ERR_STORE_VERSION` */
async function readLine(
  file: FileHandle,
  path: string
): Promise<{ readonly head: Head; readonly length: number }> {
  const bytes = new Uint8Array(MAX_LINE_BYTES)
  const read = await readFully(file, bytes, 0)
  const end = bytes.subarray(0, read).indexOf(0x0a)
  const json = end === -1 ? undefined : jsonOf(bytes.subarray(0, end))
  const known = z.looseObject({ paychan: z.literal('backup'), v: z.int() }).safeParse(json).data
  if (known !== undefined && known.v > FORMAT) throw later(path, known)
  const head = headShape.safeParse(json)
  if (head.success && isBearable(head.data)) return { head: head.data, length: end + 1 }
  throw new PaychanError(
    'ERR_BACKUP_UNREADABLE',
    known === undefined
      ? `${path} is not a backup of paychan. Name the file that \`paychan backup\` wrote.`
      : `The first line of the backup ${path} is damaged. Use another copy of it.`,
    { path }
  )
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}

function later(path: string, known: object): PaychanError {
  const release = 'release' in known ? known.release : undefined
  const by = typeof release === 'string' ? ` (${release.slice(0, 64)})` : ''
  return new PaychanError(
    'ERR_STORE_VERSION',
    `A later release of paychan${by} made the backup ${path}, and this one (${VERSION}) does not read it. Use that release, or a later one.`,
    { path }
  )
}

async function keysOf(
  passphrase: string,
  cost: Pick<Head, 'N' | 'r' | 'p' | 'salt'>
): Promise<Keys> {
  const bytes = await keyOf(passphrase, cost, 2 * KEY_BYTES)
  return { content: bytes.subarray(0, KEY_BYTES), head: bytes.subarray(KEY_BYTES) }
}

/** The fields in the order of the form, whatever order a file has them in. */
function provedBytes(open: Omit<Head, 'mac'>): string {
  return JSON.stringify(
    Object.keys(headShape.shape)
      .filter((name) => name !== 'mac')
      .map((name) => open[name as keyof typeof open])
  )
}

function macOf(open: Omit<Head, 'mac'>, { head }: Keys): Uint8Array {
  return createHmac('sha256', head).update(provedBytes(open)).digest()
}

function nonceOf({ nonce }: Pick<Head, 'nonce'>, number: number, isLast: boolean): Uint8Array {
  const bytes = Buffer.alloc(NONCE_BYTES + 5)
  bytes.set(fromHex(nonce))
  bytes.writeUInt32BE(number, NONCE_BYTES)
  bytes[NONCE_BYTES + 4] = isLast ? 1 : 0
  return bytes
}

function sealed(
  plain: Uint8Array,
  { content }: Keys,
  head: Pick<Head, 'nonce'>,
  number: number,
  isLast: boolean
): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', content, nonceOf(head, number, isLast), {
    authTagLength: TAG_BYTES
  })
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** The bytes of a chunk; undefined when it is not the one that was written there. */
function unsealed(
  bytes: Uint8Array,
  { content }: Keys,
  head: Pick<Head, 'nonce'>,
  number: number,
  isLast: boolean
): Uint8Array | undefined {
  if (bytes.length < TAG_BYTES) return undefined
  const decipher = createDecipheriv('aes-256-gcm', content, nonceOf(head, number, isLast), {
    authTagLength: TAG_BYTES
  })
  decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES))
  try {
    return Buffer.concat([
      decipher.update(bytes.subarray(0, bytes.length - TAG_BYTES)),
      decipher.final()
    ])
  } catch {
    return undefined
  }
}

async function* chunksOf(
  file: FileHandle,
  from: number,
  keys: Keys,
  head: Pick<Head, 'nonce'>,
  path: string
): AsyncGenerator<Uint8Array> {
  const { size } = await file.stat()
  let at = from
  for (let number = 0; ; number++) {
    const bytes = new Uint8Array(Math.min(CHUNK_BYTES + TAG_BYTES, Math.max(0, size - at)))
    const read = await readFully(file, bytes, at)
    at += read
    const isLast = at >= size
    const plain = read === bytes.length ? unsealed(bytes, keys, head, number, isLast) : undefined
    if (plain === undefined) {
      // Whatever the cause, a part of a backup is none: who has the rest may have the whole.
      const isCut = isLast && unsealed(bytes, keys, head, number, false) !== undefined
      throw new PaychanError(
        'ERR_BACKUP_UNREADABLE',
        `The backup ${path} is ${isCut || isLast ? 'cut short, or its end is damaged' : `damaged at byte ${at - read}`}. Nothing of it was put back; use another copy.`,
        { path, at: at - read }
      )
    }
    yield plain
    if (isLast) return
  }
}

async function readFully(file: FileHandle, bytes: Uint8Array, from: number): Promise<number> {
  let length = 0
  while (length < bytes.length) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length, from + length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return length
}

function bytesOf({ kind, name, value }: BackupEntry): Uint8Array[] {
  const head = Buffer.alloc(3)
  head[0] = KINDS.indexOf(kind) + 1
  head.writeUInt16BE(name.length, 1)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(value.length)
  return [head, Buffer.from(name, 'latin1'), length, value]
}

/** The entries in chunks that are proved: they are cut as they were put together. */
async function* entriesIn(
  chunks: AsyncIterable<Uint8Array>,
  path: string
): AsyncGenerator<BackupEntry> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of chunks) {
    rest = Buffer.concat([rest, chunk])
    for (;;) {
      const found = firstEntry(rest)
      if (found === undefined) break
      if (found.entry === undefined) throw misshapen(path)
      yield found.entry
      rest = rest.subarray(found.length)
    }
  }
  if (rest.length > 0) throw misshapen(path)
}

/** Undefined when more bytes are needed; without an entry when its kind is not known. */
function firstEntry(
  bytes: Buffer
): { readonly entry: BackupEntry | undefined; readonly length: number } | undefined {
  if (bytes.length < 3) return undefined
  const kind = KINDS[bytes.readUInt8(0) - 1]
  if (kind === undefined) return { entry: undefined, length: 0 }
  const nameEnd = 3 + bytes.readUInt16BE(1)
  if (bytes.length < nameEnd + 4) return undefined
  const end = nameEnd + 4 + bytes.readUInt32BE(nameEnd)
  if (bytes.length < end) return undefined
  const name = bytes.toString('latin1', 3, nameEnd)
  return {
    entry: { kind, name, value: new Uint8Array(bytes.subarray(nameEnd + 4, end)) },
    length: end
  }
}

function misshapen(path: string): PaychanError {
  return new PaychanError(
    'ERR_BACKUP_UNREADABLE',
    `The backup ${path} holds something that this release does not know. Nothing of it was put back; use the release that made it.`,
    { path }
  )
}
