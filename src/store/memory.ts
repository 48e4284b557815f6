/**
 * The `Store` in memory, for tests and simulated nodes: the same order, grouping and failures as
 * on disk. What a crash would leave behind can be had at every moment with `snapshot()`, and a
 * node be started again from it with `openMemoryStore(snapshot)`.
 */
import { GroupCommit } from './group-commit.js'
import type { Change, Store, Unsubscribe } from '../engine/ports.js'

/** What is on the "disk". */
export type Snapshot = ReadonlyMap<string, Uint8Array>

export interface MemoryStore extends Store {
  /** A copy of everything that is durable now: what a node finds after a crash at this moment. */
  snapshot: () => Snapshot
  /** Lets the next batch fail, and with it the store, as a disk does that is full or broken. */
  failNext: (reason?: string) => void
  /** Called after every batch, when it is durable and its callers do not know it yet. */
  onDurable: (listener: (snapshot: Snapshot) => void) => Unsubscribe
  /** How many batches were written: callers that waited together count once. */
  readonly batches: number
}

/**
 * @example
 * const store = openMemoryStore()
 * await store.commit([{ key: 'a', value: Uint8Array.of(1) }])
 * const restarted = openMemoryStore(store.snapshot())
 */
export function openMemoryStore(contents: Snapshot = new Map()): MemoryStore {
  return new Memory(contents)
}

class Memory implements MemoryStore {
  batches = 0
  private readonly durable: Map<string, Uint8Array>
  private readonly listeners = new Set<(snapshot: Snapshot) => void>()
  private readonly group = new GroupCommit(async (changes) => {
    await this.write(changes)
  })
  private failure: string | undefined

  constructor(contents: Snapshot) {
    this.durable = copyOf(contents)
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    await Promise.resolve()
    return this.durable.get(key)?.slice()
  }

  async *entries(prefix: string): AsyncGenerator<readonly [key: string, value: Uint8Array]> {
    // As on disk, what is committed after the first step of the iteration is not seen by it.
    const found = [...this.durable].filter(([key]) => key.startsWith(prefix))
    found.sort(([a], [b]) => (a < b ? -1 : 1))
    for (const [key, value] of found) {
      await Promise.resolve()
      yield [key, value.slice()]
    }
  }

  async commit(changes: readonly Change[]): Promise<void> {
    await this.group.commit(changes)
  }

  async close(): Promise<void> {
    await this.group.close()
  }

  snapshot(): Snapshot {
    return copyOf(this.durable)
  }

  failNext(reason = 'no space left on device'): void {
    this.failure = reason
  }

  onDurable(listener: (snapshot: Snapshot) => void): Unsubscribe {
    this.listeners.add(listener)
    return () => {
      this.listeners.delete(listener)
    }
  }

  private async write(changes: readonly Change[]): Promise<void> {
    await Promise.resolve()
    if (this.failure !== undefined) {
      const reason = this.failure
      this.failure = undefined
      throw new Error(reason)
    }
    for (const { key, value } of changes) {
      if (value === undefined) this.durable.delete(key)
      else this.durable.set(key, value)
    }
    this.batches++
    for (const listener of this.listeners) listener(this.snapshot())
  }
}

function copyOf(contents: Snapshot): Map<string, Uint8Array> {
  return new Map([...contents].map(([key, value]) => [key, value.slice()]))
}
