/** The normal quantile of 97.5 %: two-sided 95 %. */
const Z = 1.959963984540054

export interface Interval {
  readonly low: number
  readonly high: number
}

/**
 * The 95 % interval of Wilson (1927) for a chance of which `seen` of `of` trials showed it. Unlike
 * the normal approximation it says something when none or all did: of 0 in 100 the upper end is 3.7
 * %. Without a trial: all from 0 to 1.
 *
 *     wilson(0, 100)   // { low: 0, high: 0.0370 }
 */
export function wilson(seen: number, of: number): Interval {
  if (of <= 0) return { low: 0, high: 1 }
  const part = seen / of
  const z2 = (Z * Z) / of
  const middle = (part + z2 / 2) / (1 + z2)
  const half = (Z * Math.sqrt((part * (1 - part)) / of + z2 / (4 * of))) / (1 + z2)
  // At the ends the formula is exact, and its arithmetic is not.
  return {
    low: seen <= 0 ? 0 : Math.max(0, middle - half),
    high: seen >= of ? 1 : Math.min(1, middle + half)
  }
}
