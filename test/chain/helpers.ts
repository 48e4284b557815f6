/** What the chain tests share: clocks, randomness, and waiting for events instead of for time. */
import { Transaction } from 'bitcoinjs-lib'
import type {
  Chain,
  ChainTransaction,
  Clock,
  Random,
  ScriptWatcher
} from '../../src/engine/ports.js'

/** Everything that happened, and a way to wait for what has not happened yet. */
export class Recorder<T> {
  readonly all: T[] = []
  readonly #waiting = new Set<() => void>()

  push(value: T): void {
    this.all.push(value)
    for (const look of [...this.#waiting]) look()
  }

  get last(): T | undefined {
    return this.all.at(-1)
  }

  /** The first value, from index `from` on, that the test is true for: now or later. */
  when(test: (value: T) => boolean, from = 0): Promise<T> {
    return new Promise((resolve) => {
      const look = (): void => {
        for (const value of this.all.slice(from)) {
          if (!test(value)) continue
          this.#waiting.delete(look)
          return resolve(value)
        }
      }
      this.#waiting.add(look)
      look()
    })
  }

  /** The next value that comes. */
  next(): Promise<T> {
    return this.when(() => true, this.all.length)
  }
}

/** Real time. */
export const realClock: Clock = {
  now: () => Date.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms)
    return () => {
      clearTimeout(timer)
    }
  }
}

/** Time that passes only when the test says so. */
export class FakeClock implements Clock {
  readonly set = new Recorder<number>()
  #now = 1_700_000_000_000
  readonly #timers = new Set<{ at: number; callback: () => void }>()

  get pending(): number {
    return this.#timers.size
  }

  now(): number {
    return this.#now
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + ms, callback }
    this.#timers.add(timer)
    this.set.push(ms)
    return () => {
      this.#timers.delete(timer)
    }
  }

  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const next = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.#timers.delete(next)
      this.#now = next.at
      next.callback()
    }
    this.#now = end
  }
}

/** A fixed sequence: xorshift, seeded. */
export function seededRandom(seed = 1): Random {
  let state = seed
  return {
    bytes: (length) =>
      Uint8Array.from({ length }, () => {
        state ^= state << 13
        state ^= state >>> 17
        state ^= state << 5
        return state & 0xff
      })
  }
}

export type History = readonly ChainTransaction[]

export interface RecordingWatcher extends ScriptWatcher {
  histories: Recorder<History>
  errors: Recorder<Error>
}

export function recordingWatcher(): RecordingWatcher {
  const histories = new Recorder<History>()
  const errors = new Recorder<Error>()
  return {
    histories,
    errors,
    onHistory: (history) => {
      histories.push(history)
    },
    onError: (error) => {
      errors.push(error)
    }
  }
}

/** Distinct P2WPKH scripts. */
export function testScript(number: number): Uint8Array {
  const script = new Uint8Array(22).fill(number)
  script.set([0x00, 0x14])
  return script
}

/** A payment to `testScript(1)`, of as many satoshis as its number. */
export function numberedPayment(number: number): Transaction {
  const tx = new Transaction()
  tx.addInput(new Uint8Array(32).fill(number), 0)
  tx.addOutput(testScript(1), BigInt(number))
  return tx
}

/** Whether a promise has settled, after everything that is due now has run. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  promise.then(
    () => {
      settled = true
    },
    () => {
      settled = true
    }
  )
  await new Promise((resolve) => {
    setImmediate(resolve)
  })
  return settled
}

/** Resolves with the next change to this status. */
export function statusOf(chain: Chain, wanted: string): Promise<void> {
  return new Promise((resolve) => {
    const stop = chain.onStatus((status) => {
      if (status !== wanted) return
      stop()
      resolve()
    })
  })
}
