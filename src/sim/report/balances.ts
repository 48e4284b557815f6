/**
 * Balances of a channel over time, as changes: most samples of most channels equal the one before.
 */

/**
 * Sample, balance, sample, balance, ... for each sample that differs from the one before. With a
 * `stride` above 1 only the samples that it divides are looked at, and the first and the last.
 *
 *     changesOf([5, 5, 3], 10, 1)   // [10, 5, 12, 3]
 */
export function changesOf(
  balances: readonly number[],
  firstSample: number,
  stride: number
): number[] {
  const changes: number[] = []
  let last: number | undefined
  for (const [at, balance] of balances.entries()) {
    const sample = firstSample + at
    if (balance === last || (sample % stride !== 0 && at !== 0 && at !== balances.length - 1)) {
      continue
    }
    changes.push(sample, balance)
    last = balance
  }
  return changes
}

/**
 * The balance at a sample, which must not be before the first change; 0 when there is no change at
 * all.
 */
export function balanceAt(changes: readonly number[], sample: number): number {
  let low = 0
  let high = changes.length / 2 - 1
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if ((changes[2 * middle] ?? 0) <= sample) low = middle
    else high = middle - 1
  }
  return changes[2 * low + 1] ?? 0
}

/**
 * The last of the samples with the most channels. The picture begins with it, since many
 * simulations end without channels.
 */
export function busiestSample(
  channels: ReadonlyArray<{ readonly balances: readonly number[]; readonly firstSample: number }>,
  samples: number
): number {
  const changes = new Map<number, number>()
  for (const { firstSample, balances } of channels) {
    for (const [sample, by] of [
      [firstSample, 1],
      [firstSample + balances.length, -1]
    ] as const) {
      changes.set(sample, (changes.get(sample) ?? 0) + by)
    }
  }
  let [there, most, busiest] = [0, 0, Math.max(0, samples - 1)]
  for (let sample = 0; sample < samples; sample++) {
    there += changes.get(sample) ?? 0
    if (there > 0 && there >= most) [most, busiest] = [there, sample]
  }
  return busiest
}

/**
 * The smallest power of two as stride with which all channels together have at most `most` changes.
 */
export function strideFor(
  channels: ReadonlyArray<{ readonly balances: readonly number[]; readonly firstSample: number }>,
  most: number
): number {
  for (let stride = 1; ; stride *= 2) {
    const total = channels.reduce(
      (sum, channel) => sum + changesOf(channel.balances, channel.firstSample, stride).length / 2,
      0
    )
    // At the end each channel has only its first and its last balance.
    if (total <= most || stride > 1_000_000) return stride
  }
}
