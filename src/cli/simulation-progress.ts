/** How far a simulation is, and how long it still takes. */
import type { Output } from './output.js'

/** On a terminal, so many milliseconds between two lines; elsewhere a line for each tenth. */
const REFRESH_MS = 200
const TENTHS = 10

/** `1 h 5 min`, `3 min 20 s`, `12 s`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`
}

export class SimulationProgress {
  #shownAt = -Infinity
  #tenth = 0
  readonly #begin: number

  /** `now` in milliseconds, `isLive` on a terminal. */
  constructor(
    private readonly output: Pick<Output, 'progress'>,
    private readonly isLive: boolean,
    private readonly now: () => number
  ) {
    this.#begin = now()
  }

  /** Of a part that is done (0 to 1); `text` says what is. */
  update(part: number, text: string): void {
    const now = this.now()
    const tenth = Math.floor(part * TENTHS)
    if (this.isLive ? now - this.#shownAt < REFRESH_MS : tenth <= this.#tenth || tenth >= TENTHS) {
      return
    }
    this.#shownAt = now
    this.#tenth = tenth
    const elapsed = (now - this.#begin) / 1_000
    const left =
      part > 0 && elapsed > 0.5 ? `, ${formatSeconds(elapsed / part - elapsed)} left` : ''
    this.output.progress(`${Math.floor(part * 100)} %: ${text}${left}`)
  }
}
