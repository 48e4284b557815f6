/** Waits with an end, on a clock that tests can turn. */
import type { Clock } from './ports.js'

/** Settles as `promise` does; or, after `ms` milliseconds, as `late` returns or throws. */
export function within<T>(
  clock: Clock,
  ms: number,
  promise: Promise<T>,
  late: () => T
): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => {
      try {
        resolve(late())
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)))
      }
    })
    void promise.then(resolve, reject).finally(cancel)
  })
}

/** Rejects with `error` when a promise takes longer than `ms` milliseconds. */
export function withTimeout<T>(
  clock: Clock,
  promise: Promise<T>,
  ms: number,
  error: Error
): Promise<T> {
  return within(clock, ms, promise, () => {
    throw error
  })
}
