/**
 * Somebody waits: what for, and Ctrl-C, once to stop in order.
 */
import type { Io } from './io.js'
import type { Output } from './output.js'

/* Somebody who waits is told what for. */

/** Longer than a person takes for an answer that comes at once. */
const PATIENCE_MS = 1_500

interface Patience {
  /** Something has happened: the wait begins anew. */
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

/** Ctrl-C, once to stop in order. */
interface Interrupted {
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
