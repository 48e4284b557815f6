/**
 * The books of a seller on disk, so that a restart, or a crash, costs nobody anything: the secret
 * by which it knows its challenges again, what is spent of each session that lives, and whose
 * account it is. What a session was paid is in the node's log of payments; a session without an
 * end, as an account of streams, has it here as well.
 *
 * They are a store of their own with the rules of the node's: what is taken is on the disk before
 * it is delivered, and units that wait at the same time share one fsync. One process has them at a
 * time, and one seller, since each seller goes on from what is read here: who begins anew reads
 * them anew.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import type { Change, Store } from '../engine/ports.js'
import { openLevelStore } from '../store/level.js'
import { codeOf, PaychanError } from '../types/errors.js'
import { parseRecord, recordChange } from '../types/records.js'
import type { SessionRecord } from './sessions.js'

const SECRET = 'secret'
const FORGOTTEN = 'forgotten-up-to'
const SESSION = 'session/'
const TRUSTED = 'trusted/'
const ACCOUNT = 'account/'

const SECRET_BYTES = 32

/** Milliseconds: a clock that was set back since must not open a session again. */
const MARGIN_MS = 60_000

const number = z.bigint().nonnegative()
const sessionShape = z.object({
  spent: z.bigint(),
  units: z.number().int(),
  trusted: number,
  ends: z.number().optional(),
  floor: number,
  runs: z.array(z.tuple([number, number])),
  paid: z
    .object({
      amount: number,
      heard: z.array(z.tuple([z.string(), z.array(z.string())])),
      time: z.number()
    })
    .optional()
})
const accountShape = z.object({ buyer: z.string(), price: number })
const secretShape = z.instanceof(Uint8Array).refine(({ length }) => length === SECRET_BYTES)

/** The directory for the books of a seller in the data directory of its node. */
export function booksDirectory(dataDir: string, realm: string): string {
  return join(dataDir, 'gates', `${encodeURIComponent(realm)}.db`)
}

export class Books {
  /** What waits for the next write, by its key; what is undefined is removed. */
  #unwritten = new Map<string, SessionRecord | AccountRecord | number | true | undefined>()
  #nextWrite: Promise<void> | undefined
  #lastWrite: Promise<void> = Promise.resolve()
  #isHad = false
  readonly #store: Store

  private constructor(
    store: Store,
    readonly secret: Uint8Array,
    readonly sessions: ReadonlyMap<string, SessionRecord>,
    readonly trusted: ReadonlySet<string>,
    readonly forgottenUpTo: number,
    /** Who has each session that is an account of streams, and what a unit costs there. */
    readonly accounts: ReadonlyMap<string, AccountRecord>
  ) {
    this.#store = store
  }

  /**
   * Reads the books in a store, or begins them; sessions that are over are struck out.
   *
   * @throws PaychanError `ERR_STORE_FAILED`, `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION`
   */
  static async read(store: Store, now: number): Promise<Books> {
    const sessions = new Map<string, SessionRecord>()
    const changes: Change[] = []
    for await (const [key, value] of store.entries(SESSION)) {
      const record = parseRecord(key, value, sessionShape)
      if (record.ends !== undefined && record.ends + MARGIN_MS < now) {
        changes.push({ key, value: undefined })
      } else sessions.set(key.slice(SESSION.length), record)
    }
    const trusted = new Set<string>()
    for await (const [key] of store.entries(TRUSTED)) trusted.add(key.slice(TRUSTED.length))
    const accounts = new Map<string, AccountRecord>()
    for await (const [key, value] of store.entries(ACCOUNT)) {
      accounts.set(key.slice(ACCOUNT.length), parseRecord(key, value, accountShape))
    }
    const kept = await store.get(SECRET)
    const secret =
      kept === undefined
        ? new Uint8Array(randomBytes(SECRET_BYTES))
        : parseRecord(SECRET, kept, secretShape)
    if (kept === undefined) changes.push(recordChange(SECRET, secret))
    if (changes.length > 0) await store.commit(changes)
    const forgotten = await store.get(FORGOTTEN)
    const forgottenUpTo =
      forgotten === undefined ? 0 : parseRecord(FORGOTTEN, forgotten, z.number())
    return new Books(store, secret, sessions, trusted, forgottenUpTo, accounts)
  }

