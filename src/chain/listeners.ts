/**
 * Those who hear of the chain: callbacks, of which one that throws is logged and does not keep the
 * others from being called, and people.
 */
import type { Unsubscribe } from '../engine/ports.js'
import { messageOf } from '../types/errors.js'

export type Log = (line: string) => void

/** News about a server for a person. */
export interface ServerReport {
  readonly code: string
  readonly text: string
  readonly server: string
}

export class Listeners<T> {
  readonly #listeners = new Set<{ call: (value: T) => void }>()
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
  }

  get size(): number {
    return this.#listeners.size
  }

  add(listener: (value: T) => void): Unsubscribe {
    const entry = { call: listener }
    this.#listeners.add(entry)
    return () => {
      this.#listeners.delete(entry)
    }
  }

  emit(value: T): void {
    for (const entry of [...this.#listeners]) {
      if (this.#listeners.has(entry)) {
        callSafely(this.#log, () => {
          entry.call(value)
        })
      }
    }
  }
}

/** Calls code of others; an exception goes to the log. */
export function callSafely(log: Log, call: () => void): void {
  try {
    call()
  } catch (error) {
    log(
      `A listener of the chain threw: ${error instanceof Error && error.stack !== undefined ? error.stack : messageOf(error)}`
    )
  }
}
