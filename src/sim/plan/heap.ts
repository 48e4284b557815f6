/**
 * What comes next of many things that each have a time: a binary heap over numbered places, without
 * an object for each.
 */
export class Heap {
  readonly #times: Float64Array
  readonly #order: Int32Array
  #size = 0

  /** For the places 0 to `capacity` - 1. */
  constructor(capacity: number) {
    this.#times = new Float64Array(capacity)
    this.#order = new Int32Array(capacity)
  }

  /**
   * The place whose time is the earliest, the smallest one of several; undefined when none is left.
   */
  get first(): number | undefined {
    return this.#size === 0 ? undefined : this.#order[0]
  }

  /** Puts a place in that is not in. */
  push(place: number, time: number): void {
    this.#times[place] = time
    let at = this.#size++
    while (at > 0) {
      const above = (at - 1) >> 1
      const other = this.#at(above)
      if (!this.#isBefore(place, other)) break
      this.#order[at] = other
      at = above
    }
    this.#order[at] = place
  }

  /** Gives the first place a later time. */
  postpone(time: number): void {
    const place = this.#at(0)
    this.#times[place] = time
    this.#sink(place)
  }

  /** Takes the first place out. */
  shift(): void {
    const last = this.#at(--this.#size)
    if (this.#size > 0) this.#sink(last)
  }

  /** Puts a place where it belongs, from the top down. */
  #sink(place: number): void {
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      if (below >= this.#size) break
      if (below + 1 < this.#size && this.#isBefore(this.#at(below + 1), this.#at(below))) below++
      if (!this.#isBefore(this.#at(below), place)) break
      this.#order[at] = this.#at(below)
      at = below
    }
    this.#order[at] = place
  }

  #at(index: number): number {
    return this.#order[index] ?? 0
  }

  #isBefore(a: number, b: number): boolean {
    const difference = (this.#times[a] ?? 0) - (this.#times[b] ?? 0)
    return difference < 0 || (difference === 0 && a < b)
  }
}
