/** The clock and the dice of the machine, as ports. */
import { randomBytes } from 'node:crypto'
import type { Clock, Random } from '../engine/ports.js'

export const systemClock: Clock = {
  now: () => Date.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms)
    timer.unref() // a timer alone is no reason to keep a process alive
    return () => {
      clearTimeout(timer)
    }
  }
}

export const systemRandom: Random = { bytes: (length) => new Uint8Array(randomBytes(length)) }
