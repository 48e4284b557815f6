/** The time that the picture and the curves show: one of the samples. */
export class Clock {
  readonly #listeners: Array<() => void> = []
  #sample: number

  /** @param shown - the first sample to show */
  constructor(
    readonly times: readonly number[],
    readonly heights: readonly number[],
    shown: number
  ) {
    this.#sample = shown
  }

  get last(): number {
    return Math.max(0, this.times.length - 1)
  }
  get sample(): number {
    return this.#sample
  }
  get seconds(): number {
    return this.times[this.#sample] ?? 0
  }
  get height(): number {
    return this.heights[this.#sample] ?? 0
  }

  set(sample: number): void {
    const next = Math.max(0, Math.min(this.last, Math.round(sample)))
    if (next === this.#sample) return
    this.#sample = next
    for (const listener of this.#listeners) listener()
  }

  /** Called after every change, and at once. */
  listen(listener: () => void): void {
    this.#listeners.push(listener)
    listener()
  }
}
