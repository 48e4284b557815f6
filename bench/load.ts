/** Callers in a closed loop: each pays, waits for the acknowledgement, and pays again. */

/**
 * What a number of callers came to. Times in milliseconds, from the call of `pay` until it
 * resolves.
 */
export interface Load {
  readonly callers: number
  readonly seconds: number
  readonly payments: number
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
}

/**
 * Calls from each of `callers` for `ms` milliseconds; what was begun by then is waited for, and
 * counts.
 *
 * @param pay - gets the number of its caller, from 0
 */
export async function closedLoop(
  callers: number,
  ms: number,
  pay: (caller: number) => Promise<unknown>
): Promise<Load> {
  const took: number[] = []
  const begun = performance.now()
  const end = begun + ms
  const call = async (caller: number): Promise<void> => {
    for (let now = performance.now(); now < end;) {
      await pay(caller)
      const after = performance.now()
      took.push(after - now)
      now = after
    }
  }
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      await call(caller)
    })
  )
  const seconds = (performance.now() - begun) / 1000
  const [p50, p99] = percentiles(took)
  return { callers, seconds, payments: took.length, perSecond: took.length / seconds, p50, p99 }
}

/** The median and the 99th percentile. */
export function percentiles(values: readonly number[]): [p50: number, p99: number] {
  const sorted = Float64Array.from(values).sort()
  const at = (part: number): number => sorted[Math.floor(part * (sorted.length - 1))] ?? 0
  return [at(0.5), at(0.99)]
}