  /**
   * Gives them to a seller, the first one that asks: what it sells is not in what was read, and
   * another one would sell it again (HTTP-16).
   *
   * @throws PaychanError `ERR_GATE_RUNNING`
   */
  claim(): void {
    if (this.#isHad) {
      throw new PaychanError(
        'ERR_GATE_RUNNING',
        'Another seller has these books, or had them. Stop it, close them, and open them again for this one; two sellers at once have books of their own, in two directories.'
      )
    }
    this.#isHad = true
  }

  /**
   * Writes what a restart must not forget; resolves once it would survive a loss of power. All that
   * waits for the same write is written as it stands then: a session once, however many units of it
   * are taken meanwhile.
   *
   * @throws PaychanError `ERR_STORE_FAILED`
   */
  async keep({ sessions, gone, forgottenUpTo }: BookEntry): Promise<void> {
    for (const id of gone) {
      for (const prefix of [SESSION, ACCOUNT]) this.#unwritten.set(`${prefix}${id}`, undefined)
    }
    if (gone.length > 0) this.#unwritten.set(FORGOTTEN, forgottenUpTo)
    for (const [id, record] of sessions) this.#unwritten.set(`${SESSION}${id}`, record)
    await this.#written()
  }

  /** Notes whose account a session is; resolves once it would survive a loss of power. */
  async keepAccount(session: string, account: AccountRecord): Promise<void> {
    this.#unwritten.set(`${ACCOUNT}${session}`, account)
    await this.#written()
  }

  /** Notes that a channel has had its units on trust. */
  async keepTrusted(channel: string): Promise<void> {
    this.#unwritten.set(`${TRUSTED}${channel}`, true)
    await this.#written()
  }

  /** Resolves once all that waits is written. */
  async #written(): Promise<void> {
    this.#nextWrite ??= this.#lastWrite.then(async () => {
      await this.#write()
    })
    await this.#nextWrite
  }

  async #write(): Promise<void> {
    const unwritten = this.#unwritten
    this.#unwritten = new Map()
    const writing = this.#store.commit(
      [...unwritten].map(([key, value]) =>
        value === undefined ? { key, value } : recordChange(key, value)
      )
    )
    this.#lastWrite = writing.catch(() => {})
    this.#nextWrite = undefined
    await writing
  }

  /** Waits until what was written is on the disk. */
  async close(): Promise<void> {
    await this.#nextWrite?.catch(() => {})
    await this.#store.close()
  }
}

/** Whose account a session is. */
export interface AccountRecord {
  readonly buyer: string
  /** Satoshis a unit: at another price its units would be others. */
  readonly price: bigint
}

/** Sessions as they stand now, and those that are no more. */
export interface BookEntry {
  readonly sessions: ReadonlyArray<readonly [id: string, record: SessionRecord]>
  readonly gone: readonly string[]
  readonly forgottenUpTo: number
}

/**
 * Opens the books of a seller, in a directory of their own: for one seller, which gets
 * `ERR_GATE_RUNNING` where another one has had them. Close them after it has stopped.
 *
 * @throws PaychanError `ERR_GATE_RUNNING` when another process has them, `ERR_STORE_FAILED` when
 *   the disk refuses, `ERR_STORE_CORRUPT` when they are damaged
 * @example
 * const books = await openBooks(booksDirectory(dataDir, 'api.example.com'))
 * const gate = new Gate({ node, price: satoshi(2n), realm: 'api.example.com', books })
 */
export async function openBooks(directory: string, now = Date.now()): Promise<Books> {
  const store = await openLevelStore(directory).catch((error: unknown) => {
    if (codeOf(error) !== 'ERR_STORE_LOCKED') throw error
    throw new PaychanError(
      'ERR_GATE_RUNNING',
      `Another process sells with the books in ${directory}. Stop it, or give this one another name (--realm).`,
      { directory },
      { cause: error }
    )
  })
  try {
    return await Books.read(store, now)
  } catch (error) {
    await store.close()
    if (codeOf(error) !== 'ERR_STORE_CORRUPT') throw error
    throw new PaychanError(
      'ERR_STORE_CORRUPT',
      `The books in ${directory} are damaged. Move that directory away: the seller begins new ones, and what its clients have paid ahead is lost.`,
      { directory },
      { cause: error }
    )
  }
}
