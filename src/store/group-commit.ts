/**
 * Group commit: batches that wait while another one is being written share the next write, and so
 * the next fsync. With one fsync per caller a disk gives a few thousand commits a second; with a
 * shared one the cost is divided by the number of waiting callers.
 *
 * The order of the calls is kept. A promise resolves only after the write that holds its changes.
 * Once a write has failed nothing more is accepted: after a failed fsync it is not known which part
 * of the log has reached the disk (Linux marks the pages clean, so that a second fsync succeeds
 * without having written them), and a later success would be believed wrongly.
 */
import { Copies } from '../types/bytes.js'
import { messageOf, PaychanError } from '../types/errors.js'
import type { Change } from '../engine/ports.js'

/** Writes all changes or none, and resolves once they would survive a loss of power. */
type WriteBatch = (changes: readonly Change[]) => Promise<void>

interface Waiting {
  readonly changes: readonly Change[]
  readonly resolve: () => void
  readonly reject: (error: PaychanError) => void
}

/** Form of a key, printable ASCII: one order for JavaScript strings and for bytes on the disk. */
const KEY = /^[\x21-\x7e]+$/

const copies = new Copies()

/**
 * The changes of a commit, copied.
 *
 * @throws TypeError when a key is not printable ASCII
 */
export function acceptChanges(changes: readonly Change[]): Change[] {
  const wrong = changes.find(({ key }) => !KEY.test(key))
  if (wrong !== undefined) {
    throw new TypeError(
      `a key of the store is printable ASCII, and ${JSON.stringify(wrong.key)} is not`
    )
  }
  return changes.map(({ key, value }) => ({
    key,
    value: value === undefined ? undefined : copies.of(value)
  }))
}

/** The error of a store after a write has failed: it takes nothing more. */
export function writeFailed(cause: unknown): PaychanError {
  return new PaychanError(
    'ERR_STORE_FAILED',
    `The disk refused a write (${messageOf(cause)}). Nothing more is accepted; make room or check the disk, then start the node again.`,
    { reason: messageOf(cause) },
    { cause }
  )
}

/** The error of a store after it was closed: it takes nothing more. */
export function storeClosed(): PaychanError {
  return new PaychanError('ERR_STORE_FAILED', 'The store is closed; start the node again.')
}

export class GroupCommit {
  #waiting: Waiting[] = []
  #running: Promise<void> | undefined
  #broken: PaychanError | undefined
  readonly #write: WriteBatch

  constructor(write: WriteBatch) {
    this.#write = write
  }

  /**
   * Commits changes. The values are copied at once, so that the caller may use its buffers again.
   *
   * @throws PaychanError `ERR_STORE_FAILED` when the write failed, one before it did, or it is
   *   closed.
   */
  async commit(changes: readonly Change[]): Promise<void> {
    const accepted = acceptChanges(changes)
    if (this.#broken !== undefined) throw this.#broken
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ changes: accepted, resolve, reject })
      this.#running ??= this.#drain()
    })
  }

  /** Refuses later commits, and resolves once everything that waits is written. */
  async close(): Promise<void> {
    this.#broken ??= storeClosed()
    await this.#running
  }

  async #drain(): Promise<void> {
    // One turn of the microtask queue, so that all who call in the same turn share the first write.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const group = this.#waiting
      this.#waiting = []
      try {
        await this.#write(group.flatMap(({ changes }) => changes))
        for (const { resolve } of group) resolve()
      } catch (error) {
        this.#fail(error, group)
      }
    }
    this.#running = undefined
  }

  /** Rejects the members of the failed group and everybody behind them. */
  #fail(cause: unknown, group: readonly Waiting[]): void {
    const error = writeFailed(cause)
    this.#broken = error
    const behind = this.#waiting
    this.#waiting = []
    for (const { reject } of [...group, ...behind]) reject(error)
  }
}
