/** Waiting with an end, on a clock that tests can turn. */
import type { Clock } from '../engine/ports.js'

/**
 * What `promise` resolves or rejects with; or, after `ms` milliseconds, what `late` returns or
 * throws.
 */
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
