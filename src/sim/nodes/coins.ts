/** Coins that a node begins with at the most, one for each channel that it opens. */
const MOST_COINS = 64

/**
 * What a wallet begins with, as coins: about equal ones, so that channels can be funded at the same
 * time.
 *
 * @example coinsOf(100, 3) // [34, 33, 33]
 */
export function coinsOf(amount: number, channels: number): number[] {
  if (amount === 0) return []
  const count = Math.min(MOST_COINS, Math.max(1, channels))
  const each = Math.floor(amount / count)
  return Array.from({ length: count }, (_, n) => (n === 0 ? amount - each * (count - 1) : each))
}
