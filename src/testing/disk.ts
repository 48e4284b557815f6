/**
 * A disk in memory, and the stores that processes open on it: the same order, grouping and failures
 * as on a real disk. Its contents survive the process. It can be slow, be full, and forget: a disk
 * that loses writes it has called safe breaks its promise, and tests ask for that.
 */
import type { Change, Entry, Store, Unsubscribe } from '../engine/ports.js'
import { acceptChanges, GroupCommit, storeClosed, writeFailed } from '../store/group-commit.js'
import { type Calendar, Life, never } from './calendar.js'

/** The contents of a disk. */
export type Snapshot = ReadonlyMap<string, Uint8Array>

/** The values that a commit has overwritten, so that the commit can be forgotten. */
type Undo = ReadonlyArray<readonly [key: string, before: Uint8Array | undefined]>

export interface DiskOptions {
  /** The first contents; nothing when left out. */
  readonly contents?: Snapshot
  /**
   * The time that a commit takes, by this calendar: all take the same time, so they are durable in
   * the order of the calls. Left out, a commit takes a microtask, and commits that wait together
   * are written together.
   */
  readonly takes?: { readonly calendar: Calendar; readonly ms: number }
  /** Number of the newest commits that can be lost; none when left out. */
  readonly remembers?: number
}

export class SimDisk {
  readonly #contents: Map<string, Uint8Array>
  readonly #undo: Undo[] = []
  readonly #listeners = new Set<(snapshot: Snapshot) => void>()
  readonly #remembers: number
  readonly takes: DiskOptions['takes']
  /** Called before each batch; the batch is not written when this ends the life that writes it. */
  beforeWrite: () => void = () => {}
  /** True when every write fails. */
  isFull = false
  /** Number of batches written: callers that waited together count once. */
  batches = 0
  #failure: string | undefined

  constructor({ contents = new Map(), takes, remembers = 0 }: DiskOptions = {}) {
    this.#contents = copyOf(contents)
    this.takes = takes
    this.#remembers = remembers
  }

  /** Opens the disk for one process. */
  storeFor(life: Life): SimStore {
    return new SimStore(this, life)
  }

  /**
   * Copies everything that is durable now, as a node would find it after a crash at this moment.
   */
  snapshot(): Snapshot {
    return copyOf(this.#contents)
  }

  /**
   * Calls the listener after every batch, when it is durable and its callers do not know it yet.
   */
  onDurable(listener: (snapshot: Snapshot) => void): Unsubscribe {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** Makes the next batch fail, and with it the store that wrote it. */
  failNext(reason = 'no space left on device'): void {
    this.#failure = reason
  }

  /** Takes the newest commits away. Returns their number. */
  lose(commits: number): number {
    let lost = 0
    while (lost < commits) {
      const undo = this.#undo.pop()
      if (undo === undefined) break
      for (const [key, before] of [...undo].reverse()) this.#set(key, before)
      lost += 1
    }
    return lost
  }

  read(key: string): Uint8Array | undefined {
    return this.#contents.get(key)?.slice()
  }

  entriesFrom(prefix: string): Entry[] {
    return [...this.#contents]
      .filter(([key]) => key.startsWith(prefix))
      .sort(([a], [b]) => (a < b ? -1 : 1))
  }

  /** @throws when the disk is full, or was told to fail */
  write(changes: readonly Change[]): void {
    const failure = this.isFull ? 'no space left on device' : this.#failure
    if (failure !== undefined) {
      this.#failure = undefined
      throw new Error(failure)
    }
    if (this.#remembers > 0) {
      this.#undo.push(changes.map(({ key }) => [key, this.#contents.get(key)] as const))
      if (this.#undo.length > this.#remembers) this.#undo.shift()
    }
    for (const { key, value } of changes) this.#set(key, value)
    this.batches += 1
    for (const listener of this.#listeners) listener(this.snapshot())
  }

  #set(key: string, value: Uint8Array | undefined): void {
    if (value === undefined) this.#contents.delete(key)
    else this.#contents.set(key, value)
  }
}

/** The port `Store` of one process on a disk. */
export class SimStore implements Store {
  readonly #group = new GroupCommit(async (changes) => {
    await Promise.resolve()
    this.disk.beforeWrite()
    if (!this.#life.alive) return await never()
    this.disk.write(changes)
  })

  #broken: Error | undefined
  readonly #life: Life

  constructor(
    readonly disk: SimDisk,
    life: Life
  ) {
    this.#life = life
  }

  get batches(): number {
    return this.disk.batches
  }

  snapshot(): Snapshot {
    return this.disk.snapshot()
  }

  failNext(reason?: string): void {
    this.disk.failNext(reason)
  }

  onDurable(listener: (snapshot: Snapshot) => void): Unsubscribe {
    return this.disk.onDurable(listener)
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.disk.read(key)
  }

  /** Lists the entries. Commits after the first step of the iteration are not in it. */
  async *entries(prefix: string): AsyncGenerator<Entry> {
    for (const [key, value] of this.disk.entriesFrom(prefix)) yield [key, value.slice()]
  }

  async last(prefix: string, count: number, before?: string): Promise<Entry[]> {
    return this.disk
      .entriesFrom(prefix)
      .filter(([key]) => before === undefined || key < before)
      .slice(-count)
      .reverse()
      .map(([key, value]) => [key, value.slice()])
  }

  commit(changes: readonly Change[]): Promise<void> {
    if (!this.#life.alive) return never()
    const { takes } = this.disk
    return takes === undefined ? this.#commitNow(changes) : this.#commitIn(takes, changes)
  }

  /**
   * Closes the store. Commits take the same time, so all that wait are written before this would
   * be.
   */
  async close(): Promise<void> {
    this.#broken ??= storeClosed()
    await this.#group.close()
    const { takes } = this.disk
    if (takes === undefined) return
    await new Promise<void>((resolve) => {
      takes.calendar.after(takes.ms, resolve)
    })
  }

  async #commitNow(changes: readonly Change[]): Promise<void> {
    await this.#group.commit(changes)
    if (this.#life.isOver()) await never()
  }

  #commitIn(
    { calendar, ms }: NonNullable<DiskOptions['takes']>,
    changes: readonly Change[]
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const accepted = acceptChanges(changes)
      if (this.#broken !== undefined) throw this.#broken
      calendar.after(ms, () => {
        this.disk.beforeWrite()
        if (!this.#life.alive) return
        try {
          this.disk.write(accepted)
        } catch (error) {
          this.#broken = writeFailed(error)
          reject(this.#broken)
          return
        }
        if (!this.#life.isOver()) resolve()
      })
    })
  }
}

/**
 * Opens a store on a disk of its own.
 *
 * @example
 * const store = openSimStore()
 * await store.commit([{ key: 'a', value: Uint8Array.of(1) }])
 * const restarted = openSimStore(store.snapshot())
 */
export function openSimStore(contents: Snapshot = new Map()): SimStore {
  return new SimDisk({ contents }).storeFor(new Life())
}

function copyOf(contents: Snapshot): Map<string, Uint8Array> {
  return new Map([...contents].map(([key, value]) => [key, value.slice()]))
}
