/** A node's clock: virtual time, off by its skew. Its timers die with it. */
import type { Clock, Unsubscribe } from '../../engine/ports.js'
import type { Calendar } from '../world/calendar.js'
import type { Life } from './life.js'

/** 2026-01-01 00:00 UTC: where virtual time begins for people. */
export const EPOCH_MS = 1_767_225_600_000

export class SimClock implements Clock {
  constructor(
    private readonly calendar: Calendar,
    private readonly life: Life,
    private readonly skewMs: number
  ) {}

  now(): number {
    return Math.round(EPOCH_MS + this.calendar.now + this.skewMs)
  }

  after(ms: number, callback: () => void): Unsubscribe {
    return this.calendar.after(ms, () => {
      if (this.life.alive) callback()
    })
  }
}
