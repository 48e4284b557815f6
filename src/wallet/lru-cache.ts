/** A bounded cache that drops what was not used for longest. */
export class LruCache<K, V> {
  private readonly entries = new Map<K, V>()

  constructor(private readonly capacity: number) {}

  /** What is cached under `key`, or what `make` returns, which is then cached. */
  get(key: K, make: () => V): V {
    const known = this.entries.get(key)
    const value = known ?? make()
    // A Map keeps the order of insertion: what is used last goes to the end.
    if (known !== undefined) this.entries.delete(key)
    this.entries.set(key, value)
    if (this.entries.size > this.capacity) {
      const oldest = this.entries.keys().next()
      if (oldest.done !== true) this.entries.delete(oldest.value)
    }
    return value
  }

  get size(): number {
    return this.entries.size
  }
}
