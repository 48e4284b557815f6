/**
 * The numbers of a session's units that are spent: as runs, since units are numbered one step
 * apart, and requests overtake each other by a few. So their number does not grow with what is
 * sold.
 */

/** Runs that are kept: each request that is overtaken makes one. */
const MOST_RUNS = 256

/** Numbers from the first to the second, both with it. */
export type Run = readonly [from: bigint, to: bigint]

export class SpentNumbers {
  /** No number at or below it is taken any more. */
  #floor: bigint
  readonly #runs: Array<[from: bigint, to: bigint]>

  constructor(floor = 0n, runs: readonly Run[] = []) {
    this.#floor = floor
    this.#runs = runs.map(([from, to]) => [from, to])
  }

  get floor(): bigint {
    return this.#floor
  }

  /** The lowest first. */
  get runs(): readonly Run[] {
    return this.#runs
  }

  /** True for a number that was added, that lies between two steps of a run, or below the floor. */
  has(number: bigint): boolean {
    if (number <= this.#floor) return true
    const run = this.#runs[this.#below(number)]
    return run !== undefined && number <= run[1]
  }

  /** Adds a number that is not there. Runs that are one step apart become one. */
  add(number: bigint, step: bigint): void {
    const at = this.#below(number)
    const [before, after] = [this.#runs[at], this.#runs[at + 1]]
    const isNext = before !== undefined && before[1] + step >= number
    const isBefore = after !== undefined && number + step >= after[0]
    if (isNext) before[1] = isBefore ? after[1] : number
    else if (isBefore) after[0] = number
    else this.#runs.splice(at + 1, 0, [number, number])
    if (isNext && isBefore) this.#runs.splice(at + 1, 1)
    this.#raise(step)
  }

  /** The index of the last run that begins at or below a number; -1 when there is none. */
  #below(number: bigint): number {
    let at = this.#runs.length - 1
    for (; at >= 0; at--) {
      const run = this.#runs[at]
      if (run !== undefined && run[0] <= number) break
    }
    return at
  }

  /** A run without a gap below it is below the floor; so is the lowest of too many. */
  #raise(step: bigint): void {
    const [first] = this.#runs
    if (first === undefined) return
    if (first[0] > this.#floor + step && this.#runs.length <= MOST_RUNS) return
    this.#floor = first[1]
    this.#runs.shift()
  }
}
