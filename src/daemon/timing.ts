/**
 * A histogram of times for Prometheus. It stands beside those of prom-client, which take a quarter
 * of a microsecond for each value, where a payment of a busy channel takes twelve: here it is a
 * tenth of that.
 */
export class Timing {
  readonly #counts: number[]
  #sum = 0
  readonly #name: string
  readonly #help: string
  readonly #bounds: readonly number[]

  /** @param bounds - upper bounds in seconds, the lowest first */
  constructor(name: string, help: string, bounds: readonly number[]) {
    this.#name = name
    this.#help = help
    this.#bounds = bounds
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0)
  }

  observe(ms: number): void {
    const seconds = ms / 1_000
    let place = 0
    while (seconds > (this.#bounds[place] ?? Infinity)) place += 1
    this.#counts[place] = (this.#counts[place] ?? 0) + 1
    this.#sum += seconds
  }

  /** In the text format of Prometheus: how many values are at most each bound. */
  get text(): string {
    let count = 0
    const buckets = this.#counts.map((more, place) => {
      count += more
      return `${this.#name}_bucket{le="${this.#bounds[place] ?? '+Inf'}"} ${count}`
    })
    return [
      `# HELP ${this.#name} ${this.#help}`,
      `# TYPE ${this.#name} histogram`,
      ...buckets,
      `${this.#name}_sum ${this.#sum}`,
      `${this.#name}_count ${count}`
    ].join('\n')
  }
}
