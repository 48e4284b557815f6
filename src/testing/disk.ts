/**
 * A disk that takes its time, can be full, and can forget: what is on it survives the process. A
 * disk that loses writes it has called safe breaks its promise; scenarios ask for that.
 */
import type { Change, Store } from '../engine/ports.js'
import { PaychanError } from '../types/errors.js'
import type { Calendar } from './calendar.js'
import { never, type Life } from './life.js'

/** An fsync of an SSD. */
const COMMIT_MS = 2

/** What a commit has overwritten, so that it can be forgotten. */
type Undo = ReadonlyArray<readonly [key: string, before: Uint8Array | undefined]>

export class SimDisk {
  readonly #contents = new Map<string, Uint8Array>()
  readonly #undo: Undo[] = []
  isFull = false

  /** `remembers`: how many of the newest commits can be lost. */
  constructor(
    private readonly calendar: Calendar,
    private readonly remembers: number
  ) {}

  /** The newest commits are gone. Returns how many. */
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

  /** As one process sees it. */
  storeFor(life: Life): Store {
    return {
      get: async (key) => this.#contents.get(key)?.slice(),
      entries: (prefix) => this.#entries(prefix),
      commit: (changes) => this.#commit(life, changes),
      close: async () => {}
    }
  }

  async *#entries(prefix: string): AsyncGenerator<readonly [key: string, value: Uint8Array]> {
    const found = [...this.#contents].filter(([key]) => key.startsWith(prefix))
    found.sort(([a], [b]) => (a < b ? -1 : 1))
    for (const [key, value] of found) yield [key, value.slice()]
  }

  /** All take the same time, so they are durable in the order of the calls. */
  #commit(life: Life, changes: readonly Change[]): Promise<void> {
    if (!life.alive) return never()
    return new Promise((resolve, reject) => {
      this.calendar.after(COMMIT_MS, () => {
        if (!life.alive) return
        if (this.isFull) {
          reject(
            new PaychanError(
              'ERR_STORE_FAILED',
              'The disk is full; make room on it, then start the node again.'
            )
          )
          return
        }
        this.#write(changes)
        resolve()
      })
    })
  }

  #write(changes: readonly Change[]): void {
    if (this.remembers > 0) {
      this.#undo.push(changes.map(({ key }) => [key, this.#contents.get(key)] as const))
      if (this.#undo.length > this.remembers) this.#undo.shift()
    }
    for (const { key, value } of changes) this.#set(key, value)
  }

  #set(key: string, value: Uint8Array | undefined): void {
    if (value === undefined) this.#contents.delete(key)
    else this.#contents.set(key, value)
  }
}
