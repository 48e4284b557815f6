/** Maps of which the newest entries are kept, so that no number of strangers fills memory. */

/**
 * Sets an entry, which is the newest from now on; beyond `most` the one that was set longest ago goes.
 *
 * @example
 * remember(accounts, buyer, account, 100_000)
 */
export function remember<Key, Value>(
  kept: Map<Key, Value>,
  key: Key,
  value: Value,
  most: number
): void {
  kept.delete(key)
  kept.set(key, value)
  const [oldest] = kept.keys()
  if (kept.size > most && oldest !== undefined) kept.delete(oldest)
}
