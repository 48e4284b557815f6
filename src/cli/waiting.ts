/** Shows what a person waits for, and handles the first Ctrl-C as an orderly stop. */
import type { Io } from './io.js'
import type { Output } from './output.js'

/* Tells a waiting person what the wait is for. */

/** Milliseconds; longer than a person expects for an immediate answer. */
const PATIENCE_MS = 1_500

interface Patience {
  /** Begins the wait anew, after an event. */
  restart: () => void
  stop: () => void
}

/** Shows `waiting for ...` when nothing has happened for a while. */
export function startPatience(io: Io, output: Output, waitsFor: () => string): Patience {
  let cancel = (): void => {}
  const restart = (): void => {
    cancel()
    cancel = io.after(PATIENCE_MS, () => {
      output.progress(`waiting for ${waitsFor()} ...`)
    })
  }
  restart()
  return {
    restart,
    stop: () => {
      cancel()
    }
  }
}

/* Handles the first Ctrl-C as an orderly stop. */

interface Interrupted {
  /** Resolves with the name of the first signal. */
  readonly signal: Promise<string>
  /** Stops listening: the next signal ends the process at once. */
  dispose: () => void
}

/**
 * Waits for SIGINT or SIGTERM. After the first signal nothing listens any more, so that a second
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
