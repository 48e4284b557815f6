/**
 * What is still to happen, in the order of time. Few things at once: a list that is sorted as it
 * grows.
 */
export class Agenda<T extends { readonly time: number }> {
  readonly #list: T[] = []

  /** Of the same time, what came first happens first. */
  add(item: T): void {
    const at = this.#list.findIndex(({ time }) => time > item.time)
    this.#list.splice(at === -1 ? this.#list.length : at, 0, item)
  }

  /** The time of the next one; Infinity when none is left. */
  get next(): number {
    return this.#list[0]?.time ?? Infinity
  }

  take(): T | undefined {
    return this.#list.shift()
  }
}
