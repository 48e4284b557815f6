/** Somebody who waits is told what for. */
import type { Io } from './io.js'
import type { Output } from './output.js'

/** Longer than a person takes for an answer that comes at once. */
const PATIENCE_MS = 1_500

export interface Patience {
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
