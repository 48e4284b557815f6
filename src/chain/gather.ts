/** Asking several servers at once. */
import type { Clock } from '../engine/ports.js'

/**
 * The answers that have come by `patience` milliseconds after the first one, or once all have
 * answered.
 *
 * @throws what the first of the promises rejects with, when all of them reject
 */
export async function gather<T>(
  clock: Clock,
  patience: number,
  promises: ReadonlyArray<Promise<T>>
): Promise<T[]> {
  const answers: T[] = []
  await Promise.any(promises).catch(() => {})
  let cancel = (): void => {}
  const late = new Promise<void>((resolve) => {
    cancel = clock.after(patience, resolve)
  })
  const settled = Promise.allSettled(
    promises.map(async (promise) => {
      answers.push(await promise)
    })
  )
  await Promise.race([late, settled])
  cancel()
  if (answers.length === 0) await promises[0]
  return [...answers]
}

/**
 * What the next block takes limits bids as well (STAKE-4), so a lie that makes it small costs more
 * than one that makes it large, up to this.
 */
const MOST_APART = 4n

/**
 * What the next block takes, by several servers: of two in the middle the higher one, up to four
 * times the lower one. Who says too much makes us pay that at most, and who says too little does
 * not keep us out of blocks.
 */
export function nextBlockOf<T extends bigint>(values: readonly T[]): T | undefined {
  const lower = lowerMedian(values)
  if (lower === undefined) return undefined
  const upper = ascending(values)[Math.floor(values.length / 2)] ?? lower
  return upper <= lower * MOST_APART ? upper : ((lower * MOST_APART) as T)
}

/**
 * The one in the middle; of two in the middle the lower one: who lies about fees must not make us
 * pay for it.
 */
export function lowerMedian<T extends bigint>(values: readonly T[]): T | undefined {
  return ascending(values)[Math.ceil(values.length / 2) - 1]
}

function ascending<T extends bigint>(values: readonly T[]): T[] {
  return [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
}
