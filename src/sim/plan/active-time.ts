/**
 * The hours of the day in which there are payments, as a time of their own that stands still in
 * between: so many payments an hour of it, however many hours there are. Whole milliseconds.
 */
const HOUR = 3_600_000
const DAY = 24 * HOUR

export interface Hours {
  readonly from: number
  readonly until: number
}

export class ActiveTime {
  readonly #from: number
  /** Milliseconds a day. */
  readonly #length: number

  /** Undefined: all day. `until` below `from` is a night. */
  constructor(hours: Hours | undefined) {
    this.#from = Math.round((hours?.from ?? 0) * HOUR)
    const length = Math.round(((hours?.until ?? 24) - (hours?.from ?? 0)) * HOUR)
    this.#length = length > 0 ? length : length + DAY
  }

  /** How much of it there has been at a time; before the first day's beginning it is negative. */
  at(time: number): number {
    const since = time - this.#from
    const day = Math.floor(since / DAY)
    return day * this.#length + Math.min(since - day * DAY, this.#length)
  }

  /** The time at which there has been so much of it. */
  timeOf(active: number): number {
    const day = Math.floor(active / this.#length)
    return day * DAY + this.#from + (active - day * this.#length)
  }
}
