/** What a simulation took of the machine. */
import type { RunFigures } from './render-simulation.js'

export function figuresOf(events: number, milliseconds: number): RunFigures {
  const seconds = milliseconds / 1_000
  // maxRSS is in kilobytes on every system (libuv).
  return {
    seconds,
    memoryMegabytes: Math.round(process.resourceUsage().maxRSS / 1_024),
    events,
    eventsPerSecond: seconds === 0 ? 0 : Math.round(events / seconds)
  }
}
