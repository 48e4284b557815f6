/** Ctrl-C, once to stop in order. */
import type { Io } from './io.js'

export interface Interrupted {
  /** Resolves with the name of the first signal. */
  readonly signal: Promise<string>
  /** Listens no longer: the next signal ends the process at once. */
  dispose: () => void
}

/**
 * Waits for SIGINT or SIGTERM. After the first one nobody listens any more, so that a second
 * Ctrl-C ends a process that hangs while stopping.
 */
export function untilInterrupted(io: Io): Interrupted {
  let dispose = (): void => {}
  const signal = new Promise<string>((resolve) => {
    dispose = io.onInterrupt((name) => {
      dispose()
      resolve(name)
    })
  })
  return {
    signal,
    dispose: () => {
      dispose()
    }
  }
}
